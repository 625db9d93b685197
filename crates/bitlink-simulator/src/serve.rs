//! Real TCP servers for simulated miners: one listener for each address and port, so that every other address of the
//! network really refuses.
//!
//! What a machine says is the [`Host`]'s business; this file only opens and closes doors and keeps the books.

mod connection;
mod listener;
#[cfg(test)]
mod tests;
mod tls;

use crate::host::SimHost;
use bitlink_transport::{Door, Host};
use listener::{Gate, Port};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Where simulated miners listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeOptions {
    /// Port of the API. Default 4028; 0 takes one free port for the whole fleet.
    pub api_port: u16,
    /// Port of the web servers, or none. Default 80; 0 takes one free port for the whole fleet.
    pub web_port: Option<u16>,
    /// Port of the web servers over TLS, for machines that have one, or none. Default 443; 0 takes one free port for the
    /// whole fleet.
    pub tls_port: Option<u16>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            api_port: SimHost::API_PORT,
            web_port: Some(SimHost::WEB_PORT),
            tls_port: Some(SimHost::TLS_PORT),
        }
    }
}

impl ServeOptions {
    /// With another port for the API.
    #[must_use]
    pub fn with_api_port(mut self, port: u16) -> Self {
        self.api_port = port;
        self
    }

    /// With another port for the web servers, or without them.
    #[must_use]
    pub fn with_web_port(mut self, port: Option<u16>) -> Self {
        self.web_port = port;
        self
    }

    /// With another port for the web servers over TLS, or without them.
    #[must_use]
    pub fn with_tls_port(mut self, port: Option<u16>) -> Self {
        self.tls_port = port;
        self
    }
}

/// Why the servers could not be started. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address and port could not be taken.
    #[error("cannot listen on {endpoint}")]
    Bind {
        /// Which.
        endpoint: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The process may not open so many sockets.
    #[error("cannot open {wanted} sockets, only {opened}: raise the limit of open files (ulimit -n)")]
    TooManyFiles {
        /// How many were wanted.
        wanted: usize,
        /// How many could be opened.
        opened: usize,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No certificate could be made for the servers over TLS.
    #[error("no certificate could be made")]
    Certificate {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No port was free on all the addresses.
    #[error("no port is free on all {addresses} addresses")]
    NoCommonPort {
        /// How many addresses there are.
        addresses: usize,
    },
}

/// How often the machines are looked at for having gone down or come back.
const LOOK: Duration = Duration::from_millis(100);
/// How many free ports are tried before giving up.
const TRIES: usize = 16;

/// Running servers. Dropping it stops them; [`shutdown`](Self::shutdown) also waits until they are gone.
#[derive(Debug)]
pub struct FleetServer {
    api_port: u16,
    web: Web,
    tls: Web,
    addresses: Vec<IpAddr>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
enum Web {
    Off,
    On(u16),
    Failed(ServeError),
}

impl Web {
    fn of(port: Option<u16>, take: impl FnOnce(u16) -> Result<u16, ServeError>) -> Self {
        match port.map(take) {
            None => Self::Off,
            Some(Ok(port)) => Self::On(port),
            Some(Err(error)) => Self::Failed(error),
        }
    }

    fn port(&self) -> Option<u16> {
        match self {
            Self::On(port) => Some(*port),
            Self::Off | Self::Failed(_) => None,
        }
    }

    fn error(&self) -> Option<&ServeError> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Off | Self::On(_) => None,
        }
    }
}

/// Doors of machines that have been opened.
struct Doors<'a, H> {
    machines: &'a [(IpAddr, Arc<H>)],
    open: Vec<Open<'a, H>>,
}

struct Open<'a, H> {
    listener: TcpListener,
    /// The port as the machine knows it.
    number: u16,
    host: &'a Arc<H>,
    acceptor: Option<TlsAcceptor>,
}

impl<H: Host> Doors<'_, H> {
    /// Opens one door of all the machines that have it, at a port that may be another than they know.
    fn take(
        &mut self,
        number: u16,
        port: u16,
        acceptor: Option<&TlsAcceptor>,
        has_one: impl Fn(&H) -> bool,
    ) -> Result<u16, ServeError> {
        let mut hosts = self.machines.iter().filter(|(_, host)| has_one(host));
        let addresses: Vec<IpAddr> = hosts.clone().map(|(address, _)| *address).collect();
        let (port, listeners) = bind_all(&addresses, port)?;
        let open = listeners.into_iter().zip(hosts.by_ref()).map(|(listener, (_, host))| Open {
            listener,
            number,
            host,
            acceptor: acceptor.cloned(),
        });
        self.open.extend(open);
        Ok(port)
    }

    /// What else a machine listens at is at its own number, or nowhere: a courtesy like the web servers.
    fn take_others(&mut self, web: &mut Web, tls: &mut Web, acceptor: Option<&TlsAcceptor>) {
        let usual = [SimHost::API_PORT, SimHost::WEB_PORT, SimHost::TLS_PORT];
        for (address, host) in self.machines {
            for port in host.ports().into_iter().filter(|port| !usual.contains(port)) {
                let secure = host.is_secure(port);
                let kind = if secure { &mut *tls } else { &mut *web };
                let acceptor = acceptor.filter(|_| secure);
                if matches!(kind, Web::Off) || secure && acceptor.is_none() {
                    continue;
                }
                match bind_each(&[*address], port) {
                    Ok(more) => self.open.extend(more.into_iter().map(|listener| Open {
                        listener,
                        number: port,
                        host,
                        acceptor: acceptor.cloned(),
                    })),
                    Err(error) => *kind = Web::Failed(error),
                }
            }
        }
    }
}

