//! Whether an engine runs programs of an architecture that its machine has not: it is asked to run the
//! smallest one.
//!
//! What emulates them (binfmt_misc(5) with qemu) is the engine's machine's own affair, and is known by
//! nothing but that it works.

use std::collections::BTreeMap;

use crate::archive::ArchiveWriter;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::oci::ExecutionConfig;
use crate::platform::Arch;
use crate::report::PlatformReporter;

use super::{ContainerSpec, Engine, Exec, Limits, Network, Session, with_container};

/// Where the program is loaded.
const ADDRESS: u64 = 0x40_0000;
const ELF_HEADER: u16 = 64;
const PROGRAM_HEADER: u16 = 56;

/// Asks an engine whose own architecture is another to run a program of this one.
///
/// # Errors
/// [`Kind::Engine`] when it can't, with what to do.
pub async fn must_run(
    engine: &dyn Engine,
    session: &Session,
    report: &PlatformReporter,
    [own, wanted]: [Arch; 2],
) -> Result<()> {
    let Err(error) = run(engine, session, report, wanted).await else {
        return Ok(());
    };
    report.output_line(error.message());
    let about = engine.about().await?;
    let wanted = wanted.debian();
    Err(Error::new(
        Kind::Engine,
        format!(
            "the engine at `{}` makes containers of {}, and packages of {wanted} are to be built",
            about.address,
            own.debian(),
        ),
    )
    .hint(format!(
        "name the engine of each architecture: `{wanted} = \"ssh://…\"` under `[engines]`"
    ))
    .hint(format!(
        "or have its machine emulate {wanted}: `apt-get install qemu-user-static binfmt-support`, after which \
         /proc/sys/fs/binfmt_misc has a handler with the flag F"
    )))
}

async fn run(
    engine: &dyn Engine,
    session: &Session,
    report: &PlatformReporter,
    arch: Arch,
) -> Result<()> {
    let program = program(arch);
    let tag = format!(
        "omnibuild/probe:{}-{}",
        arch.debian(),
        Digest::of(&program).short()
    );
    if engine.image(&tag).await?.is_none() {
        let mut root = ArchiveWriter::new(0)?;
        for folder in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp"] {
            root.folder(folder)?;
        }
        // An idle container is this command.
        root.bytes("bin/cat", 0o755, &program)?;
        engine
            .import(&root.finish()?, arch, &tag, &ExecutionConfig::default())
            .await?;
    }
    let spec = ContainerSpec {
        image: &tag,
        network: Network::None,
        env: BTreeMap::new(),
        of_commands: BTreeMap::new(),
        labels: session.labels(),
        limits: Limits::default(),
        content: None,
    };
    with_container(engine, report, &spec, async |container| {
        container.run(&Exec::new(["/bin/cat"])).await
    })
    .await
}

/// A static program that reads its input to the end, writes nothing and ends well.
fn program(arch: Arch) -> Vec<u8> {
    let (machine, code): (u16, Vec<u8>) = match arch {
        Arch::Amd64 => (
            62,
            [
                &[0x31, 0xc0, 0x31, 0xff][..],    // read: xor eax, eax; xor edi, edi
                &[0x48, 0x8d, 0x74, 0x24, 0xf0],  // lea rsi, [rsp - 16]
                &[0xba, 16, 0, 0, 0, 0x0f, 0x05], // mov edx, 16; syscall
                &[0x48, 0x85, 0xc0, 0x7f, 0xeb],  // test rax, rax; jg read
                &[0xb8, 60, 0, 0, 0, 0x31, 0xff], // mov eax, 60; xor edi, edi
                &[0x0f, 0x05],                    // syscall
            ]
            .concat(),
        ),
        Arch::Arm64 => {
            let words: [u32; 10] = [
                0xd280_07e8, // read: mov x8, 63
                0xd280_0000, // mov x0, 0
                0xd100_43e1, // sub x1, sp, 16
                0xd280_0202, // mov x2, 16
                0xd400_0001, // svc 0
                0xf100_001f, // cmp x0, 0
                0x54ff_ff4c, // b.gt read
                0xd280_0ba8, // mov x8, 93
                0xd280_0000, // mov x0, 0
                0xd400_0001, // svc 0
            ];
            (
                183,
                words.iter().flat_map(|word| word.to_le_bytes()).collect(),
            )
        }
    };
    let headers = u64::from(ELF_HEADER + PROGRAM_HEADER);
    let size = headers + code.len() as u64;
    // elf(5): 64 bits, little-endian, version 1; an executable with one segment.
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(16, 0);
    let half = |program: &mut Vec<u8>, value: u16| program.extend(value.to_le_bytes());
    let word = |program: &mut Vec<u8>, value: u32| program.extend(value.to_le_bytes());
    let long = |program: &mut Vec<u8>, value: u64| program.extend(value.to_le_bytes());
    half(&mut program, 2);
    half(&mut program, machine);
    word(&mut program, 1);
    for value in [ADDRESS + headers, ELF_HEADER.into(), 0] {
        long(&mut program, value);
    }
    word(&mut program, 0);
    for value in [ELF_HEADER, PROGRAM_HEADER, 1, 0, 0, 0] {
        half(&mut program, value);
    }
    // To be loaded, readable and executable.
    word(&mut program, 1);
    word(&mut program, 5);
    for value in [0, ADDRESS, ADDRESS, size, size, 0x1000] {
        long(&mut program, value);
    }
    program.extend(code);
    program
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::elf;

    #[test]
    fn the_program_is_of_its_architecture() {
        for arch in [Arch::Amd64, Arch::Arm64] {
            let file = elf::read(&mut std::io::Cursor::new(program(arch)));
            assert!(file.unwrap().unwrap().runs_on(arch.machine()), "{arch:?}");
        }
    }

    #[test]
    fn the_program_of_this_machine_reads_all_its_input_and_ends_well() {
        let arch = Arch::of_this_machine().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cat");
        fs_err::write(&path, program(arch)).unwrap();
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let mut child = Command::new(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&[b'x'; 100]).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "it waits for more");
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty());
    }
}
