//! One command to one machine, from the check that it is the machine that was meant to the proof that it obeyed. Ends in exactly
//! one outcome, whatever the machine does.

use super::{Shared, number};
use crate::claims::key;
use crate::event::Stage;
use crate::hands::{ActFailure, ActFailureKind, Acted, Effect, LookError, Proof, Seen};
use crate::journal::{Progress, Record, kept};
use crate::marks::{Marks, Sameness};
use crate::outcome::{Doubt, Hindrance, Outcome, Refusal};
use crate::plan::{Target, obstacle};
use crate::wire::chain;
use bitlink_model::{Action, ActionKind, MinerSnapshot, MiningState, NetworkSetting, Severity};
use bitlink_transport::Endpoint;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};

/// Between two attempts at something that passes; doubled each time.
const BACK_OFF: Duration = Duration::from_millis(500);
/// The longest time between two looks.
const SELDOM: Duration = Duration::from_secs(5);
/// How long it is waited for an effect that shows only after a restart: some firmware tells the new setting at once.
const AT_REST: Duration = Duration::from_secs(5);
/// What a miner says is kept up to here.
const MOST_SAID: usize = 400;

/// How it ended.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) log: Option<Vec<u8>>,
    /// Why nothing can be written down any more.
    pub(super) journal: Option<String>,
}

impl From<Outcome> for Done {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, log: None, journal: None }
    }
}

/// What is known when it ends.
struct Ending {
    outcome: Outcome,
    said: Option<String>,
    after: Option<Box<MinerSnapshot>>,
    log: Option<Vec<u8>>,
    /// Whether it was written down that a command goes out.
    announced: bool,
}

impl Ending {
    const fn of(outcome: Outcome) -> Self {
        Self { outcome, said: None, after: None, log: None, announced: false }
    }

    const fn announced(outcome: Outcome) -> Self {
        Self { outcome, said: None, after: None, log: None, announced: true }
    }
}

/// Carries the plan out on one target. `begun`: a command may have gone out before.
pub(super) async fn carry_out(shared: Arc<Shared>, index: usize, begun: Option<Progress>) -> Done {
    let Some(target) = shared.target(index) else {
        return Outcome::not(Hindrance::Untold, "there is no such target").into();
    };
    let claim = if shared.claimed.contains(&key(target)) { None } else { shared.claims.take(target) };
    let Some(_claim) = claim else {
        return Outcome::not(Hindrance::Claimed, "another plan has this machine").into();
    };
    let one = One { shared: &shared, index, target, action: shared.plan.action_for(target) };
    let ending = match begun {
        Some(Progress::Begun { before }) => one.take_up(before).await,
        Some(_) => one.take_up(None).await,
        None => match one.command().await {
            Ok(ending) => ending,
            Err(journal) => {
                let outcome =
                    Outcome::not(Hindrance::Journal, format!("it could not be written down: {journal}"));
                return Done { outcome, log: None, journal: Some(journal) };
            }
        },
    };
    let Ending { outcome, said, after, log, announced } = ending;
    let mut done = Done { outcome: outcome.clone(), log, journal: None };
    // Whose turn has not come is not written down, so that it comes when the plan is taken up again.
    if announced || !outcome.is_postponed() {
        let record = Record::Outcome { at: shared.clock.now(), target: number(index), outcome, said, after };
        done.journal = shared.journal.append(record).await.err().map(|error| chain(&error));
    }
    done
}

/// One target and what it is told.
struct One<'a> {
    shared: &'a Shared,
    index: usize,
    target: &'a Target,
    action: Action,
}

