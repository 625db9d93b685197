//! The conversations that every family shares: who is there, and a full reading of it.

mod bounds;
mod identify;

use crate::asking::{Asking, Heard, no_reply};
use crate::auth::Credentials;
use crate::catalogue;
use crate::command::Command;
use crate::conversation::{Conversation, Step};
use crate::decode::{Document, StatusLetter, decode};
use crate::dialect::{Answers, Dialect, Door, Question};
use crate::error::{Excerpt, ProtocolError};
use crate::exchange::{ExchangeFailure, Reply, Request};
use crate::record::Oddities;
use bitlink_model::{
    Anomaly, AnomalyKind, Component, DeviceError, MinerSnapshot, MiningState, Parsed, Severity, Source,
};
use std::collections::VecDeque;

pub use bounds::bound;
pub use identify::{Doors, Identified, Identify};

/// The firmware's word for "you may not" (cgminer `api.c`, `MSG_ACCDENY`).
const ACCESS_DENIED: i64 = 45;
/// The firmware's word for "I do not know that command" (cgminer `api.c`, `MSG_INVCMD`).
const INVALID_COMMAND: i64 = 14;

/// A miner's clock that is before this has never been set (September 2001).
const CLOCK_IS_SET_MS: i64 = 1_000_000_000_000;

/// A full reading of a miner whose dialect is known.
#[derive(Debug)]
pub struct ReadSnapshot {
    identified: Identified,
    to_ask: VecDeque<Question>,
    /// What was not asked, because what it stands for was answered.
    spared: Vec<&'static str>,
    asked: Vec<&'static str>,
    asking: Option<Asked>,
    answers: Answers,
    oddities: Oddities,
    process: Process,
    doors: Doors,
    joined_once: bool,
    is_brief: bool,
    done: bool,
}

/// What the API says of the mining process behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Up,
    Starting,
    Down,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // a reading has one of them, and it is the large one that it has many times over
enum Asked {
    One(Asking),
    Joined(Vec<Question>),
}

impl ReadSnapshot {
    /// A reading of a miner that was identified before.
    pub fn new(identified: Identified) -> Self {
        let to_ask = identified.dialect.questions().iter().copied().collect();
        Self {
            identified,
            to_ask,
            asked: Vec::new(),
            spared: Vec::new(),
            asking: None,
            answers: Answers::default(),
            oddities: Oddities::default(),
            process: Process::Up,
            doors: Doors::default(),
            joined_once: false,
            is_brief: false,
            done: false,
        }
    }

    /// With doors that are known to be shut.
    #[must_use]
    pub fn with_doors(mut self, doors: Doors) -> Self {
        self.doors = doors;
        self
    }

    /// With what shows the effects of commands besides, such as a light.
    #[must_use]
    pub fn with_proofs(mut self) -> Self {
        self.to_ask.extend(self.identified.dialect.proof_questions());
        self
    }

    /// With only those questions without whose answers it would be worthless. What else the miner would have told stays
    /// unknown.
    #[must_use]
    pub fn brief(mut self) -> Self {
        self.is_brief = true;
        let dialect = self.identified.dialect;
        self.to_ask.retain(|question| is_needed(dialect, question));
        self
    }

    /// Pages and messages that were asked for a moment ago need not be asked for again, and what went wrong with them
    /// then is told.
    fn heard_already(&mut self, legacy: identify::Legacy<'_>) {
        let identify::Legacy { answers, asked, missed, odd, .. } = legacy;
        self.to_ask.retain(|question| {
            if question.is_command() || !asked.contains(&question.command) {
                return true;
            }
            match answers.get(question.command).filter(|document| !document.root().is_empty()) {
                Some(document) => self.answers.insert(question.command, document.clone()),
                None if question.required => return true,
                None => {}
            }
            self.asked.push(question.command);
            false
        });
        for (question, error) in missed {
            if !self.to_ask.iter().any(|again| again.command == question) {
                self.note(question, &error);
            }
        }
        for (question, anomalies) in odd {
            if !self.to_ask.iter().any(|again| again.command == question) {
                self.oddities.extend(anomalies);
            }
        }
    }

