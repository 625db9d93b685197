//! Questions and answers over TCP: the only place in the libraries that opens a socket. It decides nothing about whom
//! to ask, how often, or how many at once.

use crate::Stage;
use crate::error::{Obstacle, TransportError};
use crate::read::carry;
use crate::tls::{Certificates, connector, shake_hands};
use crate::transport::{Endpoint, Limits, Probe, ProbeOutcome, Transport};
use async_trait::async_trait;
use bitlink_protocol::{Reply, Request, TLS_PORT, WEB_PORT};
use std::sync::{Arc, OnceLock};
use std::{fmt, io};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

/// How [`TcpTransport`] uses its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpConfig {
    /// Whether a probe that found an open port breaks its connection (RST) and does not close it (FIN). Default true.
    ///
    /// A probe has nothing to say, so nothing can be lost. The miner's single-threaded server sees a failed `recv` and
    /// turns to the next client; after a FIN it would read an empty question and answer it. Nothing of the connection
    /// stays behind on either side or in the routers between, where a FIN leaves an entry in TIME_WAIT for a minute
    /// on this machine for every open port of every scan (10,000 probes of an open port on loopback, Linux 6.18: some
    /// 8,000 entries after FIN, none after RST, at the same cost in time). Set it to false where a firewall takes
    /// resets for an attack.
    pub reset_probes: bool,
    /// Where web servers listen that would be at port 80. Default 80, 1 to 65535. For miners behind a port forwarder, and
    /// for simulated ones on a machine where port 80 takes a right.
    pub web_port: u16,
    /// Where web servers listen over TLS that would be at port 443. Default 443, 1 to 65535.
    pub tls_port: u16,
    /// Whose certificates are believed. Default [`Certificates::AnyOnLan`].
    pub certificates: Certificates,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            reset_probes: true,
            web_port: WEB_PORT,
            tls_port: TLS_PORT,
            certificates: Certificates::default(),
        }
    }
}

impl TcpConfig {
    /// The same with another ending for probes: see [`TcpConfig::reset_probes`].
    #[must_use]
    pub fn with_reset_probes(mut self, reset: bool) -> Self {
        self.reset_probes = reset;
        self
    }

    /// The same with another port for web servers: see [`TcpConfig::web_port`].
    #[must_use]
    pub fn with_web_port(mut self, port: u16) -> Self {
        self.web_port = port;
        self
    }

    /// The same with another port for web servers over TLS: see [`TcpConfig::tls_port`].
    #[must_use]
    pub fn with_tls_port(mut self, port: u16) -> Self {
        self.tls_port = port;
        self
    }

    /// The same with other [`certificates`](TcpConfig::certificates).
    #[must_use]
    pub fn with_certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = certificates;
        self
    }

    fn destination(&self, request: &Request, endpoint: Endpoint) -> Endpoint {
        let destination = request.destination(endpoint);
        if matches!(request, Request::Http(_)) { self.door(destination) } else { destination }
    }

    /// Where what would be at this endpoint really is.
    fn door(&self, mut endpoint: Endpoint) -> Endpoint {
        match endpoint.port() {
            WEB_PORT => endpoint.set_port(self.web_port),
            TLS_PORT => endpoint.set_port(self.tls_port),
            _ => {}
        }
        endpoint
    }
}

/// The real network. Needs a tokio runtime with I/O and time enabled, and keeps nothing between two calls.
#[derive(Clone, Default)]
pub struct TcpTransport {
    config: TcpConfig,
    /// Made at the first question over TLS.
    tls: Arc<OnceLock<TlsConnector>>,
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransport").field("config", &self.config).finish_non_exhaustive()
    }
}

impl TcpTransport {
    /// With the usual configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a configuration of its own.
    pub fn with_config(config: TcpConfig) -> Self {
        Self { config, ..Self::default() }
    }

    fn connector(&self) -> Result<&TlsConnector, TransportError> {
        match self.tls.get() {
            Some(connector) => Ok(connector),
            None => connector().map(|connector| self.tls.get_or_init(|| connector)),
        }
    }
}

#[async_trait]
impl Transport for TcpTransport {
    /// Opens a connection and closes it. The outcome of an unusual system error is [`ProbeOutcome::Unreachable`]: the
    /// system would not let a packet out to that address. A broadcast address is [`ProbeOutcome::Denied`] on Linux.
    async fn probe(&self, endpoint: Endpoint, deadline: Instant) -> Probe {
        let started = Instant::now();
        let connected = timeout_at(deadline, TcpStream::connect(self.config.door(endpoint))).await;
        let elapsed = started.elapsed();
        let outcome = match connected {
            Ok(Ok(stream)) => {
                if self.config.reset_probes {
                    ignore(stream.set_zero_linger());
                }
                ProbeOutcome::Open
            }
            Ok(Err(error)) => outcome_of(endpoint, &error),
            Err(_elapsed) => ProbeOutcome::Silent,
        };
        Probe { outcome, elapsed }
    }

    async fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        limits: &Limits,
    ) -> Result<Reply, TransportError> {
        let destination = self.config.destination(request, endpoint);
        let secure = matches!(request, Request::Http(page) if page.secure);
        if secure && !self.config.certificates.trusts(endpoint.ip()) {
            return Err(TransportError::Untrusted);
        }
        let mut stream = match timeout_at(limits.deadline, TcpStream::connect(destination)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(TransportError::while_connecting(error)),
            Err(_elapsed) => return Err(TransportError::TimedOut { stage: Stage::Connecting, received: 0 }),
        };
        // A request longer than one segment goes out whole and does not wait for the acknowledgement of its head.
        ignore(stream.set_nodelay(true));
        if secure {
            let mut stream = shake_hands(self.connector()?, stream, endpoint.ip(), limits.deadline).await?;
            return carry(&mut stream, endpoint.ip(), request, limits).await;
        }
        carry(&mut stream, endpoint.ip(), request, limits).await
    }
}

/// Socket options make things better and are not needed: some systems refuse them once the other side is gone.
fn ignore(set: io::Result<()>) {
    if let Err(error) = set {
        tracing::trace!(%error, "a socket option was not taken");
    }
}

fn outcome_of(endpoint: Endpoint, error: &io::Error) -> ProbeOutcome {
    match Obstacle::of(error) {
        Obstacle::Refused | Obstacle::Reset => ProbeOutcome::Refused,
        Obstacle::TimedOut => ProbeOutcome::Silent,
        Obstacle::Denied => ProbeOutcome::Denied,
        Obstacle::Exhausted => ProbeOutcome::Exhausted,
        Obstacle::Unreachable => ProbeOutcome::Unreachable,
        Obstacle::HungUp | Obstacle::Other => {
            tracing::debug!(%endpoint, %error, "an unusual error from connecting; taken as unreachable");
            ProbeOutcome::Unreachable
        }
    }
}

#[cfg(test)]
mod tests;
