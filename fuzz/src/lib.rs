//! The bodies of the fuzz targets: what each does with its bytes, and what must be true whatever they are.
//!
//! They are ordinary functions that panic when something is wrong. The fuzzer calls them with what it invents;
//! `benches/tests/fuzz_seeds.rs` calls them with every file under `seeds/`, on any toolchain.

#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, reason = "a panic is the finding")]

use bitlink_protocol::model::{Miner, MinerSnapshot, MinerStatus};
use bitlink_protocol::replies::{Coin, Config, Device, DeviceDetails, Summary, Version};
use bitlink_protocol::reports::{read_mdns, read_report};
use bitlink_protocol::{
    Answers, ApiReply, Ask, Boundary, Completion, Conversation, Credentials, Dialect, Digest, Document,
    Evidence, ExchangeFailure, Framer, Framing, HttpFramer, HttpReply, HttpRequest, Oddities, Page,
    ProtocolError, Question, ReadMiner, Reading, Reply, Request, Step, bound, catalogue,
    decode as decode_reply, decode_page, registry, replies,
};
use bitlink_scanner::{ScanConfig, ScanPlan, ScanTargets};
use bitlink_transport::Transcript;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// One reply to a question.
///
/// * Nothing panics, however the reply ended.
/// * What strict JSON accepts is read without mending.
/// * What was mended is a document: written as JSON, it reads back as itself without mending.
/// * A defect is named once; there are not more anomalies than kinds of defect.
pub fn decode(data: &[u8]) {
    for completion in [Completion::Terminated, Completion::EndOfStream, Completion::Cut] {
        let reply = ApiReply { bytes: data.to_vec(), completion };
        let Ok(parsed) = decode_reply("stats", &reply) else { continue };
        assert!(parsed.anomalies.len() <= 12, "{:?}", parsed.anomalies);
        let strict = serde_json::from_slice::<serde_json::Value>(data).is_ok_and(|value| value.is_object());
        if strict && completion != Completion::Cut {
            assert!(parsed.anomalies.is_empty(), "{:?}", parsed.anomalies);
        }
        let written = serde_json::to_vec(parsed.value.root()).expect("a document is JSON");
        let again =
            decode_reply("stats", &ApiReply::terminated(written)).expect("what was written reads back");
        assert!(again.anomalies.is_empty(), "{:?}", again.anomalies);
        assert_eq!(again.value, parsed.value);
        read_everything(&parsed.value, 0);
    }
}

/// Looks at a document in every way there is.
fn read_everything(document: &Document, depth: usize) {
    let oddities = Oddities::default();
    let _ = document.status().map(|status| status.is_failure());
    let _ = Version::of(document, &oddities);
    let _ = Summary::of(document, &oddities);
    let _ = Device::all(document, &oddities);
    let _ = DeviceDetails::all(document, &oddities);
    let _ = replies::pools(document, &oddities);
    for record in replies::stats(document, &oddities) {
        let _ = replies::hash_rates(record);
        let _ = replies::shares(record);
    }
    let _ = Config::of(document, &oddities);
    let _ = Coin::of(document, &oddities);
    assert!(oddities.take().len() <= 64, "oddities are bounded");
    let _ = document.is_joined();
    if depth < 2 {
        let parts = document.root().keys().filter_map(|key| document.part(key));
        parts.for_each(|part| read_everything(&part, depth + 1));
    }
}

/// One reply as it arrives in pieces. The first byte says how long the pieces are.
///
/// * The pieces do not change where the end is found, nor how long the reply is.
/// * An end does not move, whatever comes after it.
/// * A reply of the API ends at its first NUL, and nothing after that belongs to it.
pub fn framing(data: &[u8]) {
    let Some((&length, stream)) = data.split_first() else { return };
    let length = usize::from(length).max(1);
    let (state, reply_len) = frame(Framer::new, stream, length);
    let nul = stream.iter().position(|byte| *byte == 0);
    assert_eq!(reply_len, nul.unwrap_or(stream.len()));
    assert_eq!(state == Framing::Terminated, nul.is_some());

    let (_, reply_len) = frame(HttpFramer::new, stream, length);
    assert!(reply_len <= stream.len());
}

