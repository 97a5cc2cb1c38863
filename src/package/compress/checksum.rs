//! CRC-32 (ISO 3309), as gzip and xz have it, of parts that were read apart.

/// The checksum of some bytes.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut checksum = flate2::Crc::new();
    checksum.update(bytes);
    checksum.sum()
}

/// The polynomial, lowest power last.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// The checksum of bytes that have the checksum `first`, followed by `length` bytes that have the
/// checksum `second`.
///
/// Zeros behind the first part are a multiplication by a power of x modulo the polynomial.
pub(super) fn combined(first: u32, second: u32, length: u64) -> u32 {
    // x to the eighth: what a byte of zeros does.
    let mut power = 1 << (31 - 8);
    let mut shifted = first;
    let mut left = length;
    while left > 0 {
        if left & 1 == 1 {
            shifted = multiplied(shifted, power);
        }
        power = multiplied(power, power);
        left >>= 1;
    }
    shifted ^ second
}

/// The product of two polynomials, whose highest bit is the lowest power, modulo the polynomial.
fn multiplied(one: u32, mut other: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        if one >> bit & 1 == 1 {
            product ^= other;
        }
        other = other >> 1 ^ if other & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_checksum_of_the_whole() {
        let bytes: Vec<u8> = (0_u32..5000)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for cut in [0, 1, 2, 7, 64, 4097, 5000] {
            let (one, two) = bytes.split_at(cut);
            let found = combined(crc32(one), crc32(two), two.len() as u64);
            assert_eq!(found, crc32(&bytes), "{cut}");
        }
        // Longer than 32 bits: as many zeros in two steps.
        let (half, start) = (3 << 31, crc32(b"x"));
        let in_two = combined(combined(start, 0, half), 0, half);
        assert_eq!(combined(start, 0, 2 * half), in_two);
    }
}
