//! One port of one machine: open, closed or hanging, one client at a time.

use super::connection;
use bitlink_transport::Host;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// What somebody who connects meets just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Answers.
    Open,
    /// Refused.
    Closed,
    /// Connected and not answered.
    Hung,
}

/// As many clients may wait as cgminer lets.
const BACKLOG: i32 = 100;
/// How many connections that a machine "forgot" to close are kept open.
const HELD: usize = 16;
/// How long to wait before trying again what the system refused.
const BREATH: Duration = Duration::from_millis(200);

/// Listens.
pub(super) fn bind(endpoint: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(endpoint), Type::STREAM, Some(Protocol::TCP))?;
    // A machine that comes back takes its port again while old connections still linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&endpoint.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether the process or the system has no file descriptors left.
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    // ENFILE, EMFILE and WSAEMFILE; the standard library has no kind for them.
    matches!(error.raw_os_error(), Some(23 | 24 | 10024))
}

/// One port of one machine.
pub(super) struct Port<H> {
    pub(super) host: Arc<H>,
    pub(super) number: u16,
    /// What lets clients in, where TLS is spoken.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) gate: watch::Receiver<Gate>,
    pub(super) stop: CancellationToken,
}

impl<H: Host> Port<H> {
    /// Serves until it is stopped.
    pub(super) async fn serve(self, listener: TcpListener) {
        let stop = self.stop.clone();
        stop.run_until_cancelled_owned(self.run(listener)).await;
    }

    async fn run(mut self, listener: TcpListener) {
        let Ok(endpoint) = listener.local_addr() else { return };
        let mut listener = Some(listener);
        let mut held: VecDeque<TcpStream> = VecDeque::new();
        loop {
            let gate = *self.gate.borrow_and_update();
            match gate {
                Gate::Closed => {
                    held.clear();
                    listener = None;
                }
                Gate::Hung => {}
                Gate::Open => {
                    let Some(open) = &listener else {
                        listener = self.rebind(endpoint).await;
                        continue;
                    };
                    tokio::select! {
                        biased;
                        changed = self.gate.changed() => if changed.is_err() { return },
                        // A machine that goes down takes its conversation with it.
                        kept = converse(open, &*self.host, self.number, self.tls.as_ref()) => held.extend(kept),
                    }
                    held.retain(connection::is_open);
                    if held.len() > HELD {
                        held.pop_front();
                    }
                    continue;
                }
            }
            if self.gate.changed().await.is_err() {
                return;
            }
        }
    }

    async fn rebind(&self, endpoint: SocketAddr) -> Option<TcpListener> {
        match bind(endpoint) {
            Ok(listener) => Some(listener),
            Err(error) => {
                tracing::warn!(%endpoint, %error, "a simulated miner cannot come back yet");
                tokio::time::sleep(BREATH).await;
                None
            }
        }
    }
}

/// Takes one client and serves it to its end; hands the connection back when the machine leaves it open.
async fn converse<H: Host>(
    listener: &TcpListener,
    host: &H,
    port: u16,
    tls: Option<&TlsAcceptor>,
) -> Option<TcpStream> {
    match listener.accept().await {
        // What a conversation needs is there while there is one, and not for every machine that waits for it.
        Ok((stream, _)) => Box::pin(connection::serve(stream, host, port, tls)).await,
        Err(error) => {
            tracing::warn!(%error, "a simulated miner cannot accept");
            tokio::time::sleep(BREATH).await;
            None
        }
    }
}
