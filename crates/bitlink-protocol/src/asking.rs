//! Asking one question and hearing its answer, login included: what identification and readings share.

use crate::auth::{Credentials, Digest, basic};
use crate::command::Command;
use crate::decode::{Document, decode, decode_page};
use crate::dialect::{Ask, Question};
use crate::error::{Excerpt, ProtocolError};
use crate::exchange::{ApiReply, ExchangeFailure, FrameRequest, Reply, Request};
use crate::framing::unframe;
use crate::http::{HttpReply, HttpRequest};
use bitlink_model::Parsed;
use std::fmt::Debug;

/// How a web server wants to know who asks.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Auth {
    /// It does not.
    None,
    /// HTTP Digest (RFC 7616).
    Digest,
    /// HTTP Basic (RFC 7617).
    Basic,
    /// A login of its own.
    Login(&'static dyn Login),
}

/// A login of a firmware's own: one request, whose reply holds what later requests must carry.
pub trait Login: Debug + Sync {
    /// The request that logs in. `way` counts from 0 through the [`ways`](Self::ways) in which the firmware's
    /// generations want it.
    fn request(&self, credentials: &Credentials, way: u32) -> HttpRequest;

    /// In how many ways it may be asked to let somebody in.
    fn ways(&self) -> u32 {
        1
    }

    /// What later requests carry.
    ///
    /// # Errors
    /// [`Refusal`] when the login was not taken.
    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal>;

    /// Whether pages are asked for without a login first, because most are open to everybody.
    fn is_on_demand(&self) -> bool {
        false
    }

    /// Whether a reply that is no 401 or 403 means that the session has run out.
    fn is_expired(&self, _reply: &HttpReply) -> bool {
        false
    }
}

/// What later requests carry once a login was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pass {
    /// Headers, as `Authorization` or `Cookie`.
    pub headers: Vec<(&'static str, String)>,
    /// What goes before every path, where the session is part of it.
    pub base: String,
}

impl Pass {
    /// One header.
    pub fn header(name: &'static str, value: impl Into<String>) -> Self {
        Self { headers: vec![(name, value.into())], base: String::new() }
    }

    /// The cookies that a reply sets, as one header.
    pub fn cookies(reply: &HttpReply) -> Option<Self> {
        let cookies: Vec<&str> =
            reply.headers_named("Set-Cookie").filter_map(|c| c.split(';').next()).map(str::trim).collect();
        (!cookies.is_empty()).then(|| Self::header("Cookie", cookies.join("; ")))
    }
}

/// Why a login was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Not this name or password.
    WrongCredentials,
    /// Not in this way; another generation of the firmware wants another.
    WrongWay,
    /// Nobody at the moment: it is locked after too many tries, or somebody else holds the one session there is.
    Locked(String),
}

/// What is known about getting past a web server's door. Kept from one reading to the next, so that not every question
/// is asked twice.
#[derive(Debug, Clone)]
pub struct Session {
    auth: Auth,
    credentials: Vec<Credentials>,
    /// The first of the credentials that came with the firmware and not from the operator.
    defaults_from: usize,
    /// Which are being tried, or work.
    which: usize,
    /// Whether those have been seen to work.
    proven: bool,
    digest: Option<Digest>,
    /// Whether a server that was taken for one of Digest wants Basic.
    basic: bool,
    pass: Option<Pass>,
    /// In which of its ways a login of its own is asked for.
    way: u32,
}

impl Session {
    /// The same credentials for a door that wants another proof, and last those that it is delivered with: some machines are
    /// read without any. What is known of the door is kept where it is the same.
    pub(crate) fn with_auth(mut self, auth: Auth, defaults: &[(&str, &str)]) -> Self {
        if std::mem::discriminant(&auth) != std::mem::discriminant(&self.auth) {
            (self.which, self.proven, self.digest, self.pass) = (0, false, None, None);
        }
        self.auth = auth;
        for (user, password) in defaults {
            let credentials = Credentials::new(*user, *password);
            if !self.credentials.contains(&credentials) {
                self.credentials.push(credentials);
            }
        }
        self
    }

    /// Whose name and password has been seen to work.
    pub(crate) fn proven_credentials(&self) -> Option<&Credentials> {
        self.credentials.get(self.which).filter(|_| self.proven)
    }

    /// Whose names and passwords may be tried, in order.
    pub(crate) fn credentials(&self) -> &[Credentials] {
        &self.credentials
    }

