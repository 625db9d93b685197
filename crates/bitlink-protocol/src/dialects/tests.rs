//! Every fixture is read as a whole miner: identified, then read in full. What is read is kept as a snapshot, together
//! with what was asked for it.

mod commands;
mod mutated;

use crate::{
    ApiReply, Completion, Conversation, ExchangeFailure, HttpRequest, ProtocolError, ReadMiner, Reading,
    Reply, Request, Step,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A miner that answers from a fixture.
pub(crate) struct Fixture {
    replies: BTreeMap<String, Vec<u8>>,
    pub(crate) asked: Vec<String>,
}

impl Fixture {
    pub(crate) fn parse(text: &str) -> Self {
        let sections = text.split(">>> ").skip(1).filter_map(|section| section.split_once('\n'));
        let replies = sections
            .map(|(command, reply)| {
                (command.trim().to_owned(), reply.strip_suffix('\n').unwrap_or(reply).as_bytes().to_vec())
            })
            .collect();
        Self { replies, asked: Vec::new() }
    }

    pub(crate) fn load(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        Self::parse(&std::fs::read_to_string(path).unwrap())
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Result<Reply, ExchangeFailure> {
        match request {
            Request::Api(request) => {
                let door = request.port.map_or_else(String::new, |port| format!(":{port} "));
                let text = String::from_utf8_lossy(&request.bytes).into_owned();
                let json: Option<Value> = serde_json::from_str(&text).ok();
                let command = json.as_ref().map_or(text.as_str(), |json| json["command"].as_str().unwrap());
                if door.is_empty() && self.replies.contains_key("*no api*") {
                    self.asked.push("(no api)".to_owned());
                    return Err(ExchangeFailure::Refused);
                }
                self.asked.push(format!("{door}{command}"));
                if !door.is_empty() && !self.replies.keys().any(|key| key.starts_with(&door)) {
                    return Err(ExchangeFailure::Refused);
                }
                let command = &format!("{door}{command}");
                let joined = command.contains('+') && self.replies.contains_key("*joined*");
                let bytes = if joined { self.join(command) } else { self.one(command) };
                if bytes.is_empty() {
                    return Err(ExchangeFailure::ClosedWithoutReply);
                }
                Ok(Reply::Api(ApiReply { bytes, completion: Completion::Terminated }))
            }
            Request::Http(request) => {
                let door = match (request.secure, request.port) {
                    (true, _) => "https:".to_owned(),
                    (_, 0 | 80) => String::new(),
                    (_, port) => format!(":{port}"),
                };
                let line = format!("{} {door}{}", request.method, request.path);
                let signed = request.header("Authorization").map_or("", |_| " (signed)");
                self.asked.push(format!("{line}{signed}"));
                self.web(&line, &door, request).ok_or(ExchangeFailure::Refused)
            }
            Request::Frame(request) => {
                let line = format!("FRAME {}", String::from_utf8_lossy(&request.body));
                self.asked.push(line.clone());
                let body = self.replies.get(&line).ok_or(ExchangeFailure::Refused)?;
                let mut bytes = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
                bytes.extend(body);
                Ok(Reply::Frame(ApiReply { bytes, completion: Completion::Terminated }))
            }
        }
    }

    /// A page of the web server, by its line or by its line and body. A fixture with `>>> *digest*` wants a proof first,
    /// of whatever password; one with `>>> *unsigned*` sends that instead of every page that is not open, unless the request
    /// carries what a login gave. A page that begins with a status line is sent as it is, any other as a success.
    fn web(&self, line: &str, door: &str, request: &HttpRequest) -> Option<Reply> {
        let with_body = format!("{line} {}", String::from_utf8_lossy(&request.body));
        let open = self.replies.get(&format!("open {with_body}"));
        let open = open.or_else(|| self.replies.get(&format!("open {line}")));
        let signed = ["Authorization", "Cookie", "Token"].iter().any(|name| request.header(name).is_some());
        let page = self.replies.get("*unsigned*").filter(|_| open.is_none() && !signed);
        let page = page.or(open).or_else(|| self.replies.get(&with_body)).or_else(|| self.replies.get(line));
        let is_at = |key: &String| {
            let key = key.strip_prefix("open ").unwrap_or(key);
            let place = key.strip_prefix("GET ").or_else(|| key.strip_prefix("POST "));
            place.is_some_and(|place| place.starts_with(&format!("{door}/")))
        };
        if !self.replies.keys().any(is_at) {
            return None;
        }
        let guarded = door.is_empty();
        let digest = self
            .replies
            .get("*digest*")
            .filter(|_| guarded)
            .map(|realm| String::from_utf8_lossy(realm).into_owned());
        let (status, extra, body) = match (digest, request.header("Authorization"), page) {
            (Some(realm), None, _) => {
                let (realm, more) = realm.split_once('\n').unwrap_or((&realm, ""));
                let challenge = format!(
                    "WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"5ccc\", qop=\"auth\"\r\n{}{}",
                    more.trim(),
                    if more.is_empty() { "" } else { "\r\n" },
                );
                ("401 Unauthorized".to_owned(), challenge, Vec::new())
            }
            (_, _, Some(page)) if page.starts_with(b"HTTP/1.1 ") => {
                let page = String::from_utf8_lossy(page);
                let (head, body) = page.split_once("\n\n").unwrap_or((&page, ""));
                let (status, headers) = head.split_once('\n').unwrap_or((head, ""));
                let headers: String = headers.lines().flat_map(|line| [line, "\r\n"]).collect();
                (status.replacen("HTTP/1.1 ", "", 1), headers, body.as_bytes().to_vec())
            }
            (_, _, Some(page)) => ("200 OK".to_owned(), String::new(), page.clone()),
            _ => ("404 Not Found".to_owned(), String::new(), Vec::new()),
        };
        let mut bytes =
            format!("HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend(body);
        Some(Reply::Http(ApiReply { bytes, completion: Completion::Terminated }))
    }

    fn one(&self, command: &str) -> Vec<u8> {
        self.replies.get(command).or_else(|| self.replies.get("*refusal*")).cloned().unwrap_or_default()
    }

    fn join(&self, command: &str) -> Vec<u8> {
        let mut out = b"{".to_vec();
        for part in command.split('+') {
            out.extend(format!("\"{part}\":[").bytes());
            out.extend(self.one(part));
            out.extend(b"],");
        }
        out.extend(b"\"id\":1}");
        out
    }

    pub(crate) fn read(&mut self) -> Result<Reading, ProtocolError> {
        self.converse(ReadMiner::new())
    }

    pub(crate) fn converse(&mut self, mut conversation: ReadMiner) -> Result<Reading, ProtocolError> {
        let mut step = conversation.step(None);
        for _ in 0..50 {
            match step {
                Step::Ask(request) => step = conversation.step(Some(self.answer(&request))),
                Step::Done(result) => return result,
            }
        }
        panic!("the conversation does not end: {:?}", self.asked);
    }
}

/// Reads a fixture and keeps the whole reading as a snapshot.
fn check(name: &str) -> Reading {
    let mut fixture = Fixture::load(&format!("{name}.txt"));
    let reading = fixture.read().unwrap();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_json_snapshot!(name, serde_json::json!({
            "asked": fixture.asked,
            "snapshot": reading.snapshot,
        }));
    });
    reading
}

/// One test per fixture, and a test that none was forgotten.
macro_rules! fixtures {
    ($($test:ident = $name:literal),+ $(,)?) => {
        $( #[test] fn $test() { check($name); } )+

        #[test]
        fn every_fixture_is_read() {
            let listed = [$($name),+];
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
            for file in std::fs::read_dir(folder).unwrap() {
                let file = file.unwrap().file_name().into_string().unwrap();
                if let Some(name) = file.strip_suffix(".txt") {
                    assert!(listed.contains(&name), "{name} has no test");
                }
            }
        }
    };
}

fixtures! {
    antminer_s19_pro = "antminer-s19-pro",
    antminer_s21_missing_board_stopped_fan = "antminer-s21-missing-board-stopped-fan",
    antminer_s19_asleep = "antminer-s19-asleep",
    antminer_s21_plus_hydro = "antminer-s21-plus-hydro",
    antminer_s19_xp_plus_hydro_too_hot = "antminer-s19-xp-plus-hydro-too-hot",
    antminer_s21_web_only = "antminer-s21-web-only",
    antminer_s19_xp_web_only_fault = "antminer-s19-xp-web-only-fault",
    antminer_s19_web_asleep_api_denies = "antminer-s19-web-asleep-api-denies",
    antminer_old_t17_web_only = "antminer-old-t17-web-only",
    antminer_old_s9 = "antminer-old-s9",
    antminer_old_s17 = "antminer-old-s17",
    auradine_at2880 = "auradine-at2880",
    auradine_at1500_board_lost_refuses_joined = "auradine-at1500-board-lost-refuses-joined",
    auradine_at1500_web_only = "auradine-at1500-web-only",
    auradine_at2880_web_only_asleep_psu_fault = "auradine-at2880-web-only-asleep-psu-fault",
    avalon_a1246 = "avalon-a1246",
    avalon_a1066_board_lost_psu_fault = "avalon-a1066-board-lost-psu-fault",
    avalon_a1346_after_a_restart = "avalon-a1346-after-a-restart",
    avalon_a15_wall_power = "avalon-a15-wall-power",
    avalon_q = "avalon-q",
    avalon_nano3s_asleep_litestats = "avalon-nano3s-asleep-litestats",
    avalon_old_741_three_on_two_busses = "avalon-old-741-three-on-two-busses",
    proto_rig = "proto-rig",
    proto_rig_plain_no_data_yet = "proto-rig-plain-no-data-yet",
    sealminer_a2 = "sealminer-a2",
    sealminer_a2_suspended_psu_fault = "sealminer-a2-suspended-psu-fault",
    whatsminer_m50_v2 = "whatsminer-m50-v2",
    whatsminer_m30s_v1 = "whatsminer-m30s-v1",
    whatsminer_m60s_v3 = "whatsminer-m60s-v3",
    whatsminer_m63_v3_alone_stopped = "whatsminer-m63-v3-alone-stopped",
    whatsminer_process_down = "whatsminer-process-down",
    blackminer_f1_garbage_in_sensors = "blackminer-f1-garbage-in-sensors",
    goldshell_kd_max = "goldshell-kd-max",
    goldshell_ck5_web_only_encrypted_login = "goldshell-ck5-web-only-encrypted-login",
    goldshell_lt5_web_only_asleep = "goldshell-lt5-web-only-asleep",
    goldshell_mini_doge_web_only_board_hot = "goldshell-mini-doge-web-only-board-hot",
    goldshell_plain_bfgminer_fan_stopped = "goldshell-plain-bfgminer-fan-stopped",
    hammer_d10_chips_lost_refuses_joined = "hammer-d10-chips-lost-refuses-joined",
    innosilicon_t3h_plus = "innosilicon-t3h-plus",
    innosilicon_sgminer_sections_chain_lost = "innosilicon-sgminer-sections-chain-lost",
    innosilicon_t3h_plus_web_only = "innosilicon-t3h-plus-web-only",
    innosilicon_a10_web_only_fault = "innosilicon-a10-web-only-fault",
    sgminer_generic = "sgminer-generic",
    volcminer_d1 = "volcminer-d1",
    cgminer_generic = "cgminer-generic",
    bfgminer_refuses_joined = "bfgminer-refuses-joined",
    luxos_s19k_pro = "luxos-s19k-pro",
    luxos_s19_asleep = "luxos-s19-asleep",
    luxos_s19_pro_hydro_starting = "luxos-s19-pro-hydro-starting",
    braiins_s19j_pro_rest = "braiins-s19j-pro-rest",
    braiins_s19j_pro_rest_paused_board_error = "braiins-s19j-pro-rest-paused-board-error",
    braiins_s19_pro = "braiins-s19-pro",
    braiins_s9_tuner_starts = "braiins-s9-tuner-starts",
    braiins_t19_paused_immersion = "braiins-t19-paused-immersion",
    mara_s19_pro_web = "mara-s19-pro-web",
    vnish_s19_pro_web_only_fan_lost = "vnish-s19-pro-web-only-fan-lost",
    vnish_s21_v1_3_failed_not_started = "vnish-s21-v1.3-failed-not-started",
    vnish_s9 = "vnish-s9",
    vnish_s19j_nopic_warming_up = "vnish-s19j-nopic-warming-up",
    hiveon_s9 = "hiveon-s9",
    hiveon_t9_missing_board = "hiveon-t9-missing-board",
    mskminer_s19_nopic = "mskminer-s19-nopic",
    mskminer_s19_psu_fault = "mskminer-s19-psu-fault",
    asicseer_s9 = "asicseer-s9",
    mara_s19 = "mara-s19",
    mara_s19_not_hashing = "mara-s19-not-hashing",
    elphapex_dg1_board_absent = "elphapex-dg1-board-absent",
    elphapex_dg_home_asleep = "elphapex-dg-home-asleep",
    iceriver_ks3 = "iceriver-ks3",
    iceriver_ks5l_nameless_fan_fault = "iceriver-ks5l-nameless-fan-fault",
    ipollo_g1 = "ipollo-g1",
    ipollo_g1_mini_stopped_other_password = "ipollo-g1-mini-stopped-other-password",
    ipollo_v1_realtime_fan_stopped = "ipollo-v1-realtime-fan-stopped",
    futurebit_apollo_ii = "futurebit-apollo-ii",
    futurebit_apollo_btc_stopped = "futurebit-apollo-btc-stopped",
    axeos_gamma = "axeos-gamma",
    axeos_ultra_v24_overheated = "axeos-ultra-v2.4-overheated",
    axeos_lv08_luckyminer = "axeos-lv08-luckyminer",
    nerdaxe_nerdqaxe_plus = "nerdaxe-nerdqaxe-plus",
    nerdaxe_shut_down = "nerdaxe-shut-down",
    epic_s19j_pro = "epic-s19j-pro",
    epic_sc200_stopped_by_a_fault = "epic-sc200-stopped-by-a-fault",
    braiins_s19j_pro_graphql = "braiins-s19j-pro-graphql",
    braiins_s9_graphql_old_board_lost = "braiins-s9-graphql-old-board-lost",
    braiins_s19_graphql_stopped = "braiins-s19-graphql-stopped",
    ccminer_rig = "ccminer-rig",
    ccminer_card_lost_no_sensors = "ccminer-card-lost-no-sensors",
    hiveon_t9_web_only_missing_board = "hiveon-t9-web-only-missing-board",
    volcminer_d1_newer_port = "volcminer-d1-newer-port",
    volcminer_d1_web_only_chips_lost = "volcminer-d1-web-only-chips-lost",
    hammer_d10_web_only_fan_stopped = "hammer-d10-web-only-fan-stopped",
    sealminer_a2_web_only = "sealminer-a2-web-only",
    sealminer_a2_web_only_psu_fault = "sealminer-a2-web-only-psu-fault",
    strongu_u6_fan_stopped = "strongu-u6-fan-stopped",
    minerva_mv7_chain_dead = "minerva-mv7-chain-dead",
    custom_firmware_on_an_antminer = "custom-firmware-on-an-antminer",
}

#[test]
fn models_are_normalised() {
    let antminer = |raw: &str| super::antminer::model(raw).unwrap();
    assert_eq!(antminer("Antminer S19j Pro AML"), "S19j Pro");
    assert_eq!(antminer("Antminer S9\nV1.3.58"), "S9");
    assert_eq!(antminer("Antminer S9 (vnish 3.8.6)"), "S9");
    assert_eq!(antminer("Antminer S21 XP Hyd."), "S21 XP Hydro");
    assert_eq!(antminer("Antminer BHB68601"), "S21");
    assert_eq!(antminer("Antminer S19j (88) (Vnish 1.2.6)"), "S19j NoPIC");
    assert_eq!(antminer("Antminer S19j Pro NOPIC AML (Vnish 1.2.6)"), "S19j Pro NoPIC");
    assert_eq!(antminer("S19-88"), "S19 NoPIC");
    assert_eq!(antminer("Antminer T9 Hiveon"), "T9");
    assert_eq!(super::antminer::model("Antminer"), None);

    let avalon = |raw: &str| super::avalon::model(raw).unwrap();
    assert_eq!(avalon("1346-116"), "A1346");
    assert_eq!(avalon("15-194"), "A15");
    assert_eq!(avalon("1566HA"), "A1566HA");
    assert_eq!(avalon("AvalonMiner 1166Pro"), "A1166 Pro");
    assert_eq!(avalon("Avalon Q"), "Q");
    assert_eq!(avalon("Nano3s"), "Nano3s");
    assert_eq!(avalon("7411706-3162860"), "A741");
    assert_eq!(avalon("1047-20050101_aaaaaaa"), "A1047");
    assert_eq!(super::avalon::model("AVALONNANO"), None);
    assert_eq!(super::avalon::model("AvalonMiner"), None);

    assert_eq!(super::auradine::model("Teraflux AT1500").as_deref(), Some("AT1500"));
    assert_eq!(super::auradine::model("Auradine Teraflux"), None);
    assert_eq!(super::goldshell::model("Goldshell-KDMAX").as_deref(), Some("KDMAX"));
    assert_eq!(super::goldshell::model("Mini Doge").as_deref(), Some("Mini Doge"));
    assert_eq!(super::goldshell::model("goldshell"), None);
    let (make, model) = super::blackminer::make_and_model("VolcMiner D1").unwrap();
    assert_eq!((make.as_str(), model.as_str()), ("VolcMiner", "D1"));
    assert_eq!(super::blackminer::make_and_model("Antminer S9"), None);

    let whatsminer = |raw: &str| super::whatsminer::model(raw).unwrap();
    assert_eq!(whatsminer("M30S++_VH72"), "M30S++ VH70");
    assert_eq!(whatsminer("M50_VH32"), "M50 VH30");
    assert_eq!(whatsminer("M60_VK6A"), "M60 VK6A");
    assert_eq!(whatsminer("M30S+"), "M30S+");
    assert_eq!(whatsminer("M20SV21"), "M20S V20", "printed without the line on older units");
}
