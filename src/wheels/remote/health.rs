//! How the remote cache fares in this run, and what is said of it: once.
//!
//! Nothing here fails a build. Sends nothing.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;

use crate::error::Error;
use crate::report::Reporter;
use crate::text::single_spaced;

/// After so many failures in a row, each of them tried several times, it is left alone.
const PATIENCE: u32 = 3;
/// Servers answer with whole pages.
const LONGEST_REASON: usize = 300;

/// Why something in the remote cache can't be used.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is not there.
    Missing,
    /// The server did not do what was asked.
    Server(Path, object_store::Error),
    /// The server took too long.
    Slow(Path),
    /// It is not what it should be.
    Damaged(Path, String),
    /// Somebody may have put it there who may not.
    Security(Path, &'static str),
    /// This machine's store does not take it.
    Local(Error),
}

impl Trouble {
    /// Tells what is not there from what went wrong.
    pub(super) fn of(path: &Path, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            error => Self::Server(path.clone(), error),
        }
    }

    /// Whether the server does not let us, whoever we are for it.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Server(
                _,
                object_store::Error::PermissionDenied { .. }
                    | object_store::Error::Unauthenticated { .. }
            )
        )
    }

    /// What happened, in a line.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Missing => "it is not there".to_owned(),
            Self::Server(path, error) => format!("`{path}`: {}", reason(error)),
            Self::Slow(path) => format!("`{path}`: no end in the time that it may take"),
            Self::Damaged(path, what) => format!("`{path}` is damaged: {what}"),
            Self::Security(path, what) => format!("`{path}` {what}"),
            Self::Local(error) => error.message().to_owned(),
        }
    }
}

/// The state of a run.
pub(super) struct Health {
    report: Reporter,
    failures: AtomicU32,
    off: AtomicBool,
    refusal_told: AtomicBool,
    /// Objects that can't be used: whoever may write puts good ones in their place.
    unusable: Mutex<BTreeSet<Path>>,
}

impl Health {
    pub(super) fn new(report: Reporter) -> Self {
        Self {
            report,
            failures: AtomicU32::new(0),
            off: AtomicBool::new(false),
            refusal_told: AtomicBool::new(false),
            unusable: Mutex::default(),
        }
    }

    /// Whether it is left alone for the rest of the run.
    pub(super) fn is_off(&self) -> bool {
        self.off.load(Ordering::Acquire)
    }

    /// It answered.
    pub(super) fn answered(&self) {
        self.failures.store(0, Ordering::Release);
    }

    /// Whether an object was found to be of no use.
    pub(super) fn is_unusable(&self, path: &Path) -> bool {
        let unusable = self.unusable.lock();
        unusable
            .unwrap_or_else(PoisonError::into_inner)
            .contains(path)
    }

    /// Remembers an object that is of no use.
    pub(super) fn condemn(&self, path: &Path) {
        let unusable = self.unusable.lock();
        unusable
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.clone());
    }

    /// Says what went wrong while something was read or written, and draws the conclusions.
    pub(super) fn trouble(&self, trouble: &Trouble, action: &str) {
        let warn = |text: &str, hint: Option<&str>| self.report.warn(None, text, hint);
        match trouble {
            Trouble::Missing => self.answered(),
            Trouble::Security(path, what) => {
                self.answered();
                self.condemn(path);
                warn(
                    &format!("security: `{path}` in the remote cache {what}; it is not used"),
                    Some(
                        "find out who wrote it; builds with the key put a signed one in its place",
                    ),
                );
            }
            Trouble::Damaged(path, _) => {
                self.answered();
                self.condemn(path);
                let text = format!("the remote cache: {}; it is not used", trouble.text());
                warn(
                    &text,
                    Some("a build that may write puts a good one in its place"),
                );
            }
            Trouble::Local(_) => {
                let text = format!("the remote cache: can't {action} a set: {}", trouble.text());
                warn(&text, None);
            }
            Trouble::Server(..) if trouble.is_refusal() => {
                self.answered();
                if !self.refusal_told.swap(true, Ordering::AcqRel) {
                    warn(
                        &format!(
                            "the remote cache does not let this run {action}: {}",
                            trouble.text()
                        ),
                        Some(
                            "check the credentials and what they allow; without the right to list, a server says this of what is not there, too",
                        ),
                    );
                }
            }
            Trouble::Server(..) | Trouble::Slow(_) => self.failed(trouble, action),
        }
    }

    fn failed(&self, trouble: &Trouble, action: &str) {
        let failures = self.failures.fetch_add(1, Ordering::AcqRel) + 1;
        if failures < PATIENCE && !is_unreachable(trouble) {
            let text = format!("the remote cache: can't {action} {}", trouble.text());
            return self.report.warn(None, &text, None);
        }
        if !self.off.swap(true, Ordering::AcqRel) {
            let text = format!(
                "the remote cache is left alone in this run: can't {action} {}",
                trouble.text()
            );
            let hint = "wheels are made here; `omnibuild doctor` checks the remote cache";
            self.report.warn(None, &text, Some(hint));
        }
    }

    /// Warns of something else.
    pub(super) fn warn(&self, text: &str, hint: Option<&str>) {
        self.report.warn(None, text, hint);
    }
}

/// Whether nobody is there: to ask again costs the same time again.
fn is_unreachable(trouble: &Trouble) -> bool {
    let Trouble::Server(_, error) = trouble else {
        return false;
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return matches!(
                error.kind(),
                HttpErrorKind::Connect | HttpErrorKind::Timeout
            );
        }
        cause = error.source();
    }
    false
}

/// The reason of an error in one line of some length.
fn reason(error: &object_store::Error) -> String {
    let mut line = single_spaced(&error.to_string());
    if let Some((end, _)) = line.char_indices().nth(LONGEST_REASON) {
        line.truncate(end);
        line.push('…');
    }
    line
}
