//! The hands that reach real miners: readings and commands as conversations over a transport.

use crate::hands::{ActFailure, ActFailureKind, Acted, Effect, Hands, LookError, Proof, Seen};
use crate::marks::{Marks, Sameness};
use crate::vault::Vault;
use async_trait::async_trait;
use bitlink_model::{Action, Anomaly, AnomalyKind, Identity, MinerSnapshot, Timestamp};
use bitlink_protocol::{
    self as protocol, Act, ActError, Credentials, Identified, ProtocolError, ReadMiner, Reading,
};
use bitlink_transport::{ConverseError, Endpoint, Links, Patience, Transport, TransportError, converse};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Reaches miners over a transport, and remembers how each is to be talked to.
#[derive(Debug)]
pub struct WireHands {
    transport: Arc<dyn Transport>,
    patience: Patience,
    credentials: Vec<Credentials>,
    vault: Option<Vault>,
    links: Option<Arc<Links>>,
    known: Mutex<HashMap<Endpoint, Known>>,
}

/// What is known of whoever answers at an address.
#[derive(Debug, Clone, Default)]
struct Known {
    identified: Option<Arc<Identified>>,
    /// By what each of its readings tells who it is, where it need not be asked for that.
    told: Option<Told>,
    /// Passwords that were changed through here.
    changed: Vec<Credentials>,
}

/// Marks that a machine tells with every reading.
#[derive(Debug, Clone)]
struct Told {
    marks: Marks,
    /// When it told them, and how to speak with it was found out.
    at: Instant,
}

/// For so long after a machine was identified, how to speak with it need not be found out again. What is planned is carried out
/// within that time as a rule; a machine whose firmware was changed in between is as unlikely as one that was changed between the
/// check and the command.
const LATELY: Duration = Duration::from_mins(10);

impl WireHands {
    /// Over a transport, with the usual patience and no passwords but those that firmware is delivered with.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            patience: Patience::default(),
            credentials: Vec::new(),
            vault: None,
            links: None,
            known: Mutex::default(),
        }
    }

    /// With so much patience for each conversation.
    #[must_use]
    pub const fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// With logins to try everywhere.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Vec<Credentials>) -> Self {
        self.credentials = credentials;
        self
    }

    /// With the logins that are kept for machines and families; they are tried before those for everywhere.
    #[must_use]
    pub fn with_vault(mut self, vault: Option<Vault>) -> Self {
        self.vault = vault;
        self
    }

    /// With what is known of hardware addresses: machines that do not tell theirs are known again by the one at which they are
    /// met.
    #[must_use]
    pub fn with_links(mut self, links: Option<Arc<Links>>) -> Self {
        self.links = links;
        self
    }

    fn known(&self, at: Endpoint) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&at).cloned().unwrap_or_default()
    }

    fn remember(&self, at: Endpoint, change: impl FnOnce(&mut Known)) {
        change(self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(at).or_default());
    }

    /// The logins for whoever answers there, the best first.
    fn logins(&self, at: Endpoint, known: &Known) -> Vec<Credentials> {
        let marks = known.identified.as_ref().map(|identified| Marks::of(&identified.identity));
        let family = known.identified.as_ref().map(|identified| identified.family());
        let kept =
            self.vault.iter().flat_map(|vault| vault.for_machine(at.ip(), marks.as_ref(), family.as_ref()));
        let mut logins: Vec<Credentials> = known.changed.iter().rev().cloned().chain(kept).collect();
        logins.extend(self.credentials.iter().cloned());
        logins
    }

    /// Reads a machine that was identified a moment ago, without its first questions. It must tell by this reading that it is still
    /// the same: nothing that is remembered may stand for that. `None` where it does not tell so; then it is a stranger.
    async fn read_again(&self, at: Endpoint) -> Option<Result<Seen, LookError>> {
        let Known { identified, told, .. } = self.known(at);
        let (identified, told) = identified.zip(told.filter(|told| told.at.elapsed() <= LATELY))?;
        let unmarked = without_marks(&identified);
        let reading =
            converse(&*self.transport, at, ReadMiner::again(unmarked).with_proofs(), &self.patience);
        let seen = match reading.await {
            Ok(conversed) => {
                let Reading { identified: met, mut snapshot, .. } = conversed.value;
                let is_same = told.marks.compare(&Marks::of(&snapshot.identity)) == Sameness::Same;
                is_same.then(|| {
                    complete(&mut snapshot.identity, &identified.identity);
                    self.remember(at, |known| {
                        let session = met.session;
                        let identity = identified.identity.clone();
                        known.identified = Some(Arc::new(Identified { session, identity, ..met }));
                    });
                    Ok(self.seen(at, &identified, snapshot))
                })
            }
            // A stranger would not be answered either; the next time it is asked as one.
            Err(error @ ConverseError::Transport(_)) => Some(Err(not_read(&error))),
            Err(_) => None,
        };
        if !matches!(seen, Some(Ok(_))) {
            self.remember(at, |known| known.told = None);
        }
        seen
    }

    /// A reading as it is handed on.
    fn seen(&self, at: Endpoint, identified: &Identified, mut snapshot: MinerSnapshot) -> Seen {
        if let Some(links) = &self.links {
            links.tell(at.ip(), &mut snapshot);
        }
        snapshot.observed_at = Some(Timestamp::from(SystemTime::now()));
        Seen::new(snapshot, protocol::capabilities(identified))
    }

    /// Reads whoever answers there, from the first question on: what is remembered of a machine would hide that another one has
    /// taken its address.
    async fn read(&self, at: Endpoint, logins: Vec<Credentials>) -> Result<Reading, LookError> {
        let conversation = ReadMiner::new().with_credentials(logins).with_proofs();
        let reading = converse(&*self.transport, at, conversation, &self.patience).await;
        let reading = reading.map_err(|error| not_read(&error))?.value;
        match reading.failure {
            Some(failure) => Err(not_read(&ConverseError::Protocol(failure))),
            None => Ok(reading),
        }
    }

    /// The same, with the passwords that are kept for machines of its kind: for which kind it is shows only when it was asked.
    async fn read_with_all(&self, at: Endpoint) -> Result<Reading, LookError> {
        let mut known = self.known(at);
        let first = self.logins(at, &known);
        let reading = self.read(at, first.clone()).await?;
        if self.vault.is_none() {
            return Ok(reading);
        }
        known.identified = Some(Arc::new(reading.identified.clone()));
        let all = self.logins(at, &known);
        if all == first { Ok(reading) } else { self.read(at, all).await }
    }
}

