//! The licence of a distribution: what its metadata says, made an SPDX expression where that is
//! sure, and where the fact comes from.
//!
//! Pure. Follows PEP 639 (`License-Expression` is the only field that is exact) and falls back, in
//! this order, to the `License` field, to classifiers, and to the text of a licence file. Nothing is
//! guessed: a classifier such as "BSD License", which is any of four, stays a name.

use serde::{Deserialize, Serialize};

use crate::text::single_spaced;

/// What is known of a licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct License {
    /// The expression, or the words of the metadata; nothing when nothing says it.
    pub text: Option<String>,
    /// Whether the text is an SPDX expression.
    pub is_expression: bool,
    /// Who says it.
    pub source: LicenseSource,
}

/// Where a licence is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LicenseSource {
    /// `License-Expression` (PEP 639).
    Expression,
    /// The `License` field.
    Field,
    /// Trove classifiers.
    Classifier,
    /// A licence file.
    File,
    /// The project's configuration.
    Override,
    /// Nowhere.
    Nowhere,
}

impl LicenseSource {
    /// In a table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expression => "expression",
            Self::Field => "License field",
            Self::Classifier => "classifier",
            Self::File => "licence file",
            Self::Override => "configuration",
            Self::Nowhere => "nowhere",
        }
    }
}

impl License {
    /// What an exact text says.
    pub fn expression(text: &str, source: LicenseSource) -> Self {
        Self {
            text: Some(text.to_owned()),
            is_expression: true,
            source,
        }
    }

    fn words(text: &str, source: LicenseSource) -> Self {
        Self {
            text: Some(text.to_owned()),
            is_expression: false,
            source,
        }
    }

    /// The text, or `unknown`.
    pub fn as_str(&self) -> &str {
        self.text.as_deref().unwrap_or("unknown")
    }
}

/// What a distribution says of its licence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said<'a> {
    /// `License-Expression`.
    pub(super) expression: Option<&'a str>,
    /// `License`.
    pub(super) field: Option<&'a str>,
    /// `Classifier`, all of them.
    pub(super) classifiers: &'a [String],
    /// The texts of its licence files.
    pub(super) texts: &'a [&'a str],
}

/// How expressions are read: identifiers of the SPDX list, also those that it has replaced since
/// (`GPL-2.0`), since metadata that was right once stays as it is.
pub(super) fn parse(text: &str) -> Option<spdx::Expression> {
    let mode = spdx::ParseMode {
        allow_deprecated: true,
        ..spdx::ParseMode::STRICT
    };
    spdx::Expression::parse_mode(text, mode).ok()
}

/// Decides.
pub(super) fn decide(said: Said<'_>) -> License {
    if let Some(text) = said
        .expression
        .map(single_spaced)
        .filter(|text| !text.is_empty())
    {
        return if parse(&text).is_some() {
            License::expression(&text, LicenseSource::Expression)
        } else {
            License::words(&text, LicenseSource::Expression)
        };
    }
    // Some put the whole text there, which is a licence file's matter.
    let field = said.field.filter(|text| !text.trim().contains('\n'));
    let field = field
        .map(single_spaced)
        .filter(|text| !text.is_empty() && text != "UNKNOWN" && text.len() <= LONGEST_NAME);
    if let Some(text) = field.as_deref().filter(|text| parse(text).is_some()) {
        return License::expression(text, LicenseSource::Field);
    }
    let classifiers: Vec<&str> = said
        .classifiers
        .iter()
        .filter_map(|text| text.strip_prefix("License :: "))
        .map(|text| text.strip_prefix("OSI Approved :: ").unwrap_or(text))
        .filter(|text| *text != "OSI Approved")
        .collect();
    let exact: Option<Vec<&str>> = classifiers.iter().map(|name| identifier(name)).collect();
    if let Some(mut exact) = exact.filter(|exact| !exact.is_empty()) {
        exact.sort_unstable();
        exact.dedup();
        // Classifiers don't say whether one may choose, so all of them are taken to hold.
        return License::expression(&exact.join(" AND "), LicenseSource::Classifier);
    }
    if let Some(found) = field.as_deref().and_then(identifier) {
        return License::expression(found, LicenseSource::Field);
    }
    let mut found: Vec<&str> = said
        .texts
        .iter()
        .filter_map(|text| recognise(text))
        .collect();
    found.sort_unstable();
    found.dedup();
    if let [one] = found[..] {
        return License::expression(one, LicenseSource::File);
    }
    match field {
        Some(text) => License::words(&text, LicenseSource::Field),
        None if classifiers.is_empty() => License {
            text: None,
            is_expression: false,
            source: LicenseSource::Nowhere,
        },
        None => License::words(&classifiers.join(", "), LicenseSource::Classifier),
    }
}

