//! How bad a vulnerability is, in a word: what the database says, else what follows from a CVSS 3
//! vector.
//!
//! Pure. The formula is that of "Common Vulnerability Scoring System v3.1: Specification",
//! section 7.1. Vectors of version 2 and 4 are not computed.

use super::record::{Advisory, Score};

/// Nobody says it.
pub(super) const UNKNOWN: &str = "unknown";

/// The word for a record about a distribution.
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
    let highest = scores.filter_map(base_score).max_by(f64::total_cmp);
    highest.map_or(UNKNOWN, rating).to_owned()
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

/// Qualitative severity rating scale, section 5.
fn rating(score: f64) -> &'static str {
    match score {
        score if score >= 9.0 => "critical",
        score if score >= 7.0 => "high",
        score if score >= 4.0 => "medium",
        score if score > 0.0 => "low",
        _ => "none",
    }
}

/// The base score of a CVSS 3 vector.
fn base_score(score: &Score) -> Option<f64> {
    if score.kind != "CVSS_V3" {
        return None;
    }
    let metrics = score.score.strip_prefix("CVSS:3.")?.split('/').skip(1);
    let metrics: Vec<(&str, &str)> = metrics.filter_map(|part| part.split_once(':')).collect();
    let weight = |metric: &str, weights: &[(&str, f64)]| {
        let (_, value) = metrics.iter().find(|(name, _)| *name == metric)?;
        let found = weights.iter().find(|(name, _)| name == value)?;
        Some(found.1)
    };
    let changed = weight("S", &[("U", 0.0), ("C", 1.0)])? > 0.5;
    let vector = weight("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?;
    let complexity = weight("AC", &[("L", 0.77), ("H", 0.44)])?;
    let privileges = if changed {
        weight("PR", &[("N", 0.85), ("L", 0.68), ("H", 0.5)])?
    } else {
        weight("PR", &[("N", 0.85), ("L", 0.62), ("H", 0.27)])?
    };
    let interaction = weight("UI", &[("N", 0.85), ("R", 0.62)])?;
    let impact = |metric| weight(metric, &[("H", 0.56), ("L", 0.22), ("N", 0.0)]);
    let (confidentiality, integrity, availability) = (impact("C")?, impact("I")?, impact("A")?);
    let base = 1.0 - (1.0 - confidentiality) * (1.0 - integrity) * (1.0 - availability);
    let impact = if changed {
        7.52 * (base - 0.029) - 3.25 * (base - 0.02_f64).powi(15)
    } else {
        6.42 * base
    };
    let exploitability = 8.22 * vector * complexity * privileges * interaction;
    Some(if impact <= 0.0 {
        0.0
    } else if changed {
        round_up((1.08 * (impact + exploitability)).min(10.0))
    } else {
        round_up((impact + exploitability).min(10.0))
    })
}

/// One decimal, up; in whole numbers first, as appendix A has it.
fn round_up(score: f64) -> f64 {
    let hundred_thousands = (score * 100_000.0).round();
    if hundred_thousands % 10_000.0 == 0.0 {
        hundred_thousands / 100_000.0
    } else {
        ((hundred_thousands / 10_000.0).floor() + 1.0) / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_calculator() {
        for (vector, expected, word) in [
            (
                "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
                9.8,
                "critical",
            ),
            (
                "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H",
                10.0,
                "critical",
            ),
            (
                "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N",
                6.1,
                "medium",
            ),
            (
                "CVSS:3.0/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H",
                5.9,
                "medium",
            ),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5, "high"),
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N", 3.3, "low"),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0, "none"),
        ] {
            let score = Score {
                kind: "CVSS_V3".into(),
                score: vector.into(),
            };
            let found = base_score(&score).unwrap();
            assert!((found - expected).abs() < 1e-9, "{vector}: {found}");
            assert_eq!(rating(found), word);
        }
        let strange = [
            "",
            "CVSS:3.1",
            "CVSS:3.1/AV:X/AC:L",
            "AV:N/AC:L/Au:N/C:P/I:P/A:P",
        ];
        for text in strange {
            let score = Score {
                kind: "CVSS_V3".into(),
                score: text.into(),
            };
            assert_eq!(base_score(&score), None, "{text}");
        }
    }
}
