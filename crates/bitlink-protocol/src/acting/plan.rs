//! How a firmware is told, as data: requests in order, and decisions between them.

use super::verdict;
use crate::auth::Credentials;
use crate::decode::{Document, decode};
use crate::error::{Excerpt, ProtocolError};
use crate::exchange::{ApiReply, ApiRequest, ExchangeFailure, FrameRequest, Request};
use crate::http::{HttpReply, HttpRequest};
use crate::{Command, CommandError};
use bitlink_model::{Action, AnomalyKind, Identity};
use serde_json::{Map, Value};
use std::fmt;

use super::{ActError, Effect};

/// What is wanted, of whom, and who wants it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Order<'a> {
    /// What is wanted.
    pub action: &'a Action,
    /// Of whom.
    pub identity: &'a Identity,
    /// Names and passwords that may be tried, in order.
    pub credentials: &'a [Credentials],
}

/// The requests that carry out an action.
#[derive(Debug)]
pub struct Plan {
    pub(super) moves: Vec<Move>,
    pub(super) effect: Effect,
}

impl Plan {
    /// A plan that takes effect at once.
    pub(crate) fn new(moves: impl IntoIterator<Item = Move>) -> Self {
        Self { moves: moves.into_iter().collect(), effect: Effect::Now }
    }

    /// A plan of one request that changes something.
    pub(crate) fn one(put: Put) -> Self {
        Self::new([put.writes().into()])
    }

    /// The same, taking effect at once.
    pub(crate) fn at_once(self) -> Self {
        Self { effect: Effect::Now, ..self }
    }

    /// The same, taking effect at the next restart.
    pub(crate) fn after_restart(self) -> Self {
        Self { effect: Effect::AfterRestart, ..self }
    }
}

/// One step of a plan.
pub(crate) enum Move {
    /// This request.
    Put(Box<Put>),
    /// What comes next depends on what was heard.
    Decide(Decide),
}

/// Looks at what was heard and says what comes next.
pub(crate) type Decide = Box<dyn FnOnce(&Heard) -> Result<Vec<Move>, ProtocolError> + Send + Sync>;
/// Says what a reply means.
pub(crate) type Judge = Box<dyn FnOnce(&'static str, &Raw) -> Verdict + Send + Sync>;

impl Move {
    /// What comes next depends on what was heard.
    pub(crate) fn decide(
        decide: impl FnOnce(&Heard) -> Result<Vec<Self>, ProtocolError> + Send + Sync + 'static,
    ) -> Self {
        Self::Decide(Box::new(decide))
    }

    pub(super) fn is_last_rites(&self) -> bool {
        matches!(self, Self::Put(put) if put.role == Role::TidiesUp)
    }
}

impl From<Put> for Move {
    fn from(put: Put) -> Self {
        Self::Put(Box::new(put))
    }
}

impl fmt::Debug for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(put) => put.fmt(f),
            Self::Decide(_) => f.write_str("Decide(…)"),
        }
    }
}

/// One request of a plan.
pub(crate) struct Put {
    /// What it is called in errors, and where its reply is found.
    pub(super) name: &'static str,
    pub(super) request: Request,
    /// What it is for.
    pub(super) role: Role,
    /// What it means when no reply comes.
    pub(super) lost: Lost,
    pub(super) judge: Judge,
}

impl fmt::Debug for Put {
    /// Without the request, which may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// To know something, or to be let in.
    Asks,
    /// To change something.
    Writes,
    /// Its reply is the log that is wanted.
    Log,
    /// It is put at the end, whatever has happened.
    TidiesUp,
}

/// What it means when no reply comes to a request that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// That something went wrong.
    Fails,
    /// A connection that closes is how the firmware obeys.
    Closes,
    /// The same, and silence too.
    Silent,
}

impl Lost {
    pub(super) const fn covers(self, failure: ExchangeFailure) -> bool {
        match failure {
            ExchangeFailure::ClosedWithoutReply | ExchangeFailure::Reset => !matches!(self, Self::Fails),
            ExchangeFailure::TimedOut => matches!(self, Self::Silent),
            _ => false,
        }
    }
}

#[cfg(test)]
impl Raw {
    /// A page as it came.
    pub(crate) fn of_page(status: u16, body: &str) -> Self {
        Self::Page(HttpReply { status, headers: Vec::new(), body: body.as_bytes().into(), complete: true })
    }
}

#[cfg(test)]
impl Put {
    /// What is sent.
    pub(crate) fn request(&self) -> &Request {
        &self.request
    }
}

#[cfg(test)]
impl Plan {
    /// The pages that are asked for before anything is decided: method, path and body.
    pub(crate) fn pages(&self) -> Vec<(String, String, String)> {
        let put = |next: &Move| match next {
            Move::Put(put) => match &put.request {
                Request::Http(page) => {
                    let body = String::from_utf8_lossy(&page.body).into_owned();
                    Some((page.method.to_owned(), page.path.to_string(), body))
                }
                _ => None,
            },
            Move::Decide(_) => None,
        };
        self.moves.iter().filter_map(put).collect()
    }