impl One<'_> {
    const fn kind(&self) -> ActionKind {
        self.action.kind()
    }

    /// A command may have gone out before this program ended.
    async fn take_up(&self, before: Option<Box<MinerSnapshot>>) -> Ending {
        let sent = Sent { effect: Effect::Now, doubt: Some(Doubt::Interrupted) };
        let ending = self.prove(sent, before.as_deref()).await;
        let again = self.shared.resend && self.kind().is_idempotent();
        if !again || !matches!(ending.outcome, Outcome::Unknown { .. }) {
            return ending;
        }
        match self.command().await {
            Ok(ending) => ending,
            Err(_journal) => ending,
        }
    }

    /// From the check to the proof. The error is that nothing can be written down.
    async fn command(&self) -> Result<Ending, String> {
        let shared = self.shared;
        if !shared.is_complete && !self.action.is_complete() {
            let why = "a password or a file is missing";
            return Ok(Ending::of(Outcome::not(Hindrance::Incomplete, why)));
        }
        if !self.wait_for_power().await {
            return Ok(Ending::of(shared.not_reached()));
        }
        shared.stage(self.index, self.target, Stage::Checking);
        let (seen, permit) = match self.look_patiently().await {
            Ok(seen) => seen,
            Err(error) => return Ok(Ending::of(not_seen(&error))),
        };
        if let Some(outcome) = self.objection(&seen) {
            return Ok(Ending::of(outcome));
        }
        if shared.halt.is_cancelled() {
            return Ok(Ending::of(shared.not_reached()));
        }
        if self.kind().writes() {
            let before = Some(kept(&seen.snapshot));
            let intent = Record::Intent { at: shared.clock.now(), target: number(self.index), before };
            shared.journal.append(intent).await.map_err(|error| chain(&error))?;
        }
        shared.stage(self.index, self.target, Stage::Sending);
        Ok(match self.act(permit).await {
            Ok(Acted { log, said, .. }) if !self.kind().writes() => {
                let outcome = match &log {
                    Some(_) => Outcome::Verified,
                    None => Outcome::Applied { why: "nothing was read".to_owned() },
                };
                Ending { said: self.said(said), log, ..Ending::of(outcome) }
            }
            Ok(Acted { effect, said, log }) => {
                let doubt = (effect == Effect::ConnectionLost).then_some(Doubt::ReplyLost);
                let sent = Sent { effect, doubt };
                let ending = self.prove(sent, Some(&seen.snapshot)).await;
                Ending { said: self.said(said), log, ..ending }
            }
            // Something went out: the machine itself is asked what became of it.
            Err(Failed { failure, .. }) if failure.written => {
                let doubt = match failure.kind {
                    ActFailureKind::Network | ActFailureKind::Local => Doubt::ReplyLost,
                    _ => Doubt::Partly,
                };
                let sent = Sent { effect: Effect::Now, doubt: Some(doubt) };
                let ending = self.prove(sent, Some(&seen.snapshot)).await;
                Ending { said: self.said(Some(failure.why)), ..ending }
            }
            Err(Failed { halted: true, .. }) => Ending::announced(shared.not_reached()),
            Err(Failed { failure, .. }) => Ending::announced(self.scrubbed(failed(&failure))),
        })
    }

    /// Waits until so much power may be switched; whether it may still be.
    async fn wait_for_power(&self) -> bool {
        let at = self.shared.pacer.reserve(self.target.power);
        tokio::select! {
            () = sleep_until(at) => {}
            () = self.shared.halt.cancelled() => {}
        }
        !self.shared.halt.is_cancelled()
    }

    /// The permit is for whatever is said to this machine at once afterwards.
    async fn look(&self, at: Endpoint) -> Result<(Seen, SemaphorePermit<'_>), LookError> {
        let Ok(permit) = self.shared.permits.acquire().await else {
            return Err(LookError::Local { why: "nobody may be asked any more".to_owned() });
        };
        Ok((self.shared.hands.look(at).await?, permit))
    }

    async fn look_for_proof(&self, at: Endpoint) -> Result<Seen, LookError> {
        // Never closed.
        let _turn = self.shared.proofs.acquire().await;
        self.look(at).await.map(|(seen, _permit)| seen)
    }

    async fn look_patiently(&self) -> Result<(Seen, SemaphorePermit<'_>), LookError> {
        let mut pause = BACK_OFF;
        for _ in 0..self.shared.plan.policy.retries {
            match self.look(self.target.endpoint).await {
                Err(
                    LookError::Unreachable { .. }
                    | LookError::Busy { .. }
                    | LookError::Unusable { .. }
                    | LookError::Local { .. },
                ) if !self.shared.halt.is_cancelled() => {
                    sleep(pause).await;
                    pause = pause.saturating_mul(2);
                }
                seen => return seen,
            }
        }
        self.look(self.target.endpoint).await
    }

    /// Why this machine is not commanded after all.
    fn objection(&self, seen: &Seen) -> Option<Outcome> {
        let now = Marks::of(&seen.snapshot.identity);
        match self.target.marks.compare(&now) {
            Sameness::Same => {}
            Sameness::Other => {
                let why = format!("{now} answers there now, planned was {}", self.target.marks);
                return Some(Outcome::not(Hindrance::OtherMachine, why));
            }
            Sameness::Untold
                if (self.shared.plan.policy.unidentified || !self.kind().writes())
                    && self.target.marks.is_empty() => {}
            Sameness::Untold => {
                let why = format!("whether it is still {} cannot be told", self.target.marks);
                return Some(Outcome::not(Hindrance::Untold, why));
            }
        }
        obstacle(&seen.capabilities.of(self.kind())).map(|why| Outcome::Unsupported { why })
    }

    /// Sends the command; again only where nothing went out, it would do no harm twice, and the obstacle passes. `permit` is that of
    /// the look before: nobody else's turn comes between the check and the command.
    async fn act(&self, permit: SemaphorePermit<'_>) -> Result<Acted, Failed> {
        let mut permit = Some(permit);
        let mut left = if self.kind().is_idempotent() { self.shared.plan.policy.retries } else { 0 };
        let mut pause = BACK_OFF;
        loop {
            let permit = match permit.take() {
                Some(permit) => Ok(permit),
                None => self.shared.permits.acquire().await,
            };
            let acted = match permit {
                Ok(_permit) => self.shared.hands.act(self.target.endpoint, &self.action).await,
                Err(_closed) => {
                    Err(ActFailure::before(ActFailureKind::Local, "nobody may be asked any more"))
                }
            };
            let failure = match acted {
                Ok(acted) => return Ok(acted),
                Err(failure) => failure,
            };
            let passes = matches!(
                failure.kind,
                ActFailureKind::Network | ActFailureKind::Busy | ActFailureKind::Local
            );
            if left == 0 || failure.written || !passes {
                return Err(Failed { failure, halted: false });
            }
            left -= 1;
            tokio::select! {
                () = sleep(pause) => {}
                () = self.shared.halt.cancelled() => return Err(Failed { failure, halted: true }),
            }
            pause = pause.saturating_mul(2);
        }
    }

    /// Reads the machine again and again, until a reading proves the effect or the time is over.
    async fn prove(&self, sent: Sent, before: Option<&MinerSnapshot>) -> Ending {
        let shared = self.shared;
        shared.stage(self.index, self.target, Stage::Proving);
        let within = shared.plan.policy.proof_time(self.kind());
        let within = if sent.effect == Effect::AfterRestart { within.min(AT_REST) } else { within };
        let end = Instant::now() + within;
        let at = self.place_afterwards();
        let mut pause = BACK_OFF;
        let mut last = None;
        let state = loop {
            tokio::select! {
                () = sleep_until(end.min(Instant::now() + pause)) => {}
                () = shared.abandon.cancelled() => {
                    let doubt = sent.doubt.unwrap_or(Doubt::NotProven);
                    return Ending { after: last, ..Ending::announced(unknown(doubt, "nobody waited for the proof")) };
                }
            }
            pause = pause.saturating_mul(2).min(SELDOM);
            let state = match self.look_for_proof(at).await {
                Err(error) => State::Silent(error.to_string()),
                Ok(seen) => {
                    let state = self.judge(&seen, before);
                    if !matches!(state, State::Other(_)) {
                        last = Some(kept(&seen.snapshot));
                    }
                    state
                }
            };
            let is_certain = sent.doubt.is_none();
            match &state {
                State::Proven => return Ending { after: last, ..Ending::announced(Outcome::Verified) },
                State::Back if is_certain => {
                    let why = "no reading of this firmware shows it".to_owned();
                    return Ending { after: last, ..Ending::announced(Outcome::Applied { why }) };
                }
                // No look will ever tell.
                State::Back => break state,
                _ => {}
            }
            if Instant::now() >= end {
                break state;
            }
        };
        let outcome = self.unproven(sent, state);
        Ending { after: last, ..Ending::announced(outcome) }
    }

    /// Where the machine answers after the command.
    fn place_afterwards(&self) -> Endpoint {
        match &self.action {
            Action::Network { network: NetworkSetting::Static { address, .. } } => {
                Endpoint::new((*address).into(), self.target.endpoint.port())
            }
            _ => self.target.endpoint,
        }
    }

    fn judge(&self, seen: &Seen, before: Option<&MinerSnapshot>) -> State {
        let now = Marks::of(&seen.snapshot.identity);
        match self.target.marks.compare(&now) {
            Sameness::Other => return State::Other(now.to_string()),
            // A machine that is coming up may not tell who it is yet.
            Sameness::Untold if !self.target.marks.is_empty() => {
                return State::Other("somebody who does not tell who it is".to_owned());
            }
            _ => {}
        }
        let is_impossible = match self.shared.hands.prove(&self.action, before, &seen.snapshot) {
            Proof::Proven => false,
            Proof::Impossible => true,
            Proof::NotYet => return State::NotYet("no effect is to be seen".to_owned()),
            Proof::Contradicted { why } => return State::NotYet(why),
        };
        match sickness(self.kind(), before, &seen.snapshot) {
            Some(why) => State::Sick(why),
            None if is_impossible => State::Back,
            None => State::Proven,
        }
    }

    /// What it is when the time is over.
    fn unproven(&self, sent: Sent, state: State) -> Outcome {
        if let Some(doubt) = sent.doubt {
            let why = match doubt {
                Doubt::Interrupted => "this program ended after the command may have gone out",
                Doubt::Partly => "it took a part of the command and refused the rest",
                _ => "the answer was lost after the command went out",
            };
            return unknown(doubt, &format!("{why}, and {state}"));
        }
        match state {
            // The address that it got is known to nobody.
            State::Silent(_) | State::Other(_)
                if matches!(
                    &self.action,
                    Action::Network { network: NetworkSetting::Dhcp } | Action::FactoryReset
                ) =>
            {
                Outcome::Applied { why: "it may have another address now".to_owned() }
            }
            State::NotYet(_) if sent.effect == Effect::AfterRestart => {
                Outcome::Applied { why: "it takes effect at the next restart".to_owned() }
            }
            State::NotYet(why) => {
                Outcome::Refused { by: Refusal::NoEffect, why: format!("it said yes and did nothing: {why}") }
            }
            state => unknown(Doubt::NotBack, &format!("it took the command, and {state}")),
        }
    }

    /// What a miner said, short, and without our secrets.
    fn said(&self, said: Option<String>) -> Option<String> {
        said.map(|said| self.scrub(&said)).filter(|said| !said.is_empty())
    }

    fn scrubbed(&self, mut outcome: Outcome) -> Outcome {
        match &mut outcome {
            Outcome::Applied { why }
            | Outcome::Refused { why, .. }
            | Outcome::Unsupported { why }
            | Outcome::Unknown { why, .. }
            | Outcome::NotAttempted { why, .. } => *why = self.scrub(why),
            Outcome::Verified => {}
        }
        outcome
    }

    fn scrub(&self, text: &str) -> String {
        let mut text: String = text.chars().take(MOST_SAID).collect();
        let secrets: Vec<&str> = match &self.action {
            Action::SetPools { pools } => pools.iter().filter_map(|pool| pool.password.reveal()).collect(),
            Action::Password { new, .. } => new.reveal().into_iter().collect(),
            _ => Vec::new(),
        };
        // "x" and its like are no secrets, and would be found in every word.
        for secret in secrets.into_iter().filter(|secret| secret.chars().count() >= 4) {
            text = text.replace(secret, "…");
        }
        text
    }
}

