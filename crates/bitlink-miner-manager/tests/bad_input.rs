//! Machines and servers that answer badly, asked through everything that a question passes: transport, conversation and
//! dialect. What must come of it is a named error or an oddity, with the good readings kept, in bounded time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test stops where it fails

use bitlink_miner_manager::model::{MinerSnapshot, MiningState};
use bitlink_miner_manager::protocol::ProtocolError;
use bitlink_miner_manager::transport::{
    Act, ConverseError, Door, Host, MemoryTransport, Script, TransportError,
};
use bitlink_miner_manager::{Error, Fleet, Miner, OutcomeKind};
use bitlink_simulator::{
    Defect, FaceName, FleetServer, MinerSpec, ServeOptions, SimClock, SimHost, SimMiner,
};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

const WHERE: &str = "127.0.10.1";
const API: u16 = 4028;
/// The most that one machine may take: three exchanges' time (`Patience`), and what a busy moment adds.
const LONGEST: Duration = Duration::from_secs(16);

/// What is made of a reply: the question, the port, and what a sound machine sends.
type Spoil = fn(&str, u16, Vec<u8>) -> Script;

/// A simulated machine whose replies pass through somebody's hands.
#[derive(Debug)]
struct Spoiled {
    sound: SimHost,
    spoil: Spoil,
}

impl Host for Spoiled {
    fn ports(&self) -> Vec<u16> {
        self.sound.ports()
    }

    fn connect(&self, port: u16) -> Door {
        self.sound.connect(port)
    }

    fn respond(&self, port: u16, request: &[u8]) -> Script {
        let script = self.sound.respond(port, request);
        let sent = script.acts.into_iter().flat_map(|act| match act {
            Act::Send(bytes) => bytes,
            _ => Vec::new(),
        });
        (self.spoil)(&String::from_utf8_lossy(request), port, sent.collect())
    }
}

fn sound(face: FaceName) -> MinerSpec {
    MinerSpec::new(face, 7).with_uptime(Duration::from_secs(200_000))
}

fn fleet_of(host: impl Host) -> Fleet {
    let network = MemoryTransport::new().with_elsewhere(Door::Refused);
    Fleet::over(Arc::new(network.with_host(WHERE.parse().unwrap(), host)))
}

async fn read(spec: MinerSpec, spoil: Spoil) -> (Result<Miner, Error>, Duration) {
    let sound = SimHost::new(SimMiner::new(spec), SimClock::runtime()).without_latency();
    let begun = Instant::now();
    let miner = fleet_of(Spoiled { sound, spoil }).get(WHERE).await;
    (miner, begun.elapsed())
}

async fn read_soundly(face: FaceName) -> MinerSnapshot {
    let (miner, _) = read(sound(face), |_, _, reply| Script::reply(reply)).await;
    snapshot(&miner.unwrap())
}

fn snapshot(miner: &Miner) -> MinerSnapshot {
    miner.snapshot.as_deref().unwrap().clone()
}

fn rate(snapshot: &MinerSnapshot) -> f64 {
    snapshot.hashrate.current().map_or(f64::NAN, bitlink_miner_manager::model::HashRate::as_hs)
}

/// Nobody who told no rate is said to be mining, and what is missing has its reason.
fn is_honest(name: &str, read: &MinerSnapshot) {
    if read.hashrate.current().is_none() {
        assert_ne!(read.mining_state, Some(MiningState::Mining), "{name} says nothing of a rate");
        let said = !read.anomalies.is_empty() || !read.errors.is_empty();
        assert!(said || read.mining_state.is_some(), "{name} has nothing and says nothing of it");
    }
}

/// Head and body of a reply of a web server.
fn parts(reply: &[u8]) -> (String, Vec<u8>) {
    let at = reply.windows(4).position(|four| four == b"\r\n\r\n").map_or(reply.len(), |at| at + 4);
    (String::from_utf8_lossy(&reply[..at]).into_owned(), reply[at..].to_vec())
}

