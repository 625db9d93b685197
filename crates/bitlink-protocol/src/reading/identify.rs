//! Finding out who answers, in the fewest questions.

use super::ACCESS_DENIED;
use crate::asking::{Asking, Auth, Heard, Session};
use crate::auth::Credentials;
use crate::conversation::{Conversation, Step};
use crate::dialect::{Answers, Ask, Dialect, Door, Evidence, Page, Question, registry};
use crate::error::{Excerpt, ProtocolError, Service};
use crate::exchange::{API_DOOR, ExchangeFailure, Reply, Request};
use crate::record::Oddities;
use bitlink_model::{Anomaly, Family, Identity, Parsed};

/// A miner whose dialect is known.
#[derive(Debug, Clone)]
pub struct Identified {
    /// Who it is.
    pub identity: Identity,
    /// How to speak with it.
    pub dialect: &'static dyn Dialect,
    /// Whether it takes several questions in one request.
    pub joins: bool,
    /// How its web server was got past.
    pub session: Session,
}

impl Identified {
    /// A miner of which this much is known, with nothing but the passwords that its firmware is delivered with.
    pub fn new(identity: Identity, dialect: &'static dyn Dialect) -> Self {
        Self { identity, dialect, joins: dialect.joins(), session: new_session(Some(dialect), Vec::new()) }
    }

    /// The same with an operator's names and passwords, of which none has been tried yet.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Vec<Credentials>) -> Self {
        self.session = new_session(Some(self.dialect), credentials);
        self
    }

    /// Its firmware family.
    pub fn family(&self) -> Family {
        self.dialect.family()
    }
}

/// Doors of a miner that are known to be shut: nobody knocks there again in the same conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doors(Vec<(Door, ExchangeFailure)>);

impl Doors {
    /// With one more that is shut.
    #[must_use]
    pub fn with_shut(mut self, door: Door, failure: ExchangeFailure) -> Self {
        self.note(door, failure);
        self
    }

    pub(super) fn note(&mut self, door: Door, failure: ExchangeFailure) {
        if self.failure(door).is_none() {
            self.0.push((door, failure));
        }
    }

    pub(super) fn failure(&self, door: Door) -> Option<ExchangeFailure> {
        self.0.iter().find(|(d, _)| *d == door).map(|(_, failure)| *failure)
    }
}

