//! The conversations that every family shares: who is there, and a full reading of it.

use crate::command::Command;
use crate::conversation::{Conversation, Step};
use crate::decode::{Document, StatusLetter, decode};
use crate::dialect::{Answers, Dialect, Evidence, Question, registry};
use crate::error::{Excerpt, ProtocolError};
use crate::exchange::{ApiReply, ExchangeFailure, Reply};
use crate::record::Oddities;
use bitlink_model::{
    Anomaly, AnomalyKind, Component, DeviceError, Family, Identity, MinerSnapshot, MiningState, Parsed,
    Severity, Source,
};
use std::collections::VecDeque;

/// The firmware's word for "you may not" (cgminer `api.c`, `MSG_ACCDENY`).
const ACCESS_DENIED: i64 = 45;
/// The firmware's word for "I do not know that command" (cgminer `api.c`, `MSG_INVCMD`).
const INVALID_COMMAND: i64 = 14;

/// A miner's clock that is before this has never been set (September 2001).
const CLOCK_IS_SET_MS: i64 = 1_000_000_000_000;

/// A miner whose dialect is known.
#[derive(Debug, Clone)]
pub struct Identified {
    /// Who it is.
    pub identity: Identity,
    /// How to speak with it.
    pub dialect: &'static dyn Dialect,
    /// Whether it takes several questions in one request.
    pub joins: bool,
}

impl Identified {
    /// Its firmware family.
    pub fn family(&self) -> Family {
        self.dialect.family()
    }
}

/// Finds out who answers, in the fewest questions: `version`, which nearly everything answers, then `devdetails` and
/// `summary` while no dialect claims the miner, then what the dialect that does still needs. A dialect that claims
/// everything gives way to a more special one that the further answers mark.
#[derive(Debug, Default)]
pub struct Identify {
    evidence: Evidence,
    oddities: Oddities,
    asked: Vec<&'static str>,
    dialect: Option<&'static dyn Dialect>,
    last_reply: Vec<u8>,
    done: bool,
}

/// Asked of a stranger, in order, until a dialect claims it.
const OPENING: [&str; 3] = ["version", "devdetails", "summary"];

impl Identify {
    /// A conversation with a stranger.
    pub fn new() -> Self {
        Self::default()
    }

    fn ask(&mut self, command: &'static str) -> Step<Identified> {
        self.asked.push(command);
        ask(&Command::new(command))
    }

    /// Takes in the outcome of the last question. An error ends the conversation.
    fn hear(&mut self, outcome: Result<Reply, ExchangeFailure>) -> Result<(), ProtocolError> {
        let Some(&command) = self.asked.last() else { return Ok(()) };
        let opening = self.dialect.is_none();
        let reply = match outcome {
            Ok(Reply::Api(reply)) => reply,
            Err(failure) if opening => return Err(no_reply(command, failure)),
            // The dialect is known; what it would like to know besides is not worth failing for.
            Err(_) => return Ok(()),
        };
        self.evidence.hear(&reply.bytes);
        match decode(command, &reply) {
            Ok(Parsed { value, anomalies }) => {
                self.oddities.extend(anomalies);
                self.evidence.answers.insert(command, value);
            }
            Err(ProtocolError::MiningProcessDown { .. }) => {}
            Err(ProtocolError::NoReply { failure, .. }) if opening => return Err(no_reply(command, failure)),
            Err(error) if opening => return Err(error),
            Err(_) => {}
        }
        self.last_reply = reply.bytes.into_iter().take(256).collect();
        Ok(())
    }

    fn next(&mut self) -> Step<Identified> {
        if self.dialect.is_none_or(Dialect::gives_way) {
            self.dialect = registry().iter().copied().find(|d| d.claims(&self.evidence));
        }
        let Some(dialect) = self.dialect else {
            return match OPENING.iter().find(|c| !self.asked.contains(c)) {
                Some(command) => self.ask(command),
                None => self.give_up(),
            };
        };
        let open = dialect.identity_questions().iter().find(|q| !self.asked.contains(&q.command));
        if let Some(question) = open {
            return self.ask(question.command);
        }
        self.done = true;
        let identity = dialect.identity(&self.evidence.answers, &self.oddities);
        Step::Done(Ok(Identified { identity, dialect, joins: dialect.joins() }))
    }

