//! Just enough of an object store of the S3 kind, in memory: whole objects, created once. It believes
//! every signature.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::site::{Request, Response, Site};

/// A bucket that answers until the tests end.
pub(crate) struct Bucket {
    site: Site,
    seen: Arc<Mutex<Seen>>,
}

/// What it was sent.
#[derive(Default)]
struct Seen {
    objects: BTreeMap<String, Vec<u8>>,
    signed: usize,
}

impl Bucket {
    /// Starts one; its name does not matter.
    pub(crate) fn serve() -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let of_site = Arc::clone(&seen);
        let site = Site::responding(move |request| {
            respond(
                request,
                &mut of_site.lock().unwrap_or_else(PoisonError::into_inner),
            )
        });
        Self { site, seen }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        self.site.address()
    }

    /// The objects, by path, and how many requests were signed.
    pub(crate) fn seen(&self) -> (BTreeMap<String, Vec<u8>>, usize) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.objects.clone(), seen.signed)
    }
}

fn respond(request: &Request, seen: &mut Seen) -> Response {
    let signature = request.headers.get("authorization");
    seen.signed += usize::from(signature.is_some_and(|it| it.contains("Signature=")));
    let (path, _) = request.path.split_once('?').unwrap_or((&request.path, ""));
    match (request.method.as_str(), seen.objects.get(path)) {
        ("PUT", Some(_)) if request.headers.contains_key("if-none-match") => {
            Response::empty("412 Precondition Failed")
        }
        ("PUT", _) => {
            seen.objects.insert(path.to_owned(), request.body.clone());
            tagged(Vec::new())
        }
        ("GET" | "HEAD", Some(object)) => tagged(object.clone()),
        _ => Response::empty("404 Not Found"),
    }
}

fn tagged(body: Vec<u8>) -> Response {
    let time = "Fri, 02 Jan 2026 03:04:05 GMT".to_owned();
    Response {
        headers: vec![("ETag", "\"1\"".to_owned()), ("Last-Modified", time)],
        body,
        ..Response::empty("200 OK")
    }
}