    /// The same, once the first decision has been made.
    pub(crate) fn pages_after(self, heard: &Heard) -> Result<Vec<(String, String, String)>, ProtocolError> {
        let decide = self.moves.into_iter().find_map(|next| match next {
            Move::Decide(decide) => Some(decide),
            Move::Put(_) => None,
        });
        let moves = decide.map_or(Ok(Vec::new()), |decide| decide(heard))?;
        Ok(Self::new(moves).pages())
    }
}

impl Put {
    /// Whether it changes something.
    pub(super) fn changes(&self) -> bool {
        self.role == Role::Writes
    }

    fn new(name: &'static str, request: Request, judge: fn(&'static str, &Raw) -> Verdict) -> Self {
        Self { name, request, role: Role::Asks, lost: Lost::Fails, judge: Box::new(judge) }
    }

    /// A page of the web server, with whatever login it wants. Any success will do.
    pub(crate) fn page(name: &'static str, request: HttpRequest) -> Self {
        Self::new(name, request.into(), verdict::page)
    }

    /// A page with a JSON document as its body.
    pub(crate) fn json(
        name: &'static str,
        path: impl Into<std::borrow::Cow<'static, str>>,
        body: &Value,
    ) -> Self {
        Self::page(name, HttpRequest::post(path, "application/json", body.to_string()))
    }

    /// A page with a form as its body.
    pub(crate) fn form(
        name: &'static str,
        path: impl Into<std::borrow::Cow<'static, str>>,
        fields: &[(&str, &str)],
    ) -> Self {
        let body = crate::http::form(fields);
        Self::page(name, HttpRequest::post(path, "application/x-www-form-urlencoded", body))
    }

    /// A page that is read.
    pub(crate) fn get(name: &'static str, path: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::page(name, HttpRequest::get(path))
    }

    /// The same page, by another method.
    pub(crate) fn by(mut self, method: &'static str) -> Self {
        if let Request::Http(request) = &mut self.request {
            request.method = method;
        }
        self
    }

    /// The same page, at another port.
    pub(crate) fn at(mut self, port: u16) -> Self {
        if let Request::Http(request) = &mut self.request {
            request.port = port;
        }
        self
    }

    /// The same page, over TLS or not.
    pub(crate) fn over_tls(mut self, tls: bool) -> Self {
        if let Request::Http(request) = &mut self.request
            && tls
        {
            *request = request.clone().over_tls();
        }
        self
    }

    /// A command of the API, in its JSON form.
    pub(crate) fn command(name: &'static str, command: &Command<'_>) -> Result<Self, ActError> {
        let request = command.to_json().map_err(|error| too_long(&error))?;
        Ok(Self::new(name, request.into(), verdict::api))
    }

    /// A command of the API, of a word and perhaps a parameter.
    pub(crate) fn api(name: &'static str, parameter: Option<&str>) -> Result<Self, ActError> {
        let command = Command::new(name);
        Self::command(
            name,
            &match parameter {
                Some(parameter) => command.with_parameter(parameter),
                None => command,
            },
        )
    }

    /// A command of an API of words, in its text form.
    pub(crate) fn text(name: &'static str, command: &Command<'_>) -> Result<Self, ActError> {
        let request = command.to_text().map_err(|error| too_long(&error))?;
        Ok(Self::new(name, request.into(), verdict::api))
    }

    /// The same command, at another port than the one at which the miner was found.
    pub(crate) fn with_port(mut self, port: u16) -> Self {
        if let Request::Api(request) = &mut self.request {
            request.port = Some(port);
        }
        self
    }

    /// Bytes for the API as they are.
    pub(crate) fn bytes(name: &'static str, bytes: Vec<u8>) -> Self {
        Self::new(name, ApiRequest::new(bytes).into(), verdict::api)
    }

    /// A message with its length before it.
    pub(crate) fn frame(name: &'static str, port: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes().into();
        Self::new(name, FrameRequest { port, body }.into(), verdict::frame)
    }

    /// The same, changing something.
    pub(crate) fn writes(self) -> Self {
        Self { role: Role::Writes, ..self }
    }

    /// The same, where a connection that closes is how the firmware obeys.
    pub(crate) fn may_close(self) -> Self {
        Self { lost: Lost::Closes, ..self }
    }

    /// The same, where silence too is how the firmware obeys.
    pub(crate) fn may_be_silent(self) -> Self {
        Self { lost: Lost::Silent, ..self }
    }

    /// The same, done at the end whatever has happened.
    pub(crate) fn last_rite(self) -> Self {
        Self { role: Role::TidiesUp, ..self }
    }

    /// The same, whose reply is the log that is wanted.
    pub(crate) fn keeps_log(self) -> Self {
        Self { role: Role::Log, ..self }
    }

    /// The same, judged otherwise.
    pub(crate) fn judged(
        self,
        judge: impl FnOnce(&'static str, &Raw) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self { judge: Box::new(judge), ..self }
    }
}

impl Put {
    /// The same, where a refusal does no harm.
    pub(crate) fn welcome(self) -> Self {
        let judge = self.judge;
        let judge: Judge = Box::new(move |name, raw| match judge(name, raw) {
            Verdict::Refused(_) => Verdict::Fine(None),
            verdict => verdict,
        });
        Self { judge, ..self }
    }

