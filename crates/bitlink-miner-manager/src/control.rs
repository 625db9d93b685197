//! Commanding miners: the engine of `bitlink-control` under this roof, and [`Commander`], which finds those that are meant, makes
//! plans of them and carries these out with a journal and an audit log in a data directory.

use crate::error::Error;
use crate::fleet::Fleet;
use bitlink_model::{Action, ActionKind, Capabilities, Identity, Secret, Timestamp};
use bitlink_protocol::{Credentials, registry};
use bitlink_scanner::{Outcome as Scanned, ScanEvent, ScanTargets, SystemResolver, endpoints};
use bitlink_transport::{Endpoint, Links, Patience};
use futures::StreamExt;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

pub use bitlink_control::*;

/// Whoever may command the miners of a fleet.
///
/// ```no_run
/// use bitlink_miner_manager::control::{Commander, Groups, Policy};
/// use bitlink_miner_manager::{model::Action, Fleet};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let commander = Commander::new(&Fleet::new()).with_data("/var/lib/bitlink");
/// let targets = ["192.168.1.0/24"];
/// let plan = commander.plan(Action::Reboot, Policy::default(), &Groups::default(), &targets).await?;
/// println!("{} miners in {} steps, {} left out", plan.targets.len(), plan.batches.len(), plan.skipped.len());
///
/// let report = commander.execute(plan)?.report().await.expect("nobody broke it off");
/// assert!(report.adds_up());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Commander {
    fleet: Fleet,
    hands: Arc<WireHands>,
    claims: Claims,
    data: Option<PathBuf>,
    actor: String,
}

/// Readings taken at one time while a plan is made.
const LOOKS: usize = 256;

impl Commander {
    /// With the transport, the patience and the logins of a fleet. Without a data directory plans are kept in memory only, do not
    /// survive the program, and leave no line in an audit log.
    pub fn new(fleet: &Fleet) -> Self {
        Self::with_vault(fleet, None)
    }

    /// The same with passwords that are kept for machines and families.
    pub fn with_vault(fleet: &Fleet, vault: Option<Vault>) -> Self {
        let scan = fleet.scan_config();
        let patience: Patience = scan.patience;
        let credentials: Vec<Credentials> = scan.credentials.clone();
        let hands = WireHands::new(fleet.transport())
            .with_patience(patience)
            .with_credentials(credentials)
            .with_vault(vault)
            .with_links(Some(Arc::new(Links::new(fleet.neighbours()))));
        Self {
            fleet: fleet.clone(),
            hands: Arc::new(hands),
            claims: Claims::new(),
            data: None,
            actor: String::new(),
        }
    }

