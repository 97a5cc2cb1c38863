//! The pre-flight on any bytes: it may refuse them, and nothing else.
//!
//! `tests/hostile/make.py FOLDER` makes seeds: put its wheels into `corpus/wheel/`.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use omnibuild::interpreter::Interpreter;
use omnibuild::wheel::{Policy, check};

static INTERPRETER: LazyLock<Interpreter> = LazyLock::new(|| {
    Interpreter::parse(
        r#"{"schema": 1, "version": "3.11.2", "major_minor": "3.11", "implementation": "cpython",
            "cache_tag": "cpython-311", "abi": "cp311", "magic": "a70d0d0a",
            "executable": "/usr/bin/python3.11", "machine": "x86_64", "libc": "glibc 2.36"}"#,
    )
    .expect("these facts are well-formed")
});

static FOLDER: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("the fuzzer needs a folder for temporary files"));

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.path().join("ample-1.0-py3-none-any.whl");
    std::fs::write(&path, bytes).expect("the temporary folder takes the wheel");
    if let Ok(checked) = check(&path, &INTERPRETER, &Policy::default()) {
        assert_eq!(checked.contents.name.to_ascii_lowercase(), "ample");
    }
});
