//! Telling a miner what to do: one conversation for one action.
//!
//! A dialect answers two questions: what its firmware [can be told](crate::Dialect::capabilities), and [how it is
//! told](crate::Dialect::plan), as a short list of requests. The machinery here puts them, logs in on the way as readings
//! do, judges the replies, and keeps account of whether the one that changes something has gone out. It never puts such a
//! request twice, unless the miner itself says that it did nothing with the first.

mod plan;
mod proof;
mod settings;
mod verdict;

use crate::asking::{Knocking, Passed, Session, no_reply};
use crate::auth::Credentials;
use crate::conversation::{Conversation, Step};
use crate::error::{Excerpt, ProtocolError};
use crate::exchange::{ApiReply, ExchangeFailure, Reply, Request};
use crate::framing::unframe;
use crate::http::HttpReply;
use crate::reading::Identified;
use bitlink_model::{Action, ActionKind, Capabilities, Support};
use std::borrow::Cow;
use std::collections::VecDeque;

use plan::Role;
pub(crate) use plan::{Heard, Lost, Move, Put, Raw, Verdict};
pub use plan::{Order, Plan};
pub use proof::{Proof, proof};
pub(crate) use settings::{Address, duty_percent, mask, multipart, power_watts, secret};
pub(crate) use verdict::{api_page, excerpt, page_root, refused};

/// What a miner of this firmware can be told to do. Known before anything is sent.
pub fn capabilities(identified: &Identified) -> Capabilities {
    identified.dialect.capabilities(&identified.identity)
}

/// Why an action cannot even be tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActError {
    /// The firmware cannot be told that.
    #[error("{kind} is not possible with this firmware: {why}")]
    Unsupported {
        /// What was wanted.
        kind: ActionKind,
        /// Why not.
        why: Cow<'static, str>,
    },
    /// The firmware can be told that, but not with this setting.
    #[error("not with this firmware: {why}")]
    Impossible {
        /// Why not.
        why: Cow<'static, str>,
    },
    /// A password or a file is missing: the action was written down, and those are not.
    #[error("a password or a file is missing")]
    Incomplete,
}

impl ActError {
    /// The firmware can be told that, but not with this setting.
    pub(crate) fn impossible(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Impossible { why: why.into() }
    }

    /// The firmware cannot be told that.
    pub(crate) fn unsupported(kind: ActionKind) -> Self {
        Self::Unsupported { kind, why: Cow::Borrowed("no way to tell this firmware is known") }
    }
}

/// An action that was carried out, as far as the miner says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acted {
    /// When it takes effect.
    pub effect: Effect,
    /// The miner's words, short and printable.
    pub said: Option<String>,
    /// Its logs, where those were asked for.
    pub log: Option<Vec<u8>>,
}

/// When an action takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Now, or within the moments that the firmware takes.
    Now,
    /// At the next restart of the mining program or the machine, which the firmware does not do itself.
    AfterRestart,
    /// Nobody knows: the connection ended without a byte, as it does when firmware obeys this command. Readings will tell.
    ConnectionLost,
}

/// More requests than any action takes.
const MAX_PUTS: u32 = 96;

/// A conversation that carries out one action.
#[derive(Debug)]
pub struct Act {
    queue: VecDeque<Move>,
    going: Option<Going>,
    heard: Heard,
    session: Session,
    effect: Effect,
    said: Option<String>,
    log: Option<Vec<u8>>,
    /// Why it failed, while what must be done at the end is still to be done.
    failure: Option<ProtocolError>,
    puts: u32,
    /// A request that changes something has been obeyed, or may have been.
    written: bool,
    /// One is on its way.
    in_flight: bool,
    done: bool,
}

/// A request on its way.
#[derive(Debug)]
struct Going {
    put: Put,
    /// Where it goes through a door.
    knocking: Option<Knocking>,
}

impl Act {
    /// What has to be said to a miner for an action. The credentials are tried before those that its firmware is delivered
    /// with; where none are given, what identification found out is used.
    ///
    /// # Errors
    /// [`ActError`] where the firmware cannot be told that, or not with this setting.
    #[allow(clippy::needless_pass_by_value)] // it is given to be carried out, passwords and all, and not to be kept
    pub fn new(
        identified: &Identified,
        action: Action,
        credentials: &[Credentials],
    ) -> Result<Self, ActError> {
        let kind = action.kind();
        if let Support::No { why } = capabilities(identified).of(kind) {
            return Err(ActError::Unsupported { kind, why });
        }
        if !action.is_complete() {
            return Err(ActError::Incomplete);
        }
        settings::check(&action)?;
        let dialect = identified.dialect;
        let session = if credentials.is_empty() {
            identified.session.clone().with_auth(dialect.acting_auth(), dialect.acting_credentials())
        } else {
            Session::new(dialect.acting_auth(), credentials.to_vec(), dialect.acting_credentials())
        };
        let order =
            Order { action: &action, identity: &identified.identity, credentials: session.credentials() };
        let plan = dialect.plan(&order)?;
        Ok(Self {
            queue: plan.moves.into(),
            going: None,
            heard: Heard::default(),
            session,
            effect: plan.effect,
            said: None,
            log: None,
            failure: None,
            puts: 0,
            written: false,
            in_flight: false,
            done: false,
        })
    }

    /// Whether the request that changes something may have gone out already. After a failure this decides between "not
    /// done" and "unknown". A miner that refused has done nothing.
    pub const fn has_written(&self) -> bool {
        self.written || self.in_flight
    }

