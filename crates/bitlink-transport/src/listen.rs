//! Hearing miners that show themselves: UDP sockets for the reports that come unasked, and for the answers to questions that
//! go to everybody on a network. What the datagrams mean is the protocol crate's business, and whom to ask next somebody
//! else's; nothing that is heard here is acted upon.
//!
//! Whoever can send a datagram can send thousands. Each source may be heard so often, all of them together so often, and the
//! same machine is told of once in a while; what nobody fetches is left out and counted. A multicast question leaves by the
//! one interface that was named for it, and by none where none was.

mod sieve;
mod socket;
#[cfg(test)]
mod tests;

use bitlink_protocol::reports::{
    Beacon, MDNS_GROUP, MULTICAST_GROUP, ReportError, Sighting, mdns_question, multicast_question, read_mdns,
    read_report,
};
use futures::Stream;
use sieve::{Sieve, Verdict};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What to listen for, and how much of it to believe in. [`ListenConfig::default`] hears the reports of every make and sends
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenConfig {
    /// The address at which reports are heard. Default 0.0.0.0: most are broadcast, and reach that alone.
    pub address: Ipv4Addr,
    /// UDP ports of reports. Default those of [`Beacon::REPORTS`]. None to 64; 0 takes a free one.
    pub ports: Vec<u16>,
    /// Questions to everybody on a network. Default none: listening sends nothing. None to 64.
    pub calls: Vec<Call>,
    /// How long the same machine is not told of again in the same form. Default 10 s: a button sends several datagrams. Zero
    /// tells of each.
    pub quiet: Duration,
    /// Most datagrams per second that are looked at from one source. Default 20. From 1 on.
    pub per_source: u32,
    /// Events kept for a reader that is slower than the network. Default 1,024. From 1 on; what does not fit is left out, and
    /// [told](ListenEvent::Lagged).
    pub queue: usize,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::UNSPECIFIED,
            ports: Beacon::REPORTS.iter().filter_map(|beacon| beacon.port()).collect(),
            calls: Vec::new(),
            quiet: Duration::from_secs(10),
            per_source: 20,
            queue: 1_024,
        }
    }
}

impl ListenConfig {
    /// Hears no reports, and only what answers these questions.
    pub fn of_calls(calls: Vec<Call>) -> Self {
        Self { ports: Vec::new(), calls, ..Self::default() }
    }

    /// With another [`address`](Self::address).
    #[must_use]
    pub fn with_address(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    /// With other [`ports`](Self::ports).
    #[must_use]
    pub fn with_ports(mut self, ports: Vec<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// With other [`calls`](Self::calls).
    #[must_use]
    pub fn with_calls(mut self, calls: Vec<Call>) -> Self {
        self.calls = calls;
        self
    }

    /// With another [`quiet`](Self::quiet) time.
    #[must_use]
    pub fn with_quiet(mut self, quiet: Duration) -> Self {
        self.quiet = quiet;
        self
    }

    /// With another limit [`per_source`](Self::per_source).
    #[must_use]
    pub fn with_per_source(mut self, per_source: u32) -> Self {
        self.per_source = per_source;
        self
    }

    /// With another length of the [`queue`](Self::queue).
    #[must_use]
    pub fn with_queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }
}

/// A question to everybody on one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// What is asked.
    pub kind: CallKind,
    /// The address of this machine from whose interface it is asked; it goes nowhere else.
    pub interface: Ipv4Addr,
    /// Whom it is asked: a multicast group, or one address that stands for it.
    pub group: SocketAddrV4,
}

/// Kinds of question to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallKind {
    /// The multicast of the CGMiner API, off on most machines.
    Multicast,
    /// mDNS, for web servers.
    Mdns,
}

impl Call {
    /// To the usual group.
    pub fn new(kind: CallKind, interface: Ipv4Addr) -> Self {
        let (group, port) = match kind {
            CallKind::Multicast => MULTICAST_GROUP,
            CallKind::Mdns => MDNS_GROUP,
        };
        Self { kind, interface, group: SocketAddrV4::new(group.into(), port) }
    }

    /// To another group, or to one address.
    #[must_use]
    pub fn to(mut self, group: SocketAddrV4) -> Self {
        self.group = group;
        self
    }