#[async_trait]
impl Hands for WireHands {
    async fn look(&self, at: Endpoint) -> Result<Seen, LookError> {
        if let Some(seen) = self.read_again(at).await {
            return seen;
        }
        let Reading { identified, snapshot, .. } = self.read_with_all(at).await?;
        let marks = Marks::of(&snapshot.identity).without(&Marks::of(&identified.identity));
        let told = (!marks.is_empty()).then(|| Told { marks, at: Instant::now() });
        let seen = self.seen(at, &identified, snapshot);
        self.remember(at, |known| (known.identified, known.told) = (Some(Arc::new(identified)), told));
        // Whoever lets us in nowhere but at the open port does not tell who he is: that is not the fault of his firmware.
        if Marks::of(&seen.snapshot.identity).is_empty()
            && let Some(error) = seen.snapshot.anomalies.iter().find_map(shut)
        {
            return Err(error);
        }
        Ok(seen)
    }

    async fn act(&self, at: Endpoint, action: &Action) -> Result<Acted, ActFailure> {
        let known = self.known(at);
        let Some(identified) = &known.identified else {
            return Err(ActFailure::before(ActFailureKind::Local, "nobody looked who answers there"));
        };
        let logins = self.logins(at, &known);
        let mut act = Act::new(identified, action.clone(), &logins).map_err(|error| {
            let kind = match error {
                ActError::Incomplete => ActFailureKind::Local,
                _ => ActFailureKind::Unsupported,
            };
            ActFailure::before(kind, error.to_string())
        })?;
        match converse(&*self.transport, at, &mut act, &self.patience).await {
            Ok(conversed) => {
                self.mind(at, action);
                let protocol::Acted { effect, said, log, .. } = conversed.value;
                let effect = match effect {
                    protocol::Effect::AfterRestart => Effect::AfterRestart,
                    protocol::Effect::ConnectionLost => Effect::ConnectionLost,
                    _ => Effect::Now,
                };
                Ok(Acted { effect, said, log })
            }
            Err(error) => {
                let (kind, why) = (blame(&error), chain(&error));
                Err(ActFailure { kind, written: act.has_written(), why })
            }
        }
    }