    /// Takes in the outcome of the last request; what must be sent again, if anything.
    fn hear(&mut self, outcome: Result<Reply, ExchangeFailure>) -> Result<Option<Request>, ProtocolError> {
        let Some(mut going) = self.going.take() else { return Ok(None) };
        let name = going.put.name;
        let reply = match outcome {
            Ok(reply) => reply,
            Err(failure) => return self.no_reply(&going, failure).map(|()| None),
        };
        let raw = match reply {
            Reply::Http(reply) => match HttpReply::parse(name, &reply) {
                Ok(page) => Raw::Page(page),
                Err(error) => return Err(error),
            },
            Reply::Frame(reply) => {
                let bytes = unframe(&reply.bytes).to_vec();
                Raw::Bytes(ApiReply { bytes, completion: reply.completion })
            }
            Reply::Api(reply) => Raw::Bytes(reply),
        };
        if let (Some(knocking), Raw::Page(page)) = (&mut going.knocking, &raw) {
            match knocking.hear(page, &mut self.session) {
                Passed::In => {}
                Passed::Again(request) => {
                    // Whoever is asked who he is has had nothing done for him.
                    self.in_flight = going.put.changes() && !knocking.is_logging_in();
                    self.going = Some(going);
                    return Ok(Some(request.into()));
                }
                Passed::Failed(error) => {
                    self.in_flight = false;
                    return Err(error);
                }
            }
        }
        if raw.is_empty() && going.put.changes() && going.put.lost != Lost::Fails {
            return self.no_reply(&going, ExchangeFailure::ClosedWithoutReply).map(|()| None);
        }
        let Put { role, judge, .. } = going.put;
        self.heard.who = self.session.proven_credentials().cloned();
        match judge(name, &raw) {
            Verdict::Fine(said) => {
                self.written |= role == Role::Writes;
                self.in_flight = false;
                self.said = said.filter(|words| !words.is_empty()).or(self.said.take());
                if role == Role::Log {
                    self.log = Some(raw.body().to_vec());
                }
                self.heard.insert(name, raw);
                Ok(None)
            }
            Verdict::Instead(moves) => {
                self.in_flight = false;
                self.heard.insert(name, raw);
                self.push_front(moves);
                Ok(None)
            }
            Verdict::Refused(error) => {
                self.in_flight = false;
                Err(error)
            }
            Verdict::Unclear(error) => Err(error),
        }
    }

    /// A request without a reply: what that means depends on the request.
    fn no_reply(&mut self, going: &Going, failure: ExchangeFailure) -> Result<(), ProtocolError> {
        let put = &going.put;
        let is_login = going.knocking.as_ref().is_some_and(Knocking::is_logging_in);
        if !put.changes() || is_login {
            return Err(no_reply(put.name, failure));
        }
        if put.lost.covers(failure) {
            self.written = true;
            self.in_flight = false;
            self.effect = Effect::ConnectionLost;
            self.queue.clear();
            return Ok(());
        }
        // Nobody was there to be told.
        if matches!(failure, ExchangeFailure::Refused | ExchangeFailure::Unreachable | ExchangeFailure::Local)
        {
            self.in_flight = false;
        }
        Err(ProtocolError::NoReply { question: put.name.to_owned(), failure })
    }

    fn push_front(&mut self, moves: Vec<Move>) {
        for next in moves.into_iter().rev() {
            self.queue.push_front(next);
        }
    }

    /// It has failed; what must be done at the end is still done.
    fn fail(&mut self, error: ProtocolError) {
        self.written |= self.in_flight;
        self.in_flight = false;
        if self.failure.is_none() {
            self.failure = Some(error);
        }
        self.queue.retain(Move::is_last_rites);
    }

    fn next(&mut self) -> Step<Acted> {
        while let Some(next) = self.queue.pop_front() {
            match next {
                Move::Decide(decide) => match decide(&self.heard) {
                    Ok(moves) => self.push_front(moves),
                    Err(error) => self.fail(error),
                },
                Move::Put(put) => {
                    self.puts += 1;
                    if self.puts > MAX_PUTS {
                        let question = put.name.to_owned();
                        let reason = Excerpt::of("the miner wants to be told too much");
                        self.fail(ProtocolError::Refused { question, reason });
                        self.queue.clear();
                        continue;
                    }
                    match self.put(*put) {
                        Ok(request) => return Step::Ask(request),
                        Err(error) => self.fail(error),
                    }
                }
            }
        }
        Step::Done(match self.failure.take() {
            Some(error) => Err(error),
            None => Ok(Acted { effect: self.effect, said: self.said.take(), log: self.log.take() }),
        })
    }

    fn put(&mut self, put: Put) -> Result<Request, ProtocolError> {
        let (knocking, request) = match &put.request {
            Request::Http(page) => {
                let (knocking, first) = Knocking::new(put.name, page.clone(), &mut self.session);
                (Some(knocking), first.map(Request::from))
            }
            request => (None, Ok(request.clone())),
        };
        let is_login = knocking.as_ref().is_some_and(Knocking::is_logging_in);
        if request.is_ok() {
            self.in_flight = put.changes() && !is_login;
            self.going = Some(Going { put, knocking });
        }
        request
    }
}

impl Conversation for Act {
    type Output = Acted;

    fn step(&mut self, outcome: Option<Result<Reply, ExchangeFailure>>) -> Step<Acted> {
        if self.done {
            return Step::Done(Err(ProtocolError::Finished));
        }
        let is_last_rite = self.going.as_ref().is_some_and(|going| going.put.role == Role::TidiesUp);
        let step = match outcome.map_or(Ok(None), |outcome| self.hear(outcome)) {
            Ok(Some(request)) => Step::Ask(request),
            Ok(None) => self.next(),
            // Whether it can be tidied up does not change what was done.
            Err(_) if is_last_rite => self.next(),
            Err(error) => {
                self.fail(error);
                self.next()
            }
        };
        self.done = matches!(step, Step::Done(_));
        step
    }
}
