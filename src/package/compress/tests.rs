//! Streams put together from parts, read by the decoders of the libraries and of the native tools.

use std::io::Read;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::platform::Channel;

const CODECS: [Codec; 3] = [Codec::Gzip, Codec::Xz, Codec::Zstd];

/// As good as random, and the same each time.
fn numbers() -> impl Iterator<Item = u32> {
    let next = |number: u32| number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    std::iter::successors(Some(next(1)), move |number| Some(next(*number)))
}

fn sample(length: usize) -> Vec<u8> {
    let mut bytes = vec![b'0'; 40];
    for number in numbers() {
        if bytes.len() >= length {
            break;
        }
        bytes.extend(format!("def name_{}(self): return {number}\n", number % 97).bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A part of so many bytes, written in pieces, on so many cores.
fn part(compression: Compression, bytes: &[u8], places: usize, piece: usize) -> (Vec<u8>, Part) {
    let cores = Cores::of(places);
    let size = bytes.len() as u64;
    let mut writer = PartWriter::new(compression, Vec::new(), size, &cores);
    for chunk in bytes.chunks(piece) {
        writer.write_all(chunk).unwrap();
    }
    writer.finish().unwrap()
}

fn stream(compression: Compression, inputs: &[Vec<u8>]) -> Vec<u8> {
    let parts: Vec<_> = inputs
        .iter()
        .map(|input| part(compression, input, 2, 8192))
        .collect();
    let mut stream = head(compression);
    for (bytes, _) in &parts {
        stream.extend(bytes);
    }
    let parts: Vec<&Part> = parts.iter().map(|(_, part)| part).collect();
    stream.extend(tail(compression.codec, &parts));
    stream
}

/// Reads one member, stream or frame, and says what is behind it.
fn read(codec: Codec, bytes: &[u8]) -> (Vec<u8>, usize) {
    let mut back = Vec::new();
    let left = match codec {
        Codec::Gzip => {
            let mut decoder = flate2::bufread::GzDecoder::new(bytes);
            decoder.read_to_end(&mut back).unwrap();
            decoder.into_inner().len()
        }
        Codec::Xz => {
            let mut decoder = liblzma::bufread::XzDecoder::new(bytes);
            decoder.read_to_end(&mut back).unwrap();
            decoder.into_inner().len()
        }
        Codec::Zstd => {
            let mut decoder = ::zstd::Decoder::with_buffer(bytes).unwrap().single_frame();
            decoder.read_to_end(&mut back).unwrap();
            decoder.finish().len()
        }
    };
    (back, left)
}

/// What the native tool makes of it.
fn unpacked_by_tool(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let program = match codec {
        Codec::Gzip => "gzip",
        Codec::Xz => "xz",
        Codec::Zstd => "zstd",
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), bytes).unwrap();
    let output = Command::new(program)
        .args(["-d", "-c"])
        .stdin(fs_err::File::open(file.path()).unwrap().into_file())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} can't be started ({error}): install it, or run .ci/prerequisites")
        });
    assert!(output.status.success(), "{program}");
    output.stdout
}

#[test]
fn parts_of_every_length_make_one_stream() {
    let block = blocks_of(Codec::Gzip);
    let inputs: Vec<Vec<u8>> = [40, 41, block - 1, block, block + 1, 3 * block + 77]
        .into_iter()
        .map(sample)
        .collect();
    let whole = inputs.concat();
    for codec in CODECS {
        for channel in [Channel::Fast, Channel::Standard] {
            let stream = stream(channel.compression(codec), &inputs);
            assert!(read(codec, &stream) == (whole.clone(), 0), "{codec:?}");
            assert!(unpacked_by_tool(codec, &stream) == whole, "{codec:?}");
        }
    }
}

fn blocks_of(codec: Codec) -> usize {
    match codec {
        Codec::Gzip => gzip::METHOD.size,
        Codec::Xz | Codec::Zstd => xz::METHOD.size,
    }
}

#[test]
fn no_parts_make_a_stream_of_nothing() {
    for codec in CODECS {
        let stream = stream(Channel::Standard.compression(codec), &[]);
        assert_eq!(read(codec, &stream), (Vec::new(), 0), "{codec:?}");
        assert_eq!(
            unpacked_by_tool(codec, &stream),
            Vec::<u8>::new(),
            "{codec:?}"
        );
    }
}

#[test]
fn the_bytes_do_not_depend_on_cores_or_on_the_pieces_written() {
    for codec in CODECS {
        // Zstandard has workers from 16 MiB on.
        let bytes = sample(17 << 20);
        let fast = Channel::Fast.compression(codec);
        let one = part(fast, &bytes, 1, 1 << 16);
        assert!(one == part(fast, &bytes, 8, 1 << 16), "{codec:?}");
        assert!(one == part(fast, &bytes, 3, 777), "{codec:?}");
    }
}

#[test]
fn a_part_of_several_xz_blocks_lists_them_all() {
    let bytes = sample(xz::METHOD.size + 1);
    let compression = Channel::Fast.compression(Codec::Xz);
    let stream = stream(compression, &[bytes.clone(), sample(1000)]);
    assert!(unpacked_by_tool(Codec::Xz, &stream) == [bytes, sample(1000)].concat());
    let blocks = listed(&stream);
    assert_eq!(blocks.len(), 3, "{blocks:?}");
    // Both sizes are in the header ("cu"), so `xz -d -T0` uses all cores.
    assert!(
        blocks.iter().all(|line| line.contains("\tcu\t")),
        "{blocks:?}"
    );
}