fn page(body: &str) -> Script {
    Script::reply(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn acts(acts: impl IntoIterator<Item = Act>) -> Script {
    Script { acts: acts.into_iter().collect() }
}

/// What a web server may do to whoever asks it for a page. Of those in the first list a reading must come out whole.
const HARMLESS: [(&str, Spoil); 3] = [
    ("a page that is labelled as a picture", |_, _, reply| {
        let (head, body) = parts(&reply);
        let head = head.replace("application/json", "image/png").replace("text/html", "image/png");
        Script::reply([head.into_bytes(), body].concat())
    }),
    ("a page in two chunks, the second late", |_, _, reply| {
        let (head, body) = parts(&reply);
        if body.is_empty() {
            return Script::reply(reply);
        }
        let head = head
            .replace("Content-Length", "X-Length")
            .replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
        let (first, second) = body.split_at(body.len() / 2);
        let chunk = |data: &[u8]| [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
        if first.is_empty() {
            return Script::reply([head.into_bytes(), chunk(second), b"0\r\n\r\n".to_vec()].concat());
        }
        let begun = [head.into_bytes(), chunk(first)].concat();
        let rest = [chunk(second), b"0\r\n\r\n".to_vec()].concat();
        acts([Act::Send(begun), Act::Wait(Duration::from_millis(700)), Act::Send(rest)])
    }),
    ("a page whose end is not told", |_, _, reply| {
        let (head, body) = parts(&reply);
        Script::reply([head.replace("Content-Length", "X-Length").into_bytes(), body].concat())
    }),
];

const HARMFUL: [(&str, Spoil); 17] = [
    ("a body that is cut", |_, _, reply| {
        let (head, body) = parts(&reply);
        Script::reply([head.as_bytes(), &body[..body.len() / 2]].concat())
    }),
    ("a page of words", |_, _, _| page("<html><body>busy, please try again</body></html>")),
    ("an object of nothing that is known", |_, _, _| page("{\"a\":{\"b\":[1,2,3]}}")),
    ("a list", |_, _, _| page("[1,2,3]")),
    ("a number", |_, _, _| page("7")),
    ("nothing", |_, _, _| page("")),
    ("null", |_, _, _| page("null")),
    ("a hundred megabytes", |_, _, _| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n".to_vec();
        acts([Act::Send(head), Act::SendForever(vec![b'['; 65_536])])
    }),
    ("a body without end", |_, _, _| {
        acts([Act::Send(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), Act::SendForever(vec![b'{'; 65_536])])
    }),
    ("a chunk longer than anything", |_, _, _| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Script::reply(format!("{head}ffffffffffffffff\r\n{{\"a\":1}}\r\n0\r\n\r\n"))
    }),
    ("a chunk that says two gigabytes and brings seven bytes", |_, _, _| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Script::reply(format!("{head}80000000\r\n{{\"a\":1}}\r\n"))
    }),
    ("headers without end", |_, _, _| {
        acts([
            Act::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
            Act::SendForever(b"X-More: of the same\r\n".to_vec()),
        ])
    }),
    ("a redirection to itself", |question, _, _| {
        let path = question.split(' ').nth(1).unwrap_or("/");
        Script::reply(format!("HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n"))
    }),
    ("an error of its own", |_, _, _| {
        Script::reply(*b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
    }),
    ("silence", |_, _, _| acts([Act::HoldOpen])),
    ("a break in the middle", |_, _, reply| {
        let half = reply[..reply.len() / 2].to_vec();
        acts([Act::Send(half), Act::Reset])
    }),
    ("no HTTP", |_, _, _| Script::reply(*b"SSH-2.0-dropbear\r\n")),
];

/// A machine of which only the web server answers badly.
#[derive(Debug)]
struct BadSite(Spoiled);

impl Host for BadSite {
    fn ports(&self) -> Vec<u16> {
        self.0.ports()
    }

    fn connect(&self, port: u16) -> Door {
        self.0.connect(port)
    }

    fn respond(&self, port: u16, request: &[u8]) -> Script {
        let is_page = [&b"GET "[..], b"POST ", b"PUT "].iter().any(|verb| request.starts_with(verb));
        if is_page { self.0.respond(port, request) } else { self.0.sound.respond(port, request) }
    }
}

async fn read_bad_site(face: FaceName, spoil: Spoil) -> (Result<Miner, Error>, Duration) {
    let sound = SimHost::new(SimMiner::new(sound(face)), SimClock::runtime()).without_latency();
    let begun = Instant::now();
    let miner = fleet_of(BadSite(Spoiled { sound, spoil })).get(WHERE).await;
    (miner, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn pages_that_are_odd_and_whole_are_read_as_others() {
    for face in FaceName::ALL.iter().copied() {
        let expected = read_soundly(face).await;
        for (name, spoil) in HARMLESS {
            let (miner, _) = read_bad_site(face, spoil).await;
            let read = snapshot(&miner.unwrap_or_else(|error| panic!("{face}, {name}: {error:?}")));
            // Rates move while it is asked.
            assert!((rate(&read) / rate(&expected) - 1.0).abs() < 0.05, "{face}, {name}");
            assert_eq!(read.identity, expected.identity, "{face}, {name}");
            assert_eq!(read.boards.len(), expected.boards.len(), "{face}, {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_web_server_that_answers_badly_does_not_cost_what_the_api_tells() {
    // Who listens elsewhere is known by the web server, and sent there by it.
    let has_api = |face: &FaceName| {
        face.has_api()
            && SimHost::new(SimMiner::new(sound(*face)), SimClock::runtime()).ports().contains(&API)
    };
    for face in FaceName::ALL.iter().copied().filter(has_api) {
        let expected = read_soundly(face).await;
        for (name, spoil) in HARMFUL {
            let (miner, took) = read_bad_site(face, spoil).await;
            assert!(took < LONGEST, "{face}, {name}: {took:?}");
            let read = snapshot(&miner.unwrap_or_else(|error| panic!("{face}, {name}: {error:?}")));
            let part = rate(&read) / rate(&expected);
            assert!((part - 1.0).abs() < 0.05, "{face}, {name}: {part}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_bad_page_did_not_tell_is_an_oddity_of_a_good_reading() {
    for (name, spoil) in HARMFUL {
        let (miner, _) = read_bad_site(FaceName::Antminer, spoil).await;
        let read = snapshot(&miner.unwrap());
        assert_eq!((read.boards.len(), read.fans.len(), read.pools.len()), (3, 4, 2), "{name}");
        assert_eq!(read.identity.serial, None, "{name}");
        // A page that is whole and holds something else is not told from one of another version, nor a shut door.
        let quiet = [
            "an object of nothing that is known",
            "a list",
            "nothing",
            "null",
            "silence",
            "a hundred megabytes",
        ];
        let quiet =
            [quiet.as_slice(), &["a body without end", "headers without end", "a break in the middle"]]
                .concat();
        let told = read.anomalies.iter().any(|anomaly| anomaly.place.contains("get_system_info"));
        assert!(told || quiet.contains(&name), "{name}: {:?}", read.anomalies);
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_with_nothing_but_a_bad_web_server_is_an_error_with_a_name() {
    for face in FaceName::ALL.iter().copied().filter(|face| face.is_web_only()) {
        for (name, spoil) in HARMFUL {
            let (miner, took) = read_bad_site(face, spoil).await;
            assert!(took < LONGEST, "{face}, {name}: {took:?}");
            match miner {
                Ok(miner) => is_honest(&format!("{face}, {name}"), &snapshot(&miner)),
                Err(Error::Read { source: ConverseError::Protocol(error), .. }) => {
                    assert!(!matches!(error, ProtocolError::Finished), "{face}, {name}");
                    assert!(error.to_string().len() < 1_000, "{face}, {name}: {error}");
                }
                Err(Error::Read { source: ConverseError::Transport(_), .. }) => {}
                Err(error) => panic!("{face}, {name}: {error:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_redirection_is_followed() {
    let spoil: Spoil = |_, _, _| {
        let head = "HTTP/1.1 302 Found\r\nLocation: http://127.0.10.1/forbidden\r\nContent-Length: 0\r\n\r\n";
        Script::reply(head)
    };
    for face in [FaceName::Antminer, FaceName::IceRiver, FaceName::WhatsminerV3, FaceName::ProtoTls] {
        let sound = SimHost::new(SimMiner::new(sound(face)), SimClock::runtime()).without_latency();
        let fleet = fleet_of(BadSite(Spoiled { sound, spoil }));
        let (_, transcript) = fleet.get_raw(WHERE).await.unwrap();
        let said = transcript.to_string();
        assert!(!said.contains("> GET /forbidden"), "{face}");
        assert!(said.matches("exchange ").count() < 30, "{face}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_defect_of_the_api_is_mended_or_told() {
    for face in
        [FaceName::Antminer, FaceName::Whatsminer, FaceName::Avalon, FaceName::Cgminer, FaceName::LuxOs]
    {
        let expected = read_soundly(face).await;
        for defect in Defect::ALL {
            let name = format!("{face}, {defect:?}");
            let (miner, took) =
                read(sound(face).with_defect(*defect), |_, _, reply| Script::reply(reply)).await;
            assert!(took < LONGEST, "{name}: {took:?}");
            match miner {
                Ok(miner) => {
                    let read = snapshot(&miner);
                    is_honest(&name, &read);
                    let said = read
                        .hashrate
                        .current()
                        .is_none_or(|r| (r.as_hs() / rate(&expected) - 1.0).abs() < 0.05);
                    assert!(said, "{name}: {:?}", read.hashrate);
                }
                Err(error) => assert!(matches!(error, Error::Read { .. }), "{name}: {error:?}"),
            }
        }
    }
}

/// One reply of the API after the miner has said who it is.
fn is_reading(question: &str, port: u16) -> bool {
    port == API && !question.contains("version")
}

/// What a mock of an Antminer was made to say when somebody else's library was measured, one fault at a time.
const FAULTS: [(&str, Spoil); 9] =
    [
        ("cut", |question, port, reply| {
            let keep = if is_reading(question, port) { reply.len() / 2 } else { reply.len() };
            Script::reply(&reply[..keep])
        }),
        ("garbage", |question, port, reply| {
            if is_reading(question, port) {
                Script::reply(b"\xff\xfe\x01garbage".repeat(50))
            } else {
                Script::reply(reply)
            }
        }),
        ("wrong types", |question, port, reply| {
            let wrong = br#"{"STATUS":"S","STATS":{"a":7},"SUMMARY":"x","POOLS":[[1],"y",null],"id":{}}"#;
            if is_reading(question, port) { Script::reply(*wrong) } else { Script::reply(reply) }
        }),
        ("an error", |question, port, reply| {
            let error = br#"{"STATUS":[{"STATUS":"E","When":1,"Code":71,"Msg":"not now"}],"id":1}"#;
            if is_reading(question, port) { Script::reply(*error) } else { Script::reply(reply) }
        }),
        ("a break", |question, port, reply| {
            if is_reading(question, port) {
                acts([Act::Send(reply[..reply.len() / 3].to_vec()), Act::Reset])
            } else {
                Script::reply(reply)
            }
        }),
        (
            "silence",
            |question, port, reply| {
                if is_reading(question, port) { acts([Act::HoldOpen]) } else { Script::reply(reply) }
            },
        ),
        ("no end", |question, port, reply| {
            if is_reading(question, port) {
                acts([Act::SendForever(vec![b'{'; 65_536])])
            } else {
                Script::reply(reply)
            }
        }),
        ("numbers too large", |question, port, reply| {
            let text = String::from_utf8(reply).unwrap();
            let large = if is_reading(question, port) { text.replace(":3,", ":1e999,") } else { text };
            Script::reply(large)
        }),
        ("nothing in it", |question, port, reply| {
            if is_reading(question, port) { Script::reply(*b"{}") } else { Script::reply(reply) }
        }),
    ];

#[tokio::test(start_paused = true)]
async fn an_antminer_that_answers_badly_is_never_a_miner_that_mines_nothing() {
    for (name, spoil) in FAULTS {
        for web in [true, false] {
            let name = format!("{name}, web server: {web}");
            let sound = SimHost::new(SimMiner::new(sound(FaceName::Antminer)), SimClock::runtime());
            let host = Spoiled { sound: sound.without_latency(), spoil };
            let begun = Instant::now();
            let fleet = if web { fleet_of(host) } else { fleet_of(NoSite(host)) };
            let miner = fleet.get(WHERE).await;
            assert!(begun.elapsed() < LONGEST, "{name}: {:?}", begun.elapsed());
            match miner {
                Ok(miner) => {
                    let read = snapshot(&miner);
                    is_honest(&name, &read);
                    assert_eq!(read.identity.model.as_deref(), Some("S19 Pro"), "{name}");
                    assert!(read.hashrate.current().is_none_or(|rate| rate.as_ths() < 200.0), "{name}");
                }
                Err(error) => assert!(matches!(error, Error::Read { .. }), "{name}: {error:?}"),
            }
            // A scan finds it all the same: it has said who it is.
            let (miners, report) = fleet.discover(WHERE).await.unwrap();
            assert!(report.adds_up() && miners.len() == 1, "{name}: {report:?}");
        }
    }
}

/// A machine whose web server is not there.
#[derive(Debug)]
struct NoSite(Spoiled);

impl Host for NoSite {
    fn connect(&self, port: u16) -> Door {
        if port == API { self.0.connect(port) } else { Door::Refused }
    }

    fn respond(&self, port: u16, request: &[u8]) -> Script {
        self.0.respond(port, request)
    }
}

#[tokio::test(start_paused = true)]
async fn one_absurd_number_costs_itself_and_nothing_else() {
    let expected = read_soundly(FaceName::Antminer).await;
    let absurd: [(&str, Spoil); 4] = [
        ("a bare inf", |_, _, reply| {
            Script::reply(
                String::from_utf8(reply).unwrap().replace("\"frequency\":", "\"frequency\":inf,\"was\":"),
            )
        }),
        ("a number too large", |_, _, reply| {
            Script::reply(
                String::from_utf8(reply).unwrap().replace("\"frequency\":", "\"frequency\":1e999,\"was\":"),
            )
        }),
        ("a negative time", |_, _, reply| {
            Script::reply(
                String::from_utf8(reply).unwrap().replace("\"Elapsed\":", "\"Elapsed\":-1,\"was\":"),
            )
        }),
        ("too many chips", |_, _, reply| {
            let text = String::from_utf8(reply).unwrap();
            Script::reply(text.replace("\"chain_acn1\":", "\"chain_acn1\":48000,\"was\":"))
        }),
    ];
    for (name, spoil) in absurd {
        let (miner, _) = read(sound(FaceName::Antminer), spoil).await;
        let read = snapshot(&miner.unwrap());
        assert_eq!(rate(&read), rate(&expected), "{name}");
        assert_eq!((read.boards.len(), read.fans.len(), read.pools.len()), (3, 4, 2), "{name}");
        let celsius = |snapshot: &MinerSnapshot| snapshot.temperatures.clone();
        assert_eq!(celsius(&read), celsius(&expected), "{name}");
        let enough = read.uptime.is_none_or(|uptime| uptime.as_seconds() < 1_000_000);
        assert!(enough, "{name}: {:?}", read.uptime);
        assert!(read.boards.iter().all(|board| board.chips.is_none_or(|chips| chips < 10_000)), "{name}");
        assert!(read.anomalies.len() > expected.anomalies.len(), "{name} is told: {:?}", read.anomalies);
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_nobody_knows_is_read_like_those_that_are() {
    let expected = read_soundly(FaceName::Antminer).await;
    let (miner, _) = read(sound(FaceName::Antminer), |_, _, reply| {
        Script::reply(String::from_utf8(reply).unwrap().replace("S19 Pro", "S25"))
    })
    .await;
    let read = snapshot(&miner.unwrap());
    assert_eq!(read.identity.model.as_deref(), Some("S25"));
    assert_eq!((rate(&read), read.boards.len()), (rate(&expected), expected.boards.len()));
}

#[tokio::test(start_paused = true)]
async fn pretty_printed_replies_and_dripping_ones_are_read_as_others() {
    for face in [FaceName::Antminer, FaceName::Whatsminer, FaceName::Cgminer] {
        let expected = read_soundly(face).await;
        let ways: [(&str, Spoil); 3] = [
            ("pretty", |_, port, reply| {
                let text = String::from_utf8(reply).unwrap();
                let pretty =
                    text.replace("{\"", "{\n\t\"").replace(",\"", ",\r\n\t\"").replace("\":", "\" : ");
                Script::reply(if port == API { pretty } else { text })
            }),
            ("dripping", |_, _, reply| {
                let drop = |byte| [Act::Wait(Duration::from_micros(50)), Act::Send(vec![byte])];
                acts(reply.into_iter().flat_map(drop))
            }),
            ("left open without an end", |_, _, reply| {
                let whole = reply.strip_suffix(b"\0").unwrap_or(&reply).to_vec();
                acts([Act::Send(whole), Act::HoldOpen])
            }),
        ];
        for (name, spoil) in ways {
            let (miner, _) = read(sound(face), spoil).await;
            let read = snapshot(&miner.unwrap_or_else(|error| panic!("{face}, {name}: {error:?}")));
            assert!((rate(&read) / rate(&expected) - 1.0).abs() < 0.05, "{face}, {name}");
            assert_eq!(read.identity, expected.identity, "{face}, {name}");
            assert_eq!(read.boards.len(), expected.boards.len(), "{face}, {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_machine_without_end_keeps_nobody_else_from_being_found() {
    let network = MemoryTransport::new().with_elsewhere(Door::Refused);
    for n in 1..=30_u8 {
        let address = IpAddr::from([127, 0, 10, n]);
        let spec = sound(FaceName::Antminer).with_address(address);
        let sound = SimHost::new(SimMiner::new(spec), SimClock::runtime()).without_latency();
        if n == 7 {
            let spoil: Spoil = |_, _, _| acts([Act::SendForever(vec![b'{'; 65_536])]);
            network.insert(address, Arc::new(Spoiled { sound, spoil }));
        } else {
            network.insert(address, Arc::new(sound));
        }
    }
    let (miners, report) = Fleet::over(Arc::new(network)).discover("127.0.10.1-30").await.unwrap();
    assert!(report.adds_up());
    assert_eq!((miners.len(), report.counts.of(OutcomeKind::Found)), (29, 29), "{report:?}");
}

/// A server that sends as long as it is let, and then says how much that was.
async fn endless(listener: tokio::net::TcpListener) -> usize {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut question = [0; 1024];
    let _ = stream.read(&mut question).await;
    let mut sent = 0;
    let body = vec![b'['; 1 << 16];
    while sent < 104_857_600 && stream.write_all(&body).await.is_ok() {
        sent += body.len();
    }
    sent
}

#[tokio::test]
async fn of_a_hundred_megabytes_no_more_is_taken_than_allowed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    let server = tokio::spawn(endless(listener));
    let error = Fleet::new().get(&endpoint.to_string()).await.unwrap_err();
    let Error::Read { source: ConverseError::Transport(error), .. } = error else { panic!("{error:?}") };
    assert!(matches!(error, TransportError::TooLong { limit: 4_194_304 }), "{error:?}");
    // What lies in the buffers of both sides was sent too.
    let sent = server.await.unwrap();
    assert!(sent < 64 << 20, "{sent} bytes were taken");
}

#[tokio::test]
async fn a_web_server_that_hangs_on_real_sockets_does_not_hide_a_miner() {
    let address = IpAddr::from([127, 92, 3, 1]);
    let sound = SimHost::new(SimMiner::new(sound(FaceName::Antminer)), SimClock::real()).without_latency();
    let spoil: Spoil = |_, _, _| acts([Act::HoldOpen]);
    let options = ServeOptions::default().with_api_port(0).with_web_port(Some(0)).with_tls_port(None);
    let host = Arc::new(BadSite(Spoiled { sound, spoil }));
    let server = FleetServer::start([(address, host)], &options).unwrap();
    let tcp =
        bitlink_miner_manager::transport::TcpConfig::default().with_web_port(server.web_port().unwrap());
    let patience = bitlink_miner_manager::transport::Patience::default()
        .with_per_exchange(Duration::from_secs(1))
        .with_whole(Duration::from_secs(30));
    let config = bitlink_miner_manager::ScanConfig::default().with_patience(patience);
    let endpoint = SocketAddr::new(address, server.api_port());
    let miner = Fleet::over_tcp(tcp).with_scan(config).get(&endpoint.to_string()).await.unwrap();
    assert_eq!(snapshot(&miner).boards.len(), 3);
    server.shutdown().await;
}
