//! [`Fleet`]: one place that knows how to reach miners, and everything that can be asked of them.

use crate::error::Error;
use bitlink_model::{Miner, MinerSnapshot, Span, Timestamp};
use bitlink_monitor::{Monitor, MonitorConfig, MonitorStream};
use bitlink_protocol::{ReadMiner, Reading};
use bitlink_scanner::{
    CandidateSource, NeighbourTable, ScanConfig, ScanReport, ScanStream, ScanTargets, Scanner,
    SystemResolver, endpoints, judge,
};
use bitlink_transport::{
    ConverseError, Conversed, Endpoint, Links, ListenConfig, ListenStream, Neighbours, RecordingTransport,
    TcpConfig, TcpTransport, Transcript, Transport, TurnsTransport, converse, listen, system_neighbours,
};
use std::sync::Arc;
use std::time::SystemTime;

/// The miners that can be reached over one transport. Build it once; it is cheap to clone and holds no connections.
///
/// ```
/// # use bitlink_miner_manager::{Fleet, transport::{Door, Host, MemoryTransport, Script}};
/// # use std::{sync::Arc, time::Duration};
/// # #[derive(Debug)] struct Simulated;
/// # impl Host for Simulated {
/// #     fn connect(&self, _: u16) -> Door { Door::Open { after: Duration::ZERO } }
/// #     fn respond(&self, _: u16, request: &[u8]) -> Script { Script::reply(match request {
/// #         br#"{"command":"version"}"# => r#"{"STATUS":[{"STATUS":"S","Code":22}],"VERSION":[{"CGMiner":"4.12.0","API":"3.7"}]}"#,
/// #         br#"{"command":"summary"}"# => r#"{"STATUS":[{"STATUS":"S","Code":11}],"SUMMARY":[{"MHS av":5000000.0}]}"#,
/// #         _ => r#"{"STATUS":[{"STATUS":"E","Code":14}]}"# }) }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), bitlink_miner_manager::Error> {
/// # let network = MemoryTransport::new().with_host([10, 0, 0, 7].into(), Simulated);
/// // `Fleet::new()` reaches miners over TCP; this one lives in memory.
/// let fleet = Fleet::over(Arc::new(network));
///
/// let (miners, report) = fleet.discover("10.0.0.0/29").await?;
/// assert!(report.adds_up());
/// for miner in &miners {
///     println!("{} {} {:.2} TH/s", miner.ip, miner.model, miner.stats.hashrate_avg);
/// }
///
/// let miner = fleet.get("10.0.0.7").await?;
/// assert_eq!(miner.stats.hashrate_avg, 5.0);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Fleet {
    transport: Arc<dyn Transport>,
    scan: ScanConfig,
    monitor: MonitorConfig,
    sources: Vec<Arc<dyn CandidateSource>>,
    /// Whether the neighbours of this machine are candidates.
    known_first: bool,
    /// Whether the transport reaches what the routes of this machine lead to.
    on_this_machine: bool,
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

impl Fleet {
    /// Over TCP, with the usual settings.
    pub fn new() -> Self {
        Self::over_tcp(TcpConfig::default())
    }

    /// Over TCP, with sockets used in another way.
    pub fn over_tcp(config: TcpConfig) -> Self {
        let transport = Arc::new(TcpTransport::with_config(config));
        Self { on_this_machine: true, ..Self::over(transport) }
    }