    fn give_up(&mut self) -> Step<Identified> {
        self.done = true;
        let mut codes = self.evidence.answers.statuses().map(|s| s.code).peekable();
        let denied = codes.peek().is_some() && codes.all(|code| code == Some(ACCESS_DENIED));
        Step::Done(Err(if denied {
            ProtocolError::AccessDenied { question: OPENING.join(", ") }
        } else {
            ProtocolError::NotIdentified { excerpt: Excerpt::of_bytes(&self.last_reply) }
        }))
    }
}

impl Conversation for Identify {
    type Output = Identified;

    fn step(&mut self, outcome: Option<Result<Reply, ExchangeFailure>>) -> Step<Identified> {
        if self.done {
            return Step::Done(Err(ProtocolError::Finished));
        }
        if let Some(outcome) = outcome
            && let Err(error) = self.hear(outcome)
        {
            self.done = true;
            return Step::Done(Err(error));
        }
        self.next()
    }
}

/// A full reading of a miner whose dialect is known.
#[derive(Debug)]
pub struct ReadSnapshot {
    identified: Identified,
    to_ask: VecDeque<Question>,
    asked: Option<Asked>,
    answers: Answers,
    oddities: Oddities,
    mining_process_down: bool,
    done: bool,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    One(Question),
    Joined,
}

impl ReadSnapshot {
    /// A reading of a miner that was identified before.
    pub fn new(identified: Identified) -> Self {
        let to_ask = identified.dialect.questions().iter().copied().collect();
        Self {
            identified,
            to_ask,
            asked: None,
            answers: Answers::default(),
            oddities: Oddities::default(),
            mining_process_down: false,
            done: false,
        }
    }

    /// What is known of the miner, including what this reading taught about how to ask it.
    pub const fn identified(&self) -> &Identified {
        &self.identified
    }

    fn hear(&mut self, outcome: Result<Reply, ExchangeFailure>) -> Result<(), ProtocolError> {
        match self.asked.take() {
            None => Ok(()),
            Some(Asked::One(question)) => match outcome {
                Ok(Reply::Api(reply)) => self.hear_one(question, &reply),
                Err(failure) => self.missed(question, no_reply(question.command, failure)),
            },
            Some(Asked::Joined) => self.hear_joined(outcome),
        }
    }

    /// What goes out as one: everything but what is asked in the place of something else.
    fn take_joinable(&mut self) -> Vec<Question> {
        let (joinable, later): (Vec<_>, Vec<_>) = self.to_ask.drain(..).partition(|q| q.instead_of.is_none());
        self.to_ask = later.into();
        joinable
    }

    fn ask_first(&mut self, questions: Vec<Question>) {
        self.to_ask = questions.into_iter().chain(self.to_ask.drain(..)).collect();
    }

    fn hear_one(&mut self, question: Question, reply: &ApiReply) -> Result<(), ProtocolError> {
        match decode(question.command, reply) {
            Ok(Parsed { value, anomalies }) => {
                self.oddities.extend(anomalies);
                self.take(question, value)
            }
            Err(ProtocolError::MiningProcessDown { .. }) => {
                self.mining_process_down = true;
                Ok(())
            }
            Err(error) => self.missed(question, error),
        }
    }

