//! What registries answer when they do not do what they are asked: why, and when to come again.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::download;
use crate::error::{Error, Kind};
use crate::text::single_spaced;

use super::Failure;

/// Servers answer with whole pages.
const LONGEST_REASON: usize = 300;

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
pub(super) fn wait_of(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    let wait = then.timestamp().as_second() - jiff::Timestamp::now().as_second();
    u64::try_from(wait).ok().map(Duration::from_secs)
}

pub(super) fn passing(error: reqwest::Error) -> Failure {
    let is_final = error.is_builder() || error.is_redirect();
    let text = download::explained(error);
    if is_final {
        return Failure::Final(Error::new(Kind::Publish, text));
    }
    Failure::Passing(text, None)
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    code: String,
    #[serde(default)]
    message: String,
}

/// What the server says, in a line.
pub(super) async fn reason(status: StatusCode, answer: Response) -> String {
    let text = answer.text().await.unwrap_or_default();
    let told = match serde_json::from_str::<Errors>(&text) {
        Ok(told) => {
            let each = told
                .errors
                .iter()
                .map(|error| format!("{} {}", error.code, error.message));
            each.collect::<Vec<_>>().join("; ")
        }
        Err(_) => single_spaced(&text),
    };
    let told: String = told
        .chars()
        .take(LONGEST_REASON)
        .filter(|letter| !letter.is_control())
        .collect();
    format!(
        "the server says {status}{}{told}",
        if told.is_empty() { "" } else { ": " }
    )
}