impl FleetServer {
    /// Listens for every machine. The web servers are a courtesy: when their port cannot be taken the API is served
    /// all the same, and [`web_error`](Self::web_error) says why. So are those over TLS, and
    /// [`tls_error`](Self::tls_error).
    ///
    /// Must be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`ServeError`] when the port of the API cannot be taken on every address.
    pub fn start<H: Host>(
        machines: impl IntoIterator<Item = (IpAddr, Arc<H>)>,
        options: &ServeOptions,
    ) -> Result<Self, ServeError> {
        let machines: Vec<(IpAddr, Arc<H>)> = machines.into_iter().collect();
        let addresses: Vec<IpAddr> = machines.iter().map(|(address, _)| *address).collect();
        let mut doors = Doors { machines: &machines, open: Vec::new() };
        let api_port = doors.take(SimHost::API_PORT, options.api_port, None, |_| true)?;
        let mut web = Web::of(options.web_port, |port| doors.take(SimHost::WEB_PORT, port, None, |_| true));
        let secure = |host: &H| host.ports().iter().any(|port| host.is_secure(*port));
        let any_secure = machines.iter().any(|(_, host)| secure(host));
        let (mut tls, mut acceptor) = (Web::Off, None);
        if let Some(port) = options.tls_port.filter(|_| any_secure) {
            tls = Web::of(Some(port), |port| {
                acceptor = Some(tls::acceptor()?);
                let has_one = |host: &H| host.ports().contains(&SimHost::TLS_PORT);
                doors.take(SimHost::TLS_PORT, port, acceptor.as_ref(), has_one)
            });
        }
        doors.take_others(&mut web, &mut tls, acceptor.as_ref());

        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut gates = Vec::with_capacity(doors.open.len());
        for Open { listener, number, host, acceptor } in doors.open {
            let (gate, watched) = watch::channel(Gate::of(host.connect(number)));
            gates.push((Arc::clone(host), number, gate));
            let port =
                Port { host: Arc::clone(host), number, tls: acceptor, gate: watched, stop: stop.clone() };
            tasks.spawn(port.serve(listener));
        }
        tasks.spawn(watch_gates(gates, stop.clone()));
        Ok(Self { api_port, web, tls, addresses, stop, tasks })
    }

    /// The port of the API, the same at every address.
    pub fn api_port(&self) -> u16 {
        self.api_port
    }

    /// The port of the web servers, the same at every address; `None` when there are none.
    pub fn web_port(&self) -> Option<u16> {
        self.web.port()
    }

    /// Why there are no web servers although they were wanted.
    pub fn web_error(&self) -> Option<&ServeError> {
        self.web.error()
    }

    /// The port of the web servers over TLS, the same at every address; `None` when no machine has one.
    pub fn tls_port(&self) -> Option<u16> {
        self.tls.port()
    }

    /// Why there are no web servers over TLS although there should be.
    pub fn tls_error(&self) -> Option<&ServeError> {
        self.tls.error()
    }

    /// Where the APIs listen.
    pub fn endpoints(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.addresses.iter().map(|address| SocketAddr::new(*address, self.api_port))
    }

    /// Closes every connection and listener, and returns when nothing is left.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl fmt::Display for FleetServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} miners on port {}", self.addresses.len(), self.api_port)
    }
}

/// Tells the listeners when their machine goes down or comes back.
async fn watch_gates<H: Host>(gates: Vec<(Arc<H>, u16, watch::Sender<Gate>)>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        for (host, port, gate) in &gates {
            let now = Gate::of(host.connect(*port));
            gate.send_if_modified(|before| std::mem::replace(before, now) != now);
        }
    }
}

/// Takes a port on every address; with port 0 any that is free on all of them.
fn bind_all(addresses: &[IpAddr], port: u16) -> Result<(u16, Vec<TcpListener>), ServeError> {
    if port != 0 {
        return Ok((port, bind_each(addresses, port)?));
    }
    let Some((first, others)) = addresses.split_first() else { return Ok((0, Vec::new())) };
    for _ in 0..TRIES {
        let endpoint = SocketAddr::new(*first, 0);
        let bind = |source| ServeError::Bind { endpoint, source };
        let listener = listener::bind(endpoint).map_err(bind)?;
        let port = listener.local_addr().map_err(bind)?.port();
        match bind_each(others, port) {
            Ok(listeners) => return Ok((port, std::iter::once(listener).chain(listeners).collect())),
            Err(ServeError::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(ServeError::NoCommonPort { addresses: addresses.len() })
}

fn bind_each(addresses: &[IpAddr], port: u16) -> Result<Vec<TcpListener>, ServeError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let endpoint = SocketAddr::new(*address, port);
        match listener::bind(endpoint) {
            Ok(listener) => listeners.push(listener),
            Err(source) if listener::is_out_of_files(&source) => {
                return Err(ServeError::TooManyFiles {
                    wanted: addresses.len(),
                    opened: listeners.len(),
                    source,
                });
            }
            Err(source) => return Err(ServeError::Bind { endpoint, source }),
        }
    }
    Ok(listeners)
}

/// Whether a door lets people in, without the time it takes.
impl Gate {
    fn of(door: Door) -> Self {
        match door {
            Door::Open { .. } => Self::Open,
            Door::Refused => Self::Closed,
            // A machine that hangs: its kernel still takes connections, nobody answers them.
            _ => Self::Hung,
        }
    }
}