fn frame<B: Boundary>(new: fn() -> B, stream: &[u8], length: usize) -> (Framing, usize) {
    let mut whole = new();
    let at_once = whole.push(stream);
    let mut pieces = new();
    let mut state = pieces.push(&[]);
    for piece in stream.chunks(length) {
        let ended = state == Framing::Terminated;
        state = pieces.push(piece);
        assert_eq!(pieces.push(&[]), state, "nothing arrived, and something changed");
        assert!(!ended || state == Framing::Terminated, "an end that is none any more");
    }
    assert_eq!((state, pieces.reply_len()), (at_once, whole.reply_len()), "pieces of {length}");
    (at_once, whole.reply_len())
}

/// One datagram of a machine that shows itself.
///
/// * Nothing panics, and where it came from is kept as it is.
/// * No text of it is kept to any length, and none of it is empty.
pub fn reports(data: &[u8]) {
    let from = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    for seen in [read_report(from, data), read_mdns(from, data)].into_iter().flatten() {
        assert_eq!(seen.from, from);
        assert!(seen.contradicts() != Some(from));
        let _ = (seen.is_miner(), seen.beacon.to_string(), seen.identity.name());
        let written = serde_json::to_value(&seen.identity).expect("an identity is JSON");
        texts_are_bounded(&written);
    }
}

fn texts_are_bounded(value: &serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            assert!(!text.is_empty() && text.chars().count() <= 128, "{text:?}");
        }
        serde_json::Value::Object(fields) => fields.values().for_each(texts_are_bounded),
        _ => {}
    }
}

/// One reply of a web server.
///
/// * Nothing panics, however the reply ended, and its body is never longer than what came.
/// * A page that was read is JSON, and has a bounded number of anomalies.
/// * Nothing that a server demands of its clients adds a line to a request.
pub fn http(data: &[u8]) {
    for completion in [Completion::Terminated, Completion::EndOfStream, Completion::Cut] {
        let Ok(reply) = HttpReply::parse("page", &ApiReply { bytes: data.to_vec(), completion }) else {
            continue;
        };
        assert!(reply.body.len() <= data.len());
        if let Ok(page) = decode_page("page", &reply) {
            assert!(page.anomalies.len() <= 12, "{:?}", page.anomalies);
            serde_json::to_vec(page.value.root()).expect("a page is JSON");
            read_everything(&page.value, 0);
        }
        for mut challenge in reply.headers_named("WWW-Authenticate").filter_map(Digest::challenge) {
            let page = HttpRequest::get("/");
            let plain = lines(&page.encode("miner"));
            let proof = challenge.answer(&page, &Credentials::new("user", "password"));
            let signed = page.with_header("Authorization", proof);
            assert_eq!(lines(&signed.encode("miner")), plain + 1, "one header more");
        }
    }
}

fn lines(request: &[u8]) -> usize {
    request.iter().filter(|byte| matches!(byte, b'\n')).count()
}

/// The replies of a hostile miner, to its API and to its web server as they are asked, one after another, each ended by
/// a NUL; the last may lack it and is then cut. An empty reply is a connection closed without a byte, and a single byte
/// of 1 to 6 another failure. When there are no more, the miner has gone silent. Whoever could be identified is read a
/// second time.
///
/// * The conversation ends, in a bounded number of questions, and says so when it is stepped on.
/// * What was read can be shown and written down.
pub fn conversation(data: &[u8]) {
    let mut outcomes = data.split_inclusive(|byte| *byte == 0).map(said);
    if let Ok(reading) = talk(ReadMiner::new(), &mut outcomes) {
        show(&reading);
        if let Ok(later) = talk(ReadMiner::again(reading.identified), &mut outcomes) {
            show(&later);
        }
    }
}

fn said(piece: &[u8]) -> Result<ApiReply, ExchangeFailure> {
    let (bytes, completion) = match piece.split_last() {
        Some((0, bytes)) => (bytes, Completion::Terminated),
        _ => (piece, Completion::Cut),
    };
    match bytes {
        [] => Err(ExchangeFailure::ClosedWithoutReply),
        [1] => Err(ExchangeFailure::Refused),
        [2] => Err(ExchangeFailure::TimedOut),
        [3] => Err(ExchangeFailure::Reset),
        [4] => Err(ExchangeFailure::TooLong),
        [5] => Err(ExchangeFailure::Unreachable),
        [6] => Err(ExchangeFailure::Local),
        _ => Ok(ApiReply { bytes: bytes.to_vec(), completion }),
    }
}

