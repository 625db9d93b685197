//! Requests byte for byte, replies in every way that their end can be told.

use super::*;
use proptest::prelude::*;

fn end_of(bytes: &[u8]) -> Framing {
    HttpFramer::new().push(bytes)
}

fn parse(bytes: &[u8], completion: Completion) -> HttpReply {
    HttpReply::parse("GET /", &ApiReply { bytes: bytes.to_vec(), completion }).unwrap()
}

#[test]
fn a_request_on_the_wire() {
    let request = HttpRequest::get("/cgi-bin/stats.cgi").with_header("Authorization", "Digest x\r\nEvil: 1");
    assert_eq!(
        String::from_utf8(request.encode("192.0.2.7")).unwrap(),
        "GET /cgi-bin/stats.cgi HTTP/1.1\r\nHost: 192.0.2.7\r\nUser-Agent: bitlink\r\nAccept: */*\r\n\
         Connection: close\r\nAuthorization: Digest xEvil: 1\r\n\r\n"
    );
    let post = HttpRequest::post("/login", "application/json", *b"{}").encode("h");
    assert!(post.ends_with(b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"));
}

#[test]
fn a_reply_whose_length_is_told() {
    let reply =
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\"\r\nContent-Length: 3\r\n\r\nno!";
    assert_eq!(end_of(reply), Framing::Terminated);
    assert_eq!(end_of(&reply[..reply.len() - 1]), Framing::More);
    let parsed = parse(reply, Completion::Terminated);
    assert_eq!((parsed.status, parsed.header("www-authenticate")), (401, Some("Digest realm=\"r\"")));
    assert_eq!((parsed.body.as_slice(), parsed.complete), (b"no!".as_slice(), true));
    assert!(!parse(&reply[..reply.len() - 1], Completion::Cut).complete);
}

#[test]
fn a_reply_in_chunks() {
    let reply =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3;x=y\r\n:1}\r\n0\r\n\r\n";
    assert_eq!(end_of(reply), Framing::Terminated);
    assert_eq!(parse(reply, Completion::Terminated).body, b"{\"a\":1}");
    let cut = parse(&reply[..reply.len() - 12], Completion::Cut);
    assert!(!cut.complete && cut.body.starts_with(b"{\"a\""));
}

#[test]
fn a_reply_that_ends_with_the_connection_and_one_without_a_body() {
    let reply = b"HTTP/1.0 200 OK\r\n\r\nminer power:3250";
    assert_eq!(end_of(reply), Framing::More);
    assert!(parse(reply, Completion::EndOfStream).complete);
    assert_eq!(end_of(b"HTTP/1.1 204 No Content\r\n\r\n"), Framing::Terminated);
}

#[test]
fn blank_lines_before_a_reply_are_passed_over_however_it_is_split() {
    let reply = b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(end_of(reply), Framing::Terminated);
    let mut pieces = HttpFramer::new();
    assert_eq!((pieces.push(&reply[..3]), pieces.push(&reply[3..])), (Framing::More, Framing::Terminated));
}

#[test]
fn what_is_no_http_is_an_error_and_never_panics() {
    for foreign in [b"SSH-2.0-x\r\n".as_slice(), b"", b"{\"STATUS\":1}", b"HTTP/1.1 abc\r\n\r\n"] {
        let reply = ApiReply { bytes: foreign.to_vec(), completion: Completion::EndOfStream };
        assert!(matches!(HttpReply::parse("GET /", &reply), Err(ProtocolError::Malformed { .. })));
    }
}

proptest! {
    #[test]
    fn any_split_finds_the_same_end(cut in 0_usize..120, kind in 0_usize..3) {
        let reply: &[u8] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}".as_slice(),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n{\"a\":1}",
        ][kind];
        let cut = cut.min(reply.len());
        let mut pieces = HttpFramer::new();
        let first = pieces.push(&reply[..cut]);
        let second = if first == Framing::Terminated { first } else { pieces.push(&reply[cut..]) };
        prop_assert_eq!(second, end_of(reply));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        reply.extend(&bytes);
        for bytes in [bytes, reply] {
            end_of(&bytes);
            let _ = HttpReply::parse("x", &ApiReply { bytes, completion: Completion::Cut });
        }
    }
}
