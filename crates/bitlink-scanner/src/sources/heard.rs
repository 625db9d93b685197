//! Candidates that show themselves, while somebody listens: by a report, or in answer to a question to everybody. A question
//! goes out by the interfaces on whose networks there are targets, and by no others.

use super::{Candidate, CandidateSource, Candidates, SourceError};
use crate::targets::ScanPlan;
use bitlink_transport::{
    Call, CallKind, Interface, ListenConfig, ListenEvent, ListenStream, interfaces, listen,
};
use futures::{StreamExt, stream};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Miners that report their address, by the press of a button: named `listen`. Sends nothing.
#[derive(Debug, Clone)]
pub struct HeardReports {
    config: ListenConfig,
    window: Duration,
}

impl HeardReports {
    /// Heard for so long.
    pub fn new(config: ListenConfig, window: Duration) -> Self {
        Self { config, window }
    }
}

impl CandidateSource for HeardReports {
    fn name(&self) -> &'static str {
        "listen"
    }

    fn open(&self, _: &ScanPlan) -> Result<Candidates, SourceError> {
        Ok(candidates(listen(&self.config)?, self.window))
    }
}

/// Miners that answer a question to everybody: named `mcast` or `mdns`.
#[derive(Debug, Clone)]
pub struct HeardCalls {
    kind: CallKind,
    interfaces: Vec<Ipv4Addr>,
    group: Option<SocketAddrV4>,
    window: Duration,
}

impl HeardCalls {
    /// How long answers are waited for, unless told otherwise: the question is asked twice meanwhile, and machines take up
    /// to a second.
    pub const WINDOW: Duration = Duration::from_secs(3);

    /// Asked on the networks of this machine on which there are targets.
    pub fn new(kind: CallKind) -> Self {
        Self { kind, interfaces: Vec::new(), group: None, window: Self::WINDOW }
    }

    /// Asked by the interfaces with these addresses, whatever the targets are.
    #[must_use]
    pub fn by(mut self, interfaces: Vec<Ipv4Addr>) -> Self {
        self.interfaces = interfaces;
        self
    }

    /// With another group to be asked, or one address that stands for it.
    #[must_use]
    pub fn to(mut self, group: Option<SocketAddrV4>) -> Self {
        self.group = group;
        self
    }

    /// Waits so long for answers.
    #[must_use]
    pub fn with_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }
}

impl CandidateSource for HeardCalls {
    fn name(&self) -> &'static str {
        match self.kind {
            CallKind::Mdns => "mdns",
            _ => "mcast",
        }
    }

    fn open(&self, plan: &ScanPlan) -> Result<Candidates, SourceError> {
        let by = match self.interfaces.as_slice() {
            [] => {
                let all = interfaces().map_err(|error| SourceError::Interfaces(Arc::new(error)))?;
                with_targets(&all, plan)?
            }
            named => named.to_vec(),
        };
        let call = |interface| {
            let call = Call::new(self.kind, interface);
            self.group.map_or(call, |group| call.to(group))
        };
        let config = ListenConfig::of_calls(by.into_iter().map(call).collect());
        Ok(candidates(listen(&config)?, self.window))
    }
}

/// The interfaces on whose networks there are targets, each network once.
pub(super) fn with_targets(all: &[Interface], plan: &ScanPlan) -> Result<Vec<Ipv4Addr>, SourceError> {
    let mut networks = Vec::new();
    let mut addresses = Vec::new();
    for interface in all {
        let network = (interface.first, interface.last);
        if !networks.contains(&network) && plan.names_any(network.0.into(), network.1.into()) {
            networks.push(network);
            addresses.push(interface.address);
        }
    }
    if addresses.is_empty() { Err(SourceError::NotHere) } else { Ok(addresses) }
}

fn candidates(heard: ListenStream, window: Duration) -> Candidates {
    let trouble = heard
        .failures()
        .iter()
        .map(|(place, source)| SourceError::Place { place: *place, source: Arc::clone(source) })
        .collect();
    let until = Instant::now() + window;
    let stream = stream::unfold(heard, move |mut heard| async move {
        loop {
            // Time is over, or nobody will be heard any more.
            let event = timeout_at(until, heard.recv()).await.ok()??;
            if let Some(candidate) = candidate(&event) {
                return Some((candidate, heard));
            }
        }
    });
    Candidates::new(stream.boxed()).with_trouble(trouble)
}

/// A web server that calls itself nothing like a miner is none; who else was heard may be one.
fn candidate(event: &ListenEvent) -> Option<Candidate> {
    let ListenEvent::Seen(seen) = event else { return None };
    // What mDNS tells is the port of a web server, which is looked for anyway.
    let port = seen.port.filter(|_| seen.beacon == bitlink_protocol::reports::Beacon::Cgminer);
    seen.is_miner().then(|| Candidate::new(seen.from).with_port(port).with_mac(seen.identity.mac))
}
