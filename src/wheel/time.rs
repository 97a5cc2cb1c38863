//! When a wheel was made, as far as its members tell.
//!
//! Members have the local time of who packed them, to two seconds and without a zone; taken as UTC,
//! it is the same on every machine that reads it.

use zip::DateTime;

use super::contents::{Archive, Member};

/// The first year that is believed: build tools write the format's first day, in 1980, for want of a
/// time, and some a day after it.
const FIRST_YEAR: u16 = 1985;

/// The latest time of a member, in seconds since 1970; `None` when none has one to be believed.
pub(crate) fn latest(archive: &Archive, members: &[Member]) -> Option<u64> {
    let times = members.iter().filter_map(|member| {
        let entry = archive.by_index_data(member.index).ok()?;
        seconds(entry.last_modified()?)
    });
    times.max()
}

/// Seconds since 1970 of a time that exists and is believed.
fn seconds(time: DateTime) -> Option<u64> {
    if time.year() < FIRST_YEAR {
        return None;
    }
    let part = |number: u8| i8::try_from(number).ok();
    let civil = jiff::civil::DateTime::new(
        i16::try_from(time.year()).ok()?,
        part(time.month())?,
        part(time.day())?,
        part(time.hour())?,
        part(time.minute())?,
        part(time.second())?,
        0,
    );
    let zoned = civil.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(zoned.timestamp().as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_nobody_meant_are_no_times() {
        let time = |year, month, day, hour| {
            DateTime::from_date_and_time(year, month, day, hour, 4, 6).unwrap()
        };
        assert_eq!(seconds(time(2024, 1, 2, 3)), Some(1_704_164_646));
        assert_eq!(seconds(time(2107, 12, 31, 23)), Some(4_354_815_846));
        assert_eq!(seconds(time(1980, 1, 1, 0)), None);
        assert_eq!(seconds(time(1984, 12, 31, 23)), None);
        // 31 February, as the format can say it.
        let nonsense = DateTime::try_from_msdos((44 << 9) | (2 << 5) | 31, 0);
        assert_eq!(nonsense.ok().and_then(seconds), None);
    }
}
