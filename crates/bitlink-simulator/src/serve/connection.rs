//! One connection: reads one request as the machine would and plays what it does with it.

use crate::call::REQUEST_BYTES;
use crate::frame;
use crate::http;
use bitlink_transport::{Act, Host, Script};
use socket2::SockRef;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A client that has sent nothing for this long is dropped (WhatsMiner API manual).
const IDLE: Duration = Duration::from_secs(10);
/// Nobody is served longer than this, whatever the machine does.
const LONGEST: Duration = Duration::from_mins(2);

/// Serves one client. Hands the connection back when the machine leaves it open.
pub(super) async fn serve<H: Host>(
    mut stream: TcpStream,
    host: &H,
    port: u16,
    tls: Option<&TlsAcceptor>,
) -> Option<TcpStream> {
    // A refusal to set an option of a socket costs speed only.
    let _ = stream.set_nodelay(true);
    let (end, stream) = match tls {
        None => (talk(&mut stream, host, port).await, stream),
        Some(tls) => {
            // Whoever does not speak TLS is not served.
            let mut secure = timeout(IDLE, tls.accept(stream)).await.ok()?.ok()?;
            (talk(&mut secure, host, port).await, secure.into_inner().0)
        }
    };
    match end? {
        End::LeftOpen => return Some(stream),
        End::Reset => {
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        End::Close => {}
    }
    None
}

/// One request and what comes of it; `None` when the client has gone, or has been served for too long.
async fn talk<H: Host, S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    host: &H,
    port: u16,
) -> Option<End> {
    let request = timeout(IDLE, read(stream)).await.ok()?.ok().filter(|request| !request.is_empty())?;
    let end = timeout(LONGEST, play(stream, host.respond(port, &request))).await.ok()?.ok()?;
    if matches!(end, End::Close) {
        let _ = stream.shutdown().await;
    }
    Some(end)
}

/// Whether the other side has not closed yet.
pub(super) fn is_open(stream: &TcpStream) -> bool {
    let mut byte = [0_u8; 256];
    match stream.try_read(&mut byte) {
        Ok(n) => n > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// The API takes what one read gives, as cgminer does; others read until they have a whole request.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut request = vec![0_u8; REQUEST_BYTES];
    let n = stream.read(&mut request).await?;
    request.truncate(n);
    let mut more = [0_u8; 4096];
    while is_begun(&request) {
        let n = stream.read(&mut more).await?;
        if n == 0 {
            break;
        }
        request.extend_from_slice(more.get(..n).unwrap_or_default());
    }
    Ok(request)
}

/// Whether more must come: by what it looks like, since every machine has its own ports.
fn is_begun(request: &[u8]) -> bool {
    if request.starts_with(b"GET ") || request.starts_with(b"POST ") || request.starts_with(b"PUT ") {
        return !http::is_complete(request);
    }
    // The length of a message ends with a zero byte, which nothing that the API takes has.
    request.get(3) == Some(&0) && !frame::is_complete(request)
}

/// How a connection ends.
enum End {
    Close,
    LeftOpen,
    Reset,
}

async fn play<S: AsyncWrite + Unpin>(stream: &mut S, script: Script) -> io::Result<End> {
    for act in script.acts {
        match act {
            Act::Send(bytes) => {
                stream.write_all(&bytes).await?;
                // What is enciphered may lie in a buffer.
                stream.flush().await?;
            }
            Act::Wait(time) => tokio::time::sleep(time).await,
            Act::SendForever(bytes) if bytes.is_empty() => return Ok(End::LeftOpen),
            Act::SendForever(bytes) => loop {
                stream.write_all(&bytes).await?;
            },
            Act::Reset => return Ok(End::Reset),
            // Leaving it open is also the mildest thing to do with an act that is not known here.
            _ => return Ok(End::LeftOpen),
        }
    }
    Ok(End::Close)
}
