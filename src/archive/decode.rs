//! Compressed streams: gzip members, xz streams and Zstandard frames, one or many.
//!
//! What it allocates is bounded, whatever a header asks for.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

use crate::platform::Codec;

/// What an xz decoder may take in bytes; `xz -9` asks for 65 MiB.
const XZ_MEMORY: u64 = 192 << 20;

/// The largest window of a Zstandard frame, as a power of two: 128 MiB, what `zstd --ultra -22` uses.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How the stream that begins with these bytes is compressed, if it is in a way that is known.
pub fn codec_of(start: &[u8]) -> Option<Codec> {
    if start.starts_with(&[0x1f, 0x8b]) {
        Some(Codec::Gzip)
    } else if start.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        Some(Codec::Xz)
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Some(Codec::Zstd)
    } else {
        None
    }
}

/// A reader of what is compressed in `inner`, or of what stands there when it is not compressed.
pub fn decoded<'a>(mut inner: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let codec = codec_of(inner.fill_buf()?);
    decoder(codec, inner)
}

/// A reader of what is compressed in `inner` by this codec.
pub fn decoder<'a>(
    codec: Option<Codec>,
    inner: impl BufRead + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match codec {
        None => Box::new(inner),
        Some(Codec::Gzip) => Box::new(MultiGzDecoder::new(inner)),
        Some(Codec::Xz) => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(inner, stream))
        }
        Some(Codec::Zstd) => {
            let mut decoder = zstd::Decoder::with_buffer(inner)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
}
