//! Makes a set: takes what the store has, asks the workshop for the rest, until nothing is missing.
//!
//! Knows what is chosen and why; how files are fetched and built is the workshop's, and what a
//! closure is, `closure.rs`'s.

mod choice;

use std::collections::BTreeMap;

use futures::StreamExt;
use pep508_rs::{MarkerEnvironment, PackageName};

use crate::context::Context;
use crate::engine::Container;
use crate::error::{Error, Kind, Result};
use crate::image::BuilderImage;
use crate::plan::pylock::Pylock;
use crate::plan::roots::Root;
use crate::plan::{PlatformPlan, SetRequest};
use crate::report::{StageHandle, Unit};
use crate::wheel;

use super::candidate::{Candidate, Source};
use super::closure::{Closure, Distribution, Need};
use super::metadata;
use super::store::{Wheel, WheelStore};
use super::workshop::{Item, Resolved, Workshop};

/// How often the workshop may be asked: a closure is rarely deeper than a few rounds.
const ROUNDS: usize = 50;
/// How many wheels the remote cache is asked for at a time.
const ASKED_AT_A_TIME: usize = 8;

/// A set in the making.
pub(super) struct Making<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) stage: &'a StageHandle,
    pub(super) plan: &'a PlatformPlan,
    pub(super) builder: &'a BuilderImage,
    pub(super) request: &'a SetRequest,
    environment: MarkerEnvironment,
    roots: Vec<Root>,
    store: WheelStore,
    chosen: BTreeMap<PackageName, Chosen>,
    known: BTreeMap<PackageName, Distribution>,
    /// What earlier sets had: taken before anything newer, so that a change touches what it must.
    preferred: BTreeMap<PackageName, Candidate>,
    /// A lock, or all that a resolver decided: nothing else may be taken.
    decided: Option<(Decided, Pylock)>,
    made: Made,
}

/// How many wheels were made for a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// As an index has them.
    pub fetched: u64,
    /// From source; all that pip made, which does not tell.
    pub built: u64,
}

/// A wheel of the set.
struct Chosen {
    wheel: Wheel,
    /// What it was made from; pip does not say.
    candidate: Option<Candidate>,
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decided {
    Lock,
    Resolver,
}

/// What is to be done next.
enum Next {
    /// Nothing: the set is whole.
    Done,
    /// The workshop has to make these.
    Make(Vec<Item>),
    /// What was chosen one by one contradicts itself: the resolver has to look at all of it.
    Conflict(String),
}

impl<'a> Making<'a> {
    /// Begins a set. `preferred` are taken before anything newer.
    pub(super) fn new(
        context: &'a Context<'a>,
        stage: &'a StageHandle,
        plan: &'a PlatformPlan,
        builder: &'a BuilderImage,
        request: &'a SetRequest,
        preferred: Vec<Candidate>,
    ) -> Result<Self> {
        let preferred = preferred.into_iter();
        let mut making = Self {
            context,
            stage,
            plan,
            builder,
            request,
            environment: builder.interpreter.markers()?,
            store: WheelStore::new(context.caches.wheels()),
            chosen: BTreeMap::new(),
            known: BTreeMap::new(),
            preferred: preferred
                .map(|candidate| (candidate.name.clone(), candidate))
                .collect(),
            roots: request.roots.clone(),
            decided: None,
            made: Made::default(),
        };
        if let Some(lock) = &request.lock {
            making.obey(lock.clone());
        }
        Ok(making)
    }

    /// From now on nothing but this lock decides.
    fn obey(&mut self, lock: Pylock) {
        if self.request.whole_lock {
            self.roots.extend(lock.packages.iter().map(Root::of_locked));
        }
        self.preferred.clear();
        self.decided = Some((Decided::Lock, lock));
    }

    /// Goes as far as the store reaches; whether that is the whole set.
    pub(super) fn take_stored(&mut self) -> Result<bool> {
        // What another tool locked is known only to its exporter.
        Ok(self.request.foreign_lock.is_none() && matches!(self.next()?, Next::Done))
    }

    /// Makes what is missing, in a container with a network.
    pub(super) async fn finish(&mut self, container: &Container<'_>) -> Result<()> {
        let workshop = Workshop::open(self.context, container, self.builder, self.request).await?;
        if let Some(lock) = workshop.export().await? {
            self.obey(lock);
        }
        for _ in 0..ROUNDS {
            match self.next()? {
                Next::Done => return Ok(()),
                Next::Make(items) => self.make(&workshop, items).await?,
                Next::Conflict(why) => self.decide(&workshop, &why).await?,
            }
        }
        Err(Error::new(
            Kind::Internal,
            "the closure of the requirements does not end",
        ))
    }