    /// What is known of the miner, including what this reading taught about how to ask it.
    pub const fn identified(&self) -> &Identified {
        &self.identified
    }

    /// Takes in the outcome of the last question; what must be sent again, if anything.
    fn hear(&mut self, outcome: Result<Reply, ExchangeFailure>) -> Result<Option<Request>, ProtocolError> {
        match self.asking.take() {
            None => Ok(None),
            Some(Asked::One(asking)) => self.hear_one(asking, outcome),
            Some(Asked::Joined(questions)) => self.hear_joined(questions, outcome).map(|()| None),
        }
    }

    fn hear_one(
        &mut self,
        mut asking: Asking,
        outcome: Result<Reply, ExchangeFailure>,
    ) -> Result<Option<Request>, ProtocolError> {
        let question = asking.question();
        if let Err(failure) = &outcome
            && (question.is_page() || is_shut(*failure))
        {
            self.doors.note(question.ask.door(), *failure);
        }
        match asking.hear(outcome, &mut self.identified.session) {
            Heard::Again(request) => {
                self.asking = Some(Asked::One(asking));
                Ok(Some(request))
            }
            Heard::Answer(Parsed { value, anomalies }, _) => {
                self.oddities.extend(anomalies);
                self.take(question, value).map(|()| None)
            }
            Heard::Failed(ProtocolError::MiningProcessDown { .. }, _) => {
                self.process = Process::Down;
                Ok(None)
            }
            Heard::Failed(error, _) => self.missed(question, error).map(|()| None),
        }
    }

    fn hear_joined(
        &mut self,
        questions: Vec<Question>,
        outcome: Result<Reply, ExchangeFailure>,
    ) -> Result<(), ProtocolError> {
        let asked = joined(&questions).word().to_owned();
        let decoded = match outcome {
            Ok(reply) => decode(&asked, &reply.into_bytes()),
            // What stands in the place of the API's answers may be had elsewhere.
            Err(failure)
                if is_shut(failure)
                    || failure == ExchangeFailure::ClosedWithoutReply
                        && questions.iter().any(|question| self.waits_for(*question)) =>
            {
                self.doors.note(Door::Api, failure);
                Err(no_reply(&asked, failure))
            }
            // A miner that is not there is not asked again one by one.
            Err(failure) => return Err(no_reply(&asked, failure)),
        };
        match decoded {
            Ok(Parsed { value, anomalies }) if value.is_joined() => {
                self.oddities.extend(anomalies);
                for question in questions.into_iter().rev() {
                    match value.part(question.command) {
                        Some(part) => self.take(question, part)?,
                        None => self.to_ask.push_front(question),
                    }
                }
            }
            Err(ProtocolError::MiningProcessDown { .. }) => self.process = Process::Down,
            // Refused, or beyond repair as a whole: from now on one by one.
            Ok(_) | Err(_) => {
                self.identified.joins &= self.doors.failure(Door::Api).is_some();
                for question in questions.into_iter().rev() {
                    self.to_ask.push_front(question);
                }
            }
        }
        Ok(())
    }

    /// Keeps an answer, or what its absence means.
    fn take(&mut self, question: Question, document: Document) -> Result<(), ProtocolError> {
        let failed = document.status().filter(crate::decode::Status::is_failure);
        let Some(status) = failed else {
            self.answers.insert(question.command, document);
            return Ok(());
        };
        if self.identified.dialect.is_starting(&status) {
            self.process = Process::Starting;
            return Ok(());
        }
        if status.code == Some(ACCESS_DENIED) {
            return self
                .missed(question, ProtocolError::AccessDenied { question: question.command.to_owned() });
        }
        if status.code == Some(INVALID_COMMAND) && !question.required {
            // A feature that this version does not have is nothing odd.
            return Ok(());
        }
        let message = Excerpt::of(status.message.as_deref().unwrap_or_default());
        let code = status.code.unwrap_or(if status.letter == StatusLetter::Fatal { -1 } else { 0 });
        self.missed(question, ProtocolError::Miner { question: question.command.to_owned(), code, message })
    }

