//! One question and one answer over a stream of bytes: the only place that writes a request and reads a reply,
//! whatever the stream is. It knows nothing of addresses, connections or what the bytes mean.

use crate::error::{Stage, TransportError, is_hang_up};
use crate::transport::Limits;
use bitlink_protocol::{
    ApiReply, Boundary, Completion, FrameFramer, Framer, Framing, HttpFramer, Reply, Request,
};
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

/// The most that is read at once before anything is known about the length of a reply. Larger replies double it.
const CHUNK: usize = 4096;

/// Writes a request and reads the one reply to it.
///
/// The request goes out in a single write, because servers read it with a single `recv`. The write side stays open:
/// some embedded servers take a half-closed connection for a closed one. The reply ends, whichever comes first, with
/// a NUL (what follows it is thrown away), with the end of the stream, when it looks complete and nothing followed
/// for [`Limits::settle`], at [`Limits::deadline`], or beyond [`Limits::max_reply_bytes`]. Memory never exceeds that
/// last limit by more than a byte.
///
/// A reply is [`Completion::Cut`] when its end was not seen: the connection broke or time ran out after the first
/// byte. Its bytes may still be complete; whoever parses them can tell.
///
/// # Errors
/// - [`TransportError::TimedOut`] when not one byte came before the deadline; its stage is sending or waiting.
/// - [`TransportError::ClosedWithoutReply`] when the stream ended before a byte.
/// - [`TransportError::Reset`] when it broke before a byte.
/// - [`TransportError::TooLong`] when the reply passed the limit.
/// - [`TransportError::Unreachable`] and its neighbours for anything else that the operating system reports before
///   a byte.
///
/// Dropping the future loses what had been read and leaves the stream in an unknown state: drop the stream too.
pub async fn exchange_on<S>(
    stream: &mut S,
    request: &[u8],
    limits: &Limits,
) -> Result<ApiReply, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    exchange_with(stream, request, &mut Framer::new(), limits).await
}

/// The same for a question of any kind to a machine at `host`.
pub(crate) async fn carry<S>(
    stream: &mut S,
    host: IpAddr,
    request: &Request,
    limits: &Limits,
) -> Result<Reply, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let bytes = request.encode(host);
    match request {
        Request::Api(_) => exchange_on(stream, &bytes, limits).await.map(Reply::Api),
        Request::Http(_) => {
            exchange_with(stream, &bytes, &mut HttpFramer::new(), limits).await.map(Reply::Http)
        }
        Request::Frame(_) => {
            exchange_with(stream, &bytes, &mut FrameFramer::new(), limits).await.map(Reply::Frame)
        }
        _ => Err(TransportError::Unsupported),
    }
}

async fn exchange_with<S, B>(
    stream: &mut S,
    request: &[u8],
    boundary: &mut B,
    limits: &Limits,
) -> Result<ApiReply, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: Boundary,
{
    let unsent = match timeout_at(limits.deadline, send(stream, request)).await {
        Ok(Ok(())) => None,
        // Who closes before the question arrived may have said something first, as a banner or a refusal.
        Ok(Err(error)) if is_hang_up(&error) => Some(error),
        Ok(Err(error)) => return Err(TransportError::while_talking(error, Stage::Sending)),
        Err(_elapsed) => return Err(TransportError::TimedOut { stage: Stage::Sending, received: 0 }),
    };
    match (receive(stream, boundary, limits).await, unsent) {
        // Once a write has reported the break, the system reports a plain end to whoever reads.
        (Err(TransportError::ClosedWithoutReply), Some(error)) => {
            Err(TransportError::while_talking(error, Stage::Sending))
        }
        (outcome, _) => outcome,
    }
}

async fn send<S: AsyncWrite + Unpin + ?Sized>(stream: &mut S, request: &[u8]) -> io::Result<()> {
    stream.write_all(request).await?;
    stream.flush().await
}

async fn receive<S, B>(stream: &mut S, boundary: &mut B, limits: &Limits) -> Result<ApiReply, TransportError>
where
    S: AsyncRead + Unpin + ?Sized,
    B: Boundary,
{
    let mut framing = Framing::More;
    let mut bytes = Vec::new();
    loop {
        make_room(&mut bytes, limits.max_reply_bytes);
        let quiet = match framing {
            Framing::Settled => {
                Instant::now().checked_add(limits.settle).filter(|quiet| *quiet <= limits.deadline)
            }
            Framing::More | Framing::Terminated => None,
        };
        let before = bytes.len();
        let read = timeout_at(quiet.unwrap_or(limits.deadline), stream.read_buf(&mut bytes)).await;
        let completion = match read {
            Ok(Ok(0)) if bytes.is_empty() => return Err(TransportError::ClosedWithoutReply),
            Ok(Ok(0)) => Completion::EndOfStream,
            Ok(Ok(_)) => {
                framing = boundary.push(bytes.get(before..).unwrap_or_default());
                if boundary.reply_len() > limits.max_reply_bytes {
                    return Err(TransportError::TooLong { limit: limits.max_reply_bytes });
                }
                match framing {
                    Framing::Terminated => Completion::Terminated,
                    Framing::More | Framing::Settled => continue,
                }
            }
            Ok(Err(error)) if bytes.is_empty() => {
                return Err(TransportError::while_talking(error, Stage::Waiting));
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, received = bytes.len(), "the connection broke in the middle of a reply");
                Completion::Cut
            }
            Err(_elapsed) if quiet.is_some() => Completion::Settled,
            Err(_elapsed) if bytes.is_empty() => {
                return Err(TransportError::TimedOut { stage: Stage::Waiting, received: 0 });
            }
            Err(_elapsed) => Completion::Cut,
        };
        bytes.truncate(boundary.reply_len());
        return Ok(ApiReply { bytes, completion });
    }
}

/// Makes room for the next read: as much again as there is, yet never more than one byte beyond the limit. That byte
/// is the NUL of the longest reply allowed, or the proof that a reply is too long.
fn make_room(bytes: &mut Vec<u8>, limit: usize) {
    if bytes.len() == bytes.capacity() {
        let most = limit.saturating_add(1).saturating_sub(bytes.len());
        bytes.reserve_exact(bytes.len().max(CHUNK).min(most));
    }
}

#[cfg(test)]
mod tests;
