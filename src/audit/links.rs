//! Symbolic links: where they lead, and whether that is inside.

use super::{Audit, Check, Item, ItemKind};

/// How many links the kernel follows (`ELOOP`).
const MOST_LINKS: usize = 40;

/// Where a system keeps its programs.
const PROGRAM_FOLDERS: [&str; 4] = ["/usr/bin/", "/bin/", "/usr/local/bin/", "/usr/libexec/"];

/// Where a link leads.
enum End {
    /// To something in the package.
    There,
    /// To a path of the bundle where nothing is.
    Nowhere(String),
    /// Out of the bundle, to this path.
    Outside(String),
    /// Back to itself.
    Circle,
}

impl Audit<'_> {
    pub(super) fn link(&mut self, item: &Item<'_>, target: &str) {
        let path = item.path.trim_start_matches('/');
        let in_bundle = is_below(path, self.prefix());
        match self.follow(path, target) {
            End::Circle => {
                let what = format!("is a link to `{target}`, which leads back to it");
                self.found(Check::DanglingLink, item, what);
            }
            End::Nowhere(end) => {
                let what = format!("is a link to `{target}`, and nothing is at `/{end}`");
                self.found(Check::DanglingLink, item, what);
            }
            End::Outside(end) if in_bundle && !self.is_interpreter(path, &end) => {
                let how = if target.starts_with('/') {
                    "the absolute path"
                } else {
                    "a path"
                };
                let what = format!("is a link out of the bundle, to {how} `{target}`");
                self.found(Check::ForeignLink, item, what);
            }
            End::There | End::Outside(_) => {}
        }
    }

    /// A virtualenv's `bin/python` and its kin are links to the platform's interpreter.
    fn is_interpreter(&self, path: &str, end: &str) -> bool {
        let bin = format!("{}/bin/python", self.prefix());
        let end = format!("/{end}");
        let expected = match self.scope.interpreter {
            Some(interpreter) => {
                let folder = interpreter
                    .rsplit_once('/')
                    .map_or("", |(folder, _)| folder);
                end == interpreter || end.starts_with(&format!("{folder}/python"))
            }
            None => PROGRAM_FOLDERS.iter().any(|folder| end.starts_with(folder)),
        };
        path.starts_with(&bin) && expected
    }

    /// Follows a link, and the links on its way, as far as the package's own items go.
    fn follow(&self, path: &str, target: &str) -> End {
        let mut links = 0;
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut done = if target.starts_with('/') {
            Vec::new()
        } else {
            parts(parent)
        };
        let mut left: Vec<String> = parts(target);
        left.reverse();
        while let Some(part) = left.pop() {
            match part.as_str() {
                "." => continue,
                ".." => {
                    // Above `/` is `/`.
                    done.pop();
                    continue;
                }
                _ => done.push(part),
            }
            if let Some(Item {
                kind: ItemKind::Symlink(target),
                ..
            }) = self.items.get(done.join("/").as_str())
            {
                links += 1;
                if links > MOST_LINKS {
                    return End::Circle;
                }
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                let mut more = parts(target);
                more.reverse();
                left.extend(more);
            }
        }
        let end = done.join("/");
        if self.has(&end) {
            End::There
        } else if is_below(&end, self.prefix()) {
            End::Nowhere(end)
        } else {
            End::Outside(end)
        }
    }

    /// Whether something is at a path: an item, or a folder that items lie in.
    pub(super) fn has(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        self.items.contains_key(path)
            || self
                .items
                .range(inside.as_str()..)
                .next()
                .is_some_and(|(next, _)| next.starts_with(&inside))
    }
}

pub(super) fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn parts(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}
