//! The program over a real engine, real package managers and a real package index.
//!
//! Which platforms are tested is said by `OMNIBUILD_TEST_PLATFORMS`: a comma list, or `all`;
//! `debian-12` when it is not set. What is asked for and can't run fails. Bases, builders and
//! wheels are kept in `OMNIBUILD_CACHE_DIR`, else in `omnibuild-tests` in the user's cache folder,
//! so that later runs are quick; projects live in temporary folders.
//!
//! On what is said by `OMNIBUILD_TEST_ENGINE`: `docker`, when it is not set, `podman`, at `CONTAINER_HOST`
//! or a service that the tests start, or `sandbox`; the last two need root. Tests of another engine's own
//! ways then do nothing, and say so.
//!
//! May not use the crate: only the program, the engine's own client, and files.

mod support {
    //! What the tests share.

    pub(crate) mod agent;
    pub(crate) mod bucket;
    pub(crate) mod certificates;
    pub(crate) mod daemon;
    pub(crate) mod disk;
    pub(crate) mod elsewhere;
    pub(crate) mod engine;
    pub(crate) mod index;
    pub(crate) mod keys;
    pub(crate) mod login;
    pub(crate) mod onlooker;
    pub(crate) mod place;
    pub(crate) mod platform;
    pub(crate) mod podman;
    pub(crate) mod program;
    pub(crate) mod project;
    pub(crate) mod proxy;
    pub(crate) mod python;
    pub(crate) mod record;
    pub(crate) mod registry;
    pub(crate) mod sandbox;
    pub(crate) mod search;
    pub(crate) mod site;
    pub(crate) mod tap;
}

mod agent;
mod architectures;
mod bad_input;
mod builders;
mod bygone;
mod daemon;
mod engines;
mod everyone;
mod faults;
mod full_disk;
mod identical;
mod images;
mod inventory;
mod isolation;
mod kinds;
mod libraries;
mod lint;
mod matrix;
mod platforms;
mod python;
mod rebuild;
mod repository;
mod sample;
mod sandbox;
mod secrets;
mod several;
mod shared;
mod signed;
mod standalone;
mod stopping;
mod wheels;