    pub(crate) fn new(auth: Auth, own: Vec<Credentials>, defaults: &[(&str, &str)]) -> Self {
        let defaults_from = own.len();
        let defaults = defaults.iter().map(|(user, password)| Credentials::new(*user, *password));
        let credentials = own.into_iter().chain(defaults).collect();
        Self {
            auth,
            credentials,
            defaults_from,
            which: 0,
            proven: false,
            digest: None,
            basic: false,
            pass: None,
            way: 0,
        }
    }

    /// Whether nothing has been found out about the door yet: then it is as good as one that is made anew from the same
    /// credentials.
    pub fn is_fresh(&self) -> bool {
        self.which == 0
            && !self.proven
            && self.digest.is_none()
            && !self.basic
            && self.pass.is_none()
            && self.way == 0
    }

    /// Whether the password it was delivered with still opens it. `None` where no password was needed or none worked.
    pub(crate) fn default_password(&self) -> Option<bool> {
        self.proven.then_some(self.which >= self.defaults_from)
    }

    /// The first request towards a page: the page itself, or the login that must come before.
    fn open(&mut self, page: &HttpRequest) -> Option<HttpRequest> {
        if self.needs_login() { self.login() } else { Some(self.dress(page)) }
    }

    fn needs_login(&self) -> bool {
        matches!(self.auth, Auth::Login(login) if self.pass.is_none() && !login.is_on_demand())
    }

    fn login(&self) -> Option<HttpRequest> {
        let Auth::Login(login) = self.auth else { return None };
        Some(login.request(self.credentials.get(self.which)?, self.way))
    }

    fn is_expired(&self, reply: &HttpReply) -> bool {
        matches!(self.auth, Auth::Login(login) if login.is_expired(reply))
    }

    /// A request with what proves who asks, as far as that is known.
    fn dress(&mut self, page: &HttpRequest) -> HttpRequest {
        let mut page = page.clone();
        let proof = match (self.auth, self.credentials.get(self.which)) {
            (Auth::Basic, Some(credentials)) => Some(basic(credentials)),
            (Auth::Digest, Some(credentials)) if self.basic => Some(basic(credentials)),
            (Auth::Digest, Some(credentials)) => {
                self.digest.as_mut().map(|digest| digest.answer(&page, credentials))
            }
            _ => None,
        };
        if let Some(proof) = proof {
            page = page.with_header("Authorization", proof);
        }
        let Some(pass) = &self.pass else { return page };
        if !pass.base.is_empty() {
            page.path = format!("{}{}", pass.base, page.path).into();
        }
        for (name, value) in &pass.headers {
            page = page.with_header(name, value.clone());
        }
        page
    }

    /// The server wants to know better who asks. What to send next; `None` when there is nothing left to try.
    fn challenged(&mut self, page: &HttpRequest, reply: &HttpReply, tries: u32) -> Option<HttpRequest> {
        match self.auth {
            Auth::None => None,
            Auth::Digest => {
                let schemes = || reply.headers_named("WWW-Authenticate").map(str::trim_start);
                if schemes().any(|scheme| scheme.get(..6).is_some_and(|s| s.eq_ignore_ascii_case("basic ")))
                    && !schemes().any(|scheme| Digest::challenge(scheme).is_some())
                {
                    // The scheme is the server's to choose.
                    if std::mem::replace(&mut self.basic, true) {
                        self.next_credentials()?;
                    }
                    return Some(self.dress(page));
                }
                // A nonce that has run out gets a new challenge with the same password.
                let answered = self.digest.is_some() && tries > 1;
                self.digest = reply.headers_named("WWW-Authenticate").find_map(Digest::challenge);
                self.digest.as_ref()?;
                if answered {
                    self.next_credentials()?;
                }
                Some(self.dress(page))
            }
            Auth::Basic => {
                self.next_credentials()?;
                Some(self.dress(page))
            }
            Auth::Login(_) => {
                // The session has run out: once more with the same password, then with the next.
                let had_one = self.pass.take().is_some();
                if had_one && tries > 2 {
                    self.next_credentials()?;
                }
                self.login()
            }
        }
    }

    fn next_credentials(&mut self) -> Option<()> {
        self.proven = false;
        self.which += 1;
        (self.which < self.credentials.len()).then_some(())
    }
}

/// A page on its way through the door, login included.
#[derive(Debug)]
pub(crate) struct Knocking {
    /// What it is called in errors.
    name: &'static str,
    page: HttpRequest,
    logging_in: bool,
    tries: u32,
}