/// A command that is out.
#[derive(Debug, Clone, Copy)]
struct Sent {
    effect: Effect,
    /// Why it is not known whether it was taken.
    doubt: Option<Doubt>,
}

/// A command that did not go out, or not well.
struct Failed {
    failure: ActFailure,
    /// Whether it would have been tried again, if the plan had not stopped.
    halted: bool,
}

/// How a machine looks after the command.
enum State {
    Proven,
    /// As it should be, and nothing proves the command.
    Back,
    NotYet(String),
    /// It obeyed, and is not well.
    Sick(String),
    Silent(String),
    Other(String),
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Proven => f.write_str("it had its effect"),
            Self::Back => f.write_str("no reading of this firmware shows whether it had its effect"),
            Self::NotYet(why) => write!(f, "its effect is not to be seen: {why}"),
            Self::Sick(why) => write!(f, "the machine is not as before: {why}"),
            Self::Silent(why) => write!(f, "it did not come back: {why}"),
            Self::Other(who) => write!(f, "{who} answers in its place"),
        }
    }
}

/// Whether a machine is worse off than before, after it obeyed.
fn sickness(kind: ActionKind, before: Option<&MinerSnapshot>, after: &MinerSnapshot) -> Option<String> {
    if !kind.interrupts() || kind == ActionKind::Pause {
        return None;
    }
    let was_hashing = kind == ActionKind::Resume || before.is_none_or(hashed);
    if was_hashing && !hashes(after) {
        return Some("it does not hash".to_owned());
    }
    let had = |message: &str| before.is_some_and(|before| before.errors.iter().any(|e| e.message == message));
    let worse = after.errors.iter().find(|e| e.severity == Severity::Critical && !had(&e.message));
    worse.map(|error| format!("it reports {}", error.message))
}