    /// Whether something else will be asked in the place of a question that was not answered. A miner that keeps silent is
    /// not there, and asked nothing else.
    fn has_substitute(&self, question: Question, error: &ProtocolError) -> bool {
        let silent = matches!(error, ProtocolError::NoReply { failure, .. }
            if !is_shut(*failure) && *failure != ExchangeFailure::ClosedWithoutReply);
        !silent && self.waits_for(question)
    }

    /// Whether something is still to be asked in the place of a question.
    fn waits_for(&self, question: Question) -> bool {
        self.to_ask.iter().any(|other| other.instead_of == Some(question.command))
    }

    /// A question without a usable answer: the end of the reading, or an oddity in it.
    fn missed(&mut self, question: Question, error: ProtocolError) -> Result<(), ProtocolError> {
        if question.required && self.has_substitute(question, &error) {
            return Ok(());
        }
        if question.required {
            return Err(error);
        }
        // A service besides that is not there is nothing odd.
        let refused = matches!(error, ProtocolError::NoReply { failure: ExchangeFailure::Refused, .. });
        if refused && question.is_aside() {
            return Ok(());
        }
        self.note(question.command, &error);
        Ok(())
    }

    /// Why a question that may go without an answer has none.
    fn note(&self, question: &str, error: &ProtocolError) {
        // A page that this version does not have is nothing odd, and no command has this code.
        if matches!(error, ProtocolError::Miner { code: 404, .. }) {
            return;
        }
        let kind = match error {
            ProtocolError::AccessDenied { .. }
            | ProtocolError::Locked { .. }
            | ProtocolError::Miner { .. } => AnomalyKind::Refused,
            ProtocolError::NoReply { .. } => AnomalyKind::NoAnswer,
            _ => AnomalyKind::BadValue,
        };
        let detail =
            std::error::Error::source(error).map_or_else(|| error.to_string(), |s| format!("{error}: {s}"));
        self.oddities.extend([Anomaly { kind, place: question.to_owned(), detail }]);
    }

    fn next(&mut self) -> Step<MinerSnapshot> {
        if self.process == Process::Down {
            return Step::Done(Ok(self.process_down()));
        }
        // Joined once at most: what a joined answer left out is asked for alone.
        let joinable = self.to_ask.iter().filter(|q| q.is_joinable()).count();
        let is_open = self.doors.failure(Door::Api).is_none();
        if self.identified.joins && joinable > 1 && !self.joined_once && is_open {
            self.joined_once = true;
            let (together, apart): (Vec<_>, Vec<_>) = self.to_ask.drain(..).partition(Question::is_joinable);
            self.to_ask = apart.into();
            let request = joined(&together).to_json();
            self.asked.extend(together.iter().map(|q| q.command));
            self.asking = Some(Asked::Joined(together));
            if let Ok(request) = request {
                return Step::Ask(request.into());
            }
        }
        while let Some(question) = self.to_ask.pop_front() {
            if question.instead_of.is_some_and(|other| self.answers.get(other).is_some()) {
                self.spared.push(question.command);
                continue;
            }
            if let Some(failure) = self.doors.failure(question.ask.door()) {
                self.asked.push(question.command);
                // That this door keeps silent is known, and says nothing of the others.
                if question.required && !self.waits_for(question) {
                    return Step::Done(Err(no_reply(question.command, failure)));
                }
                continue;
            }
            let (asking, request) = Asking::new(question, &mut self.identified.session);
            self.asked.push(question.command);
            match request {
                Ok(request) => {
                    self.asking = Some(Asked::One(asking));
                    return Step::Ask(request);
                }
                Err(error) => {
                    if let Err(error) = self.missed(question, error) {
                        return Step::Done(Err(error));
                    }
                }
            }
        }
        let more = self.identified.dialect.more_questions(&self.answers);
        let (dialect, is_brief) = (self.identified.dialect, self.is_brief);
        let (asked, spared) = (&self.asked, &self.spared);
        let wanted = |q: &&Question| {
            let is_spared = q.instead_of.is_some() && spared.contains(&q.command);
            !is_spared && !asked.contains(&q.command) && (!is_brief || is_needed(dialect, q))
        };
        self.to_ask = more.iter().filter(wanted).copied().collect();
        if self.to_ask.is_empty() { Step::Done(Ok(self.finish())) } else { self.next() }
    }