/// A line for each block of a stream, by xz.
fn listed(stream: &[u8]) -> Vec<String> {
    let file = tempfile::Builder::new().suffix(".xz").tempfile().unwrap();
    fs_err::write(file.path(), stream).unwrap();
    let path = file.path().to_str().unwrap();
    let listed = crate::package::fixture::run("xz", &["--list", "--robot", "-vv", path]);
    let lines = listed.lines().filter(|line| line.starts_with("block"));
    lines.map(str::to_owned).collect()
}

/// Instructions of which every tenth is a call of one of a few places.
fn machine_code(length: usize) -> Vec<u8> {
    let mut bytes = vec![b'0'; 40];
    while bytes.len() < length {
        let place = u32::try_from(bytes.len() % 7 * 4096).unwrap();
        let distance = place.wrapping_sub(u32::try_from(bytes.len()).unwrap());
        bytes.push(0xe8);
        bytes.extend(distance.to_le_bytes());
        bytes.extend(b"\x48\x89\xc7\x48\x8b\x45\xf0\x48\x85\xc0".repeat(4));
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn xz_filters_what_has_machine_code_and_nothing_else() {
    let (code, modules) = (machine_code(1 << 20), sample(1 << 20));
    // A few calls among much else are no reason, nor are numbers of byte code.
    let few = [&code[..1 << 13], &modules[..]].concat();
    let numbers = b"\xe9\x61\x12\0\0".repeat(1 << 16);
    let mixed = [&code[..1 << 18], &modules[..]].concat();
    let inputs = [code, modules, few, numbers, mixed];
    for channel in [Channel::Fast, Channel::Small] {
        let compression = channel.compression(Codec::Xz);
        let stream = stream(compression, &inputs);
        assert!(unpacked_by_tool(Codec::Xz, &stream) == inputs.concat());
        let filtered = listed(&stream)
            .iter()
            .map(|block| block.contains("--x86 "))
            .collect::<Vec<_>>();
        let small = compression.level >= 6;
        assert_eq!(filtered, [small, false, false, false, small], "{channel:?}");
    }
}

#[test]
fn what_is_large_is_compressed_by_xz_on_one_thread() {
    let large = 4 << 30;
    assert!(xz::threads(large) > 1);
    assert_eq!(xz::threads(large + 1), 1);
}

#[test]
fn a_zstandard_part_needs_equal_bytes_near_its_start() {
    let compression = Channel::Standard.compression(Codec::Zstd);
    let cores = Cores::of(1);
    let mut writer = PartWriter::new(compression, Vec::new(), 0, &cores);
    let counting: Vec<u8> = (0..=255).collect();
    writer.write_all(&counting).unwrap();
    assert!(writer.finish().is_err());
}

#[test]
fn what_compresses_is_known_by_its_version() {
    for (codec, number) in [(Codec::Gzip, 2), (Codec::Xz, 2), (Codec::Zstd, 3)] {
        let libraries = libraries(codec);
        assert_eq!(libraries.len(), number, "{libraries:?}");
        for library in &libraries {
            let (_, version) = library.split_once(' ').unwrap();
            assert!(
                version.starts_with(|first: char| first.is_ascii_digit()),
                "{library}"
            );
        }
    }
    let running = ::zstd::zstd_safe::version_string();
    let named = libraries(Codec::Zstd);
    assert!(
        named
            .iter()
            .any(|library| library.ends_with(&format!("+zstd.{running}"))),
        "{named:?}"
    );
}

/// What tempts an encoder to use the offsets that a part before left: repetitions at every small
/// distance, right behind a part's beginning.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let repeated = (prop::collection::vec(any::<u8>(), 1..20), 1_usize..400)
        .prop_map(|(unit, times)| unit.repeat(times));
    let few = prop::collection::vec(0_u8..3, 0..4000);
    let random = prop::collection::vec(any::<u8>(), 0..4000);
    let pieces = prop_oneof![repeated, few, random];
    prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat())
}

/// A part as the formats write them: a header with equal bytes in it, then content.
fn member() -> impl Strategy<Value = Vec<u8>> {
    let tar = (prop::collection::vec(any::<u8>(), 345), content())
        .prop_map(|(header, content)| [header, vec![0; 167], content].concat());
    let cpio = (prop::collection::vec(any::<u8>(), 62), content())
        .prop_map(|(header, content)| [header, vec![b'0'; 32], content].concat());
    let zeros = content().prop_map(|content| [vec![0; 1024], content].concat());
    prop_oneof![tar, cpio, zeros]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn zstandard_parts_do_not_inherit_offsets(
        members in prop::collection::vec(member(), 1..6),
        channel in prop_oneof![Just(Channel::Fast), Just(Channel::Standard)],
    ) {
        let stream = stream(channel.compression(Codec::Zstd), &members);
        let whole = members.concat();
        prop_assert!(read(Codec::Zstd, &stream) == (whole.clone(), 0));
        prop_assert!(unpacked_by_tool(Codec::Zstd, &stream) == whole);
    }
}

/// vendor/README.md: a patch changes no byte. The digest is of what the published crate wrote; it is another only with
/// another version of it, or other settings.
#[test]
fn xz_is_what_the_published_crate_writes() {
    let compression = Compression {
        codec: Codec::Xz,
        level: 6,
    };
    let matches = numbers().map(|number| u8::try_from(number >> 28).unwrap());
    // Larger than the dictionary, so that all of it is gone through.
    let inputs = [sample(10 << 20), matches.take(10 << 20).collect()];
    let digest = crate::digest::Digest::of(stream(compression, &inputs));
    assert_eq!(
        digest.as_str(),
        "0cbe2d146966d96ec303553131e2f7a83c7684750bb542676db19b63dce23245"
    );
}
