//! Which distributions a set needs, from its roots and the metadata of those that are known.
//!
//! Pure: makes nothing and asks nobody. It resolves nothing either; what is missing, somebody else
//! chooses, and what contradicts itself is told.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{ExtraName, MarkerEnvironment, PackageName, Requirement, VersionOrUrl};

use crate::digest::Digest;
use crate::plan::roots::{Direct, Root};

/// What a made wheel says of itself (PyPA core metadata).
#[derive(Debug, Clone)]
pub(super) struct Distribution {
    /// `Version`.
    pub(super) version: Version,
    /// `Requires-Dist`.
    pub(super) requires: Vec<Requirement>,
    /// `Requires-Python`; what nobody can read is none, as it is to installers.
    pub(super) requires_python: Option<VersionSpecifiers>,
}

impl Distribution {
    /// The versions of Python that it wants, where this is none of them.
    pub(super) fn refuses(&self, environment: &MarkerEnvironment) -> Option<&VersionSpecifiers> {
        // A release candidate runs what the release does.
        let python = environment.python_full_version().version.only_release();
        let wanted = self.requires_python.as_ref()?;
        (!wanted.contains(&python)).then_some(wanted)
    }
}

/// What is asked of one distribution, by all that need it.
#[derive(Debug, Clone, Default)]
pub(super) struct Need {
    /// Versions that will do, and who says so.
    pub(super) specifiers: Vec<(VersionSpecifiers, String)>,
    /// The one file or commit that will do.
    pub(super) direct: Option<Direct>,
    /// The files that will do; empty: any.
    pub(super) hashes: BTreeSet<Digest>,
    /// Who asked for it first.
    pub(super) place: String,
    /// What can't be given to all who ask; it says who they are.
    pub(super) contradiction: Option<String>,
    /// A distribution that wants one file of it, by a URL.
    pub(super) wants_url: Option<String>,
}

impl Need {
    /// Who does not let this version through.
    pub(super) fn refuses(&self, version: &Version) -> Option<&(VersionSpecifiers, String)> {
        self.specifiers
            .iter()
            .find(|(specifiers, _)| !specifiers.contains(version))
    }

    /// All specifiers as one, as PEP 440 writes it.
    pub(super) fn text(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for specifier in self.specifiers.iter().flat_map(|(each, _)| each.iter()) {
            let text = specifier.to_string();
            if !parts.contains(&text) {
                parts.push(text);
            }
        }
        parts.join(",")
    }
}

/// The roots of a set, on one platform.
#[derive(Debug)]
pub(super) struct Closure<'a> {
    pub(super) environment: &'a MarkerEnvironment,
    pub(super) roots: &'a [Root],
    pub(super) constraints: &'a [Root],
}

impl Closure<'_> {
    /// Every distribution that is needed, as far as the known ones tell.
    pub(super) fn needs(
        &self,
        known: &BTreeMap<PackageName, Distribution>,
    ) -> BTreeMap<PackageName, Need> {
        let mut needs: BTreeMap<PackageName, Need> = BTreeMap::new();
        let mut open: Vec<(PackageName, Option<ExtraName>)> = Vec::new();
        let holds = |root: &&Root| root.marker.evaluate(self.environment, &[]);
        for root in self.roots.iter().filter(holds) {
            add_root(needs.entry(root.name.clone()).or_default(), root);
            open.extend(with_extras(&root.name, &root.extras));
        }
        let mut seen = BTreeSet::new();
        while let Some((name, extra)) = open.pop() {
            if !seen.insert((name.clone(), extra.clone())) {
                continue;
            }
            let Some(distribution) = known.get(&name) else {
                continue;
            };
            let by = format!("{name} {}", distribution.version);
            for requirement in self.of_extra(distribution, extra.as_ref()) {
                let need = needs.entry(requirement.name.clone()).or_default();
                add_requirement(need, requirement, &by);
                open.extend(with_extras(&requirement.name, &requirement.extras));
            }
        }
        for constraint in self.constraints.iter().filter(holds) {
            if let Some(need) = needs.get_mut(&constraint.name) {
                add_root(need, constraint);
            }
        }
        needs
    }

    /// The requirements of a distribution, or those that an extra adds to them.
    fn of_extra<'d>(
        &self,
        distribution: &'d Distribution,
        extra: Option<&ExtraName>,
    ) -> Vec<&'d Requirement> {
        let extras: Vec<ExtraName> = extra.into_iter().cloned().collect();
        distribution
            .requires
            .iter()
            .filter(|requirement| {
                requirement.evaluate_markers(self.environment, &extras)
                    && (extra.is_none() || !requirement.evaluate_markers(self.environment, &[]))
            })
            .collect()
    }
}