/// The longest `License` field that is a name, in bytes; longer ones are a text in one line.
const LONGEST_NAME: usize = 120;

/// Names that mean one licence and no other: the classifiers of PyPI that do, and what people
/// write into the `License` field.
const NAMES: [(&str, &str); 48] = [
    ("Academic Free License (AFL)", "AFL-3.0"),
    ("Apache 2", "Apache-2.0"),
    ("Apache 2.0", "Apache-2.0"),
    ("Apache License 2.0", "Apache-2.0"),
    ("Apache License, Version 2.0", "Apache-2.0"),
    ("Apache License Version 2.0", "Apache-2.0"),
    ("Apache Software License 2.0", "Apache-2.0"),
    ("Blue Oak Model License (BlueOak-1.0.0)", "BlueOak-1.0.0"),
    ("Boost Software License 1.0 (BSL-1.0)", "BSL-1.0"),
    ("BSD 2-Clause", "BSD-2-Clause"),
    ("BSD 2-Clause License", "BSD-2-Clause"),
    ("Simplified BSD License", "BSD-2-Clause"),
    ("BSD 3-Clause", "BSD-3-Clause"),
    ("BSD 3-Clause License", "BSD-3-Clause"),
    ("3-Clause BSD License", "BSD-3-Clause"),
    ("New BSD License", "BSD-3-Clause"),
    ("Modified BSD License", "BSD-3-Clause"),
    (
        "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication",
        "CC0-1.0",
    ),
    ("CMU License (MIT-CMU)", "MIT-CMU"),
    ("Eclipse Public License 2.0 (EPL-2.0)", "EPL-2.0"),
    ("European Union Public Licence 1.2 (EUPL 1.2)", "EUPL-1.2"),
    ("GNU Affero General Public License v3", "AGPL-3.0-only"),
    (
        "GNU Affero General Public License v3 or later (AGPLv3+)",
        "AGPL-3.0-or-later",
    ),
    ("GNU General Public License v2 (GPLv2)", "GPL-2.0-only"),
    (
        "GNU General Public License v2 or later (GPLv2+)",
        "GPL-2.0-or-later",
    ),
    ("GNU General Public License v3 (GPLv3)", "GPL-3.0-only"),
    (
        "GNU General Public License v3 or later (GPLv3+)",
        "GPL-3.0-or-later",
    ),
    (
        "GNU Lesser General Public License v2 (LGPLv2)",
        "LGPL-2.0-only",
    ),
    (
        "GNU Lesser General Public License v2 or later (LGPLv2+)",
        "LGPL-2.0-or-later",
    ),
    (
        "GNU Lesser General Public License v3 (LGPLv3)",
        "LGPL-3.0-only",
    ),
    (
        "GNU Lesser General Public License v3 or later (LGPLv3+)",
        "LGPL-3.0-or-later",
    ),
    ("GPLv2+", "GPL-2.0-or-later"),
    ("GPLv3+", "GPL-3.0-or-later"),
    ("ISC License (ISCL)", "ISC"),
    ("ISC License", "ISC"),
    ("ISCL", "ISC"),
    ("MIT License", "MIT"),
    ("The MIT License", "MIT"),
    ("MIT No Attribution License (MIT-0)", "MIT-0"),
    ("Mozilla Public License 1.1 (MPL 1.1)", "MPL-1.1"),
    ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
    ("MPL 2.0", "MPL-2.0"),
    ("PSF", "PSF-2.0"),
    ("Python Software Foundation License", "PSF-2.0"),
    ("The Unlicense (Unlicense)", "Unlicense"),
    ("Universal Permissive License (UPL)", "UPL-1.0"),
    ("zlib/libpng License", "Zlib"),
    ("Zope Public License", "ZPL-2.1"),
];

fn identifier(name: &str) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, identifier)| *identifier)
}

