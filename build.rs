//! Digests of the program's own sources, for the keys of what is kept between runs.
//!
//! What a changed line of code would make otherwise must not be taken from what the old code made. So
//! the keys of layers, segments and packages have the digest of the code that makes them; nobody has
//! to think of a number. Wheels are dear and are not made by this code: their keys have none.
//!
//! A folder means every file below it. `tests/it/tidy/keys.rs` holds the lists against the imports.

use sha2::{Digest, Sha256};

/// Variables of the compilation, and the sources that they are the digests of. Beside each stands
/// `<variable>_PATHS`, the list.
const DIGESTS: [(&str, &[&str]); 4] = [
    // All of it: whoever asks for packages gets those of the code that runs, and with layers and
    // segments at hand they are made in a moment.
    (
        "OMNIBUILD_PACKAGE_CODE",
        &[
            "src",
            "images",
            "platforms.toml",
            "pythons.toml",
            "Cargo.lock",
            "vendor/liblzma-sys.patch",
        ],
    ),
    (
        "OMNIBUILD_LAYER_CODE",
        &[
            "src/archive",
            "src/audit",
            "src/bundle",
            "src/digest.rs",
            "src/elf",
            "src/interpreter.rs",
            "src/standalone",
            "src/steps.rs",
            "src/text.rs",
            "src/tree.rs",
            "src/wheel",
            "images/steps/compile_bytecode.py",
        ],
    ),
    (
        "OMNIBUILD_SEGMENT_CODE",
        &[
            "src/archive",
            "src/digest.rs",
            "src/package",
            "src/text.rs",
            "src/tree.rs",
            "vendor/liblzma-sys.patch",
        ],
    ),
    // What compiles an interpreter is in its key by value; this writes what came out.
    (
        "OMNIBUILD_PYTHON_CODE",
        &["src/archive", "src/cpython/pack.rs"],
    ),
];

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    for (variable, paths) in DIGESTS {
        let mut digest = Sha256::new();
        for path in paths {
            println!("cargo::rerun-if-changed={path}");
            add(&mut digest, path)?;
        }
        let begin = digest.finalize().into_iter().take(8);
        let number = begin.fold(0_u64, |number, byte| number << 8 | u64::from(byte));
        println!("cargo::rustc-env={variable}={number:016x}");
        println!("cargo::rustc-env={variable}_PATHS={}", paths.join(" "));
    }
    Ok(())
}

/// Adds names, lengths and contents of a file or of all files below a folder, in the order of names,
/// but for byte code that a test of the scripts left.
fn add(digest: &mut Sha256, path: &str) -> std::io::Result<()> {
    let byte_code = |entry: &walkdir::DirEntry| entry.file_name() == "__pycache__";
    let entries = walkdir::WalkDir::new(path).sort_by_file_name();
    for entry in entries.into_iter().filter_entry(|entry| !byte_code(entry)) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let content = fs_err::read(entry.path())?;
            digest.update(format!("{} {}\n", entry.path().display(), content.len()));
            digest.update(content);
        }
    }
    Ok(())
}
