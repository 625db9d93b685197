//! Logins: the right password first, defaults last, each tried once, and an end to it.

use super::*;
use crate::dialect::Page;
use crate::exchange::{ApiReply, Completion};

const PAGE: Question = Question::may_page("info", "/info");

#[allow(clippy::unnecessary_wraps)] // as a transport hands it over
fn http(status: &str, headers: &str, body: &str) -> Result<Reply, ExchangeFailure> {
    let bytes =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    Ok(Reply::Http(ApiReply { bytes, completion: Completion::Terminated }))
}

fn challenge() -> Result<Reply, ExchangeFailure> {
    http("401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n", "")
}

/// Asks a server for the page; whether it came, and how many requests that took.
fn visit(
    session: &mut Session,
    server: impl Fn(&HttpRequest) -> Result<Reply, ExchangeFailure>,
) -> (bool, usize) {
    let (mut asking, first) = Asking::new(PAGE, session);
    let Ok(Request::Http(mut request)) = first else { return (false, 0) };
    for asked in 1..50 {
        match asking.hear(server(&request), session) {
            Heard::Again(Request::Http(next)) => request = next,
            Heard::Again(_) => panic!("a page is asked for over HTTP"),
            Heard::Answer(..) => return (true, asked),
            Heard::Failed(..) => return (false, asked),
        }
    }
    panic!("it never ends");
}

fn digest_server(user: &'static str) -> impl Fn(&HttpRequest) -> Result<Reply, ExchangeFailure> {
    move |request| match request.header("Authorization") {
        Some(proof) if proof.contains(&format!("username=\"{user}\"")) => http("200 OK", "", "{}"),
        _ => challenge(),
    }
}

#[test]
fn digest_is_proved_once_and_then_carried_along() {
    let mut session = Session::new(Auth::Digest, vec![Credentials::new("farm", "s")], &[("root", "root")]);
    assert_eq!(visit(&mut session, digest_server("farm")), (true, 2));
    assert_eq!(visit(&mut session, digest_server("farm")), (true, 1), "the challenge is known by now");
    assert_eq!(session.default_password(), Some(false));
}

#[test]
fn the_default_password_is_tried_last_and_told_of() {
    let mut session = Session::new(Auth::Digest, vec![Credentials::new("farm", "s")], &[("root", "root")]);
    assert_eq!(visit(&mut session, digest_server("root")), (true, 3));
    assert_eq!(session.default_password(), Some(true));
}

#[test]
fn a_page_that_is_open_to_everybody_is_told_no_secret_and_proves_none() {
    let mut session = Session::new(Auth::Digest, Vec::new(), &[("root", "root")]);
    assert_eq!(visit(&mut session, |_| challenge()), (false, 2), "nobody is let in");
    let open = Question::page("power", crate::dialect::Page::get("/power").at(6060).open());
    let (mut asking, first) = Asking::new(open, &mut session);
    let Ok(Request::Http(request)) = first else { panic!("it is a page") };
    assert_eq!((request.port, request.header("Authorization")), (6060, None));
    assert!(matches!(asking.hear(http("200 OK", "", "5 W"), &mut session), Heard::Answer(..)));
    assert_eq!(session.default_password(), None);
}

#[test]
fn a_server_that_takes_nobody_is_given_up() {
    let mut session = Session::new(Auth::Digest, Vec::new(), &[("root", "root")]);
    let (answered, asked) = visit(&mut session, |_| challenge());
    assert!(!answered && asked <= 3);
    assert_eq!(session.default_password(), None);
    let mut session = Session::new(Auth::Basic, Vec::new(), &[]);
    assert!(!visit(&mut session, |_| challenge()).0);
}

#[test]
fn a_server_that_names_another_scheme_is_answered_in_that() {
    let server = |request: &HttpRequest| match request.header("Authorization") {
        Some("Basic cm9vdDpyb290") => http("200 OK", "", "{}"),
        _ => http("401 Unauthorized", "WWW-Authenticate: Basic realm=\"Daoge Miner\"\r\n", ""),
    };
    let mut session = Session::new(Auth::Digest, vec![Credentials::new("farm", "s")], &[("root", "root")]);
    assert_eq!(visit(&mut session, server), (true, 3), "bare, then farm, then root");
    assert_eq!(visit(&mut session, server), (true, 1));
    assert_eq!(session.default_password(), Some(true));
    let mut session = Session::new(Auth::Digest, Vec::new(), &[("root", "wrong")]);
    assert!(!visit(&mut session, server).0);
}

#[derive(Debug)]
struct Cookie;

impl Login for Cookie {
    fn request(&self, credentials: &Credentials, _: u32) -> HttpRequest {
        HttpRequest::post("/login", "application/x-www-form-urlencoded", format!("u={}", credentials.user))
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        Pass::cookies(reply).ok_or(Refusal::WrongCredentials)
    }
}

#[test]
fn a_login_of_its_own_comes_first_and_again_when_its_session_has_run_out() {
    let server = |valid: &'static str| {
        move |request: &HttpRequest| match (request.path.as_ref(), request.header("Cookie")) {
            ("/login", _) if request.body == b"u=root" => {
                http("200 OK", &format!("Set-Cookie: {valid}\r\n"), "")
            }
            ("/login", _) => http("200 OK", "", "no"),
            (_, Some(cookie)) if cookie == valid => http("200 OK", "", "{}"),
            _ => http("401 Unauthorized", "", ""),
        }
    };
    let mut session =
        Session::new(Auth::Login(&Cookie), vec![Credentials::new("farm", "s")], &[("root", "root")]);
    assert_eq!(visit(&mut session, server("a")), (true, 3), "farm is refused, root is let in, the page");
    assert_eq!(visit(&mut session, server("a")), (true, 1));
    assert_eq!(visit(&mut session, server("b")), (true, 3), "refused, logged in anew, the page");
}

