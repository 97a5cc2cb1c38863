//! How bad a vulnerability is, in a word: what the database says, else what follows from a CVSS
//! vector, of version 2, 3 or 4.
//!
//! Pure. The scores are those of the crate `cvss`; the words are those of "Common Vulnerability
//! Scoring System v4.0: Specification", section 6, and for version 2 those of the National
//! Vulnerability Database.

use cvss::{Cvss, Severity};

use super::record::{Advisory, Score};

/// Nobody says it.
pub(super) const UNKNOWN: &str = "unknown";

/// The word for a record about a distribution; of several vectors the worst one's.
pub(super) fn of(advisory: &Advisory, name: &str) -> String {
    let said = advisory.database_specific.as_ref();
    let said = said.and_then(|specific| specific.severity.as_ref()?.as_str());
    if let Some(word) = said.and_then(word) {
        return word.to_owned();
    }
    let own = advisory
        .about(name)
        .flat_map(|affected| affected.severity.iter().flatten());
    let scores = own.chain(advisory.severity.iter().flatten());
    let worst = scores.filter_map(severity).max();
    worst.map_or(UNKNOWN, Severity::as_str).to_owned()
}

fn word(text: &str) -> Option<&'static str> {
    let words = [
        ("critical", "critical"),
        ("high", "high"),
        ("moderate", "medium"),
        ("medium", "medium"),
        ("low", "low"),
    ];
    words
        .into_iter()
        .find(|(said, _)| text.eq_ignore_ascii_case(said))
        .map(|(_, word)| word)
}

/// What a vector comes to; `None` when it is none of the kind it is said to be.
fn severity(score: &Score) -> Option<Severity> {
    let vector: Cvss = score.score.parse().ok()?;
    let kind = match &vector {
        Cvss::CvssV20(_) => "CVSS_V2",
        Cvss::CvssV30(_) | Cvss::CvssV31(_) => "CVSS_V3",
        Cvss::CvssV40(_) => "CVSS_V4",
        _ => return None,
    };
    (score.kind == kind).then(|| vector.severity())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, vector: &str, expected: Option<&str>) {
        let score = Score {
            kind: kind.into(),
            score: vector.into(),
        };
        let found = severity(&score).map(Severity::as_str);
        assert_eq!(found, expected, "{kind} {vector}");
    }

    #[test]
    fn vectors_of_every_version_have_the_word_of_the_calculator() {
        let mut cases = Vec::new();
        for (metrics, word) in [
            ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "critical"),
            ("AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "medium"),
            ("AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "high"),
            ("AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N", "low"),
            ("AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", "none"),
        ] {
            cases.push(("CVSS_V3", format!("CVSS:3.0/{metrics}"), word));
            cases.push(("CVSS_V3", format!("CVSS:3.1/{metrics}"), word));
        }
        for (vector, word) in [
            ("AV:N/AC:L/Au:N/C:C/I:C/A:C", "high"),
            ("AV:N/AC:L/Au:N/C:P/I:N/A:N", "medium"),
            ("AV:L/AC:H/Au:N/C:P/I:N/A:N", "low"),
        ] {
            cases.push(("CVSS_V2", vector.to_owned(), word));
        }
        for (metrics, word) in [
            (
                "AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
                "critical",
            ),
            (
                "AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N",
                "high",
            ),
            (
                "AV:N/AC:L/AT:N/PR:N/UI:A/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N",
                "medium",
            ),
            (
                "AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N",
                "none",
            ),
        ] {
            cases.push(("CVSS_V4", format!("CVSS:4.0/{metrics}"), word));
        }
        for (kind, vector, word) in cases {
            check(kind, &vector, Some(word));
        }
    }

    #[test]
    fn what_is_no_vector_of_its_kind_says_nothing() {
        for text in ["", "CVSS:3.1", "CVSS:3.1/AV:X/AC:L", "7.5", "CVSS:5.0/AV:N"] {
            for kind in ["CVSS_V2", "CVSS_V3", "CVSS_V4"] {
                check(kind, text, None);
            }
        }
        check("CVSS_V3", "AV:N/AC:L/Au:N/C:P/I:P/A:P", None);
        check("Ubuntu", "medium", None);
    }
}
