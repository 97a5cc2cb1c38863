//! Bases of two architectures from one registry, in one engine, where a name is of one of them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures::FutureExt;
use tokio::io::DuplexStream;

use super::*;
use crate::context::Caches;
use crate::engine::{About, BuildSpec, Call, ContainerSpec, Engine, Exec, Output, Session};
use crate::plan::NetworkPlan;
use crate::platform::{ImageRef, TargetId};
use crate::report::{Reporter, Stage};

/// An engine with a registry that has an image of these architectures, under one digest.
struct Registry {
    has: Vec<Arch>,
    /// By name and by id.
    images: Mutex<BTreeMap<String, Image>>,
    pulls: Mutex<usize>,
}

impl Registry {
    fn of(has: &[Arch]) -> Self {
        Self {
            has: has.to_vec(),
            images: Mutex::default(),
            pulls: Mutex::default(),
        }
    }

    fn arch_of(&self, name: &str) -> Option<Arch> {
        self.images.lock().unwrap().get(name)?.arch
    }
}

impl Engine for Registry {
    fn image<'a>(&'a self, reference: &'a str) -> Call<'a, Option<Image>> {
        async move { Ok(self.images.lock().unwrap().get(reference).cloned()) }.boxed()
    }

    fn pull<'a>(&'a self, reference: &'a ImageRef, arch: Arch, _: Output<'a>) -> Call<'a, Image> {
        async move {
            *self.pulls.lock().unwrap() += 1;
            // As Docker has it: what has one architecture only comes whichever is asked for.
            let arch = match self.has[..] {
                [only] => only,
                _ => arch,
            };
            let image = Image {
                id: format!("sha256:{}", arch.debian()),
                registry_digests: vec![format!("debian@sha256:{}", Digest::of("list"))],
                layers: Vec::new(),
                arch: Some(arch),
                config: ExecutionConfig::default(),
            };
            let mut images = self.images.lock().unwrap();
            for name in [reference.as_str(), &image.id] {
                images.insert(name.to_owned(), image.clone());
            }
            Ok(image)
        }
        .boxed()
    }

    fn tag<'a>(&'a self, image: &'a str, name: &'a str) -> Call<'a, ()> {
        async move {
            let mut images = self.images.lock().unwrap();
            let image = images[image].clone();
            images.insert(name.to_owned(), image);
            Ok(())
        }
        .boxed()
    }

    fn about(&self) -> Call<'_, About> {
        unreachable!("nobody asks")
    }

    fn import<'a>(
        &'a self,
        _: &'a Path,
        _: Arch,
        _: &'a str,
        _: &'a ExecutionConfig,
    ) -> Call<'a, Image> {
        unreachable!("there is a registry")
    }

    fn build<'a>(&'a self, _: &'a BuildSpec<'a>, _: Output<'a>) -> Call<'a, Image> {
        unreachable!("nothing is built")
    }

    fn start<'a>(&'a self, _: &'a ContainerSpec<'a>) -> Call<'a, String> {
        unreachable!("nothing runs")
    }

    fn upload<'a>(&'a self, _: &'a str, _: &'a str, _: &'a Path) -> Call<'a, ()> {
        unreachable!("nothing runs")
    }

    fn download<'a>(&'a self, _: &'a str, _: &'a str, _: &'a Path) -> Call<'a, ()> {
        unreachable!("nothing runs")
    }

    fn export<'a>(&'a self, _: &'a str, _: &'a Path) -> Call<'a, ()> {
        unreachable!("nothing runs")
    }

    fn load<'a>(&'a self, _: &'a Path) -> Call<'a, ()> {
        unreachable!("nothing is loaded")
    }

    fn exec<'a>(
        &'a self,
        _: &'a str,
        _: &'a Exec,
        _: Option<DuplexStream>,
        _: Output<'a>,
    ) -> Call<'a, i64> {
        unreachable!("nothing runs")
    }

    fn remove<'a>(&'a self, _: &'a str) -> Call<'a, ()> {
        unreachable!("nothing runs")
    }

    fn containers<'a>(&'a self, _: &'a str) -> Call<'a, Vec<(String, BTreeMap<String, String>)>> {
        unreachable!("nothing runs")
    }
}

/// The base of `debian:12` for an architecture, and whether it was there.
async fn base(folder: &Path, engine: &Registry, arch: Arch) -> Result<(BaseImage, bool)> {
    let plan = BasePlan {
        platform: "debian-12".parse().unwrap(),
        image: "debian:12".parse().unwrap(),
        bootstrap: None,
        rootfs: None,
        mirror: None,
        arch,
    };
    let target = TargetId::new(plan.platform.clone(), arch);
    let report = Reporter::hidden().platform(&target, &folder.join("log"))?;
    let session = Session::begin(&folder.join("sessions"))?;
    let caches = Caches::new(folder, folder.join("wheels"));
    let network = NetworkPlan::default();
    let context = Context {
        engine,
        session: &session,
        caches: &caches,
        remote: None,
        report: &report,
        network: &network,
        limits: crate::engine::Limits::default(),
    };
    ensure(&context, &report.stage(Stage::Base), &plan, false).await
}

#[tokio::test]
async fn the_bases_of_two_architectures_stay_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Registry::of(&[Arch::Amd64, Arch::Arm64]);
    let mut references = BTreeMap::new();
    // The digest in the registry is the same for both, so nothing but the architecture tells them apart.
    for round in 0..3 {
        for arch in [Arch::Amd64, Arch::Arm64] {
            let (base, there) = base(folder.path(), &engine, arch).await.unwrap();
            assert_eq!(there, round > 0);
            assert_eq!(engine.arch_of(&base.reference), Some(arch));
            let known = references.insert(arch, base.reference.clone());
            assert!(known.is_none_or(|known| known == base.reference));
        }
    }
    assert_eq!(*engine.pulls.lock().unwrap(), 2);
    assert_eq!(
        engine.arch_of("debian:12"),
        Some(Arch::Amd64),
        "it came first"
    );
}

#[tokio::test]
async fn an_image_of_another_architecture_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Registry::of(&[Arch::Amd64]);
    let (first, _) = base(folder.path(), &engine, Arch::Amd64).await.unwrap();
    let error = base(folder.path(), &engine, Arch::Arm64).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert!(
        error.message().contains("is of amd64, and arm64 is wanted"),
        "{error}"
    );
    assert_eq!(engine.arch_of(&first.reference), Some(Arch::Amd64));
}