    /// What is sent, so that answers come back to a port.
    fn questions(self, reply_port: u16) -> Vec<Vec<u8>> {
        match self.kind {
            CallKind::Multicast => {
                ["cgminer", "bmminer"].map(|word| multicast_question(word, reply_port)).into()
            }
            CallKind::Mdns => vec![mdns_question()],
        }
    }
}

/// Something that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenEvent {
    /// A machine showed itself.
    Seen(Box<Sighting>),
    /// A datagram that says nothing known. Told as rarely as machines are.
    Unread {
        /// Where it came from.
        from: SocketAddr,
        /// The port of this machine where it arrived.
        port: u16,
        /// What is wrong with it.
        error: ReportError,
    },
    /// Somebody sends more than anybody has to say; the rest is not looked at.
    Flood {
        /// Who.
        from: IpAddr,
    },
    /// The reader was too slow, and so many events were left out.
    Lagged {
        /// How many.
        left_out: u64,
    },
}

/// Why nothing can be heard.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// User: neither ports nor questions were named.
    #[error("there is nothing to listen for")]
    Nothing,
    /// User: more ports or questions than make sense.
    #[error("{0} are more ports and questions than there may be (64 each)")]
    TooMany(usize),
    /// User: a question to everybody that names no interface of its own.
    #[error("a question to everybody needs an interface, by its address")]
    NoInterface,
    /// This machine: not one socket could be opened. The first reason.
    #[error("no socket could be opened")]
    NoSocket(#[source] Arc<io::Error>),
    /// Program: listening needs a tokio runtime with I/O and time.
    #[error("listening can only be started inside a tokio runtime")]
    NoRuntime,
}

/// More ports, and more questions, than this are a mistake.
const MOST: usize = 64;
/// Datagrams of all sources together that are looked at in one [`WINDOW`].
const MOST_AT_ONCE: u32 = 200;
/// See [`MOST_AT_ONCE`]: 2,000 a second.
const WINDOW: Duration = Duration::from_millis(100);
/// When a question is asked again: a datagram is easily lost, and new machines come.
const AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_mins(1)];

/// Opens sockets and listens until the stream is dropped. A port that cannot be had is told by
/// [`ListenStream::failures`], and the others are heard.
///
/// # Errors
/// [`ListenError`].
pub fn listen(config: &ListenConfig) -> Result<ListenStream, ListenError> {
    if config.ports.is_empty() && config.calls.is_empty() {
        return Err(ListenError::Nothing);
    }
    let most = config.ports.len().max(config.calls.len());
    if most > MOST {
        return Err(ListenError::TooMany(most));
    }
    if config.calls.iter().any(|call| call.interface.is_unspecified()) {
        return Err(ListenError::NoInterface);
    }
    Handle::try_current().map_err(|_no_runtime| ListenError::NoRuntime)?;

    let mut places = Vec::new();
    let mut failures = Vec::new();
    let mut open = Vec::new();
    let mut keep = |wanted: SocketAddr, call: Option<Call>, socket: io::Result<UdpSocket>| {
        let socket = socket.and_then(|socket| Ok((socket.local_addr()?, socket)));
        match socket {
            Ok((place, socket)) => {
                places.push(place);
                open.push((socket, place.port(), call));
            }
            Err(error) => failures.push((wanted, Arc::new(error))),
        }
    };
    for port in &config.ports {
        let place = SocketAddrV4::new(config.address, *port);
        keep(place.into(), None, socket::report_socket(place));
    }
    for call in &config.calls {
        let place = SocketAddrV4::new(call.interface, 0);
        keep(place.into(), Some(*call), socket::call_socket(call.interface, call.group));
    }
    if open.is_empty()
        && let Some((_, error)) = failures.first()
    {
        return Err(ListenError::NoSocket(Arc::clone(error)));
    }

    let (events, receiver) = mpsc::channel(config.queue.max(1));
    let ear = Arc::new(Ear {
        sieve: Mutex::new(Sieve::new(config.per_source, config.quiet)),
        events,
        left_out: AtomicU64::new(0),
    });
    let mut tasks = JoinSet::new();
    for (socket, port, call) in open {
        let socket = Arc::new(socket);
        if let Some(call) = call {
            tasks.spawn(ask(Arc::clone(&socket), call, port));
        }
        tasks.spawn(hear(Arc::clone(&ear), socket, port, call.map(|call| call.kind)));
    }
    Ok(ListenStream { events: receiver, places, failures, _tasks: tasks })
}