    fn blank(&self) -> MinerSnapshot {
        let mut snapshot = MinerSnapshot::default();
        snapshot.identity = self.identified.identity.clone();
        snapshot
    }

    fn finish(&mut self) -> MinerSnapshot {
        let mut snapshot = self.blank();
        // Without a clock it counts from its boot, which tells no time.
        snapshot.device_time = self
            .answers
            .statuses()
            .find_map(|s| s.when)
            .filter(|when| when.as_unix_millis() >= CLOCK_IS_SET_MS);
        self.identified.dialect.read(&self.answers, &mut snapshot, &self.oddities);
        bound(&mut snapshot, &self.oddities);
        snapshot.derive();
        catalogue::complete(&mut snapshot);
        let hashes = snapshot.hashrate.current().is_some_and(|rate| rate.as_hs() > 0.0);
        if snapshot.mining_state.is_none() && hashes {
            snapshot.mining_state = Some(MiningState::Mining);
            snapshot.provenance.mark("mining_state", Source::Derived);
        } else if snapshot.mining_state.is_none() && self.process == Process::Starting {
            snapshot.mining_state = Some(MiningState::Starting);
        }
        let says_nothing = snapshot.hashrate.current().is_none() && snapshot.mining_state.is_none();
        if says_nothing && snapshot.errors.is_empty() {
            let detail = "no answer tells a rate or a state".to_owned();
            self.oddities.extend([Anomaly {
                kind: AnomalyKind::NoAnswer,
                place: "reading".to_owned(),
                detail,
            }]);
        }
        snapshot.default_password = self.identified.session.default_password();
        snapshot.anomalies = self.oddities.take();
        snapshot
    }

    fn process_down(&mut self) -> MinerSnapshot {
        let mut snapshot = self.blank();
        snapshot.mining_state = Some(MiningState::Failed);
        snapshot.errors.push(
            DeviceError::new(Severity::Critical, "the mining process behind the API is down")
                .about(Component::Firmware),
        );
        catalogue::complete(&mut snapshot);
        snapshot.anomalies = self.oddities.take();
        snapshot
    }
}

impl Conversation for ReadSnapshot {
    type Output = MinerSnapshot;

    fn step(&mut self, outcome: Option<Result<Reply, ExchangeFailure>>) -> Step<MinerSnapshot> {
        if self.done {
            return Step::Done(Err(ProtocolError::Finished));
        }
        let step = match outcome.map_or(Ok(None), |outcome| self.hear(outcome)) {
            Ok(Some(request)) => Step::Ask(request),
            Ok(None) => self.next(),
            Err(error) => Step::Done(Err(error)),
        };
        self.done = matches!(step, Step::Done(_));
        step
    }
}

/// A reading of a stranger: identification, then a full reading. Once a miner has said who it is it is known to be there,
/// so a reading that fails after that is still a [`Reading`], with the [failure](Reading::failure) in it.
#[derive(Debug)]
pub struct ReadMiner {
    stage: Stage,
    known: bool,
    is_brief: bool,
    proves: bool,
}

#[derive(Debug)]
enum Stage {
    Identifying(Box<Identify>),
    Reading(Box<ReadSnapshot>),
}

/// What a first reading brings.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reading {
    /// How to speak with the miner from now on.
    pub identified: Identified,
    /// What it said.
    pub snapshot: MinerSnapshot,
    /// Why the reading is empty, when it is: the miner said who it is, and then an answer was missing without which a
    /// reading is worthless. The snapshot then holds the identity and nothing else.
    pub failure: Option<ProtocolError>,
}

impl ReadMiner {
    /// A conversation with a stranger.
    pub fn new() -> Self {
        Self { stage: Stage::Identifying(Box::default()), known: false, is_brief: false, proves: false }
    }