/// Finds out who answers, in the fewest questions: `version`, which nearly everything answers, then `devdetails` and
/// `summary` while no dialect claims the miner, then what the dialect that does still needs. Where the API is shut or
/// says nothing that is known, the web server is asked for its front page, whose marks most vendors leave, and for the few
/// pages by which the others are known. A dialect that claims everything gives way to a more special one that the further
/// answers mark.
#[derive(Debug, Default)]
pub struct Identify {
    evidence: Evidence,
    oddities: Oddities,
    asked: Vec<&'static str>,
    asking: Option<Asking>,
    dialect: Option<&'static dyn Dialect>,
    credentials: Vec<Credentials>,
    session: Option<Session>,
    doors: Doors,
    last_reply: Vec<u8>,
    is_brief: bool,
    /// Why the first question that failed did: what is told when nobody says who it is.
    first_error: Option<ProtocolError>,
    /// What went wrong with questions of a dialect that is known: told as oddities of the reading that follows.
    missed: Vec<(&'static str, ProtocolError)>,
    /// What was odd about pages that a dialect asked for: told likewise.
    odd: Vec<(&'static str, Vec<Anomaly>)>,
    done: bool,
}

/// Asked of a stranger, in order, until a dialect claims it.
const OPENING: [Question; 11] = [
    Question::must("version"),
    Question::must("devdetails"),
    Question::must("summary"),
    // A web server where the API should be.
    Question::knock("capabilities", Page::get("/capabilities").at(API_DOOR)),
    Question::knock("front page", Page::get("/")),
    crate::dialects::IPOLLO_KNOCK,
    // The small machines of the AxeOS kind pack their front page; Goldshell's tells little.
    Question::knock("system info", Page::get("/api/system/info")),
    Question::knock("control board", Page::get("/mcb/status")),
    crate::dialects::WHATSMINER_KNOCK,
    Question::knock("pairing info", Page::get("/api/v1/pairing/info").over_tls()),
    crate::dialects::CCMINER_KNOCK,
];

/// What an identification leaves to the reading that follows.
pub(super) struct Legacy<'a> {
    /// Doors that it found shut.
    pub(super) doors: Doors,
    /// What was answered.
    pub(super) answers: &'a Answers,
    /// What was asked.
    pub(super) asked: &'a [&'static str],
    /// What went wrong with questions of the dialect.
    pub(super) missed: Vec<(&'static str, ProtocolError)>,
    /// What was odd about pages that the dialect asked for.
    pub(super) odd: Vec<(&'static str, Vec<Anomaly>)>,
}

impl Identify {
    /// A conversation with a stranger.
    pub fn new() -> Self {
        Self::default()
    }

    /// With passwords to try before those that the firmware is delivered with.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Vec<Credentials>) -> Self {
        self.credentials = credentials;
        self
    }

    /// With doors that are known to be shut.
    #[must_use]
    pub fn with_doors(mut self, doors: Doors) -> Self {
        self.doors = doors;
        self
    }

    /// Without the pages that tell more of a miner than its API does.
    #[must_use]
    pub fn brief(mut self) -> Self {
        self.is_brief = true;
        self
    }

    /// How to get past the web server; nothing to know before the dialect is.
    fn session(&mut self) -> &mut Session {
        let (dialect, credentials) = (self.dialect, &self.credentials);
        self.session.get_or_insert_with(|| new_session(dialect, credentials.clone()))
    }

    fn ask(&mut self, question: Question) -> Step<Identified> {
        self.asked.push(question.command);
        let (asking, request) = Asking::new(question, self.session());
        self.asking = Some(asking);
        match request {
            Ok(request) => Step::Ask(request),
            // No password to try: it goes on without this answer.
            Err(_) => self.next(),
        }
    }

    /// Takes in the outcome of the last question; what must be sent again, if anything. An error ends the conversation.
    fn hear(&mut self, outcome: Result<Reply, ExchangeFailure>) -> Result<Option<Request>, ProtocolError> {
        let Some(mut asking) = self.asking.take() else { return Ok(None) };
        let question = asking.question();
        let failure = outcome.as_ref().err().copied();
        let (error, head) = match asking.hear(outcome, self.session()) {
            Heard::Again(request) => {
                self.asking = Some(asking);
                return Ok(Some(request));
            }
            Heard::Answer(Parsed { value, anomalies }, head) => {
                if self.dialect.is_some() && question.is_page() {
                    self.odd.push((question.command, anomalies.clone()));
                }
                self.oddities.extend(anomalies);
                self.evidence.answers.insert(question.command, value);
                (None, head)
            }
            Heard::Failed(error, head) => (Some(error), head),
        };
        self.evidence.hear(question, &head);
        if !head.is_empty() {
            self.last_reply = head;
        }
        // Who closes without a word is there, and may have one for another question.
        if let Some(failure) = failure.filter(|failure| *failure != ExchangeFailure::ClosedWithoutReply) {
            self.doors.note(question.ask.door(), failure);
        }
        match error {
            Some(ProtocolError::MiningProcessDown { .. }) | None => Ok(None),
            // Once the dialect is known, what it would like to know besides is not worth failing for.
            Some(error) if self.dialect.is_some() => {
                // That a door is shut is nothing odd.
                if !matches!(error, ProtocolError::NoReply { .. }) {
                    self.missed.push((question.command, error));
                }
                Ok(None)
            }
            // A machine that is not there at all, or is none of ours for sure, is asked nothing else.
            Some(error) if self.first_error.is_none() && is_final(&error) => Err(error),
            Some(error) => {
                self.first_error.get_or_insert(error);
                Ok(None)
            }
        }
    }

    fn next(&mut self) -> Step<Identified> {
        if self.dialect.is_none_or(Dialect::gives_way) {
            // What a dialect asks tells it from others of its family, which may want another login.
            let before = self.dialect.map(Dialect::questions);
            self.dialect = registry().iter().copied().find(|d| d.claims(&self.evidence));
            if self.dialect.map(Dialect::questions) != before {
                self.session = None;
            }
        }
        let Some(dialect) = self.dialect else {
            return match OPENING.iter().find(|question| self.is_worth_asking(**question)) {
                Some(question) => self.ask(*question),
                None => self.give_up(),
            };
        };
        // In brief no page is asked, but of a machine whose API does not name it.
        let is_unnamed = || dialect.identity(&self.evidence.answers, &Oddities::default()).model.is_none();
        let commands_only = self.is_brief && self.speaks_api();
        let open = dialect.identity_questions().iter().find(|q| {
            !self.asked.contains(&q.command)
                && self.doors.failure(q.ask.door()).is_none()
                && (!commands_only || q.is_command() || is_unnamed())
                && !q.instead_of.is_some_and(|other| self.has_told(other))
        });
        if let Some(question) = open {
            return self.ask(*question);
        }
        self.done = true;
        let identity = dialect.identity(&self.evidence.answers, &self.oddities);
        let session = self.session().clone();
        Step::Done(Ok(Identified { session, ..Identified::new(identity, dialect) }))
    }

    /// Whether a question had a usable answer.
    fn has_told(&self, command: &str) -> bool {
        self.evidence.answers.get(command).is_some_and(|document| !document.root().is_empty())
    }

    /// Whether a stranger may still be known by this.
    fn is_worth_asking(&self, question: Question) -> bool {
        if self.asked.contains(&question.command) || self.doors.failure(question.ask.door()).is_some() {
            return false;
        }
        match question.ask {
            // Who does not answer `version` in the API's language does not speak it.
            Ask::Command => self.asked.is_empty() || self.evidence.answers.get("version").is_some(),
            // Who speaks so answers `version` too, unless that door is shut.
            Ask::Frame { .. } => self.doors.failure(Door::Api).is_some(),
            Ask::Text { .. } => self.evidence.answers.get("version").is_none(),
            Ask::Knock(page) if page.port == API_DOOR => self.evidence.says("HTTP/1."),
            // Only where the front page leads there.
            Ask::Knock(_) if question == crate::dialects::IPOLLO_KNOCK => {
                self.evidence.shows("/CGI-BIN/LUCI")
            }
            _ => true,
        }
    }

    /// Whether the API has answered the question that everything answers which speaks it.
    pub(super) fn speaks_api(&self) -> bool {
        let version = self.evidence.answers.get("version");
        version.is_some_and(|version| !version.status().is_some_and(|status| status.is_failure()))
    }

    fn give_up(&mut self) -> Step<Identified> {
        self.done = true;
        let mut codes = self.evidence.answers.statuses().map(|s| s.code).peekable();
        let denied = codes.peek().is_some() && codes.all(|code| code == Some(ACCESS_DENIED));
        let speaks_api = self.evidence.answers.get("version").is_some();
        let heard = !self.last_reply.is_empty();
        Step::Done(Err(match self.first_error.take() {
            _ if denied => {
                ProtocolError::AccessDenied { question: "version, devdetails, summary".to_owned() }
            }
            // What it said tells more than that one of its doors is shut.
            Some(error) if !(speaks_api || heard && matches!(error, ProtocolError::NoReply { .. })) => error,
            _ => ProtocolError::NotIdentified { excerpt: Excerpt::of_bytes(&self.last_reply) },
        }))
    }
}

/// Whether a failure of the very first question says all that need be known.
fn is_final(error: &ProtocolError) -> bool {
    match error {
        ProtocolError::NoReply { failure, .. } => *failure != ExchangeFailure::Refused,
        ProtocolError::NotAMiner { service, .. } => *service != Service::Http,
        _ => false,
    }
}

impl Identify {
    /// What it leaves to the reading that follows.
    pub(super) fn leaves(&mut self) -> Legacy<'_> {
        Legacy {
            doors: std::mem::take(&mut self.doors),
            answers: &self.evidence.answers,
            asked: &self.asked,
            missed: std::mem::take(&mut self.missed),
            odd: std::mem::take(&mut self.odd),
        }
    }
}

impl Conversation for Identify {
    type Output = Identified;

    fn step(&mut self, outcome: Option<Result<Reply, ExchangeFailure>>) -> Step<Identified> {
        if self.done {
            return Step::Done(Err(ProtocolError::Finished));
        }
        match outcome.map_or(Ok(None), |outcome| self.hear(outcome)) {
            Ok(Some(request)) => Step::Ask(request),
            Ok(None) => self.next(),
            Err(error) => {
                self.done = true;
                Step::Done(Err(error))
            }
        }
    }
}

fn new_session(dialect: Option<&'static dyn Dialect>, credentials: Vec<Credentials>) -> Session {
    match dialect {
        Some(dialect) => Session::new(dialect.auth(), credentials, dialect.default_credentials()),
        None => Session::new(Auth::None, credentials, &[]),
    }
}
