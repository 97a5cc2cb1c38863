//! What registries answer when they do not do what they are asked: why, and when to come again.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::download;
use crate::error::{Error, Kind};
use crate::text::single_spaced;

use super::access;
use super::{Failure, Registry, Use};

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
async fn reason(status: StatusCode, answer: Response) -> String {
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

impl Registry {
    pub(super) fn judge_access(&self, refused: access::Refused) -> Failure {
        match refused {
            access::Refused::Passing(why) => Failure::Passing(why, None),
            access::Refused::Final(why) => Failure::Final(self.unauthorised(&why)),
        }
    }

    fn unauthorised(&self, why: &str) -> Error {
        let text = format!("{}: it does not let us in: {why}", self.host);
        let hint = if self.access.secret().is_some() {
            "the user name, password or token for it is wrong or has run out"
        } else {
            "no credentials for it are known"
        };
        Error::new(Kind::Publish, text).hint(format!(
            "{hint}: `docker login {0}` or `podman login {0}`; DOCKER_CONFIG or REGISTRY_AUTH_FILE say where credentials are",
            self.host
        ))
    }

    pub(super) fn not_found(&self, what: &str) -> Error {
        let text = format!(
            "{}: there is no repository `{}` to {what}",
            self.host, self.name
        );
        Error::new(Kind::Publish, text).hint(
            "make it in the registry, or correct the name; some registries hide what an account may not see",
        )
    }

    pub(super) async fn judge(
        &self,
        answer: Response,
    ) -> std::result::Result<Option<Response>, Failure> {
        let status = answer.status();
        if status.is_success() {
            return Ok(Some(answer));
        }
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let asked = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let asked = asked.and_then(wait_of);
        let why = reason(status, answer).await;
        if status.is_server_error() || matches!(status.as_u16(), 408 | 429) {
            return Err(Failure::Passing(why, asked));
        }
        Err(Failure::Final(match status {
            StatusCode::UNAUTHORIZED => self.unauthorised(&why),
            StatusCode::FORBIDDEN => {
                let (done, right) = match self.used {
                    Use::Push => ("written to", "push"),
                    Use::Pull => ("read from", "pull"),
                };
                let text = format!("{}: it may not be {done} `{}`: {why}", self.host, self.name);
                Error::new(Kind::Publish, text).hint(format!(
                    "give the account the right to {right} there, or name another repository"
                ))
            }
            _ => Error::new(Kind::Publish, format!("{}: {why}", self.host))
                .hint("the registry does not take what other registries do: its documentation or log says why"),
        }))
    }
}