/// What a reply means for getting in.
pub(crate) enum Passed {
    /// Nothing: this must be sent first or again.
    Again(HttpRequest),
    /// The reply is the page's own.
    In,
    /// There is no way in.
    Failed(ProtocolError),
}

impl Knocking {
    /// A page, and the first request towards it.
    pub(crate) fn new(
        name: &'static str,
        page: HttpRequest,
        session: &mut Session,
    ) -> (Self, Result<HttpRequest, ProtocolError>) {
        let logging_in = session.needs_login();
        let first = session.open(&page);
        let knocking = Self { name, page, logging_in, tries: 0 };
        let first = first.ok_or_else(|| knocking.denied());
        (knocking, first)
    }

    /// Whether what was sent last is a login and not the page.
    pub(crate) const fn is_logging_in(&self) -> bool {
        self.logging_in
    }

    /// Takes a reply.
    pub(crate) fn hear(&mut self, reply: &HttpReply, session: &mut Session) -> Passed {
        self.tries += 1;
        if self.tries > MAX_TRIES {
            return Passed::Failed(self.denied());
        }
        if self.logging_in {
            return self.logged_in(reply, session);
        }
        if matches!(reply.status, 401 | 403) || session.is_expired(reply) {
            return match session.challenged(&self.page, reply, self.tries) {
                Some(request) => {
                    self.logging_in = matches!(session.auth, Auth::Login(_));
                    Passed::Again(request)
                }
                None => Passed::Failed(self.denied()),
            };
        }
        if reply.is_success() && !matches!(session.auth, Auth::None) {
            // Only a question that was put with a proof shows that the proof is good.
            session.proven |= session.digest.is_some()
                || session.pass.is_some()
                || session.basic
                || matches!(session.auth, Auth::Basic);
        }
        Passed::In
    }

    fn logged_in(&mut self, reply: &HttpReply, session: &mut Session) -> Passed {
        let Auth::Login(login) = session.auth else { return Passed::Failed(self.denied()) };
        // Locked (RFC 4918) and too many requests (RFC 6585) say that another password would not do either.
        let taken = match login.accept(reply) {
            Err(Refusal::WrongCredentials | Refusal::WrongWay) if matches!(reply.status, 423 | 429) => {
                Err(Refusal::Locked(Excerpt::of_bytes(&reply.body).to_string()))
            }
            taken => taken,
        };
        let next = match taken {
            Ok(pass) => {
                session.pass = Some(pass);
                session.proven = true;
                self.logging_in = false;
                Some(session.dress(&self.page))
            }
            Err(Refusal::WrongWay) if session.way + 1 < login.ways() => {
                session.way += 1;
                session.login()
            }
            Err(Refusal::Locked(words)) => {
                return Passed::Failed(ProtocolError::Locked {
                    question: self.name.to_owned(),
                    message: Excerpt::of(&words),
                });
            }
            Err(_) => session.next_credentials().and_then(|()| session.login()),
        };
        next.map_or_else(|| Passed::Failed(self.denied()), Passed::Again)
    }

    fn denied(&self) -> ProtocolError {
        ProtocolError::AccessDenied { question: self.name.to_owned() }
    }
}

/// One question on its way.
#[derive(Debug)]
pub(crate) struct Asking {
    question: Question,
    knocking: Option<Knocking>,
}

/// What came of a step of a question.
pub(crate) enum Heard {
    /// This must be sent first or again.
    Again(Request),
    /// An answer, with the beginning of the bytes it was read from.
    Answer(Parsed<Document>, Vec<u8>),
    /// No usable answer, with the beginning of what came instead.
    Failed(ProtocolError, Vec<u8>),
}

/// More requests than any login takes; a server that keeps on challenging is given up.
const MAX_TRIES: u32 = 12;

impl Asking {
    /// Puts a question.
    pub(crate) fn new(question: Question, session: &mut Session) -> (Self, Result<Request, ProtocolError>) {
        let mut asking = Self { question, knocking: None };
        let request = match question.ask {
            Ask::Command | Ask::CommandAt { .. } | Ask::Text { .. } => asking.command(),
            Ask::Frame { port, body } => Ok(FrameRequest { port, body: body.as_bytes().into() }.into()),
            // A stranger's marks are wanted, not its secrets.
            Ask::Knock(page) => Ok(page.request().into()),
            Ask::Page(page) if page.open => Ok(page.request().into()),
            Ask::Page(page) => {
                let (knocking, first) = Knocking::new(question.command, page.request(), session);
                asking.knocking = Some(knocking);
                first.map(Request::from)
            }
        };
        (asking, request)
    }