fn with_extras(
    name: &PackageName,
    extras: &[ExtraName],
) -> impl Iterator<Item = (PackageName, Option<ExtraName>)> {
    let of = |extra| (name.clone(), extra);
    std::iter::once(of(None)).chain(extras.iter().cloned().map(Some).map(of).collect::<Vec<_>>())
}

fn add_root(need: &mut Need, root: &Root) {
    add_specifiers(need, &root.specifiers, &root.place);
    match (&need.direct, &root.direct) {
        (Some(one), Some(other)) if one != other => {
            need.contradiction = Some(format!(
                "{} and {} name different files of `{}`",
                need.place, root.place, root.name
            ));
        }
        (None, Some(direct)) => need.direct = Some(direct.clone()),
        (_, _) => {}
    }
    if need.hashes.is_empty() {
        need.hashes.clone_from(&root.hashes);
    } else if !root.hashes.is_empty() {
        need.hashes.retain(|digest| root.hashes.contains(digest));
        if need.hashes.is_empty() {
            need.contradiction = Some(format!(
                "{} and {} have no hash of `{}` in common",
                need.place, root.place, root.name
            ));
        }
    }
}

fn add_requirement(need: &mut Need, requirement: &Requirement, by: &str) {
    match &requirement.version_or_url {
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => add_specifiers(need, specifiers, by),
        // Indexes refuse such metadata, others need not: a root has to name the file.
        Some(VersionOrUrl::Url(_)) => {
            need.wants_url = Some(by.to_owned());
            add_specifiers(need, &VersionSpecifiers::empty(), by);
        }
        None => add_specifiers(need, &VersionSpecifiers::empty(), by),
    }
}