#[test]
fn pages_that_are_lists_are_read_too_and_text_where_a_page_is_open() {
    const OPEN: Question = Question { ask: Ask::Page(Page { open: true, ..Page::get("/power") }), ..PAGE };
    let ask = |question: Question, body: &str| {
        let mut session = Session::new(Auth::None, Vec::new(), &[]);
        let (mut asking, _) = Asking::new(question, &mut session);
        match asking.hear(http("200 OK", "", body), &mut session) {
            Heard::Answer(parsed, _) => Ok(parsed.value.root().clone()),
            Heard::Failed(error, _) => Err(error),
            Heard::Again(_) => panic!("{body}"),
        }
    };
    let read = |body: &str| ask(PAGE, body).unwrap();
    assert_eq!(read("[1,2]")[crate::LIST], serde_json::json!([1, 2]));
    assert_eq!(ask(OPEN, "miner power:3250\n").unwrap()[crate::TEXT], "miner power:3250");
    for words in ["miner power:3250\n", "<html>busy</html>", "7"] {
        assert!(matches!(ask(PAGE, words), Err(ProtocolError::Malformed { .. })), "{words}");
    }
    assert_eq!(read("{\"a\":nan}")["a"], serde_json::Value::Null);
}

/// Lets its pages be read by everybody but for a few; wants the password in the second of two ways; puts the session into
/// the path; says in words that a session is over, and that it is locked.
#[derive(Debug)]
struct Choosy;

impl Login for Choosy {
    fn request(&self, credentials: &Credentials, way: u32) -> HttpRequest {
        HttpRequest::get(format!("/login{way}?{}", credentials.password))
    }
    fn ways(&self) -> u32 {
        2
    }
    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        match String::from_utf8_lossy(&reply.body).as_ref() {
            "what?" => Err(Refusal::WrongWay),
            "later" => Err(Refusal::Locked("wait 5 minutes".to_owned())),
            "no" => Err(Refusal::WrongCredentials),
            session => Ok(Pass { headers: Vec::new(), base: format!("/{session}") }),
        }
    }
    fn is_on_demand(&self) -> bool {
        true
    }
    fn is_expired(&self, reply: &HttpReply) -> bool {
        reply.body == b"expired"
    }
}

/// What a [`Choosy`] server with this password and session was asked, and whether the page came in the end.
fn ask_choosy(session: &mut Session, valid: &str, open: bool) -> (bool, Vec<String>) {
    let asked = std::cell::RefCell::new(Vec::new());
    let (answered, _) = visit(session, |request| {
        asked.borrow_mut().push(request.path.to_string());
        match request.path.as_ref() {
            path if path.starts_with("/login0") => http("200 OK", "", "what?"),
            "/login1?right" => http("200 OK", "", valid),
            "/login1?locked" => http("429 Too Many Requests", "", "later"),
            path if path.starts_with("/login1") => http("200 OK", "", "no"),
            "/info" if open => http("200 OK", "", "{}"),
            path if path == format!("/{valid}/info") => http("200 OK", "", "{}"),
            _ => http("200 OK", "", "expired"),
        }
    });
    (answered, asked.into_inner())
}

fn choosy(passwords: &[&str]) -> Session {
    let credentials = passwords.iter().map(|p| Credentials::new("", *p)).collect();
    Session::new(Auth::Login(&Choosy), credentials, &[("", "right")])
}

#[test]
fn a_login_on_demand_is_asked_for_only_where_a_page_wants_it() {
    let mut session = choosy(&[]);
    assert_eq!(ask_choosy(&mut session, "s1", true), (true, vec!["/info".to_owned()]));
    assert_eq!(session.default_password(), None, "no password was needed");
    let (answered, asked) = ask_choosy(&mut session, "s1", false);
    assert!(answered);
    assert_eq!(asked, ["/info", "/login0?right", "/login1?right", "/s1/info"]);
    assert_eq!(session.default_password(), Some(true));
    let (answered, asked) = ask_choosy(&mut session, "s2", false);
    assert!(answered);
    assert_eq!(asked, ["/s1/info", "/login1?right", "/s2/info"], "the way is known by now");
}

#[test]
fn a_wrong_password_is_followed_by_the_next_and_a_lock_by_nothing() {
    let (answered, asked) = ask_choosy(&mut choosy(&["wrong"]), "s", false);
    assert!(answered);
    assert_eq!(asked, ["/info", "/login0?wrong", "/login1?wrong", "/login1?right", "/s/info"]);
    let mut session = choosy(&["locked"]);
    let (answered, asked) = ask_choosy(&mut session, "s", false);
    assert!(!answered);
    assert_eq!(asked, ["/info", "/login0?locked", "/login1?locked"], "no second password makes it worse");
}

#[test]
fn a_lock_has_a_name() {
    let mut session = choosy(&["locked"]);
    session.way = 1;
    let (mut asking, _) = Asking::new(PAGE, &mut session);
    assert!(matches!(asking.hear(http("401 Unauthorized", "", ""), &mut session), Heard::Again(_)));
    match asking.hear(http("429 Too Many Requests", "", "later"), &mut session) {
        Heard::Failed(error @ ProtocolError::Locked { .. }, _) => {
            assert_eq!(error.to_string(), "info is locked: wait 5 minutes");
        }
        _ => panic!("must be locked"),
    }
}
