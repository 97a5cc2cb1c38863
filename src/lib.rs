//! omnibuild: Python applications as native packages, built in containers.
//!
//! This page is the map: what flows through the program, which room does what, who may know whom,
//! and what never happens. The words of a user are in the README and in `omnibuild --help`.
//!
//! # Bird's eye view
//!
//! One project goes in, deb or rpm packages come out, for several platforms side by side. Data flows
//! one way; a later type never refers back.
//!
//! ```text
//! omnibuild.toml | pyproject [tool.omnibuild]      platforms.toml + images/<platform>/
//!               \                                  /
//!                config -> Config        checked once; defaults and cross-field rules live here
//!                inputs -> Inputs        files read and hashed, git described; nothing written
//!                plan   -> Plan          pure; every name, path, version and the fields of every key
//!     for each platform, side by side, failures isolated:
//!                base    -> BaseImage      the engine's, pulled, or bootstrapped from a mirror
//!                image   -> BuilderImage   reused by content key, pulled, or built from the Dockerfile
//!                wheels  -> WheelSet       from a cache; only what none has is fetched or built
//!                bundle  -> Bundle         layers of a virtualenv at its final path, no network
//!                inventory -> Inventory    what it holds; the bill of materials is one more layer
//!                libraries -> Libraries what the bundle needs of the platform; the audit refuses the rest
//!                package -> Built          omnibus and meta-packages, written in process
//!                verify  -> Verified       installed, run, removed in a clean container
//!                runtime -> RuntimeImage   layers of what the package manager installs of them
//!     push: to registries, when every platform is there
//! ```
//!
//! A stage takes the result before it and its own part of the plan, never [`config::Config`]. No
//! stage decides a name: the plan did. A result lists digests, so that the next key can use them.
//!
//! Four things are kept between runs, each under a key of what decides it: builder images (in the
//! engine), wheels ([`wheels::store`]), *layers* ([`bundle::store`]): wheels as they are once
//! installed and compiled at a prefix, and *segments* ([`package::SegmentStore`]): what layers are
//! once written for a format and compressed. Nobody has to install or compress a wheel twice, so after
//! a change of one line only the application's layer and its segment are made.
//! The code that makes layers, segments and packages is in their keys, as a digest of its sources that
//! `build.rs` computes; wheels are not made by it.
//!
//! A set of wheels is not one thing: when its key misses, [`wheels`] follows the metadata of the wheels
//! that are there, and has the workshop, a builder container with a network, fetch or build only what
//! is missing. Which file a distribution is, is decided by the first of these that says it: a direct
//! reference, a lock, the project's earlier set, the index. Wheels are stored by content for all
//! platforms; the key of one that was built here names its source, the builder and the ABI.
//!
//! # Entry points
//!
//! `main.rs` parses and calls [`pipeline::execute`], which has one function for each command.
//! [`pipeline::build`] is the one to read first; `pipeline/platform.rs` is the list of stages above. To
//! learn what a build will do, read [`plan::plan`]; to learn what containers are asked to do,
//! [`engine::Engine`].
//!
//! # Code map
//!
//! | room | what it does |
//! |---|---|
//! | [`cli`] | the command line and the environment; its help text is the manual |
//! | [`pipeline`] | the commands; the only room that knows the order of the stages |
//! | [`config`] | project configuration and platform table, read, merged, checked |
//! | [`plan`] | [`plan::inputs`] reads, [`plan::plan`] decides; requirement files as data |
//! | [`engine`] | what is asked of a container engine; `docker/` asks a daemon, `sandbox/` the kernel; sessions and their sweep |
//! | [`context`] | what every stage of one platform is given: engine, caches, reporter, network |
//! | [`base`] | base images: the engine's, a registry's, and [`base::bootstrap`] for those that none has |
//! | [`download`] | files from servers by HTTP |
//! | [`python`] | the archive of the Python that packages bring |
//! | [`registry`] | a repository of a container registry: blobs, manifests, whole images, credentials |
//! | [`image`] | builder images |
//! | [`cpython`] | a Python of one's own, made from source: table of sources, download, build, archive |
//! | [`wheels`] | the closure of dependencies, the project's own wheel, the cache of both, the remote cache |
//! | [`bundle`] | wheel to layer, layers to bundle |
//! | [`inventory`] | what a bundle holds: licences, bill of materials, provenance |
//! | [`libraries`] | what ELF files need: found in the bundle, or dependencies on the platform's packages |
//! | [`package`] | from a bundle and the plan to files: the deb and the rpm writer; [`package::read`] reads packages, whoever made them, [`package::compare`] compares them |
//! | [`repository`] | earlier versions of the packages, out of an apt or dnf repository |
//! | [`verify`] | the packages in a clean container |
//! | [`runtime`] | runtime images: what an installation changes, as layers that are the same each time |
//! | [`state`] | what a project's folder remembers |
//! | [`report`] | events as terminal lines, plain lines or JSON; logs; secrets taken out |
//! | [`archive`] | tar streams into and out of containers |
//! | [`lint`] | what lintian and rpmlint say of packages, and which of it is overridden |
//! | [`interpreter`] | what a platform's Python says of itself |
//! | [`standalone`] | a Python that a bundle brings: which files of its archive, which parts |
//! | [`steps`] | the scripts that run in containers |
//! | [`wheel`] | a wheel as a file: name, tags, frame, members, RECORD, entry points, all checked before use |
//! | [`elf`] | what an ELF file says of itself: machine, libraries it needs, versions and symbols of them |
//! | [`audit`] | what a package may not hold: permissions, links, paths of the builder, foreign machines |
//! | [`tree`] | one sorted, normalised list of what a package installs |
//! | [`text`] | shapes of text that several rooms need |
//! | [`digest`] | digests, and keys that stay readable beside their hash |
//! | [`fsutil`] | the commit primitive, locks, sorted walk |
//! | [`oci`] | the words of the OCI image specification: manifests, layers, root file systems; the blobs that are kept |
//! | [`memory`] | large pages for what compresses, asked for when the program starts |
//! | [`signing`] | OpenPGP signatures by a key in a file, gpg's agent or a command |
//! | [`version`] | PEP 440 and `git describe` to versions that dpkg and rpm order alike |
//! | [`platform`] | validated words: platform, architecture, format, package name, image |
//! | [`error`] | the one error type, its kinds with their exit codes, its hints |
//!
//! Outside of Rust: `platforms.toml` and `images/<id>/` are the platforms, `images/common/` what
//! their Dockerfiles share, `images/steps/` the scripts that run in containers, `images/scripts/`
//! the functions that maintainer scripts are made of; `pythons.toml` and `images/python/` what an
//! interpreter is made of and how. All of it is compiled in.
//!
//! # Who may import whom
//!
//! | layer | rooms | may import |
//! |---|---|---|
//! | words | error, digest, fsutil, platform, archive, interpreter, standalone, steps, elf, text, audit, lint, tree, signing, wheel, version, oci, report | words before them |
//! | facts | config | words |
//! | decision | plan | words, facts; no async, no engine; `plan()` does no input or output |
//! | ports | engine, context, download, python, registry | words; all but engine the plan's types too, python also context, and with registry download |
//! | records | state | words, and types of what it records |
//! | stages | base, image, cpython, wheels, bundle, inventory, libraries, package, repository, verify, runtime | words, ports, types of the plan, results of earlier stages; `package` no engine |
//! | order | pipeline | all of these |
//! | edge | cli, main | pipeline, report, error, text |
//!
//! Five arrows stand beside the table: `cli` makes [`config::Overrides`]; a command is given what
//! `cli` parsed, as plain data; `main` asks [`engine::act_as_helper`] first, since the sandbox's helper
//! processes are this program, and [`memory`], which may start it anew; and `context` hands out the
//! remote cache ([`wheels::Remote`]).
//! `tests/it/tidy/imports.rs` is the same table, held against every `use`.
//!
//! Inside a folder the child imports the parent's trait, and the parent names the child in one
//! exhaustive `match` ([`package::packager`], [`engine::connect`]). Outside the folder nobody names
//! the child.
//!
//! A platform is data and needs no Rust. A package format or an engine is a new file, an enum value
//! and a match arm. If a change needs more, the wall is in the wrong place.
//!
//! # Invariants
//!
//! What never happens, and what holds it. `tests/it/tidy` reads the sources; the other names are
//! tests or lints.
//!
//! 1. No file but `engine/docker/` names the client library; nothing but [`report`] and `main`
//!    prints; nothing but [`cli`] and [`engine`] reads environment variables. (`tidy`; clippy's
//!    `print_stdout`, `print_stderr` and `disallowed-methods`)
//! 2. No `match` on a format, a family or an engine has a wildcard arm, or stands outside of the
//!    functions that register them. (`tidy`)
//! 3. Nothing that another run or a user can see is written in place, and nothing but [`fsutil`]
//!    renames. (`a_failed_write_leaves_the_old_file_and_no_other`,
//!    `content_that_is_gone_or_too_short_leaves_no_package`, the kills and full disks of
//!    `tests/it/cache/faults.rs` and `tests/it/packing`; `disallowed-methods`)
//! 4. No key has a time, a tag or an id of a locally built image in it.
//!    (`a_key_does_not_depend_on_the_order_of_its_fields_but_on_all_of_them`)
//! 5. No command is a string: it is a list of words with its folder and environment. Scripts live
//!    under `images/`. ([`engine::Exec`] has no other form)
//! 6. No container is made outside of [`engine::with_container`], which always removes; each carries
//!    its session's label, and what a dead session left is swept by the next.
//! 7. No secret is in a word of a command, a container's environment, an image layer or a log.
//!    (`secrets_of_the_user_are_in_nothing_that_is_made_kept_or_said`,
//!    `credentials_of_an_index_are_in_the_file_only`, `a_secret_is_in_no_output_and_no_log`,
//!    `canonical_lines_hold_no_credentials_and_place_relative_folders`)
//! 8. No archive and no package is held in memory: what is as large as its user makes it streams
//!    through files. (`benches/compare.py` shows the peak)
//! 9. No wheel is used before all of it was checked: by [`wheels::WheelStore::verify`] that it is what
//!    was put in, by [`wheel`] what it holds. (the tests of both;
//!    `damaged_wheels_are_found_put_aside_and_made_again`,
//!    `each_hostile_wheel_is_decided_and_named`, `a_damaged_wheel_is_refused_or_holds_what_it_held`)
//! 10. Nothing that comes from a remote cache is believed: a set is its key's own and sealed, a wheel
//!     has its digest before it has a name, and no trouble with it fails a build. (`tests/it/remote`)
//! 11. No script of a dependency runs while a bundle is made: wheels are unpacked here, and the
//!     container, which has no network, makes the virtualenv's skeleton and compiles byte code.
//! 12. Nobody gets a [`verify::Verified`] but from [`verify::verify`], or from the record it left of files
//!     that have the same digests still. (`a_record_holds_for_what_was_verified_and_nothing_else`,
//!     `an_edited_record_is_not_believed`)
//! 13. No package depends on what is kept: put together from segments or made from nothing, it is the
//!     same. (`cold_warm_and_without_a_store_the_bytes_are_the_same`,
//!     `a_damaged_segment_is_made_again`)
//!
//! # Cross-cutting
//!
//! **Errors.** One type with a [`error::Kind`], which decides the exit code; the numbers are an
//! interface. An error says what happened, where, why (command, status, last lines, log) and what to
//! do. Where a cause is known, the stage says so by kind and hint ([`wheels`] has the list).
//!
//! **Logs.** Everything that a container prints goes to `.omnibuild/logs/<platform>.log`
//! (`<platform>_arm64.log`), whatever is shown. Progress goes to standard error, results to standard output.
//!
//! **Cancellation.** Ctrl-C and SIGTERM drop the futures of all platforms; the session's containers
//! are removed before the program ends. A command in the sandbox ends with the socket that its helper
//! holds, so with this program however that ends. Files need no care: what isn't committed has no name. After
//! a kill the next run removes the containers, since the dead session's lock is free, and whoever next
//! makes a temporary file or folder removes those beside it that nobody holds. Every lock
//! is `flock`, so nobody waits for a dead one, and no wait for one holds up the end of a run.
//!
//! **Reproducibility.** Same inputs, same bytes. A layer depends on the wheel's digest, the
//! interpreter, the prefix and the way byte code is made, and has its wheel's time; the packages' writer
//! clamps it to `SOURCE_DATE_EPOCH` (the commit's time). Compressors give the same bytes on any number of cores.
//! What isn't in the keys' reach: a compiler that is not deterministic, and an index that answers
//! otherwise tomorrow while no wheel is cached; pin requirements against that.
//!
//! **Network.** Only bases, builder images, dependencies and verification have one. Proxy variables
//! are handed to each command there as they are, and to no container: who may inspect one does not see a
//! proxy's password. Certificates go in as a file. An ssh-agent is asked through the input and output of
//! a command of the workshop, and of no other. No path of this machine is mounted, so the engine may be
//! another machine's; the sandbox is this one's, and what each of its ways keeps apart less well stands in
//! `engine/sandbox/way.rs`.

pub mod archive;
pub mod audit;
pub mod base;
pub mod bundle;
pub mod cli;
pub mod config;
pub mod context;
pub mod cpython;
pub mod digest;
pub mod download;
pub mod elf;
pub mod engine;
pub mod error;
pub mod fsutil;
pub mod image;
pub mod interpreter;
pub mod inventory;
pub mod libraries;
pub mod lint;
pub mod memory;
pub mod oci;
pub mod package;
pub mod pipeline;
pub mod plan;
pub mod platform;
pub mod python;
pub mod registry;
pub mod report;
pub mod repository;
pub mod runtime;
pub mod signing;
pub mod standalone;
pub mod state;
pub mod steps;
pub mod text;
pub mod tree;
pub mod verify;
pub mod version;
pub mod wheel;
pub mod wheels;