    /// The same, where something else may help against a refusal with such words.
    pub(crate) fn or_refused(
        self,
        instead: impl FnOnce(&str) -> Option<Vec<Move>> + Send + Sync + 'static,
    ) -> Self {
        let judge = self.judge;
        let judge: Judge = Box::new(move |name, raw| match judge(name, raw) {
            Verdict::Refused(ProtocolError::Refused { question, reason }) => {
                let error = |reason| Verdict::Refused(ProtocolError::Refused { question, reason });
                match instead(reason.as_str()) {
                    Some(moves) => Verdict::Instead(moves),
                    None => error(reason),
                }
            }
            verdict => verdict,
        });
        Self { judge, ..self }
    }

    /// The same, where a miner that denies access has done nothing and something else may help.
    pub(crate) fn or_denied(
        self,
        instead: impl FnOnce() -> Option<Vec<Move>> + Send + Sync + 'static,
    ) -> Self {
        let judge = self.judge;
        let judge: Judge = Box::new(move |name, raw| match judge(name, raw) {
            Verdict::Refused(error @ ProtocolError::AccessDenied { .. }) => {
                instead().map_or(Verdict::Refused(error), Verdict::Instead)
            }
            verdict => verdict,
        });
        Self { judge, ..self }
    }
}

fn too_long(error: &CommandError) -> ActError {
    ActError::impossible(error.to_string())
}

/// What a reply means.
pub(crate) enum Verdict {
    /// It was done; what the miner says of it.
    Fine(Option<String>),
    /// The miner says that it did nothing, and this may help.
    Instead(Vec<Move>),
    /// The miner says that it did nothing.
    Refused(ProtocolError),
    /// Nobody knows what the miner did.
    Unclear(ProtocolError),
}

/// A reply as it came.
#[derive(Debug)]
pub(crate) enum Raw {
    /// Of a web server.
    Page(HttpReply),
    /// Of an API, in whatever frame.
    Bytes(ApiReply),
}

impl Raw {
    /// Whether there is nothing in it at all.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Bytes(reply) if reply.bytes.trim_ascii().is_empty())
    }

    /// What it says, without a head.
    pub(crate) fn body(&self) -> &[u8] {
        match self {
            Self::Page(page) => &page.body,
            Self::Bytes(reply) => &reply.bytes,
        }
    }

    /// As a document, mended where that can be done.
    pub(crate) fn document(&self, name: &str) -> Result<Document, ProtocolError> {
        Ok(self.parsed(name)?.0)
    }

    /// As a document, and whether a part of it is lost.
    fn parsed(&self, name: &str) -> Result<(Document, bool), ProtocolError> {
        let parsed = match self {
            Self::Page(page) => {
                // Whatever its status says: it has been judged, or will be.
                let page = HttpReply { status: 200, ..page.clone() };
                crate::decode::decode_page(name, &page)?
            }
            Self::Bytes(reply) => decode(name, reply)?,
        };
        let cut = parsed.anomalies.iter().any(|anomaly| anomaly.kind == AnomalyKind::Truncated);
        Ok((parsed.value, cut))
    }
}

/// What was heard so far, by the names of the requests.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    replies: Vec<(&'static str, Raw)>,
    /// By whose name and password the web server lets us in.
    pub(super) who: Option<Credentials>,
}

impl Heard {
    pub(crate) fn insert(&mut self, name: &'static str, raw: Raw) {
        self.replies.retain(|(known, _)| *known != name);
        self.replies.push((name, raw));
    }

    fn raw(&self, name: &str) -> Option<&Raw> {
        self.replies.iter().find(|(known, _)| *known == name).map(|(_, raw)| raw)
    }

    /// A reply as it came, without a head.
    pub(crate) fn body(&self, name: &str) -> Option<&[u8]> {
        self.raw(name).map(Raw::body)
    }

    /// By whose name and password the web server lets us in.
    pub(crate) fn who(&self) -> Option<&Credentials> {
        self.who.as_ref()
    }

    /// A reply as a document.
    pub(crate) fn document(&self, name: &str) -> Result<Document, ProtocolError> {
        let failure = ExchangeFailure::ClosedWithoutReply;
        let missing = || ProtocolError::NoReply { question: name.to_owned(), failure };
        self.raw(name).ok_or_else(missing)?.document(name)
    }

    /// A reply that is one object and will be sent back: of one that came in part the rest would be lost.
    pub(crate) fn whole(&self, name: &str) -> Result<Map<String, Value>, ProtocolError> {
        let failure = ExchangeFailure::ClosedWithoutReply;
        let missing = || ProtocolError::NoReply { question: name.to_owned(), failure };
        let raw = self.raw(name).ok_or_else(missing)?;
        let (document, cut) = raw.parsed(name)?;
        let root = document.root();
        if cut || root.is_empty() || root.contains_key(crate::decode::TEXT) {
            let (question, excerpt) = (name.to_owned(), Excerpt::of_bytes(raw.body()));
            return Err(ProtocolError::Malformed { question, excerpt });
        }
        Ok(root.clone())
    }
}
