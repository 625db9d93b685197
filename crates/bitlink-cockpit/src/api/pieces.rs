//! A large answer in pieces that are packed on all processors at once, and put together to one gzip file (RFC 1952) without
//! being copied: each piece is a run of deflate blocks (RFC 1951) that ends on a whole byte.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use flate2::{Compress, CompressError, Compression, Crc, FlushCompress, Status};
use std::convert::Infallible;

/// How whoever asks takes a large answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
}

/// The quickest: packing is a third of the work of a large answer, and the next step packs a quarter smaller at half as much again.
const LEVEL: Compression = Compression::fast();
/// A gzip file without a name, of no time and from no system.
const HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// A last block with nothing in it.
const LAST: &[u8] = &[3, 0];

/// A part of an answer, as it goes out.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    /// Of what it was before it was packed.
    sum: Crc,
}

impl Packing {
    /// What the headers of a question ask for.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let named = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let takes = |one: &str| {
            let (name, weight) = one.split_once(';').unwrap_or((one, "q=1"));
            let refused = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse().ok());
            name.trim().eq_ignore_ascii_case("gzip") && refused != Some(0.0)
        };
        if named.flat_map(|names| names.split(',')).any(takes) { Self::Gzip } else { Self::Plain }
    }

    /// Somebody who makes pieces, one after the other.
    pub(super) fn packer(self) -> Packer {
        Packer((self == Self::Gzip).then(|| Compress::new(LEVEL, false)))
    }

    /// All of an answer.
    pub(super) fn answer(self, kind: &'static str, pieces: impl IntoIterator<Item = Piece>) -> Response {
        let mut all = Crc::new();
        let mut parts: Vec<Bytes> = Vec::new();
        for piece in pieces {
            all.combine(&piece.sum);
            parts.push(piece.bytes.into());
        }
        if self == Self::Gzip {
            parts.insert(0, Bytes::from_static(HEAD));
            let sums = [all.sum().to_le_bytes(), all.amount().to_le_bytes()];
            parts.push([LAST, sums.as_flattened()].concat().into());
        }
        let parts = parts.into_iter().map(Ok::<_, Infallible>);
        let mut response = Response::new(Body::from_stream(futures::stream::iter(parts)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if self == Self::Gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        response
    }
}

/// Makes pieces; what it works with is some hundred kilobytes, and used again.
#[derive(Debug)]
pub(super) struct Packer(Option<Compress>);

impl Packer {
    /// A piece of this text.
    pub(super) fn piece(&mut self, text: impl Into<Vec<u8>>) -> Result<Piece, CompressError> {
        let (text, mut sum) = (text.into(), Crc::new());
        let Some(packer) = &mut self.0 else { return Ok(Piece { bytes: text, sum }) };
        sum.update(&text);
        // Pieces know nothing of each other: any of them can have been made first.
        packer.reset();
        let mut bytes = Vec::with_capacity(text.len() / 2 + 64);
        let mut rest = text.as_slice();
        loop {
            let before = packer.total_in();
            let status = packer.compress_vec(rest, &mut bytes, FlushCompress::Sync)?;
            let taken = usize::try_from(packer.total_in() - before).unwrap_or(rest.len());
            rest = rest.get(taken..).unwrap_or_default();
            // Room left means that all of it is out, the end of the block too.
            if status == Status::Ok && rest.is_empty() && bytes.len() < bytes.capacity() {
                return Ok(Piece { bytes, sum });
            }
            bytes.reserve(bytes.capacity().max(64));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use std::io::Read;

    /// The answer of these pieces, as it goes over the wire.
    async fn wire(packing: Packing, pieces: &[Vec<u8>]) -> Vec<u8> {
        let mut packer = packing.packer();
        let pieces: Result<Vec<_>, _> = pieces.iter().map(|text| packer.piece(text.clone())).collect();
        let body = packing.answer("text/plain", pieces.unwrap()).into_body();
        axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec()
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_it_was(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 0..6),
            times in 1..40_usize,
        ) {
            // Repeated, so that some pieces pack well and some do not pack at all.
            let pieces: Vec<_> = pieces.into_iter().enumerate().map(|(n, piece)| piece.repeat(1 + n * times)).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let packed = runtime.block_on(wire(Packing::Gzip, &pieces));
            let mut text = Vec::new();
            GzDecoder::new(&*packed).read_to_end(&mut text).unwrap();
            prop_assert!(text == pieces.concat());
            prop_assert!(runtime.block_on(wire(Packing::Plain, &pieces)) == pieces.concat());
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            Packing::of(&headers)
        };
        for takes in ["gzip", "br, GZIP", "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8", "gzip ; q=0.1"] {
            assert_eq!(of(takes), Packing::Gzip, "{takes}");
        }
        for not in ["", "identity", "gzip;q=0", "gzip;q=0.000, br", "x-gzip2", "br"] {
            assert_eq!(of(not), Packing::Plain, "{not}");
        }
        assert_eq!(Packing::of(&HeaderMap::new()), Packing::Plain);
    }
}
