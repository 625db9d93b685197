//! Asking one question and hearing its answer, login included: what identification and readings share.

use crate::auth::{Credentials, Digest, basic};
use crate::command::Command;
use crate::decode::{Document, decode, decode_page};
use crate::dialect::{Ask, Question};
use crate::error::{Excerpt, ProtocolError};
use crate::exchange::{ExchangeFailure, Reply, Request};
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
    /// The request that logs in.
    fn request(&self, credentials: &Credentials) -> HttpRequest;

    /// The headers that later requests carry; `None` when the login was refused.
    fn accept(&self, reply: &HttpReply) -> Option<Vec<(&'static str, String)>>;
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
    headers: Vec<(&'static str, String)>,
}

impl Session {
    pub(crate) fn new(auth: Auth, own: Vec<Credentials>, defaults: &[(&str, &str)]) -> Self {
        let defaults_from = own.len();
        let defaults = defaults.iter().map(|(user, password)| Credentials::new(*user, *password));
        let credentials = own.into_iter().chain(defaults).collect();
        Self { auth, credentials, defaults_from, which: 0, proven: false, digest: None, headers: Vec::new() }
    }

    /// Whether the password it was delivered with still opens it. `None` where no password was needed or none worked.
    pub(crate) fn default_password(&self) -> Option<bool> {
        self.proven.then_some(self.which >= self.defaults_from)
    }

    /// The first request towards a page: the page itself, or the login that must come before.
    fn open(&mut self, page: &HttpRequest) -> Option<HttpRequest> {
        let needs_login = matches!(self.auth, Auth::Login(_)) && self.headers.is_empty();
        if needs_login { self.login() } else { Some(self.dress(page)) }
    }

    fn login(&self) -> Option<HttpRequest> {
        let Auth::Login(login) = self.auth else { return None };
        Some(login.request(self.credentials.get(self.which)?))
    }

    /// A request with what proves who asks, as far as that is known.
    fn dress(&mut self, page: &HttpRequest) -> HttpRequest {
        let mut page = page.clone();
        let proof = match (self.auth, self.credentials.get(self.which)) {
            (Auth::Basic, Some(credentials)) => Some(basic(credentials)),
            (Auth::Digest, Some(credentials)) => {
                self.digest.as_mut().map(|digest| digest.answer(&page, credentials))
            }
            _ => None,
        };
        if let Some(proof) = proof {
            page = page.with_header("Authorization", proof);
        }
        for (name, value) in &self.headers {
            page = page.with_header(name, value.clone());
        }
        page
    }

    /// The server wants to know better who asks. What to send next; `None` when there is nothing left to try.
    fn challenged(&mut self, page: &HttpRequest, reply: &HttpReply, tries: u32) -> Option<HttpRequest> {
        match self.auth {
            Auth::None => None,
            Auth::Digest => {
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
                self.headers.clear();
                if tries > 1 {
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

/// One question on its way.
#[derive(Debug)]
pub(crate) struct Asking {
    question: Question,
    page: Option<HttpRequest>,
    logging_in: bool,
    tries: u32,
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
        let mut asking = Self { question, page: None, logging_in: false, tries: 0 };
        let request = match question.ask {
            Ask::Command => Command::new(question.command).to_json().map(Request::from).map_err(|error| {
                // Questions are constants far below the limit; a dialect that gets this wrong must still not panic.
                let excerpt = Excerpt::of(&error.to_string());
                ProtocolError::Malformed { question: question.command.to_owned(), excerpt }
            }),
            Ask::Page { port, path } => {
                let page = HttpRequest::get(path).on_port(port);
                let first = session.open(&page);
                asking.logging_in = matches!(session.auth, Auth::Login(_)) && session.headers.is_empty();
                asking.page = Some(page);
                first.map(Request::from).ok_or_else(|| asking.denied())
            }
        };
        (asking, request)
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
        let Some(page) = self.page.clone() else {
            return match decode(command, &reply) {
                Ok(parsed) => Heard::Answer(parsed, head),
                Err(ProtocolError::NoReply { failure, .. }) => {
                    Heard::Failed(no_reply(command, failure), head)
                }
                Err(error) => Heard::Failed(error, head),
            };
        };
        let reply = match HttpReply::parse(command, &reply) {
            Ok(reply) => reply,
            Err(error) => return Heard::Failed(error, head),
        };
        self.tries += 1;
        if self.tries > MAX_TRIES {
            return Heard::Failed(self.denied(), head);
        }
        if self.logging_in {
            return self.logged_in(&page, &reply, session, head);
        }
        if matches!(reply.status, 401 | 403) {
            return match session.challenged(&page, &reply, self.tries) {
                Some(request) => {
                    self.logging_in = matches!(session.auth, Auth::Login(_));
                    Heard::Again(request.into())
                }
                None => Heard::Failed(self.denied(), head),
            };
        }
        if reply.is_success() && !matches!(session.auth, Auth::None) {
            // Only a question that was put with a proof shows that the proof is good.
            session.proven |= session.digest.is_some()
                || !session.headers.is_empty()
                || matches!(session.auth, Auth::Basic);
        }
        match decode_page(command, &reply) {
            Ok(parsed) => Heard::Answer(parsed, head),
            Err(error) => Heard::Failed(error, head),
        }
    }

    fn logged_in(
        &mut self,
        page: &HttpRequest,
        reply: &HttpReply,
        session: &mut Session,
        head: Vec<u8>,
    ) -> Heard {
        let Auth::Login(login) = session.auth else { return Heard::Failed(self.denied(), head) };
        let next = match login.accept(reply) {
            Some(headers) => {
                session.headers = headers;
                self.logging_in = false;
                Some(session.dress(page))
            }
            None => session.next_credentials().and_then(|()| session.login()),
        };
        next.map_or_else(|| Heard::Failed(self.denied(), head), |request| Heard::Again(request.into()))
    }

    fn denied(&self) -> ProtocolError {
        ProtocolError::AccessDenied { question: self.question.command.to_owned() }
    }
}

/// How much of a reply is kept as evidence: enough for every marker of a firmware, and no more, since a hostile reply must
/// not be kept whole.
const HEAD: usize = 16 * 1024;

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