    fn prove(&self, action: &Action, before: Option<&MinerSnapshot>, after: &MinerSnapshot) -> Proof {
        match protocol::proof(action, before, after) {
            protocol::Proof::Proven => Proof::Proven,
            protocol::Proof::NotYet => Proof::NotYet,
            protocol::Proof::Contradicted { why } => Proof::Contradicted { why },
            _ => Proof::Impossible,
        }
    }
}

impl WireHands {
    /// What a command changes in how the machine is talked to.
    fn mind(&self, at: Endpoint, action: &Action) {
        match action {
            Action::Password { user, new } => {
                let users: Vec<&str> = match user {
                    Some(user) => vec![user],
                    None => vec!["root", "admin", ""],
                };
                let password = new.reveal().unwrap_or_default();
                self.remember(at, |known| {
                    known.changed.extend(users.iter().map(|user| Credentials::new(*user, password)));
                    known.identified = None;
                });
            }
            // A session does not survive these, and the firmware may be another.
            Action::Reboot | Action::FactoryReset | Action::Update { .. } => {
                self.remember(at, |known| known.identified = None);
            }
            _ => {}
        }
    }
}

/// The same machine, of which is not known which one of its kind it is.
fn without_marks(identified: &Identified) -> Identified {
    let mut unmarked = identified.clone();
    let identity = &mut unmarked.identity;
    (identity.mac, identity.serial, identity.control_board_serial) = (None, None, None);
    unmarked
}

/// Fills in the marks that a machine does not tell with every reading.
fn complete(identity: &mut Identity, known: &Identity) {
    identity.mac = identity.mac.or(known.mac);
    identity.serial = identity.serial.take().or_else(|| known.serial.clone());
    identity.control_board_serial =
        identity.control_board_serial.take().or_else(|| known.control_board_serial.clone());
}

/// A reading goes on without what the machine keeps shut, and notes that in the words of the error.
fn shut(odd: &Anomaly) -> Option<LookError> {
    let why = || format!("it does not tell who it is: {}", odd.detail);
    if odd.kind != AnomalyKind::Refused {
        None
    } else if odd.detail.starts_with("access denied") {
        Some(LookError::AccessDenied { why: why() })
    } else if odd.detail.contains(" is locked: ") {
        Some(LookError::Busy { why: why() })
    } else {
        None
    }
}

fn not_read(error: &ConverseError) -> LookError {
    let why = chain(error);
    match error {
        ConverseError::Protocol(ProtocolError::AccessDenied { .. }) => LookError::AccessDenied { why },
        ConverseError::Protocol(ProtocolError::Locked { .. }) => LookError::Busy { why },
        ConverseError::Protocol(ProtocolError::NoReply { .. }) => LookError::Unreachable { why },
        ConverseError::Protocol(_) => LookError::Unusable { why },
        ConverseError::Transport(error) if is_local(error) => LookError::Local { why },
        _ => LookError::Unreachable { why },
    }
}

fn blame(error: &ConverseError) -> ActFailureKind {
    match error {
        ConverseError::Protocol(error) => match error {
            ProtocolError::AccessDenied { .. } => ActFailureKind::AccessDenied,
            ProtocolError::Locked { .. } => ActFailureKind::Busy,
            ProtocolError::Miner { .. }
            | ProtocolError::Refused { .. }
            | ProtocolError::MiningProcessDown { .. } => ActFailureKind::Refused,
            ProtocolError::Finished => ActFailureKind::Local,
            // No reply, or none that can be understood.
            _ => ActFailureKind::Network,
        },
        ConverseError::Transport(error) if is_local(error) => ActFailureKind::Local,
        _ => ActFailureKind::Network,
    }
}

const fn is_local(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::Exhausted(_)
            | TransportError::Denied(_)
            | TransportError::Unsupported
            | TransportError::Untrusted
    )
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
