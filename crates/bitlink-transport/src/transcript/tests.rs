//! What is written reads back the same, and what was changed by hand is understood or named.

use super::*;
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

fn example() -> Transcript {
    let endpoint = "192.168.1.5:4028".parse().unwrap();
    let request = b"{\"command\":\"version\"}".to_vec();
    Transcript {
        dropped: 2,
        exchanges: vec![
            RecordedExchange {
                endpoint,
                began: Duration::from_micros(1203),
                took: Duration::from_micros(4211),
                request: request.clone(),
                outcome: Ok(ApiReply {
                    bytes: b"{\"Msg\":\"a\\b\x07\xff \"}\r\n ".to_vec(),
                    completion: Completion::EndOfStream,
                }),
            },
            RecordedExchange {
                endpoint,
                began: Duration::from_secs(1),
                took: Duration::ZERO,
                request,
                outcome: Err(RecordedFailure::Unreachable("No route to \"host\"\n".to_owned())),
            },
        ],
    }
}

const EXAMPLE: &str = r#"bitlink-transcript 1
dropped 2

exchange 192.168.1.5:4028 at 1203us took 4211us
> {"command":"version"}
< {"Msg":"a\\b\x07\xff "}\r\n
< \x20
end end-of-stream

exchange 192.168.1.5:4028 at 1000000us took 0us
> {"command":"version"}
failed unreachable "No route to "host"\n"
"#;

/// The form is stable: files that people have sent must stay readable.
#[test]
fn the_form_is_this_one() {
    assert_eq!(example().to_string(), EXAMPLE);
    assert_eq!(EXAMPLE.parse(), Ok(example()));
}

#[test]
fn comments_and_foreign_line_ends_are_taken() {
    let edited = EXAMPLE.replace('\n', "\r\n").replace("end end", "# the last line was odd\r\n\r\nend end");
    assert_eq!(edited.parse(), Ok(example()));
}

#[test]
fn long_lines_are_broken() {
    let mut transcript = example();
    transcript.exchanges[0].outcome = Ok(ApiReply::terminated(b"x ".repeat(500)));
    let text = transcript.to_string();
    assert!(text.lines().all(|line| line.len() < 120), "{text}");
    assert!(text.lines().all(|line| !line.ends_with(' ')), "{text}");
    assert_eq!(text.parse(), Ok(transcript));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    use TranscriptError::{BadEndpoint, BadEscape, BadLine, BadNumber, NotATranscript, Unfinished};
    let parse = |text: &str| text.parse::<Transcript>().unwrap_err();
    assert_eq!(parse(""), NotATranscript);
    assert_eq!(parse("bitlink-transcript 2\n"), NotATranscript);
    let after_header = |text: &str| parse(&format!("bitlink-transcript 1\n{text}"));
    assert_eq!(after_header("hello"), BadLine { line: 2 });
    assert_eq!(after_header("> bytes outside of an exchange"), BadLine { line: 2 });
    assert!(matches!(after_header("dropped many"), BadNumber { line: 2, .. }));
    assert!(matches!(after_header("exchange here at 1us took 1us"), BadEndpoint { line: 2, .. }));
    let in_exchange = |text: &str| after_header(&format!("exchange 127.0.0.1:1 at 1us took 1us\n{text}"));
    for bytes in ["\\", "\\q", "\\x4", "\\xgg", "ä"] {
        assert_eq!(in_exchange(&format!("> {bytes}")), BadEscape { line: 3 }, "{bytes}");
    }
    assert_eq!(in_exchange(""), Unfinished);
    assert_eq!(in_exchange("end somehow"), BadLine { line: 3 });
    assert_eq!(in_exchange("failed somehow"), BadLine { line: 3 });
    assert_eq!(in_exchange("failed io no quotes"), BadLine { line: 3 });
    assert_eq!(in_exchange("< bytes\nfailed refused"), BadLine { line: 4 });
    assert_eq!(after_header("exchange 127.0.0.1:1 at 1us took 1ms"), BadLine { line: 2 });
}

fn failure() -> impl Strategy<Value = RecordedFailure> {
    let stage = prop::sample::select(STAGES.map(|(_, stage)| stage).to_vec());
    prop_oneof![
        Just(RecordedFailure::Refused),
        any::<String>().prop_map(RecordedFailure::Unreachable),
        (stage, any::<usize>()).prop_map(|(stage, received)| RecordedFailure::TimedOut { stage, received }),
        Just(RecordedFailure::ClosedWithoutReply),
        Just(RecordedFailure::Reset),
        any::<usize>().prop_map(|limit| RecordedFailure::TooLong { limit }),
        any::<String>().prop_map(RecordedFailure::Exhausted),
        any::<String>().prop_map(RecordedFailure::Denied),
        Just(RecordedFailure::Unsupported),
        Just(RecordedFailure::NotRecorded),
        any::<String>().prop_map(RecordedFailure::Io),
    ]
}

fn exchange() -> impl Strategy<Value = RecordedExchange> {
    let bytes = || {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(prop::sample::select(b" \\x\n#<>".to_vec()), 0..300),
        ]
    };
    let completion = prop::sample::select(COMPLETIONS.map(|(_, completion)| completion).to_vec());
    let reply = (bytes(), completion).prop_map(|(bytes, completion)| ApiReply { bytes, completion });
    let micros = || (0..u64::MAX).prop_map(Duration::from_micros);
    let outcome = prop_oneof![reply.prop_map(Ok), failure().prop_map(Err)];
    (any::<IpAddr>(), any::<u16>(), micros(), micros(), bytes(), outcome).prop_map(
        |(ip, port, began, took, request, outcome)| RecordedExchange {
            endpoint: SocketAddr::new(ip, port),
            began,
            took,
            request,
            outcome,
        },
    )
}

proptest! {
    #[test]
    fn print_then_parse_is_identity(
        exchanges in prop::collection::vec(exchange(), 0..5),
        dropped: u64,
    ) {
        let transcript = Transcript { exchanges, dropped };
        let text = transcript.to_string();
        prop_assert!(text.is_ascii());
        prop_assert_eq!(text.parse(), Ok(transcript));
    }

    #[test]
    fn failures_become_errors_and_back(failure in failure()) {
        prop_assert_eq!(RecordedFailure::from(&TransportError::from(&failure)), failure);
    }

    #[test]
    fn no_text_stops_the_parser(text in "(bitlink-transcript 1\n)?([a-z<>#]{1,8} [ -~]{0,20}\n){0,8}") {
        let _ = text.parse::<Transcript>();
    }
}