/// Runs a conversation to its end, which must come before anybody would lose patience.
fn talk(
    mut conversation: ReadMiner,
    outcomes: &mut impl Iterator<Item = Result<ApiReply, ExchangeFailure>>,
) -> Result<Reading, ProtocolError> {
    let mut step = conversation.step(None);
    for _ in 0..200 {
        match step {
            Step::Ask(request) => {
                let outcome = outcomes.next().unwrap_or(Err(ExchangeFailure::TimedOut));
                let outcome = outcome.map(|reply| match request {
                    Request::Http(_) => Reply::Http(reply),
                    _ => Reply::Api(reply),
                });
                step = conversation.step(Some(outcome));
            }
            Step::Done(result) => {
                let after = conversation.step(Some(Err(ExchangeFailure::TimedOut)));
                assert!(matches!(after, Step::Done(Err(ProtocolError::Finished))), "{after:?}");
                if let Err(error) = &result {
                    assert!(!error.to_string().is_empty());
                }
                return result;
            }
        }
    }
    panic!("the conversation does not end");
}

fn show(reading: &Reading) {
    present(reading.snapshot.clone());
}

fn present(snapshot: MinerSnapshot) {
    let written = serde_json::to_string(&snapshot).expect("a snapshot is JSON");
    assert!(written.starts_with('{'));
    assert!(snapshot.anomalies.len() <= 64, "oddities are bounded");
    let miner = Miner::from_snapshot(([192, 0, 2, 1]).into(), 4028, MinerStatus::Active, snapshot);
    assert!(!miner.stats.hashrate_avg.is_infinite() && !miner.stats.hashrate_rt.is_infinite());
}

/// The pages and answers of a machine, as each firmware's reader gets them: pieces that end with a NUL. The first names the
/// families, by the beginning of its text; if it names none, all are meant. Every other begins with the line that is the
/// question's name, and the rest is the answer, a page's body or a whole reply of a web server.
///
/// * Nothing panics, whoever is asked whether the machine is his, who it is and how it does.
/// * What was read can be shown and written down, and there is not too much of it.
pub fn dialects(data: &[u8]) {
    let mut pieces = data.split(|byte| matches!(byte, 0)).take(40);
    let wanted = String::from_utf8_lossy(pieces.next().unwrap_or_default()).into_owned();
    let replies: Vec<(&[u8], &[u8])> = pieces
        .map(|piece| {
            let line = piece.iter().position(|byte| matches!(byte, b'\n')).unwrap_or(piece.len());
            (piece.get(..line).unwrap_or_default(), piece.get(line + 1..).unwrap_or_default())
        })
        .collect();
    let is_wanted = |dialect: &&&dyn Dialect| wanted.starts_with(dialect.family().as_str());
    let some = registry().iter().any(|dialect| is_wanted(&dialect));
    for dialect in registry().iter().filter(|dialect| !some || is_wanted(dialect)) {
        read_as(*dialect, &replies);
    }
}

/// What a stranger is asked besides what dialects ask.
const OPENING: [Question; 6] = [
    Question::may("version"),
    Question::may("devdetails"),
    Question::may("summary"),
    Question::knock("front page", Page::get("/")),
    Question::knock("capabilities", Page::get("/capabilities")),
    Question::knock("pairing info", Page::get("/api/v1/pairing/info")),
];

fn read_as(dialect: &'static dyn Dialect, replies: &[(&[u8], &[u8])]) {
    let mut questions = OPENING.to_vec();
    questions.extend(dialect.identity_questions());
    questions.extend(dialect.questions());
    questions.extend(dialect.more_questions(&Answers::default()));
    let (mut api, mut web) = (Vec::new(), Vec::new());
    let answers: Answers = replies
        .iter()
        .filter_map(|(name, bytes)| {
            let question = questions.iter().find(|question| question.command.as_bytes() == *name)?;
            let heard =
                if matches!(question.ask, Ask::Page(_) | Ask::Knock(_)) { &mut web } else { &mut api };
            heard.extend_from_slice(bytes);
            Some((question.command, answer(*question, bytes)?))
        })
        .collect();
    let evidence = Evidence::new(answers.clone(), &api, &web);
    let _ = (dialect.claims(&evidence), dialect.gives_way());
    assert!(dialect.more_questions(&answers).len() <= 64, "too many questions");
    let oddities = Oddities::default();
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity = dialect.identity(&answers, &oddities);
    dialect.read(&answers, &mut snapshot, &oddities);
    bound(&mut snapshot, &oddities);
    snapshot.derive();
    catalogue::complete(&mut snapshot);
    snapshot.anomalies = oddities.take();
    let parts = [
        snapshot.boards.len(),
        snapshot.fans.len(),
        snapshot.pools.len(),
        snapshot.psus.len(),
        snapshot.errors.len() / 4,
    ];
    assert!(parts.iter().all(|parts| *parts <= 256), "{parts:?}");
    present(snapshot);
}

