//! SHA-1 (FIPS 180-4 section 6.1) of a header.
//!
//! rpm before 4.14 knows no other digest of a header alone. It guards against broken downloads,
//! not against people: SHA-256 stands beside it.

/// The digest as 40 lower-case hexadecimal digits.
pub(super) fn hex_digest(bytes: &[u8]) -> String {
    let mut state = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    let mut blocks = bytes.chunks_exact(64);
    for block in &mut blocks {
        compress(&mut state, block);
    }
    let mut last = blocks.remainder().to_vec();
    last.push(0x80);
    // The length in bits takes the last eight bytes of the last block.
    let padded = (last.len() + 8).next_multiple_of(64);
    last.resize(padded - 8, 0);
    last.extend((bytes.len() as u64 * 8).to_be_bytes());
    for block in last.chunks_exact(64) {
        compress(&mut state, block);
    }
    let digest: Vec<u8> = state.into_iter().flat_map(u32::to_be_bytes).collect();
    crate::digest::hex(&digest)
}

#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
fn compress(state: &mut [u32; 5], block: &[u8]) {
    let mut schedule = [0_u32; 80];
    for (word, bytes) in schedule.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    for t in 16..80 {
        let word = schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16];
        schedule[t] = word.rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (t, word) in schedule.into_iter().enumerate() {
        let (f, k) = match t {
            0..20 => ((b & c) | (!b & d), 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc_u32),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(f)
            .wrapping_add(e)
            .wrapping_add(k)
            .wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (word, added) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(added);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        let check = |bytes: &[u8], expect: &str| assert_eq!(hex_digest(bytes), expect);
        check(b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        check(two_blocks, "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        check(
            &vec![b'a'; 1_000_000],
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
        );
    }

    #[test]
    fn every_length_of_the_last_block_agrees_with_coreutils() {
        use std::process::Command;
        let folder = tempfile::tempdir().unwrap();
        for length in 50..70 {
            let path = folder.path().join("bytes");
            fs_err::write(&path, vec![7; length]).unwrap();
            let output = Command::new("sha1sum").arg(&path).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(
                Some(hex_digest(&vec![7; length]).as_str()),
                text.split(' ').next()
            );
        }
    }
}