/// What is heard. Dropping it closes every socket.
#[derive(Debug)]
pub struct ListenStream {
    events: mpsc::Receiver<ListenEvent>,
    places: Vec<SocketAddr>,
    failures: Vec<(SocketAddr, Arc<io::Error>)>,
    /// Owns the sockets and their tasks.
    _tasks: JoinSet<()>,
}

impl ListenStream {
    /// The next event. Never ends by itself. Cancel-safe.
    pub async fn recv(&mut self) -> Option<ListenEvent> {
        self.events.recv().await
    }

    /// Where it listens.
    pub fn places(&self) -> &[SocketAddr] {
        &self.places
    }

    /// Where it could not listen, and why.
    pub fn failures(&self) -> &[(SocketAddr, Arc<io::Error>)] {
        &self.failures
    }
}

impl Stream for ListenStream {
    type Item = ListenEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ListenEvent>> {
        self.events.poll_recv(cx)
    }
}

/// What the tasks of all sockets share.
#[derive(Debug)]
struct Ear {
    sieve: Mutex<Sieve>,
    events: mpsc::Sender<ListenEvent>,
    left_out: AtomicU64,
}

impl Ear {
    /// One datagram.
    fn hear(&self, now: Instant, from: SocketAddr, port: u16, kind: Option<CallKind>, datagram: &[u8]) {
        let source = from.ip().to_canonical();
        let verdict = self.sieve().admit(now, source);
        match verdict {
            Verdict::Admit => {}
            Verdict::Flood { first } => {
                if first {
                    self.tell(ListenEvent::Flood { from: source });
                }
                return;
            }
        }
        let read = match kind {
            Some(CallKind::Mdns) => read_mdns(source, datagram),
            _ => read_report(source, datagram),
        };
        match read {
            Ok(sighting) => {
                if self.sieve().is_news(now, &sighting) {
                    self.tell(ListenEvent::Seen(Box::new(sighting)));
                }
            }
            // Another listener on this network is no news.
            Err(ReportError::Acknowledgement) => {}
            Err(error) => {
                if self.sieve().is_odd_news(now, source, port) {
                    self.tell(ListenEvent::Unread { from, port, error });
                }
            }
        }
    }

    /// Queues an event, and says before it how many found no room.
    fn tell(&self, event: ListenEvent) {
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 && self.events.try_send(ListenEvent::Lagged { left_out }).is_err() {
            self.left_out.fetch_add(left_out + 1, Ordering::Relaxed);
            return;
        }
        if self.events.try_send(event).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sieve(&self) -> std::sync::MutexGuard<'_, Sieve> {
        self.sieve.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears one socket for ever.
async fn hear(ear: Arc<Ear>, socket: Arc<UdpSocket>, port: u16, kind: Option<CallKind>) {
    // More than any report has, so that one that is too long is seen to be.
    let mut bytes = vec![0; bitlink_protocol::reports::MAX_REPORT_BYTES + 1];
    let mut window = Instant::now() + WINDOW;
    let mut looked_at = 0;
    loop {
        let heard = socket.recv_from(&mut bytes).await;
        let now = Instant::now();
        if now >= window {
            (window, looked_at) = (now + WINDOW, 0);
        }
        match heard {
            Ok((length, from)) => {
                if let Some(datagram) = bytes.get(..length) {
                    ear.hear(now, from, port, kind, datagram);
                }
            }
            // Somebody we asked has nobody listening there; on some systems that comes back as an error.
            Err(error) => tracing::debug!(port, %error, "a datagram could not be read"),
        }
        looked_at += 1;
        if looked_at >= MOST_AT_ONCE {
            // The system keeps a few and drops the rest, which costs nothing here.
            sleep_until(window).await;
        }
    }
}

/// Asks everybody, now and again.
async fn ask(socket: Arc<UdpSocket>, call: Call, reply_port: u16) {
    let questions = call.questions(reply_port);
    let mut pauses = AGAIN.into_iter();
    let mut pause = Duration::from_secs(1);
    loop {
        for question in &questions {
            if let Err(error) = socket.send_to(question, call.group).await {
                tracing::debug!(group = %call.group, %error, "a question to everybody could not be sent");
            }
        }
        pause = pauses.next().unwrap_or(pause);
        sleep_until(Instant::now() + pause).await;
    }
}
