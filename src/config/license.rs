//! Licences in a project's configuration, which are SPDX expressions (PEP 639).
//!
//! Checks words. What distributions say of themselves is another matter: it stays as it is.

use crate::error::{Error, Kind, Result};

use super::nearest;

/// What a key says, when it is an SPDX expression. Identifiers that the list has replaced since
/// (`GPL-2.0`) are taken, as PEP 639 does.
pub(super) fn check_license(key: &str, text: &str) -> Result<()> {
    let mode = spdx::ParseMode {
        allow_deprecated: true,
        ..spdx::ParseMode::STRICT
    };
    let Err(wrong) = spdx::Expression::parse_mode(text, mode) else {
        return Ok(());
    };
    let error = Error::new(
        Kind::Config,
        format!(
            "{key}: `{}` is no SPDX expression ({})",
            text.escape_debug(),
            wrong.reason
        ),
    );
    let error = match likely(text, text.get(wrong.span).unwrap_or(text)) {
        Some(likely) => error.hint(format!("did you mean `{likely}`?")),
        None => error,
    };
    Err(error.hint("write identifiers of the SPDX list, such as `BSD-3-Clause`, or one of your own, such as `LicenseRef-acme`"))
}

/// What is probably meant: the expression of common other spellings, else the identifier that is most
/// like the wrong one.
fn likely(text: &str, wrong: &str) -> Option<String> {
    let is_sound = |text: &String| spdx::Expression::parse(text).is_ok();
    let spelled = spdx::Expression::canonicalize(text).ok().flatten();
    spelled.filter(is_sound).or_else(|| {
        let known = spdx::identifiers::LICENSES.iter();
        nearest(wrong, known.map(|license| license.name)).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_taken() {
        for text in [
            "MIT",
            "Apache-2.0 OR MIT",
            "GPL-2.0",
            "GPL-3.0-or-later WITH GCC-exception-3.1",
            "LicenseRef-acme AND (MIT OR ISC)",
        ] {
            check_license("license", text).unwrap();
        }
    }

    #[test]
    fn another_text_is_refused_with_what_is_probably_meant() {
        for (text, likely) in [
            ("Foo", None),
            ("", None),
            ("MIT OR", None),
            ("mit", Some("MIT")),
            ("Apache 2.0", Some("Apache-2.0")),
            ("MIT/ISC", Some("MIT OR ISC")),
            ("BSD-3-Claus", Some("BSD-3-Clause")),
            ("MIT OR BSD-3-Claus", Some("BSD-3-Clause")),
        ] {
            let Err(error) = check_license("license", text) else {
                panic!("`{text}` is taken");
            };
            let start = format!("license: `{text}` is no SPDX expression (");
            assert!(error.message().starts_with(&start), "{error}");
            let hint = likely.map(|likely| format!("did you mean `{likely}`?"));
            let hints = error.hints();
            assert_eq!(hints.len(), 1 + usize::from(hint.is_some()), "{hints:?}");
            assert!(
                hint.is_none_or(|hint| hints[0] == hint),
                "{text}: {hints:?}"
            );
            assert!(hints.last().unwrap().contains("LicenseRef-acme"));
        }
    }
}
