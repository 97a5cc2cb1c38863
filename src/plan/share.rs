//! One bundle for many distributions: which platform makes the bundle of which.
//!
//! A bundle that brings its Python, and whose wheels were made where the C library is the oldest, is
//! the same on every platform, so it is made once. Pure.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};

use super::{Plan, PlatformPlan};

impl Plan {
    /// Has each platform take its bundle from the one of `makers` that has the oldest C library (the
    /// first by name of equals), where both bundle the same. `insists`: the project names the maker, so
    /// one that can't be it is an error of [`Kind::Config`].
    pub fn share(&mut self, makers: &[PlatformPlan], insists: bool) -> Result<()> {
        for platform in &mut self.platforms {
            if platform.python.standalone.is_none() {
                continue;
            }
            let of_same = makers
                .iter()
                .filter(|maker| bundles_the_same(maker, platform));
            let oldest =
                of_same.min_by(|one, other| (one.glibc, &one.id).cmp(&(other.glibc, &other.id)));
            let Some(maker) = oldest.filter(|maker| maker.id != platform.id) else {
                continue;
            };
            if maker.glibc > platform.glibc {
                if insists {
                    return Err(newer(maker, platform));
                }
                continue;
            }
            platform.wheels = maker.wheels.clone();
            platform.maker = Some(Arc::new(maker.clone()));
        }
        Ok(())
    }
}

/// Whether nothing but the platforms themselves differs in what two bundles are made of.
fn bundles_the_same(one: &PlatformPlan, other: &PlatformPlan) -> bool {
    let python = |plan: &PlatformPlan| {
        let standalone = plan.python.standalone.as_ref();
        standalone.map(|it| (it.digest.clone(), it.without.clone()))
    };
    one.arch() == other.arch()
        && python(one).is_some()
        && python(one) == python(other)
        && one.wheels.chosen == other.wheels.chosen
}

fn newer(maker: &PlatformPlan, platform: &PlatformPlan) -> Error {
    let glibc = |plan: &PlatformPlan| format!("{}.{}", plan.glibc.0, plan.glibc.1);
    Error::new(
        Kind::Config,
        format!(
            "made-on: {} has the C library {}, which is newer than {} of {}",
            maker.id,
            glibc(maker),
            glibc(platform),
            platform.id
        ),
    )
    .hint("name the platform with the oldest C library, which `omnibuild platforms` shows, or leave the key out: then it is the oldest of `platforms`")
}