    fn command(&self) -> Result<Request, ProtocolError> {
        let question = self.question.command;
        let command = Command::new(question);
        let encoded = match self.question.ask {
            Ask::Text { .. } => command.to_text(),
            _ => command.to_json(),
        };
        let mut request = encoded.map_err(|error| {
            // Questions are constants far below the limit; a dialect that gets this wrong must still not panic.
            let excerpt = Excerpt::of(&error.to_string());
            ProtocolError::Malformed { question: question.to_owned(), excerpt }
        })?;
        if let Ask::CommandAt { port } | Ask::Text { port } = self.question.ask {
            request.port = Some(port);
        }
        Ok(request.into())
    }

    pub(crate) const fn question(&self) -> Question {
        self.question
    }

    pub(crate) fn hear(&mut self, outcome: Result<Reply, ExchangeFailure>, session: &mut Session) -> Heard {
        let command = self.question.command;
        let reply = match outcome {
            Ok(reply) => reply.into_bytes(),
            Err(failure) => return Heard::Failed(no_reply(command, failure), Vec::new()),
        };
        let head: Vec<u8> = reply.bytes.iter().copied().take(HEAD).collect();
        if !self.question.is_page() {
            let reply = match self.question.ask {
                Ask::Frame { .. } => ApiReply { bytes: unframe(&reply.bytes).to_vec(), ..reply },
                _ => reply,
            };
            return match decode(command, &reply) {
                Ok(parsed) => Heard::Answer(parsed, head),
                Err(ProtocolError::NoReply { failure, .. }) => {
                    Heard::Failed(no_reply(command, failure), head)
                }
                Err(error) => Heard::Failed(error, head),
            };
        }
        let raw = reply;
        let reply = match HttpReply::parse(command, &raw) {
            Ok(reply) => reply,
            Err(error) => return Heard::Failed(error, head),
        };
        let head = as_read(&raw.bytes, &reply.body);
        if let Ask::Knock(_) = self.question.ask {
            // Of what a stranger's page says in passing nothing is odd yet.
            let value = decode_page(command, &reply).map(|parsed| parsed.value).unwrap_or_default();
            return Heard::Answer(Parsed { value, anomalies: Vec::new() }, head);
        }
        if self.question.is_open() {
            return match decode_page(command, &reply) {
                Ok(parsed) => Heard::Answer(parsed, head),
                Err(error) => Heard::Failed(error, head),
            };
        }
        if let Some(knocking) = &mut self.knocking {
            match knocking.hear(&reply, session) {
                Passed::Again(request) => return Heard::Again(request.into()),
                Passed::Failed(error) => return Heard::Failed(error, head),
                Passed::In => {}
            }
        }
        match decode_page(command, &reply) {
            // Words in the place of data, as of a server that is busy, are no answer. Only open pages are text.
            Ok(parsed) if is_words(&reply.body) && !parsed.value.root().is_empty() => {
                let (question, excerpt) = (command.to_owned(), Excerpt::of_bytes(&reply.body));
                Heard::Failed(ProtocolError::Malformed { question, excerpt }, head)
            }
            Ok(parsed) => Heard::Answer(parsed, head),
            Err(error) => Heard::Failed(error, head),
        }
    }
}

/// How much of a reply is kept as evidence: enough for every marker of a firmware, and no more, since a hostile reply must
/// not be kept whole.
const HEAD: usize = 16 * 1024;

/// Whether a page is neither an object nor a list.
fn is_words(body: &[u8]) -> bool {
    let begins =
        body.trim_ascii_start().strip_prefix("\u{feff}".as_bytes()).unwrap_or(body.trim_ascii_start());
    !matches!(begins.trim_ascii_start().first(), Some(b'{' | b'[') | None)
}

/// The beginning of a page as a person would see it: a marker may be cut in two by the chunks that it came in.
fn as_read(bytes: &[u8], body: &[u8]) -> Vec<u8> {
    let headers = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    bytes.iter().take(headers).chain(body).copied().take(HEAD).collect()
}

/// No reply, and what that means: a server that takes the connection and closes it without a byte does so to clients
/// that its access list does not name (cgminer `api.c`).
pub(crate) fn no_reply(question: &str, failure: ExchangeFailure) -> ProtocolError {
    match failure {
        ExchangeFailure::ClosedWithoutReply => ProtocolError::AccessDenied { question: question.to_owned() },
        failure => ProtocolError::NoReply { question: question.to_owned(), failure },
    }
}

#[cfg(test)]
mod tests;