/// The licence that a text is, where sentences that only it has say so. Those of the GNU project
/// are not among them: their text does not say whether later versions hold.
fn recognise(text: &str) -> Option<&'static str> {
    let text = single_spaced(text).to_lowercase();
    let has = |sentence: &str| text.contains(sentence);
    let redistribution = has("redistributions of source code must retain")
        && has("redistributions in binary form must reproduce");
    let found: Vec<&str> = [
        (
            "Apache-2.0",
            has("apache license version 2.0, january 2004")
                || has("licensed under the apache license, version 2.0"),
        ),
        ("BSD-3-Clause", redistribution && has("neither the name")),
        (
            "BSD-2-Clause",
            redistribution && !has("neither the name") && !has("acknowledgement"),
        ),
        (
            "ISC",
            has("permission to use, copy, modify, and/or distribute this software for any purpose with or without fee")
                && has("provided that the above copyright notice"),
        ),
        (
            "MIT",
            has("permission is hereby granted, free of charge, to any person obtaining a copy")
                && has("the above copyright notice and this permission notice"),
        ),
        ("MPL-2.0", has("mozilla public license version 2.0")),
        (
            "Unlicense",
            has("this is free and unencumbered software released into the public domain"),
        ),
    ]
    .into_iter()
    .filter_map(|(identifier, is)| is.then_some(identifier))
    .collect();
    match found[..] {
        [one] => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: Said<'_>, text: Option<&str>, is_expression: bool, source: LicenseSource) {
        let license = decide(said);
        assert_eq!(
            (
                license.text.as_deref(),
                license.is_expression,
                license.source
            ),
            (text, is_expression, source)
        );
    }

    #[test]
    fn every_name_is_an_identifier_of_the_list() {
        for (name, identifier) in NAMES {
            assert!(
                spdx::license_id(identifier).is_some(),
                "{name}: {identifier}"
            );
        }
    }

    #[test]
    fn the_expression_wins() {
        let classifiers = ["License :: OSI Approved :: MIT License".to_owned()];
        let said = Said {
            expression: Some("Apache-2.0 OR BSD-2-Clause"),
            field: Some("GPL"),
            classifiers: &classifiers,
            texts: &[],
        };
        let expected = Some("Apache-2.0 OR BSD-2-Clause");
        check(said, expected, true, LicenseSource::Expression);
        let wrong = Said {
            expression: Some("my own"),
            ..said
        };
        check(wrong, Some("my own"), false, LicenseSource::Expression);
    }

    #[test]
    fn a_field_is_an_expression_a_known_name_or_words() {
        let field = |text| Said {
            field: Some(text),
            ..Said::default()
        };
        check(
            field("BSD-3-Clause"),
            Some("BSD-3-Clause"),
            true,
            LicenseSource::Field,
        );
        check(
            field("apache license 2.0"),
            Some("Apache-2.0"),
            true,
            LicenseSource::Field,
        );
        check(field("BSD"), Some("BSD"), false, LicenseSource::Field);
        check(field("UNKNOWN"), None, false, LicenseSource::Nowhere);
        check(
            field("Copyright\nall rights"),
            None,
            false,
            LicenseSource::Nowhere,
        );
    }

    #[test]
    fn classifiers_that_mean_one_licence_are_expressions() {
        let of = |names: &[&str]| -> Vec<String> {
            names
                .iter()
                .map(|name| format!("License :: {name}"))
                .collect()
        };
        let said = |classifiers| Said {
            classifiers,
            ..Said::default()
        };
        let one = of(&["OSI Approved", "OSI Approved :: MIT License"]);
        check(said(&one), Some("MIT"), true, LicenseSource::Classifier);
        let two = of(&[
            "OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
            "OSI Approved :: MIT License",
        ]);
        check(
            said(&two),
            Some("MIT AND MPL-2.0"),
            true,
            LicenseSource::Classifier,
        );
        let vague = of(&["OSI Approved :: BSD License"]);
        check(
            said(&vague),
            Some("BSD License"),
            false,
            LicenseSource::Classifier,
        );
    }

    #[test]
    fn a_file_says_which_of_the_vague_ones_it_is() {
        let three = "Redistributions of source code must\n retain … Redistributions in binary form \
                     must reproduce … Neither the name of";
        let texts = [three, "something else"];
        let said = Said {
            field: Some("BSD"),
            texts: &texts,
            ..Said::default()
        };
        check(said, Some("BSD-3-Clause"), true, LicenseSource::File);
        let mit = "Permission is hereby granted, free of charge, to any person obtaining a copy … \
                   The above copyright notice and this permission notice shall …";
        let both = [three, mit];
        let said = Said {
            texts: &both,
            ..said
        };
        check(said, Some("BSD"), false, LicenseSource::Field);
    }
}
