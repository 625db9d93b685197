//! Real TCP servers for simulated miners: one listener for each address and port, so that every other address of the
//! network really refuses.
//!
//! What a machine says is the [`Host`]'s business; this file only opens and closes doors and keeps the books.

mod connection;
mod listener;
#[cfg(test)]
mod tests;

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
use tokio_util::sync::CancellationToken;

/// Where simulated miners listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeOptions {
    /// Port of the API. Default 4028; 0 takes one free port for the whole fleet.
    pub api_port: u16,
    /// Port of the web servers, or none. Default 80; 0 takes one free port for the whole fleet.
    pub web_port: Option<u16>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { api_port: SimHost::API_PORT, web_port: Some(SimHost::WEB_PORT) }
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

impl FleetServer {
    /// Listens for every machine. The web servers are a courtesy: when their port cannot be taken the API is served
    /// all the same, and [`web_error`](Self::web_error) says why.
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
        let (api_port, mut listeners) = bind_all(&addresses, options.api_port)?;
        let mut ports = vec![SimHost::API_PORT; listeners.len()];
        let web = match options.web_port.map(|port| bind_all(&addresses, port)) {
            None => Web::Off,
            Some(Ok((port, more))) => {
                ports.resize(ports.len() + more.len(), SimHost::WEB_PORT);
                listeners.extend(more);
                Web::On(port)
            }
            Some(Err(error)) => Web::Failed(error),
        };
        // What else a machine listens at is at its own number, or nowhere: a courtesy like the web servers.
        let mut hosts: Vec<&Arc<H>> =
            machines.iter().cycle().take(listeners.len()).map(|(_, host)| host).collect();
        let mut web = web;
        if !matches!(web, Web::Off) {
            for (address, host) in &machines {
                for port in host.ports() {
                    if [SimHost::API_PORT, SimHost::WEB_PORT].contains(&port) {
                        continue;
                    }
                    match bind_each(&[*address], port) {
                        Ok(more) => {
                            listeners.extend(more);
                            ports.push(port);
                            hosts.push(host);
                        }
                        Err(error) => web = Web::Failed(error),
                    }
                }
            }
        }

        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut gates = Vec::with_capacity(listeners.len());
        for ((listener, port), host) in listeners.into_iter().zip(ports).zip(hosts) {
            let (gate, watched) = watch::channel(Gate::of(host.connect(port)));
            gates.push((Arc::clone(host), port, gate));
            let port = Port { host: Arc::clone(host), number: port, gate: watched, stop: stop.clone() };
            tasks.spawn(port.serve(listener));
        }
        tasks.spawn(watch_gates(gates, stop.clone()));
        Ok(Self { api_port, web, addresses, stop, tasks })
    }

    /// The port of the API, the same at every address.
    pub fn api_port(&self) -> u16 {
        self.api_port
    }

    /// The port of the web servers, the same at every address; `None` when there are none.
    pub fn web_port(&self) -> Option<u16> {
        match self.web {
            Web::On(port) => Some(port),
            Web::Off | Web::Failed(_) => None,
        }
    }

    /// Why there are no web servers although they were wanted.
    pub fn web_error(&self) -> Option<&ServeError> {
        match &self.web {
            Web::Failed(error) => Some(error),
            Web::Off | Web::On(_) => None,
        }
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
