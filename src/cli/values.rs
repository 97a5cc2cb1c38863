//! Numbers, durations and sizes as the command line writes them. An error says what to write.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::config::Arch;
use crate::text;

/// How many, such as `2`.
pub(super) fn number(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse();
    number.map_err(|_other| "write a whole number from 1 on, such as `2`; leave the option out for what cores and memory allow".to_owned())
}

/// A duration such as `30d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let units = [
        ("s", 1),
        ("m", 60),
        ("h", 3600),
        ("d", 86_400),
        ("w", 604_800),
    ];
    text::with_unit(text, &units)
        .map(Duration::from_secs)
        .ok_or_else(|| {
            "write a whole number from 0 on and s, m, h, d or w, such as `30d`".to_owned()
        })
}

/// An architecture, under any of its names.
pub(super) fn architecture(text: &str) -> Result<Arch, String> {
    Arch::from_any_name(text.trim()).ok_or_else(|| "write `amd64` or `arm64`".to_owned())
}

/// A size such as `5G`, in the units that this program prints.
pub(super) fn size(text: &str) -> Result<u64, String> {
    text::size(text)
        .ok_or_else(|| "write a whole number from 0 on and k, M, G or T, such as `5G`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_a_unit() {
        assert_eq!(duration("30d"), Ok(Duration::from_hours(720)));
        assert_eq!(duration("2 w"), Ok(Duration::from_hours(336)));
        for bad in ["30", "d", "-1d", "1.5d", "1y", "30D", "99999999999999999w"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for (text, bytes) in [
            ("0", 0),
            ("12", 12),
            ("500M", 500_000_000),
            ("5GB", 5_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "G", "1.5G", "-1", "5X", "99999999T"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
