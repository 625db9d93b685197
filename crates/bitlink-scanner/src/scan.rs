//! Starting a scan: the front door of the crate.

use crate::config::{ConfigError, ScanConfig, ScanDepth};
use crate::engine::{Job, run};
use crate::event::{ScanEvent, ScanStream};
use crate::identify::{Identifier, Reader};
use crate::judge::judge;
use crate::report::ScanReport;
use crate::resolve::{Resolver, SystemResolver};
use crate::sources::CandidateSource;
use crate::story::Stories;
use crate::targets::{ScanTargets, TargetError};
use bitlink_model::{Finding, Miner, MinerSnapshot, MinerStatus};
use bitlink_transport::{Neighbours, Transport};
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

/// Judges a miner by its first reading.
pub(crate) type Judge = dyn Fn(&MinerSnapshot) -> (MinerStatus, Vec<Finding>) + Send + Sync;

/// Starts a scan with the usual parts: see [`Scanner`].
///
/// # Errors
/// [`ScanError`], before anything is touched. What happens later is told by the events.
pub fn scan(
    transport: Arc<dyn Transport>,
    targets: ScanTargets,
    config: ScanConfig,
) -> Result<ScanStream, ScanError> {
    Scanner::new(transport).scan(targets, config)
}

/// Scans to the end and keeps every miner. For networks whose miners fit into memory and callers who can wait.
///
/// # Errors
/// [`ScanError`], before anything is touched.
pub async fn scan_to_end(
    transport: Arc<dyn Transport>,
    targets: ScanTargets,
    config: ScanConfig,
) -> Result<(Vec<Miner>, ScanReport), ScanError> {
    Scanner::new(transport).scan_to_end(targets, config).await
}

/// Why a scan cannot start.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// User: the targets.
    #[error(transparent)]
    Targets(#[from] TargetError),
    /// User: the settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Program: a scan needs a tokio runtime with time enabled.
    #[error("a scan can only be started inside a tokio runtime")]
    NoRuntime,
    /// Program: the scan ended without a report, because its runtime was shut down.
    #[error("the runtime was shut down during the scan")]
    Interrupted,
}

/// The parts of a scan, each replaceable: how bytes travel, how a machine is identified, how names are resolved and how
/// a found miner is judged.
#[derive(Clone)]
pub struct Scanner {
    transport: Arc<dyn Transport>,
    identifier: Option<Arc<dyn Identifier>>,
    resolver: Arc<dyn Resolver>,
    judge: Arc<Judge>,
    neighbours: Option<Arc<dyn Neighbours>>,
    sources: Vec<Arc<dyn CandidateSource>>,
}

impl Scanner {
    /// Over a transport, with [`Reader`], [`SystemResolver`] and [`judge`](crate::judge()).
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            identifier: None,
            resolver: Arc::new(SystemResolver),
            judge: Arc::new(judge),
            neighbours: None,
            sources: Vec::new(),
        }
    }

    /// With another way to identify machines. [`ScanConfig::patience`] and
    /// [`ScanConfig::credentials`] are then the identifier's own business.
    #[must_use]
    pub fn with_identifier(mut self, identifier: Arc<dyn Identifier>) -> Self {
        self.identifier = Some(identifier);
        self
    }

    /// With another way to resolve names.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// With another judgement of the miners found: a status and the findings behind it.
    #[must_use]
    pub fn with_judge(
        mut self,
        judge: impl Fn(&MinerSnapshot) -> (MinerStatus, Vec<Finding>) + Send + Sync + 'static,
    ) -> Self {
        self.judge = Arc::new(judge);
        self
    }

    /// With the neighbours of this machine, which a scan of a large flat network has to mind. Without them it takes every
    /// address to be behind a router; then a scan of more addresses on one link than the kernel's table of neighbours
    /// holds misses nearly all that are there.
    #[must_use]
    pub fn with_neighbours(mut self, neighbours: Option<Arc<dyn Neighbours>>) -> Self {
        self.neighbours = neighbours;
        self
    }

    /// With sources of candidates beside the sweep, up to 63. The scan is over when they are, too.
    #[must_use]
    pub fn with_sources(mut self, sources: Vec<Arc<dyn CandidateSource>>) -> Self {
        self.sources = sources;
        self
    }

    /// Starts a scan.
    ///
    /// # Errors
    /// [`ScanError`], before anything is touched.
    pub fn scan(&self, targets: ScanTargets, config: ScanConfig) -> Result<ScanStream, ScanError> {
        config.validate()?;
        let plan = targets.plan(&config)?;
        let runtime = Handle::try_current().map_err(|_no_runtime| ScanError::NoRuntime)?;
        let (events, receiver) = mpsc::channel(config.event_queue);
        let stories = Stories::new(&config.explain, events.clone());
        let transport = stories.of(Arc::clone(&self.transport));
        let identifier = self.identifier.clone().unwrap_or_else(|| {
            let reader = Reader::new(Arc::clone(&transport), config.patience);
            Arc::new(
                reader.with_credentials(config.credentials.clone()).briefly(config.depth == ScanDepth::Brief),
            )
        });
        let stop = Arc::new(Notify::new());
        let mut task = JoinSet::new();
        task.spawn_on(
            run(Job {
                transport,
                identifier,
                stories,
                resolver: Arc::clone(&self.resolver),
                judge: Arc::clone(&self.judge),
                neighbours: self.neighbours.clone(),
                sources: self.sources.clone(),
                targets,
                plan,
                config,
                events,
                stop: Arc::clone(&stop),
            }),
            &runtime,
        );
        Ok(ScanStream::new(receiver, stop, task))
    }

    /// Scans to the end and keeps every miner.
    ///
    /// # Errors
    /// [`ScanError`], before anything is touched; or [`ScanError::Interrupted`].
    pub async fn scan_to_end(
        &self,
        targets: ScanTargets,
        config: ScanConfig,
    ) -> Result<(Vec<Miner>, ScanReport), ScanError> {
        let mut events = self.scan(targets, config)?;
        let mut miners = Vec::new();
        while let Some(event) = events.recv().await {
            match event {
                ScanEvent::Found(miner) => miners.push(*miner),
                ScanEvent::Complete { report, .. } => return Ok((miners, *report)),
                _ => {}
            }
        }
        Err(ScanError::Interrupted)
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("transport", &self.transport)
            .field("identifier", &self.identifier)
            .field("resolver", &self.resolver)
            .finish_non_exhaustive()
    }
}
