//! Networks for benchmarks: many addresses at which one canned miner answers at once, and a transport that knows the
//! outcome of every probe without looking.

use crate::miner::CannedMiner;
use async_trait::async_trait;
use bitlink_protocol::{Reply, Request};
use bitlink_transport::{
    Door, Endpoint, Host, Limits, MemoryTransport, Probe, ProbeOutcome, Script, Transport, TransportError,
};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A machine that answers at once, from memory, the questions a reading asks of its API; it has no web server. Any number
/// of addresses may share it.
#[derive(Debug)]
pub struct Scripted {
    replies: HashMap<Vec<u8>, Vec<u8>>,
}

impl Scripted {
    /// A machine with the answers of a canned miner.
    pub fn new(miner: &CannedMiner) -> Self {
        let mut replies = miner.requests();
        replies.values_mut().filter(|reply| !reply.is_empty()).for_each(|reply| reply.push(0));
        Self { replies }
    }
}

impl Host for Scripted {
    fn connect(&self, port: u16) -> Door {
        if port == 4028 { Door::Open { after: Duration::ZERO } } else { Door::Refused }
    }

    fn respond(&self, _port: u16, request: &[u8]) -> Script {
        self.replies.get(request).map_or_else(Script::close, |reply| Script::reply(reply.clone()))
    }
}

/// A network from `first` upwards in which every `every`-th of `addresses` is this miner.
pub fn network_of(miner: &CannedMiner, first: Ipv4Addr, addresses: u32, every: usize) -> MemoryTransport {
    let host: Arc<dyn Host> = Arc::new(Scripted::new(miner));
    let network = MemoryTransport::new();
    let first = u32::from(first);
    for address in (first..first + addresses).step_by(every) {
        network.insert(IpAddr::V4(address.into()), Arc::clone(&host));
    }
    network
}

/// A transport where every probe ends at once and in the same way, for what the layer above costs by itself.
#[derive(Debug)]
pub struct InstantTransport(pub ProbeOutcome);

#[async_trait]
impl Transport for InstantTransport {
    async fn probe(&self, _endpoint: Endpoint, _deadline: Instant) -> Probe {
        Probe { outcome: self.0, elapsed: Duration::ZERO }
    }

    async fn exchange(&self, _: Endpoint, _: &Request, _: &Limits) -> Result<Reply, TransportError> {
        Err(TransportError::Refused)
    }
}