    /// With passwords to try before those that the firmware is delivered with.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Vec<Credentials>) -> Self {
        if let Stage::Identifying(identify) = self.stage {
            self.stage = Stage::Identifying(Box::new(identify.with_credentials(credentials)));
        }
        self
    }

    /// With doors that are known to be shut.
    #[must_use]
    pub fn with_doors(mut self, doors: Doors) -> Self {
        self.stage = match self.stage {
            Stage::Identifying(identify) => Stage::Identifying(Box::new(identify.with_doors(doors))),
            Stage::Reading(read) => Stage::Reading(Box::new(read.with_doors(doors))),
        };
        self
    }

    /// With only those questions by which the miner is known and without whose answers a reading would be worthless: make,
    /// model and rate. What it would have told besides stays unknown, such as its hardware address where only its web server
    /// tells that. A miner that is known by its web server alone is read in full: nothing can be left out there.
    #[must_use]
    pub fn brief(mut self) -> Self {
        self.is_brief = true;
        self.stage = match self.stage {
            Stage::Identifying(identify) => Stage::Identifying(Box::new(identify.brief())),
            Stage::Reading(read) => Stage::Reading(Box::new(read.brief())),
        };
        self
    }

    /// With what shows the effects of commands besides, such as a light.
    #[must_use]
    pub fn with_proofs(mut self) -> Self {
        self.proves = true;
        self.stage = match self.stage {
            Stage::Reading(read) => Stage::Reading(Box::new(read.with_proofs())),
            stage @ Stage::Identifying(_) => stage,
        };
        self
    }

    /// A conversation with a miner that was identified before, and may teach anew how to speak with it. There is nothing
    /// to find out about who it is, so a reading that fails is an error.
    pub fn again(identified: Identified) -> Self {
        let stage = Stage::Reading(Box::new(ReadSnapshot::new(identified)));
        Self { stage, known: true, is_brief: false, proves: false }
    }
}

impl Default for ReadMiner {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation for ReadMiner {
    type Output = Reading;

    fn step(&mut self, mut outcome: Option<Result<Reply, ExchangeFailure>>) -> Step<Reading> {
        loop {
            match &mut self.stage {
                Stage::Identifying(identify) => match identify.step(outcome.take()) {
                    Step::Ask(request) => return Step::Ask(request),
                    Step::Done(Err(error)) => return Step::Done(Err(error)),
                    Step::Done(Ok(identified)) => {
                        let is_brief = self.is_brief && identify.speaks_api();
                        let mut legacy = identify.leaves();
                        let mut read =
                            ReadSnapshot::new(identified).with_doors(std::mem::take(&mut legacy.doors));
                        read.heard_already(legacy);
                        if self.proves {
                            read = read.with_proofs();
                        }
                        if is_brief {
                            read = read.brief();
                        }
                        self.stage = Stage::Reading(Box::new(read));
                    }
                },
                Stage::Reading(read) => {
                    let (snapshot, failure) = match read.step(outcome.take()) {
                        Step::Ask(request) => return Step::Ask(request),
                        Step::Done(Ok(snapshot)) => (snapshot, None),
                        Step::Done(Err(error)) if self.known || error == ProtocolError::Finished => {
                            return Step::Done(Err(error));
                        }
                        Step::Done(Err(error)) => (read.blank(), Some(error)),
                    };
                    let identified = read.identified().clone();
                    return Step::Done(Ok(Reading { identified, snapshot, failure }));
                }
            }
        }
    }
}

/// Whether a failure means that nobody listens there, rather than that one answer did not come.
const fn is_shut(failure: ExchangeFailure) -> bool {
    matches!(failure, ExchangeFailure::Refused | ExchangeFailure::Unreachable)
}

/// Whether a reading needs an answer to this question, or to the one in whose place it is asked; where a dialect needs none
/// in particular, to every one.
fn is_needed(dialect: &dyn Dialect, question: &Question) -> bool {
    let mut needed = dialect.questions().iter().filter(|q| q.required).peekable();
    needed.peek().is_none()
        || question.required
        || question.instead_of.is_some_and(|other| needed.any(|q| q.command == other))
}

/// Several questions as one.
fn joined(questions: &[Question]) -> Command<'static> {
    Command::joined(questions.iter().map(|q| q.command))
}

#[cfg(test)]
mod tests;