    fn hear_joined(&mut self, outcome: Result<Reply, ExchangeFailure>) -> Result<(), ProtocolError> {
        let questions: Vec<Question> = self.take_joinable();
        let asked = questions.iter().map(|q| q.command).collect::<Vec<_>>().join("+");
        let decoded = match outcome {
            Ok(Reply::Api(reply)) => decode(&asked, &reply),
            // A miner that is not there is not asked again one by one.
            Err(failure) => return Err(no_reply(&asked, failure)),
        };
        match decoded {
            Ok(Parsed { value, anomalies }) if value.is_joined() => {
                self.oddities.extend(anomalies);
                let mut missing = Vec::new();
                for question in questions {
                    match value.part(question.command) {
                        Some(part) => self.take(question, part)?,
                        None => missing.push(question),
                    }
                }
                self.ask_first(missing);
            }
            Err(ProtocolError::MiningProcessDown { .. }) => self.mining_process_down = true,
            // Refused, or beyond repair as a whole: from now on one by one.
            Ok(_) | Err(_) => {
                self.identified.joins = false;
                self.ask_first(questions);
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

    /// A question without a usable answer: the end of the reading, or an oddity in it.
    fn missed(&mut self, question: Question, error: ProtocolError) -> Result<(), ProtocolError> {
        if question.required {
            return Err(error);
        }
        let kind = match error {
            ProtocolError::AccessDenied { .. } | ProtocolError::Miner { .. } => AnomalyKind::Refused,
            ProtocolError::NoReply { .. } => AnomalyKind::NoAnswer,
            _ => AnomalyKind::BadValue,
        };
        let detail =
            std::error::Error::source(&error).map_or_else(|| error.to_string(), |s| format!("{error}: {s}"));
        self.oddities.extend([Anomaly { kind, place: question.command.to_owned(), detail }]);
        Ok(())
    }

    fn next(&mut self) -> Step<MinerSnapshot> {
        if self.mining_process_down {
            return Step::Done(Ok(self.process_down()));
        }
        let answers = &self.answers;
        self.to_ask.retain(|q| q.instead_of.is_none_or(|other| answers.get(other).is_none()));
        let joinable = self.to_ask.iter().filter(|q| q.instead_of.is_none());
        if self.identified.joins && joinable.clone().count() > 1 && self.answers.is_empty() {
            self.asked = Some(Asked::Joined);
            return ask(&Command::joined(joinable.map(|q| q.command)));
        }
        if let Some(question) = self.to_ask.pop_front() {
            self.asked = Some(Asked::One(question));
            return ask(&Command::new(question.command));
        }
        Step::Done(Ok(self.finish()))
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
        snapshot.derive();
        let hashes = snapshot.hashrate.current().is_some_and(|rate| rate.as_hs() > 0.0);
        if snapshot.mining_state.is_none() && hashes {
            snapshot.mining_state = Some(MiningState::Mining);
            snapshot.provenance.mark("mining_state", Source::Derived);
        }
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
        let step = match outcome.map(|outcome| self.hear(outcome)) {
            Some(Err(error)) => Step::Done(Err(error)),
            _ => self.next(),
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
}

#[derive(Debug)]
enum Stage {
    Identifying(Identify),
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
        Self { stage: Stage::Identifying(Identify::new()), known: false }
    }

    /// A conversation with a miner that was identified before, and may teach anew how to speak with it. There is nothing
    /// to find out about who it is, so a reading that fails is an error.
    pub fn again(identified: Identified) -> Self {
        Self { stage: Stage::Reading(Box::new(ReadSnapshot::new(identified))), known: true }
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
                        self.stage = Stage::Reading(Box::new(ReadSnapshot::new(identified)));
                    }
                },
                Stage::Reading(read) => {
                    let step = read.step(outcome.take());
                    let identified = read.identified().clone();
                    return match step {
                        Step::Ask(request) => Step::Ask(request),
                        Step::Done(Err(error)) if self.known || error == ProtocolError::Finished => {
                            Step::Done(Err(error))
                        }
                        Step::Done(Err(error)) => {
                            let snapshot = read.blank();
                            Step::Done(Ok(Reading { identified, snapshot, failure: Some(error) }))
                        }
                        Step::Done(Ok(snapshot)) => {
                            Step::Done(Ok(Reading { identified, snapshot, failure: None }))
                        }
                    };
                }
            }
        }
    }
}

fn ask<T>(command: &Command<'_>) -> Step<T> {
    match command.to_json() {
        Ok(request) => Step::Ask(request.into()),
        // Questions are constants far below the limit; a dialect that gets this wrong must still not panic.
        Err(error) => Step::Done(Err(ProtocolError::Malformed {
            question: command.word().to_owned(),
            excerpt: Excerpt::of(&error.to_string()),
        })),
    }
}

/// No reply, and what that means: a server that takes the connection and closes it without a byte does so to clients
/// that its access list does not name (cgminer `api.c`).
fn no_reply(question: &str, failure: ExchangeFailure) -> ProtocolError {
    match failure {
        ExchangeFailure::ClosedWithoutReply => ProtocolError::AccessDenied { question: question.to_owned() },
        failure => ProtocolError::NoReply { question: question.to_owned(), failure },
    }
}

#[cfg(test)]
mod tests;