fn answer(question: Question, bytes: &[u8]) -> Option<Document> {
    let reply = |bytes: &[u8]| ApiReply { bytes: bytes.to_vec(), completion: Completion::EndOfStream };
    if !matches!(question.ask, Ask::Page(_) | Ask::Knock(_)) {
        return decode_reply(question.command, &reply(bytes)).ok().map(|parsed| parsed.value);
    }
    let whole = match bytes.strip_prefix(b"HTTP/") {
        Some(_) => bytes.to_vec(),
        None => [b"HTTP/1.1 200 OK\r\n\r\n", bytes].concat(),
    };
    let page = HttpReply::parse(question.command, &reply(&whole)).ok()?;
    decode_page(question.command, &page).ok().map(|parsed| parsed.value)
}

/// Scan targets as a user writes them; behind a `!`, what to leave out. Files are not named here: the fuzzer must not
/// read the disk.
///
/// * What was read is printed in a form that reads back as the same.
/// * Endpoints have a number each, no two the same, none beyond the last, and none that was left out.
pub fn targets(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if text.contains('@') {
        return;
    }
    let (included, excluded) = text.split_once('!').unwrap_or((&text, ""));
    let Ok(included) = included.parse::<ScanTargets>() else { return };
    let printed = included.to_string();
    assert_eq!(printed.parse::<ScanTargets>().expect("what was printed reads back"), included, "{printed}");
    assert_eq!(ScanTargets::from_args([&printed]).expect("also as an argument"), included);

    let config = ScanConfig::default().with_ports(vec![4028, 4029]);
    let Ok(excluded) = excluded.parse::<ScanTargets>() else {
        if let Ok(plan) = included.plan(&config) {
            count(&plan);
        }
        return;
    };
    let left_out = excluded.plan(&config.clone().with_max_addresses(1 << 40).with_network_broadcast(true));
    let Ok(rest) = included.excluding(excluded) else { return };
    let Ok(plan) = rest.plan(&config) else { return };
    count(&plan);
    if let Ok(left_out) = left_out {
        for number in some_of(plan.len()) {
            let endpoint = plan.nth(number).expect("a number below the length");
            assert!(!left_out.contains(endpoint), "{endpoint} was left out");
        }
    }
}

/// Some numbers below a length: the ends, and a few between them.
fn some_of(len: u64) -> BTreeSet<u64> {
    let tenths = (0..10).map(|tenth| len / 10 * tenth);
    tenths.chain([1, 2, len.saturating_sub(2), len.saturating_sub(1)]).filter(|n| *n < len).collect()
}

fn count(plan: &ScanPlan) {
    assert_eq!(plan.is_empty(), matches!(plan.len(), 0));
    assert!(plan.len() >= plan.addresses());
    assert_eq!(plan.nth(plan.len()), None);
    let numbers = some_of(plan.len());
    let endpoints: BTreeSet<_> = numbers.iter().filter_map(|number| plan.nth(*number)).collect();
    assert_eq!(endpoints.len(), numbers.len(), "two numbers for one endpoint, or a number for none");
    assert!(endpoints.iter().all(|endpoint| plan.contains(*endpoint)));
    let first: Vec<_> = plan.iter().take(1_000).collect();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), first.len(), "an endpoint twice");
}

/// The text of a recorded conversation.
///
/// * What was read is printed in a form that reads back as the same.
pub fn transcript(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.parse::<Transcript>() {
        Ok(transcript) => {
            let printed = transcript.to_string();
            assert_eq!(printed.parse(), Ok(transcript), "{printed}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