fn add_specifiers(need: &mut Need, specifiers: &VersionSpecifiers, by: &str) {
    if need.place.is_empty() {
        by.clone_into(&mut need.place);
    }
    if !specifiers.is_empty() {
        need.specifiers.push((specifiers.clone(), by.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreter::tests::debian_12;

    fn name(text: &str) -> PackageName {
        text.parse().unwrap()
    }

    fn known(distributions: &[(&str, &str, &[&str])]) -> BTreeMap<PackageName, Distribution> {
        distributions
            .iter()
            .map(|(each, version, requires)| {
                let requires = requires.iter().map(|line| line.parse().unwrap());
                let distribution = Distribution {
                    version: version.parse().unwrap(),
                    requires: requires.collect(),
                    requires_python: None,
                };
                (name(each), distribution)
            })
            .collect()
    }

    fn needs(
        roots: &[&str],
        constraints: &[&str],
        known: &BTreeMap<PackageName, Distribution>,
    ) -> BTreeMap<PackageName, Need> {
        let parse = |lines: &[&str]| -> Vec<Root> {
            lines
                .iter()
                .map(|line| Root::parse(line, "r.txt:1").unwrap())
                .collect()
        };
        let (roots, constraints) = (parse(roots), parse(constraints));
        let closure = Closure {
            environment: &debian_12().markers().unwrap(),
            roots: &roots,
            constraints: &constraints,
        };
        closure.needs(known)
    }

    fn names(needs: &BTreeMap<PackageName, Need>) -> Vec<String> {
        needs.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn a_closure_follows_requirements_extras_and_markers() {
        let known = known(&[
            (
                "a",
                "1",
                &[
                    "b>=2",
                    "c; extra == 'x'",
                    "d; python_version < '3'",
                    "w; sys_platform == 'win32'",
                ],
            ),
            ("b", "2.1", &["e[y]<3"]),
            ("c", "1", &[]),
            ("e", "1", &["f; extra == 'y'", "g; extra == 'z'", "a"]),
        ]);
        assert_eq!(names(&needs(&["a"], &[], &known)), ["a", "b", "e", "f"]);
        assert_eq!(
            names(&needs(&["A[x]", "z; python_version > '4'"], &[], &known)),
            ["a", "b", "c", "e", "f"]
        );
    }

    #[test]
    fn a_distribution_of_another_python_is_refused() {
        let refuses = |text: Option<&str>| {
            let distribution = Distribution {
                version: "1".parse().unwrap(),
                requires: Vec::new(),
                requires_python: text.map(|text| text.parse().unwrap()),
            };
            let environment = debian_12().markers().unwrap();
            distribution.refuses(&environment).map(ToString::to_string)
        };
        assert_eq!(refuses(None), None);
        assert_eq!(refuses(Some(">=2.7, !=3.0.*, <4")), None);
        assert_eq!(refuses(Some(">=3.12")), Some(">=3.12".to_owned()));
        assert_eq!(refuses(Some("<3.11")), Some("<3.11".to_owned()));
    }

    #[test]
    fn who_refuses_a_version_is_told() {
        let known = known(&[("a", "1", &["b>=2"]), ("b", "2.1", &[])]);
        let needs = needs(&["a", "b<3"], &["b!=2.1"], &known);
        let need = &needs[&name("b")];
        assert_eq!(need.text(), "<3,>=2,!=2.1");
        assert!(need.refuses(&"2.2".parse().unwrap()).is_none());
        let (_, by) = need.refuses(&"1".parse().unwrap()).unwrap();
        assert_eq!(by, "a 1");
        assert_eq!(need.refuses(&"2.1".parse().unwrap()).unwrap().1, "r.txt:1");
    }

    #[test]
    fn a_constraint_asks_for_nothing() {
        assert_eq!(names(&needs(&["a"], &["b==1"], &known(&[]))), ["a"]);
    }

    #[test]
    fn what_cannot_be_given_to_all_is_told() {
        let one = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let other = one.replace("e3b0", "0000");
        let environment = debian_12().markers().unwrap();
        let contradiction = |roots: Vec<Root>, constraints: Vec<Root>| {
            let closure = Closure {
                environment: &environment,
                roots: &roots,
                constraints: &constraints,
            };
            let mut needs = closure.needs(&BTreeMap::new());
            needs.remove(&name("a")).unwrap().contradiction
        };
        let url = |digest: &str, place: &str| {
            Root::parse(
                &format!("a @ https://x.example/a-1.tar.gz#sha256={digest}"),
                place,
            )
            .unwrap()
        };
        let said = contradiction(
            vec![url(one, "r.txt:1"), url(&other, "r.txt:2")],
            Vec::new(),
        );
        assert_eq!(
            said.unwrap(),
            "r.txt:1 and r.txt:2 name different files of `a`"
        );
        assert!(contradiction(vec![url(one, "1"), url(one, "2")], Vec::new()).is_none());

        let hashed = |digests: &[&str], place: &str| {
            let mut root = Root::parse("a==1", place).unwrap();
            root.hashes = digests
                .iter()
                .map(|digest| digest.parse().unwrap())
                .collect();
            root
        };
        let said = contradiction(
            vec![hashed(&[one], "r.txt:1")],
            vec![hashed(&[&other], "c.txt:1")],
        );
        assert_eq!(
            said.unwrap(),
            "r.txt:1 and c.txt:1 have no hash of `a` in common"
        );
        let some = vec![hashed(&[one, &other], "c.txt:1")];
        assert!(contradiction(vec![hashed(&[one], "r.txt:1")], some).is_none());
    }

    #[test]
    fn a_url_that_a_distribution_wants_is_remembered() {
        let known = known(&[("a", "1", &["b @ https://x.example/b-9.whl"])]);
        let needs = needs(&["a"], &[], &known);
        assert_eq!(needs[&name("b")].wants_url.as_deref(), Some("a 1"));
    }
}
