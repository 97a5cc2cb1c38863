//! Who asks a registry: credentials as Docker and Podman keep them, and the tokens that they are changed
//! for (distribution project, token authentication).
//!
//! No secret leaves here but in the header of a request to the server that it is for, or to the one that
//! the registry says makes its tokens.

use std::sync::{Mutex, PoisonError};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Response, Url};
use serde::Deserialize;

use crate::download;
use crate::error::{Error, Kind, Result};

use super::Use;

/// Why there is no token.
pub(super) enum Refused {
    /// Another try may get one.
    Passing(String),
    /// None will.
    Final(String),
}

/// The credentials for a registry, and what they were changed for.
pub(super) struct Access {
    credential: Option<DockerCredential>,
    /// What a token is asked to allow.
    actions: &'static str,
    header: Mutex<Option<HeaderValue>>,
}

/// Looks credentials up.
type Get = fn(&str) -> std::result::Result<DockerCredential, CredentialRetrievalError>;

/// The names that the credentials for a registry may be kept under: its host's, and that of the index
/// which Docker first asked for it (`https://index.HOST/v1/`, registry API version 1).
fn names(host: &str) -> Vec<String> {
    let parent = host.split_once('.').map_or(host, |(_, parent)| parent);
    let indexes = [host, parent].map(|name| format!("https://index.{name}/v1/"));
    [host.to_owned()].into_iter().chain(indexes).collect()
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Access {
    /// What is configured for a registry, if anything is.
    pub(super) fn of(host: &str, used: Use) -> Result<Self> {
        let mut credential = None;
        let places = names(host).into_iter().flat_map(|name| {
            let docker: Get = docker_credential::get_credential;
            [
                (docker, name.clone()),
                (docker_credential::get_podman_credential, name),
            ]
        });
        for (get, server) in places {
            match get(&server) {
                Ok(found) => {
                    credential = Some(found);
                    break;
                }
                Err(
                    CredentialRetrievalError::NoCredentialConfigured
                    | CredentialRetrievalError::ConfigNotFound
                    | CredentialRetrievalError::ConfigReadError,
                ) => {}
                // A helper that knows none says so in words of its own.
                Err(CredentialRetrievalError::HelperFailure { stdout, .. })
                    if stdout.contains("credentials not found") => {}
                Err(error) => {
                    let text = format!("{host}: its credentials can't be read: {error}");
                    return Err(Error::new(Kind::Publish, text)
                        .hint(format!("`docker login {host}` writes them anew; a credential helper must be on the PATH")));
                }
            }
        }
        Ok(Self::with(credential, used))
    }

    pub(super) fn with(credential: Option<DockerCredential>, used: Use) -> Self {
        Self {
            credential,
            actions: match used {
                Use::Push => "pull,push",
                Use::Pull => "pull",
            },
            header: Mutex::default(),
        }
    }

    /// The password or token.
    pub(super) fn secret(&self) -> Option<&str> {
        match &self.credential {
            Some(
                DockerCredential::UsernamePassword(_, secret)
                | DockerCredential::IdentityToken(secret),
            ) => Some(secret),
            None => None,
        }
    }

    /// What the last answer was satisfied with.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        self.header
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Does what a refusal asks for; answers whether there is something new to try.
    pub(super) async fn renew(
        &self,
        client: &Client,
        answer: &Response,
        repository: &str,
    ) -> std::result::Result<bool, Refused> {
        let values = answer.headers().get_all(WWW_AUTHENTICATE).iter();
        for value in values.filter_map(|value| value.to_str().ok()) {
            for challenge in http_auth::parse_challenges(value).into_iter().flatten() {
                let of = |name: &str| {
                    let mut params = challenge.params.iter();
                    let found = params.find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                let header = if challenge.scheme.eq_ignore_ascii_case("basic") {
                    self.basic(client)
                } else if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    let Some(realm) = of("realm") else { continue };
                    let scope = format!("repository:{repository}:{}", self.actions);
                    Some(self.bearer(client, &realm, of("service"), &scope).await?)
                } else {
                    continue;
                };
                let Some(mut header) = header else {
                    return Ok(false);
                };
                header.set_sensitive(true);
                let mut current = self.header.lock().unwrap_or_else(PoisonError::into_inner);
                let is_new = current.as_ref() != Some(&header);
                *current = Some(header);
                return Ok(is_new);
            }
        }
        Ok(false)
    }

    fn basic(&self, client: &Client) -> Option<HeaderValue> {
        let Some(DockerCredential::UsernamePassword(user, password)) = &self.credential else {
            return None;
        };
        let request = client
            .get("http://localhost/")
            .basic_auth(user, Some(password))
            .build()
            .ok()?;
        request
            .headers()
            .get(reqwest::header::AUTHORIZATION)
            .cloned()
    }

    async fn bearer(
        &self,
        client: &Client,
        realm: &str,
        service: Option<String>,
        scope: &str,
    ) -> std::result::Result<HeaderValue, Refused> {
        let bad = |why: &str| Refused::Final(format!("the server of its tokens: {why}"));
        let mut url = Url::parse(realm).map_err(|error| bad(&error.to_string()))?;
        let service = service.unwrap_or_default();
        let request = match &self.credential {
            // Distribution project, OAuth2 token authentication.
            Some(DockerCredential::IdentityToken(token)) => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", token),
                    ("service", &service),
                    ("scope", scope),
                    ("client_id", "omnibuild"),
                ];
                let mut body =
                    Url::parse("http://localhost/").map_err(|error| bad(&error.to_string()))?;
                body.query_pairs_mut().extend_pairs(form);
                client
                    .post(url)
                    .header(
                        reqwest::header::CONTENT_TYPE,
                        "application/x-www-form-urlencoded",
                    )
                    .body(body.query().unwrap_or_default().to_owned())
            }
            other => {
                let mut pairs = url.query_pairs_mut();
                pairs
                    .append_pair("service", &service)
                    .append_pair("scope", scope);
                drop(pairs);
                let request = client.get(url);
                match other {
                    Some(DockerCredential::UsernamePassword(user, password)) => {
                        request.basic_auth(user, Some(password))
                    }
                    _ => request,
                }
            }
        };
        let passing = |error| Refused::Passing(download::explained(error));
        let answer = request
            .timeout(super::LONGEST)
            .send()
            .await
            .map_err(passing)?;
        let status = answer.status();
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(Refused::Passing(format!(
                "the server of its tokens says {status}"
            )));
        }
        if !status.is_success() {
            return Err(bad(&status.to_string()));
        }
        let text = answer.text().await.map_err(passing)?;
        let token: Token =
            serde_json::from_str(&text).map_err(|_other| bad("it answers no token"))?;
        let token = token
            .token
            .or(token.access_token)
            .ok_or_else(|| bad("it answers no token"))?;
        HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_other| bad("its token is no header"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Patience;
    use super::super::fake::Fake;
    use super::*;
    use crate::oci::{Descriptor, LAYER};

    fn blob() -> Descriptor {
        Descriptor::of(LAYER, b"content")
    }

    #[tokio::test]
    async fn a_token_is_asked_for_what_is_done() {
        for (used, actions) in [(Use::Push, "pull%2Cpush"), (Use::Pull, "pull")] {
            let fake = Fake::start(&[]);
            fake.state.lock().unwrap().wants_token = true;
            let registry = fake.open(used, Patience::default());
            assert!(!registry.has_blob(&blob()).await.unwrap());
            assert!(!registry.has_blob(&blob()).await.unwrap());
            let asked = fake.state.lock().unwrap().asked.clone();
            let tokens: Vec<&String> = asked
                .iter()
                .filter(|line| line.contains("/token"))
                .collect();
            let scope = format!("scope=repository%3Ateam%2Ftool%3A{actions}");
            assert_eq!(tokens.len(), 1, "one token serves all: {asked:?}");
            assert!(tokens[0].ends_with(&scope), "{asked:?}");
        }
    }

    /// A registry that wants tokens, and is asked with what Docker keeps after a login that gave an identity
    /// token.
    fn with_identity_token(token: &str) -> (Fake, super::super::Registry) {
        let fake = Fake::start(&[]);
        fake.state.lock().unwrap().wants_token = true;
        let kept = serde_json::json!({
            "auths": { &fake.host: { "auth": "bmFtZTo=", "identitytoken": token } },
        });
        let kept = kept.to_string();
        let found = docker_credential::get_credential_from_reader(kept.as_bytes(), &fake.host);
        let mut registry = fake.open(Use::Push, Patience::default());
        registry.access = Access::with(Some(found.unwrap()), Use::Push);
        (fake, registry)
    }

    #[tokio::test]
    async fn an_identity_token_is_changed_for_one_that_lets_in() {
        let (fake, registry) = with_identity_token("long & lasting");
        assert_eq!(registry.access.secret(), Some("long & lasting"));
        assert!(!registry.has_blob(&blob()).await.unwrap());
        let state = fake.state.lock().unwrap();
        let asked = ["HEAD", "POST /token", "HEAD"];
        assert_eq!(state.asked.len(), 3, "{:?}", state.asked);
        for (line, begin) in state.asked.iter().zip(asked) {
            assert!(line.starts_with(begin), "{line}");
        }
        assert_eq!(
            state.told,
            [
                "grant_type=refresh_token&refresh_token=long+%26+lasting&service=fake\
              &scope=repository%3Ateam%2Ftool%3Apull%2Cpush&client_id=omnibuild"
            ]
        );
    }

    #[tokio::test]
    async fn an_identity_token_that_ran_out_is_told_and_not_shown() {
        let (fake, registry) = with_identity_token("run out");
        let error = registry.has_blob(&blob()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Publish);
        let said = format!("{error} {:?}", error.hints());
        assert!(said.contains("does not let us in"), "{said}");
        assert!(
            said.contains("token for it is wrong or has run out"),
            "{said}"
        );
        assert!(!said.contains("run+out"), "{said}");
        assert_eq!(fake.asked("POST"), 1);
    }
}