    /// The wheels of the finished set, and how many of them were made for it.
    pub(super) fn wheels(self) -> (Vec<Wheel>, Made) {
        let wheels = self.chosen.into_values().map(|chosen| chosen.wheel);
        (wheels.collect(), self.made)
    }

    /// The finished set as a lock: each distribution with the file that it is made from.
    pub(super) fn lock(self) -> Result<Pylock> {
        let mut packages = Vec::new();
        for (name, chosen) in &self.chosen {
            let version = self.known.get(name).map(|known| known.version.clone());
            let candidate = chosen.candidate.as_ref();
            let locked = candidate.and_then(|candidate| candidate.locked(version, &chosen.wheel));
            let Some(locked) = locked else {
                return Err(Error::new(
                    Kind::Resolve,
                    format!("where `{name}` comes from is not known: pip made it"),
                )
                .hint("platforms whose Python uv does not know can't be locked: pin and hash their requirements in a file of their own, and name that in `[platform.<id>] requirements`"));
            };
            packages.push(locked);
        }
        Ok(Pylock {
            packages,
            platforms: vec![self.plan.id.clone()],
        })
    }

    async fn make(&mut self, workshop: &Workshop<'_>, mut items: Vec<Item>) -> Result<()> {
        match workshop.choose(&mut items).await {
            // Nothing will do for all that were chosen so far; others of those may.
            Err(error) if error.kind() == Kind::Resolve && self.decided.is_none() => {
                return self.decide(workshop, error.message()).await;
            }
            result => result?,
        }
        self.take_from_remote(&items).await;
        let mut rest = Vec::new();
        for item in items {
            match self.stored(item.candidate.as_ref()) {
                Some(wheel) => self.take(item.name, wheel, item.candidate)?,
                None => rest.push(item),
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        let total = self.chosen.len() + rest.len();
        let before = self.chosen.len() as u64;
        let progress = |done: u64| {
            self.stage
                .progress(before + done, total as u64, Unit::Wheels);
        };
        let mut candidates: BTreeMap<PackageName, Candidate> = rest
            .iter()
            .filter_map(|item| Some((item.name.clone(), item.candidate.clone()?)))
            .collect();
        for (name, wheel, key) in workshop.make(&rest, &self.store, &progress).await? {
            if let Some(key) = key {
                let one = vec![wheel.clone()];
                let plan = self.plan;
                let set = self
                    .store
                    .put_set(plan.id.platform(), &plan.bundle.name, key, one)?;
                if let Some(remote) = self.context.remote {
                    remote.put_set(&self.store, plan.id.platform(), &set);
                }
            }
            let candidate = candidates.remove(&name);
            match candidate.as_ref().map(|candidate| &candidate.source) {
                Some(Source::Wheel(_)) => self.made.fetched += 1,
                Some(Source::Sdist(_) | Source::Commit(_) | Source::Kept(_)) | None => {
                    self.made.built += 1;
                }
            }
            self.take(name, wheel, candidate)?;
        }
        Ok(())
    }

    /// Puts what others have built of these into the store.
    async fn take_from_remote(&self, items: &[Item]) {
        let Some(remote) = self.context.remote else {
            return;
        };
        let keys = items.iter().filter_map(|item| {
            let candidate = item.candidate.as_ref()?;
            candidate.build_key(self.builder, self.request)
        });
        let lacking = keys.filter(|key| {
            let set = self.store.get(self.plan.id.platform(), &key.digest);
            !matches!(set, Ok(Some(_)))
        });
        let asked = futures::stream::iter(lacking).map(async |key| {
            let got = remote.get_set(&self.store, self.plan.id.platform(), &key.digest);
            got.await
        });
        let mut coming = asked.buffer_unordered(ASKED_AT_A_TIME);
        while coming.next().await.is_some() {}
    }

    /// Has the resolver look at everything at once; what it says is final.
    async fn decide(&mut self, workshop: &Workshop<'_>, why: &str) -> Result<()> {
        if let Some((decided, _)) = &self.decided {
            return Err(match decided {
                Decided::Lock => self.stale(why),
                Decided::Resolver => Error::new(
                    Kind::Resolve,
                    format!("the requirements contradict each other: {why}"),
                )
                .hint("loosen one of the pins"),
            });
        }
        self.stage.message("resolving all requirements at once");
        let resolved = workshop.resolve(&self.store).await?;
        self.preferred.clear();
        self.chosen.clear();
        self.known.clear();
        let files = match resolved {
            Resolved::Files(files) => files,
            Resolved::Wheels(wheels) => {
                for (name, wheel, _) in wheels {
                    self.made.built += 1;
                    self.take(name, wheel, None)?;
                }
                Pylock::default()
            }
        };
        self.decided = Some((Decided::Resolver, files));
        Ok(())
    }

    fn next(&mut self) -> Result<Next> {
        loop {
            let needs = Closure {
                environment: &self.environment,
                roots: &self.roots,
                constraints: &self.request.constraints,
            }
            .needs(&self.known);
            let refused: Vec<(PackageName, String)> = needs
                .iter()
                .filter_map(|(name, need)| Some((name.clone(), self.refused(name, need)?)))
                .collect();
            let kept = refused
                .iter()
                .find(|(name, _)| !self.preferred.contains_key(name));
            if let Some((_, why)) = kept {
                return Ok(Next::Conflict(why.clone()));
            }
            for (name, _) in &refused {
                self.preferred.remove(name);
                self.chosen.remove(name);
                self.known.remove(name);
            }
            if !refused.is_empty() {
                continue;
            }
            let mut items = Vec::new();
            let mut progressed = false;
            let missing: Vec<(&PackageName, &Need)> = needs
                .iter()
                .filter(|(name, _)| !self.known.contains_key(name))
                .collect();
            for (name, need) in missing {
                let candidate = self.candidate(name, need)?;
                if let Some(wheel) = self.stored(candidate.as_ref()) {
                    self.take(name.clone(), wheel, candidate)?;
                    progressed = true;
                } else {
                    // A kept wheel that is gone can be got from nowhere: its distribution is chosen anew.
                    let candidate =
                        candidate.filter(|candidate| !matches!(candidate.source, Source::Kept(_)));
                    items.push(Item {
                        name: name.clone(),
                        need: need.clone(),
                        candidate,
                    });
                }
            }
            if progressed {
                continue;
            }
            if !items.is_empty() {
                return Ok(Next::Make(items));
            }
            self.chosen.retain(|name, _| needs.contains_key(name));
            return Ok(Next::Done);
        }
    }

    /// The wheel of a candidate, if the store has it.
    fn stored(&self, candidate: Option<&Candidate>) -> Option<Wheel> {
        let candidate = candidate?;
        let key = candidate.build_key(self.builder, self.request);
        let wheel = if let Some(key) = key {
            let set = self
                .store
                .get(self.plan.id.platform(), &key.digest)
                .ok()??;
            set.wheels.into_iter().next()?
        } else if let Source::Kept(wheel) = &candidate.source {
            wheel.clone()
        } else {
            let file = candidate.file()?;
            Wheel {
                origin: candidate.origin(),
                ..self.store.find(&file.name, &file.digest)?
            }
        };
        let path = match self.store.verify(&wheel) {
            Ok(path) => path,
            Err(damage) => {
                let hint = Some("the wheel is made again");
                self.context.report.warn(damage.message(), hint);
                return None;
            }
        };
        // It was checked when it was made, but maybe under a policy that let more pass: the workshop
        // says what is wrong with it.
        let policy = &self.request.policy;
        let passes = policy.denied().next().is_none()
            || wheel::check(&path, &self.builder.interpreter, policy).is_ok();
        passes.then_some(wheel)
    }

    fn take(
        &mut self,
        name: PackageName,
        wheel: Wheel,
        candidate: Option<Candidate>,
    ) -> Result<()> {
        let distribution = metadata::read(&self.store, &wheel, self.context)?;
        let expected = candidate
            .as_ref()
            .and_then(|candidate| candidate.version.as_ref());
        if let Some(expected) = expected
            .filter(|expected| expected.only_release() != distribution.version.only_release())
        {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "`{}` is {name} {}, and {expected} was asked for",
                    wheel.file_name, distribution.version
                ),
            )
            .hint("where a lock says so, make it again with `omnibuild lock --upgrade`; else take another version"));
        }
        self.known.insert(name.clone(), distribution);
        self.chosen.insert(name, Chosen { wheel, candidate });
        Ok(())
    }
}