    /// Over any transport: memory in a test, a recording, one that injects faults.
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            scan: ScanConfig::default(),
            monitor: MonitorConfig::default(),
            sources: Vec::new(),
            known_first: false,
            on_this_machine: false,
        }
    }

    /// Whoever uses this fleet and its clones, a service and the commands beside it, takes turns: a miner is talked to by one at
    /// a time.
    #[must_use]
    pub fn taking_turns(mut self) -> Self {
        self.transport = Arc::new(TurnsTransport::new(self.transport));
        self
    }

    /// With other settings for scans and for single readings, which take their patience, ports and
    /// passwords from here.
    #[must_use]
    pub fn with_scan(mut self, config: ScanConfig) -> Self {
        self.scan = config;
        self
    }

    /// With other settings for watching.
    #[must_use]
    pub fn with_monitor(mut self, config: MonitorConfig) -> Self {
        self.monitor = config;
        self
    }

    /// With sources of candidates beside the sweep of a scan: miners that show themselves, or whatever else names addresses.
    #[must_use]
    pub fn with_sources(mut self, sources: Vec<Arc<dyn CandidateSource>>) -> Self {
        self.sources = sources;
        self
    }

    /// With the targets that this machine has met already, by its table of neighbours, asked before all others; or not.
    #[must_use]
    pub fn with_known_first(mut self, known_first: bool) -> Self {
        self.known_first = known_first;
        self
    }

    /// Starts to listen for miners that show themselves: a button was pressed, or they answer a question to everybody. Nothing
    /// comes of what is heard but that it is told.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub fn listen(&self, config: &ListenConfig) -> Result<ListenStream, Error> {
        Ok(listen(config)?)
    }

    /// Starts to look for miners. `targets` in any form that [`ScanTargets`] reads.
    ///
    /// # Errors
    /// [`Error::Target`] or [`Error::Config`], before anything is touched.
    pub fn scan(&self, targets: &str) -> Result<ScanStream, Error> {
        self.scan_targets(ScanTargets::parse(targets)?)
    }

    /// Starts to look for miners among targets that were read before.
    ///
    /// # Errors
    /// [`Error::Target`] or [`Error::Config`], before anything is touched.
    pub fn scan_targets(&self, targets: ScanTargets) -> Result<ScanStream, Error> {
        Ok(self.scanner().scan(targets, self.scan.clone())?)
    }

    fn scanner(&self) -> Scanner {
        let neighbours = self.neighbours();
        let mut sources = self.sources.clone();
        if self.known_first {
            sources.push(Arc::new(NeighbourTable::new(neighbours.clone())));
        }
        Scanner::new(Arc::clone(&self.transport)).with_neighbours(neighbours).with_sources(sources)
    }

    /// Who is on the networks of this machine, where the transport leads there.
    pub(crate) fn neighbours(&self) -> Option<Arc<dyn Neighbours>> {
        if self.on_this_machine { system_neighbours() } else { None }
    }

    /// Looks for miners and waits for the end: what was found, and the report that accounts for every address.
    ///
    /// # Errors
    /// As [`Fleet::scan`].
    pub async fn discover(&self, targets: &str) -> Result<(Vec<Miner>, ScanReport), Error> {
        let targets = ScanTargets::parse(targets)?;
        Ok(self.scanner().scan_to_end(targets, self.scan.clone()).await?)
    }

    /// One full reading of one miner. `host` is an address or a name, with `:port` where it is not the usual one.
    ///
    /// # Errors
    /// [`Error::Target`], [`Error::NotOne`], or [`Error::Read`] with the reason.
    pub async fn get(&self, host: &str) -> Result<Miner, Error> {
        let endpoint = self.endpoint(host).await?;
        let snapshot = read(&*self.transport, endpoint, &self.scan).await?;
        Ok(self.judged(endpoint, snapshot))
    }

    /// The same, and everything that was said on the way, whether it served or not: for bug reports and new firmware.
    ///
    /// # Errors
    /// [`Error::Target`] or [`Error::NotOne`]. A reading that fails is the first part of the result.
    pub async fn get_raw(&self, host: &str) -> Result<(Result<Miner, Error>, Transcript), Error> {
        let endpoint = self.endpoint(host).await?;
        let recording = RecordingTransport::new(Arc::clone(&self.transport));
        let snapshot = read(&recording, endpoint, &self.scan).await;
        Ok((snapshot.map(|snapshot| self.judged(endpoint, snapshot)), recording.take_transcript()))
    }

    /// Starts to watch miners. Each is named by an address or a name, with `:port` where it is not the usual one; a range
    /// watches every address in it. What cannot be watched comes back as
    /// [`MonitorEvent::Rejected`](crate::MonitorEvent::Rejected), and the rest goes on.
    pub async fn watch(&self, targets: impl IntoIterator<Item: AsRef<str>>) -> MonitorStream {
        let mut known = Vec::new();
        let mut rejected = Vec::new();
        for text in targets {
            let text = text.as_ref();
            match self.endpoints_to_watch(text).await {
                Ok(found) => known.extend(found),
                Err(error) => rejected.push((text.to_owned(), error.to_string())),
            }
        }
        let stream = self.watch_endpoints(known);
        for (target, reason) in rejected {
            stream.reject(target, reason);
        }
        stream
    }

    /// Starts to watch miners at known endpoints, as a scan has found them.
    pub fn watch_endpoints(&self, endpoints: impl IntoIterator<Item = Endpoint>) -> MonitorStream {
        self.monitor().start(endpoints)
    }

    /// A monitor over this fleet's transport, with its settings and what is known of hardware addresses, that is not started
    /// yet: for whoever wants to give it more, such as an [`Observer`](crate::Observer) that keeps the registry.
    ///
    /// ```
    /// use bitlink_miner_manager::{Fleet, Registry};
    /// use std::sync::{Arc, Mutex};
    /// # use bitlink_miner_manager::transport::MemoryTransport;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let fleet = Fleet::over(Arc::new(MemoryTransport::new()));
    /// let registry = Arc::new(Mutex::new(Registry::new()));
    /// let events = fleet.monitor().with_observer(Arc::clone(&registry)).start(["10.0.0.7:4028".parse()?]);
    /// # drop(events); Ok(()) }
    /// ```
    pub fn monitor(&self) -> Monitor {
        let links = self.neighbours().map(|neighbours| Arc::new(Links::new(Some(neighbours))));
        Monitor::new(Arc::clone(&self.transport)).with_config(self.monitor.clone()).with_links(links)
    }

    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    /// Its settings for scans and for single readings.
    pub const fn scan_config(&self) -> &ScanConfig {
        &self.scan
    }

    pub(crate) fn monitor_config(&self) -> &MonitorConfig {
        &self.monitor
    }

    /// This one with the settings of another, reached as before.
    pub(crate) fn configured_as(&self, other: &Self) -> Self {
        Self {
            transport: Arc::clone(&self.transport),
            on_this_machine: self.on_this_machine,
            ..other.clone()
        }
    }

    /// Whether all settings are within their ranges.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Monitor`] with the first one that is not.
    pub fn validate(&self) -> Result<(), Error> {
        self.scan.validate()?;
        Ok(self.monitor.validate()?)
    }

    /// The endpoints that a text names for watching.
    pub(crate) async fn endpoints_to_watch(&self, text: &str) -> Result<Vec<Endpoint>, Error> {
        let ports = self.scan.clone().with_ports(vec![self.monitor.port]);
        Ok(endpoints(&ScanTargets::parse(text)?, &SystemResolver, &ports).await?)
    }

    /// A reading, judged as a scan judges what it finds, and completed as there.
    fn judged(&self, endpoint: Endpoint, mut snapshot: MinerSnapshot) -> Miner {
        Links::new(self.neighbours()).tell(endpoint.ip(), &mut snapshot);
        let (status, findings) = judge(&snapshot);
        Miner::from_snapshot(endpoint.ip(), endpoint.port(), status, snapshot).with_findings(findings)
    }

    /// The one endpoint that a text names.
    async fn endpoint(&self, host: &str) -> Result<Endpoint, Error> {
        let found = endpoints(&ScanTargets::parse(host)?, &SystemResolver, &self.scan).await?;
        match found.as_slice() {
            [endpoint] => Ok(*endpoint),
            several => Err(Error::NotOne { text: host.to_owned(), count: several.len() }),
        }
    }
}

/// One full reading.
async fn read(
    transport: &dyn Transport,
    endpoint: Endpoint,
    config: &ScanConfig,
) -> Result<MinerSnapshot, Error> {
    let failed = |source| Error::Read { endpoint, source };
    let conversation = ReadMiner::new().with_credentials(config.credentials.clone());
    let Conversed { value: Reading { snapshot, failure, .. }, elapsed, .. } =
        converse(transport, endpoint, conversation, &config.patience).await.map_err(failed)?;
    if let Some(failure) = failure {
        return Err(failed(ConverseError::Protocol(failure)));
    }
    Ok(dated(snapshot, elapsed.into()))
}

fn dated(mut snapshot: MinerSnapshot, round_trip: Span) -> MinerSnapshot {
    snapshot.observed_at = Some(Timestamp::from(SystemTime::now()));
    snapshot.round_trip = Some(round_trip);
    snapshot
}
