//! Performs what a simulated machine wants done with a connection: on any stream that can be written to, or as a
//! stream of its own for whoever reads in the same process. It opens and closes nothing.

use crate::host::{Act, Script};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Sleep;

/// How a connection is to end once a script has been played on it. The stream alone cannot do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Close it in good order.
    Close,
    /// Keep it open, and read and drop whatever comes, until the other side closes it.
    HoldOpen,
    /// Break it (on a TCP socket: zero linger, then close).
    Reset,
}

/// Performs a script on a stream and says how the connection is to end.
///
/// Waits are waits of tokio's clock, paused or not. [`Act::SendForever`] goes on until the stream takes no more, which
/// is the error returned then; dropping the future stops it at any time.
///
/// # Errors
/// Whatever writing to the stream fails with: the other side has closed or broken the connection, as it may.
pub async fn play<W>(script: Script, stream: &mut W) -> io::Result<Ending>
where
    W: AsyncWrite + Unpin + ?Sized,
{
    for act in script.acts {
        match act {
            Act::Send(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
            }
            Act::Wait(time) if time.is_zero() => {}
            Act::Wait(time) => tokio::time::sleep(time).await,
            // Nothing, however often, is nothing: without this the loop below would never wait for anything.
            Act::SendForever(bytes) if bytes.is_empty() => return Ok(Ending::HoldOpen),
            Act::SendForever(bytes) => loop {
                stream.write_all(&bytes).await?;
                tokio::task::consume_budget().await;
            },
            Act::HoldOpen => return Ok(Ending::HoldOpen),
            Act::Reset => return Ok(Ending::Reset),
        }
    }
    Ok(Ending::Close)
}

/// The client's end of a connection on which a script is being played: reading performs it act by act, writing is
/// taken and forgotten. Waits of no time touch no timer.
#[derive(Debug)]
pub(crate) struct ScriptStream {
    acts: vec::IntoIter<Act>,
    doing: Doing,
}

#[derive(Debug)]
enum Doing {
    /// The next act is due.
    Next,
    Sending {
        bytes: Vec<u8>,
        sent: usize,
        forever: bool,
    },
    Waiting(Pin<Box<Sleep>>),
    Holding,
    Broken,
    Closed,
}

impl ScriptStream {
    pub(crate) fn new(script: Script) -> Self {
        Self { acts: script.acts.into_iter(), doing: Doing::Next }
    }

    fn begin(act: Option<Act>) -> Doing {
        match act {
            None => Doing::Closed,
            Some(Act::Send(bytes)) if bytes.is_empty() => Doing::Next,
            Some(Act::Send(bytes)) => Doing::Sending { bytes, sent: 0, forever: false },
            Some(Act::Wait(time)) if time.is_zero() => Doing::Next,
            Some(Act::Wait(time)) => Doing::Waiting(Box::pin(tokio::time::sleep(time))),
            Some(Act::SendForever(bytes)) if bytes.is_empty() => Doing::Holding,
            Some(Act::SendForever(bytes)) => Doing::Sending { bytes, sent: 0, forever: true },
            Some(Act::HoldOpen) => Doing::Holding,
            Some(Act::Reset) => Doing::Broken,
        }
    }
}

impl AsyncRead for ScriptStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            match &mut this.doing {
                Doing::Next => this.doing = Self::begin(this.acts.next()),
                Doing::Sending { bytes, sent, forever } => {
                    let rest = bytes.get(*sent..).unwrap_or_default();
                    let part = rest.get(..buf.remaining()).unwrap_or(rest);
                    buf.put_slice(part);
                    *sent += part.len();
                    if *sent >= bytes.len() {
                        if *forever {
                            *sent = 0;
                        } else {
                            this.doing = Doing::Next;
                        }
                    }
                }
                // What has been sent is read before anything else is noticed.
                _ if buf.filled().len() > before => break,
                Doing::Waiting(sleep) => {
                    std::task::ready!(sleep.as_mut().poll(cx));
                    this.doing = Doing::Next;
                }
                // Nobody will wake the reader, as nobody would on a socket.
                Doing::Holding => return Poll::Pending,
                Doing::Broken => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Doing::Closed => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ScriptStream {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