    /// With a directory for journals and the audit log.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<PathBuf>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// On whose account.
    #[must_use]
    pub fn with_actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = actor.into();
        self
    }

    /// The plans of the data directory.
    pub fn plans(&self) -> Option<PlanStore> {
        self.data.as_deref().map(PlanStore::in_dir)
    }

    /// Looks at those that are meant: each that was named alone, whether it answers or not, and of networks and ranges those that
    /// answer as miners.
    ///
    /// # Errors
    /// [`Error::Target`] or [`Error::Scan`]: what is not a target, or cannot be looked for.
    pub async fn look(&self, targets: &[impl AsRef<str>]) -> Result<Vec<Candidate>, Error> {
        self.look_but(targets, &[] as &[&str]).await
    }

    /// The same, leaving some out.
    ///
    /// # Errors
    /// As [`Commander::look`].
    pub async fn look_but(
        &self,
        targets: &[impl AsRef<str>],
        exclude: &[impl AsRef<str>],
    ) -> Result<Vec<Candidate>, Error> {
        let mut named = Vec::new();
        for text in targets {
            let text = text.as_ref();
            let mut wanted = ScanTargets::parse(text)?;
            for other in exclude {
                wanted = wanted.excluding(ScanTargets::parse(other.as_ref())?)?;
            }
            if wanted.is_empty() {
                continue;
            }
            let config = self.fleet.scan_config();
            let is_one = wanted.clone().plan(config).is_ok_and(|plan| plan.addresses() <= 1);
            if is_one {
                named.extend(
                    endpoints(&wanted, &SystemResolver, config).await?.into_iter().map(|at| (at, None)),
                );
            } else {
                named.extend(self.scan(wanted).await?);
            }
        }
        let looks = named.into_iter().map(|(at, refusal)| async move {
            let seen = match refusal {
                None => self.hands.look(at).await,
                Some(refusal) => Err(refusal),
            };
            Candidate::new(at, seen)
        });
        Ok(futures::stream::iter(looks).buffered(LOOKS).collect().await)
    }

    /// The miners of a network, and those that do not let us read.
    async fn scan(&self, targets: ScanTargets) -> Result<Vec<(Endpoint, Option<LookError>)>, Error> {
        let mut events = self.fleet.scan_targets(targets)?;
        let mut found = Vec::new();
        while let Some(event) = events.recv().await {
            match event {
                ScanEvent::Found(miner) => found.push((Endpoint::new(miner.ip, miner.port), None)),
                ScanEvent::Outcome { endpoint, outcome: Scanned::AccessDenied, .. } => {
                    let why = "access denied".to_owned();
                    found.push((endpoint, Some(LookError::AccessDenied { why })));
                }
                ScanEvent::Complete { .. } => break,
                _ => {}
            }
        }
        found.sort_by_key(|(at, _)| *at);
        Ok(found)
    }

    /// Makes a plan: an action for all that are meant. Nothing is changed by it.
    ///
    /// # Errors
    /// [`CommandError::Look`] or [`CommandError::Plan`].
    pub async fn plan(
        &self,
        action: Action,
        policy: Policy,
        groups: &Groups,
        targets: &[impl AsRef<str>],
    ) -> Result<Plan, CommandError> {
        let candidates = self.look(targets).await?;
        Ok(Plan::make(action, policy, groups, now(), candidates)?)
    }

    /// Begins to carry a plan out.
    ///
    /// # Errors
    /// [`CommandError::Journal`] when it cannot be written down.
    pub fn execute(&self, plan: Plan) -> Result<Execution, CommandError> {
        let Some(store) = self.plans() else {
            return Ok(self.controller().execute(plan, Arc::new(MemoryJournal::new())));
        };
        let (journal, claimed) = store.begin(&plan)?;
        Ok(self.controller().with_claimed(claimed).execute(plan, Arc::new(journal)))
    }

    /// Goes on with a plan that was begun before; `complete` gives it back the secrets that were not written down. See
    /// [`Controller::resume`].
    ///
    /// # Errors
    /// [`CommandError::Journal`]: there is no such plan, or another process has it. [`CommandError::Plan`]: `complete` refused.
    pub fn resume(
        &self,
        id: &PlanId,
        resend: bool,
        complete: impl FnOnce(&mut Plan) -> Result<(), PlanError>,
    ) -> Result<Execution, CommandError> {
        let store = self.plans().ok_or_else(|| JournalError::Missing { plan: id.to_string() })?;
        let (mut past, journal, claimed) = store.take_up(id)?;
        complete(&mut past.plan)?;
        Ok(self.controller().with_claimed(claimed).resume(past, Arc::new(journal), resend))
    }

    /// Makes a plan that takes another back. See [`undo`].
    ///
    /// # Errors
    /// [`CommandError::Journal`] or [`CommandError::Plan`].
    pub async fn undo(
        &self,
        id: &PlanId,
        policy: Policy,
        groups: &Groups,
        pool_password: &Secret,
    ) -> Result<Plan, CommandError> {
        let store = self.plans().ok_or_else(|| JournalError::Missing { plan: id.to_string() })?;
        let past = store.read(id)?;
        let places = earlier(&past).into_iter().map(|(at, _)| async move { (at, self.hands.look(at).await) });
        let mut seen: HashMap<Endpoint, Result<Seen, LookError>> =
            futures::stream::iter(places).buffer_unordered(LOOKS).collect().await;
        Ok(undo(&past, policy, groups, now(), pool_password, |at| seen.remove(&at))?)
    }

    fn controller(&self) -> Controller {
        let hands: Arc<dyn Hands> = Arc::clone(&self.hands) as Arc<dyn Hands>;
        Controller::new(hands).with_claims(self.claims.clone()).with_actor(self.actor.clone())
    }

    /// Notes in the audit log that somebody changed which passwords are kept.
    ///
    /// # Errors
    /// [`AuditError`] when it cannot be written.
    pub fn note_credentials(data: &Path, actor: &str, scope: &Scope, kept: bool) -> Result<(), AuditError> {
        let event = AuditEvent::Credentials { scope: scope.to_string(), kept };
        AuditLog::in_dir(data).append([(now(), actor.to_owned(), event)])
    }
}

/// What machines with this firmware can be told, as far as its family says; a plan looks at each machine anew. `None` where the
/// family is not known.
pub fn capabilities_of(identity: &Identity) -> Option<Capabilities> {
    let family = &identity.firmware.as_ref()?.family;
    let mut all = registry().iter().filter(|dialect| dialect.family() == *family);
    let first = all.next()?.capabilities(identity);
    // A family may speak in more than one way: what one of them can do, it can.
    Some(all.fold(first, |known, dialect| {
        let other = dialect.capabilities(identity);
        ActionKind::ALL.iter().fold(known, |known, kind| {
            let support = other.of(*kind);
            let is_new = support.is_possible() && !known.of(*kind).is_possible();
            if is_new { known.with(*kind, support) } else { known }
        })
    }))
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Why a command cannot be planned or begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Those that are meant cannot be looked for.
    #[error(transparent)]
    Look(#[from] Error),
    /// There is no plan for it.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It cannot be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