/// Whether it hashed, as far as it said.
fn hashed(snapshot: &MinerSnapshot) -> bool {
    match snapshot.mining_state {
        Some(state) => state == MiningState::Mining,
        None => snapshot.hashrate.current().is_some_and(|rate| rate.as_hs() > 0.0),
    }
}

/// Whether nothing that it says is against its hashing. Firmware that still raises its frequencies, which takes some machines
/// many minutes, hashes already.
fn hashes(snapshot: &MinerSnapshot) -> bool {
    let rate = snapshot.hashrate.current().map(|rate| rate.as_hs() > 0.0);
    match snapshot.mining_state {
        None | Some(MiningState::Mining) => rate != Some(false),
        Some(MiningState::Starting) => rate == Some(true),
        Some(_) => false,
    }
}

fn unknown(doubt: Doubt, why: &str) -> Outcome {
    Outcome::Unknown { doubt, why: why.to_owned() }
}

fn not_seen(error: &LookError) -> Outcome {
    match error {
        LookError::Unreachable { .. } => Outcome::not(Hindrance::Unreachable, error.to_string()),
        LookError::AccessDenied { why } => Outcome::Refused { by: Refusal::AccessDenied, why: why.clone() },
        LookError::Busy { why } => Outcome::Refused { by: Refusal::Busy, why: why.clone() },
        LookError::Unusable { .. } => Outcome::not(Hindrance::Unreadable, error.to_string()),
        LookError::Local { .. } => Outcome::not(Hindrance::Local, error.to_string()),
    }
}

/// What a command that was not taken comes to, when that is certain.
fn failed(failure: &ActFailure) -> Outcome {
    let why = failure.why.clone();
    let refused = |by| Outcome::Refused { by, why: why.clone() };
    match failure.kind {
        ActFailureKind::Refused => refused(Refusal::Miner),
        ActFailureKind::AccessDenied => refused(Refusal::AccessDenied),
        ActFailureKind::Busy => refused(Refusal::Busy),
        ActFailureKind::Unsupported => Outcome::Unsupported { why },
        ActFailureKind::Network => Outcome::not(Hindrance::Unreachable, why),
        ActFailureKind::Local => Outcome::not(Hindrance::Local, why),
    }
}
