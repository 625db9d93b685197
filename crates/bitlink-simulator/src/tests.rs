//! Whole miners and fleets: determinism, counters, and faithful answers.

mod logins;

use super::*;
use bitlink_model::{Family, MinerStatus};
use bitlink_transport::{Act, Door, Host};
use proptest::prelude::*;
use serde_json::Value;
use std::fmt::Write;
use std::time::Duration;

fn miner(face: FaceName, model: &str) -> SimMiner {
    SimMiner::new(
        MinerSpec::with_model_name(face, model, 7).unwrap().with_uptime(Duration::from_secs(50_000)),
    )
}

/// The reply to a JSON command, without its terminator.
fn ask(miner: &SimMiner, request: &str) -> String {
    let bytes = miner.reply_at(Duration::from_secs(100), request.as_bytes());
    String::from_utf8(bytes).unwrap().trim_end_matches('\0').to_owned()
}

fn json(miner: &SimMiner, command: &str) -> Value {
    let reply = ask(miner, &format!("{{\"command\":\"{command}\"}}"));
    // The one documented defect of a healthy machine: the statistics of bmminer and its kin.
    let reply = reply.replacen("}{\"STATS\":0", "},{\"STATS\":0", 1);
    serde_json::from_str(&reply).unwrap_or_else(|e| panic!("{command}: {e}: {reply}"))
}

#[test]
#[ignore = "prints every reply, to be read and compared with the documents"]
fn print_replies() {
    for &face in FaceName::ALL {
        let miner = SimMiner::new(MinerSpec::new(face, 7).with_uptime(Duration::from_secs(50_000)));
        for command in [
            "version",
            "summary",
            "devs",
            "pools",
            "stats",
            "devdetails",
            "get_version",
            "get_psu",
            "get_miner_info",
            "get_error_code",
            "status",
            "get_token",
            "summary+pools",
            "config",
            "coin",
            "notify",
        ] {
            println!("{face} {command}\n  {}", ask(&miner, &format!("{{\"command\":\"{command}\"}}")));
        }
        println!("{face} text\n  {}", ask(&miner, "summary"));
        println!("{face} new\n  {}", ask(&miner, r#"{"command":"stats","new_api":true}"#));
    }
}

/// The keys of every section of every reply, which must be those of the documents.
#[test]
fn keys_are_those_of_the_documents() {
    fn keys(node: &Value) -> String {
        match node {
            Value::Object(map) => {
                let mut keys: Vec<&str> = map.keys().map(String::as_str).collect();
                keys.sort_unstable();
                keys.join(", ")
            }
            other => other.to_string(),
        }
    }
    let mut out = String::new();
    for (face, model, commands) in [
        (
            FaceName::Cgminer,
            "KNC",
            "version summary devs pools stats devdetails config coin asccount notify lcd check",
        ),
        (FaceName::Bfgminer, "KNC", "version summary devs pools stats devdetails config"),
        (FaceName::AntminerOld, "S9", "version summary devs pools stats"),
        (FaceName::AntminerOld, "S17", "version summary stats"),
        (FaceName::Antminer, "S19 Pro", "version summary devs pools stats"),
        (FaceName::Avalon, "A1246", "version summary devs devdetails stats"),
        (FaceName::Avalon, "Q", "version stats litestats"),
        (FaceName::Auradine, "AT2880", "version summary devs pools devdetails asccount"),
        (FaceName::Goldshell, "KDA", "version devs devdetails stats"),
        (FaceName::Innosilicon, "T3H+", "version summary devs"),
        (FaceName::Blackminer, "D1", "version summary pools"),
        (FaceName::AvalonOld, "A741", "version devdetails estats"),
        (FaceName::Sealminer, "A2", "version summary devs devdetails stats"),
        (
            FaceName::Whatsminer,
            "M50 VH30",
            "summary devs pools devdetails get_version get_psu get_miner_info status get_token",
        ),
        (FaceName::WhatsminerV1, "M20S V20", "summary get_version get_psu status"),
        (
            FaceName::LuxOs,
            "S19k Pro",
            "version summary devs pools stats config temps fans power tempctrl profiles events atm groups",
        ),
        (
            FaceName::Braiins,
            "S19j Pro",
            "version summary devs devdetails temps fans tempctrl tunerstatus pools",
        ),
        (FaceName::Vnish, "S19j Pro", "version summary pools stats"),
        (FaceName::Hiveon, "S9", "version stats"),
        (FaceName::MskMiner, "S19 NoPIC", "version stats"),
        (FaceName::AsicSeer, "S9", "version stats"),
        (FaceName::Mara, "S19", "version summary pools devs"),
    ] {
        let miner = miner(face, model);
        for command in commands.split(' ') {
            let reply = json(&miner, command);
            for (section, value) in reply.as_object().unwrap() {
                match value {
                    Value::Array(records) if section != "STATUS" => {
                        let mut shapes: Vec<String> = records.iter().map(keys).collect();
                        shapes.dedup();
                        for shape in shapes {
                            writeln!(out, "{model} {command} {section}: {shape}").unwrap();
                        }
                    }
                    Value::Object(_) => {
                        writeln!(out, "{model} {command} {section}: {}", keys(value)).unwrap();
                    }
                    _ => {}
                }
            }
        }
    }
    insta::assert_snapshot!(out);
}

proptest! {
    #[test]
    fn the_same_question_at_the_same_time_has_the_same_answer(
        seed: u64, face in 0..FaceName::ALL.len(), at in 0_u64..40 * 86_400_000
    ) {
        let spec = MinerSpec::new(FaceName::ALL[face], seed);
        let (a, b) = (SimMiner::new(spec.clone()), SimMiner::new(spec));
        let at = Duration::from_millis(at);
        for command in ["summary", "stats", "devs", "pools"] {
            let request = format!("{{\"command\":\"{command}\"}}");
            prop_assert_eq!(a.reply_at(at, request.as_bytes()), b.reply_at(at, request.as_bytes()));
        }
    }

    #[test]
    fn counters_only_grow_between_reboots(
        seed: u64, uptime in 0_u64..100_000, at in 0_u64..400_000_000, step in 0_u64..100_000,
        fault in 0..FaultKind::ALL.len(), intermittent: bool,
    ) {
        let kind = FaultKind::ALL[fault];
        prop_assume!(kind != FaultKind::Rebooting);
        let fleet = FleetSpec::new(1).with_seed(seed).with_sick(1.0).with_faults(vec![kind]).with_intermittent(intermittent);
        let fleet = fleet.build(&SimClock::manual()).unwrap();
        let spec = fleet.hosts().next().unwrap().1.spec().with_uptime(Duration::from_secs(uptime));
        let miner = SimMiner::new(spec);
        let before = miner.state_at(Duration::from_millis(at));
        let after = miner.state_at(Duration::from_millis(at + step));
        prop_assert!(before.total_mh <= after.total_mh);
        prop_assert!(before.best_share <= after.best_share);
        prop_assert!(before.elapsed_s <= after.elapsed_s && before.network_blocks <= after.network_blocks);
        for (before, after) in before.pools.iter().zip(&after.pools) {
            prop_assert!(before.accepted <= after.accepted && before.rejected <= after.rejected);
            prop_assert!(before.stale <= after.stale && before.discarded <= after.discarded);
            prop_assert!(before.getworks <= after.getworks);
        }
        for (before, after) in before.boards.iter().zip(&after.boards) {
            prop_assert!(before.accepted <= after.accepted && before.rejected <= after.rejected);
            prop_assert!(before.hardware_errors <= after.hardware_errors && before.total_mh <= after.total_mh);
        }
    }

    #[test]
    fn a_healthy_miner_is_cool_and_near_nominal(seed: u64, at in 0_u64..10 * 86_400) {
        let miner = SimMiner::new(MinerSpec::new(FaceName::Antminer, seed));
        let state = miner.state_at(Duration::from_secs(at));
        prop_assert!((state.rate_5s / 110.0 - 1.0).abs() < 0.03, "{}", state.rate_5s);
        prop_assert!((state.rate_avg / 110.0 - 1.0).abs() < 0.05);
        prop_assert!((3100.0..3400.0).contains(&state.power_w), "{}", state.power_w);
        let chip = state.hottest_chip_c().unwrap();
        prop_assert!((50.0..84.0).contains(&chip), "{chip}");
        prop_assert!(state.fans_rpm.iter().all(|rpm| (1000..7000).contains(rpm)));
        prop_assert!(state.accepted() > 400 && state.rejected() < state.accepted() / 50);
    }
}

#[test]
fn every_face_answers_its_commands_with_json() {
    let cgminer = [
        "version",
        "summary",
        "devs",
        "edevs",
        "pools",
        "stats",
        "estats",
        "devdetails",
        "config",
        "coin",
        "asccount",
        "pgacount",
        "notify",
        "lcd",
        "check",
        "privileged",
        "nonsense",
    ];
    let whatsminer = [
        "version",
        "summary",
        "devs",
        "edevs",
        "pools",
        "devdetails",
        "get_version",
        "get_psu",
        "get_miner_info",
        "get_error_code",
        "status",
        "get_token",
        "nonsense",
    ];
    for face in FaceName::ALL.iter().copied().filter(|face| face.has_api()) {
        let commands: &[&str] = match face {
            FaceName::Whatsminer | FaceName::WhatsminerV1 | FaceName::WhatsminerV3 => &whatsminer,
            _ => &cgminer,
        };
        for model in face.models() {
            let miner = miner(face, model.printed);
            for command in commands {
                assert!(json(&miner, command).get("STATUS").is_some(), "{face} {command}");
            }
        }
    }
}

#[test]
fn cgminer_joins_and_refuses_as_the_reference() {
    let miner = SimMiner::new(MinerSpec::new(FaceName::Cgminer, 7));
    let joined = json(&miner, "summary+pools+bogus+privileged+summary");
    assert_eq!(joined["summary"][0]["STATUS"][0]["Code"], 11);
    assert_eq!(joined["pools"][0]["POOLS"][0]["POOL"], 0);
    assert_eq!(joined["bogus"][0]["STATUS"][0]["Code"], 14);
    assert_eq!(joined["privileged"][0]["STATUS"][0]["Code"], 45);
    assert_eq!(joined["id"], 1);
    assert_eq!(joined.as_object().unwrap().len(), 5);
    for (request, code) in [
        (r#"{"command":"#, 23),
        ("{}", 24),
        (r#"{"command":5}"#, 14),
        (r#"{"command":"zero"}"#, 45),
        (r#"{"command":"asc","parameter":9}"#, 107),
        (r#"{"command":"asc"}"#, 15),
    ] {
        let reply: Value = serde_json::from_str(&ask(&miner, request)).unwrap();
        assert_eq!(reply["STATUS"][0]["Code"], code, "{request}");
    }
    let text = ask(&miner, "version");
    assert!(
        text.starts_with("STATUS=S,When=1767225700,Code=22,Msg=CGMiner versions,Description=cgminer 4.1")
    );
    assert!(text.contains("|VERSION,CGMiner=4.1") && text.ends_with(",API=3.7|"));
    assert!(ask(&miner, "version\n").contains("Code=14"));
    assert!(ask(&miner, "pools").contains("|POOL=0,URL=stratum+tcp://pool.example.com:3333,"));
}

#[test]
fn antminer_has_its_quirks() {
    let miner = miner(FaceName::Antminer, "S19 Pro");
    let stats = &json(&miner, "stats")["STATS"];
    assert_eq!(stats[0]["Type"], "Antminer S19 Pro");
    let data = &stats[1];
    assert!(data["total rate"].is_f64() && data.get("total_rate").is_none());
    assert!(data["chain_rate1"].is_string() && data["chain_rate4"] == "");
    assert_eq!(data["temp_pcb4"], "0-0-0-0");
    assert_eq!(data["chain_acn1"], 114);
    assert_eq!(data["total_acn"], 342);
    assert!(data.get("temp4").is_none());
    assert!(json(&miner, "devs")["DEVS"][0]["Tenperature"].is_i64());
    let pools = json(&miner, "pools");
    assert_eq!(pools["POOLS"].as_array().unwrap().len(), 3);
    assert!(pools["POOLS"][0].get("Pool Stale%%").is_some());
    assert_eq!(pools["POOLS"][2]["URL"], "");
    assert!(matches!(json(&miner, "summary+pools")["STATUS"][0]["Code"].as_i64(), Some(14 | 45)));
    let fresh: Value = serde_json::from_str(&ask(&miner, r#"{"command":"stats","new_api":true}"#)).unwrap();
    assert_eq!(fresh["STATUS"]["api_version"], "1.0.0");
    assert_eq!(fresh["STATS"][0]["chain"].as_array().unwrap().len(), 3);
}

#[test]
fn old_antminers_have_their_quirks() {
    let s9 = miner(FaceName::AntminerOld, "S9");
    assert_eq!(ask(&s9, "{\"command\":\"stats\"}").matches("\"}{\"STATS\":0,").count(), 1);
    let joined = json(&s9, "version+stats+pools");
    assert_eq!(joined["version"][0]["STATUS"][0]["Msg"], "BMMiner versions");
    let data = &joined["stats"][0]["STATS"][1];
    assert_eq!(data["ID"], "BC50");
    assert!(data["GHS 5s"].is_string() && data["GHS av"].is_f64() && data["frequency"] == "650");
    assert_eq!(
        (&data["chain_acn5"], &data["chain_acn6"], &data["chain_acn8"]),
        (&0.into(), &63.into(), &63.into())
    );
    assert!(data["fan6"].as_i64() > Some(0) && data["fan1"] == 0);
    assert!(data["temp2_6"].as_i64() > data["temp6"].as_i64());
    assert_eq!(json(&s9, "estats")["STATS"][0]["ID"], "BC50");
    assert_eq!(json(&s9, "config")["STATUS"][0]["Code"], 45);

    let fans = |seed: u64| {
        let miner = SimMiner::new(MinerSpec::new(FaceName::AntminerOld, seed));
        let data = json(&miner, "stats")["STATS"][1].clone();
        (1..=8).filter(|n| data[format!("fan{n}")] != 0).collect::<Vec<_>>()
    };
    assert!((0..20).any(|seed| fans(seed) == [3, 6]) && (0..20).any(|seed| fans(seed) == [5, 6]));

    let s17 = miner(FaceName::AntminerOld, "S17");
    let data = &json(&s17, "stats")["STATS"][1];
    assert_eq!(
        (&data["ID"], &data["temp_pcb4"], &data["chain_acn1"]),
        (&"BTM_SOC0".into(), &"0-0-0-0".into(), &48.into())
    );
    assert_eq!(data["temp_chip1"].as_str().unwrap().split('-').count(), 4);
    let asleep =
        MinerSpec::with_model_name(FaceName::AntminerOld, "S17", 7).unwrap().with_fault(Fault::Asleep);
    assert_eq!(json(&SimMiner::new(asleep), "stats")["STATS"][1]["Mode"], 254);
}

#[test]
fn avalons_pack_a_machine_into_brackets() {
    let of = |face, model, command: &str, key: &str| -> String {
        let reply = json(&miner(face, model), command);
        reply["STATS"][0][key].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
    };
    let a12 = of(FaceName::Avalon, "A1246", "estats", "MM ID0");
    assert!(
        a12.starts_with("Ver[1246-90-24") && a12.contains(" SYSTEMSTATU[Work: In Work, Hash Board: 3 ] "),
        "{a12}"
    );
    assert!(
        a12.contains(" PS[0 1214 1320 ") && a12.contains(" PVT_T2[ ") && !a12.contains("SoftOFF"),
        "{a12}"
    );
    let wall = of(FaceName::Avalon, "A15", "estats", "MM ID0");
    assert!(wall.contains(" WALLPOWER[3") && wall.contains(" SoftOFF[0] "), "{wall}");
    let home = of(FaceName::Avalon, "Q", "litestats", "MM ID0:Summary");
    assert!(home.starts_with("'STATS':{Ver[Q-") && home.ends_with(" WORKLEVEL[0]}"), "{home}");
    assert!(of(FaceName::Avalon, "Q", "stats", "HBinfo").starts_with("'HB0':{PVT_T0[ "));
    assert_eq!(json(&miner(FaceName::Avalon, "A1246"), "litestats")["STATUS"][0]["Code"], 14);
    let old = of(FaceName::AvalonOld, "A741", "estats", "MM ID1");
    assert!(old.starts_with("Ver[7411706-3162860] DNA[") && old.contains(" PVT_T[21-"), "{old}");

    let sick = |fault| {
        let spec = MinerSpec::with_model_name(FaceName::Avalon, "A15", 7).unwrap().with_fault(fault);
        json(&SimMiner::new(spec), "estats")["STATS"][0]["MM ID0"].as_str().unwrap().to_owned()
    };
    let asleep = sick(Fault::Asleep);
    assert!(
        asleep.contains("In Idle") && asleep.contains(" SoftOFF[1] ") && asleep.contains(" TMax[0] "),
        "{asleep}"
    );
    let missing = sick(Fault::BoardMissing { board: 1 });
    assert!(missing.contains("Hash Board: 2 ]") && missing.contains(" ECHU[0 513 0] "), "{missing}");
    assert!(sick(Fault::PsuFault).contains(" PS[32 1214 0 0 0 1320 "));
}

#[test]
fn a_sealminer_numbers_its_keys() {
    let stats = |spec: MinerSpec| json(&SimMiner::new(spec), "stats")["STATS"][0].clone();
    let spec = || MinerSpec::new(FaceName::Sealminer, 7).with_uptime(Duration::from_mins(40));
    let healthy = stats(spec());
    assert_eq!((&healthy["2 Online"], &healthy["3 Speed"].is_u64()), (&true.into(), &true));
    let rate = |key: &str| healthy[key].as_f64().unwrap() / 1e6;
    assert!(rate("MHS(30m)") > 200.0 && rate("MHS(2h)") < 100.0, "a window longer than the machine has run");
    assert_eq!(healthy["PSU Error"], "0x00000000");
    let sick = stats(spec().with_fault(Fault::BoardMissing { board: 1 }).with_fault(Fault::PsuFault));
    assert_eq!((&sick["1 Online"], &sick["PSU Error"]), (&false.into(), &"0x00000020".into()));
    assert_eq!(stats(spec().with_fault(Fault::Asleep))["PM State"], "Suspended");
    let version = json(&miner(FaceName::Sealminer, "A2"), "version");
    assert_eq!(version["STATUS"][0]["Msg"], "BDMiner versions");
}

#[test]
fn bfgminer_speaks_of_pgas() {
    let miner = SimMiner::new(MinerSpec::new(FaceName::Bfgminer, 7));
    assert_eq!(json(&miner, "version")["VERSION"][0]["Miner"], "BFGMiner 5.5.0");
    let device = &json(&miner, "devs")["DEVS"][0];
    assert!(device["PGA"] == 0 && device["MHS 20s"].is_f64() && device["MHS rolling"].is_f64());
    assert_eq!(json(&miner, "edevs")["STATUS"][0]["Code"], 14);
    assert_eq!(json(&miner, "pga")["STATUS"][0]["Code"], 15);
    assert!(ask(&miner, "pga|1").contains("Code=57,Msg=PGA1"));
    assert!(ask(&miner, "devs").contains("|PGA=0,Name=KNC,"));
}

#[test]
fn whatsminer_has_two_families_of_replies() {
    let miner = miner(FaceName::Whatsminer, "M50 VH30");
    let version = json(&miner, "version");
    assert_eq!((&version["STATUS"], &version["Code"]), (&Value::from("E"), &Value::from(14)));
    assert_eq!(json(&miner, "devdetails")["DEVDETAILS"][0]["Model"], "M50_VH32");
    assert_eq!(json(&miner, "pools")["POOLS"][0]["POOL"], 1);
    let psu = json(&miner, "get_psu");
    assert!(psu["Msg"].as_object().unwrap().values().all(Value::is_string));
    assert!(psu["Msg"].get("vender").is_some());
    assert_eq!(json(&miner, "reboot")["Code"], 45);
    let by_cmd: Value = serde_json::from_str(&ask(&miner, r#"{"cmd":"get_version"}"#)).unwrap();
    assert_eq!(by_cmd["Msg"]["api_ver"], "2.0.5");
    let reply = miner.reply_at(Duration::ZERO, b"{\"cmd\":\"status\"}");
    assert_eq!(reply.last(), Some(&b'}'));
    let token = json(&miner, "get_token");
    assert_eq!(token["Msg"]["salt"].as_str().unwrap().len(), 8);
    assert!(matches!(token["Code"].as_i64(), Some(131 | 134)));
}

#[test]
fn a_fleet_stands_where_it_should() {
    let spec = FleetSpec::new(300);
    let addresses = spec.addresses().unwrap();
    assert_eq!(addresses[0].to_string(), "127.0.10.1");
    assert_eq!(addresses[253].to_string(), "127.0.10.254");
    assert_eq!(addresses[254].to_string(), "127.0.11.1");
    assert_eq!(addresses.last().unwrap().to_string(), "127.0.11.46");
    let far = FleetSpec::new(3).with_first("255.255.255.253".parse().unwrap());
    assert!(matches!(far.addresses(), Err(FleetError::NoRoom { .. })));

    let fleet = spec.build(&SimClock::manual()).unwrap();
    let truths = fleet.truths();
    assert_eq!(truths.iter().filter(|truth| truth.condition != Condition::Healthy).count(), 30);
    let macs: std::collections::HashSet<_> = truths.iter().map(|truth| truth.mac).collect();
    assert_eq!(macs.len(), 300);
    assert!(truths.iter().any(|truth| truth.family == Family::WHATSMINER));
}

#[test]
fn a_mix_reads_names_and_weights() {
    let fleet =
        |mix: &str| FleetSpec::new(400).with_mix(mix.parse().unwrap()).build(&SimClock::manual()).unwrap();
    let truths = fleet("antminer=3, whatsminer").truths();
    let antminers = truths.iter().filter(|truth| truth.face == FaceName::Antminer).count();
    assert!((260..340).contains(&antminers), "{antminers}");
    assert!(matches!("toaster".parse::<Mix>(), Err(MixError::UnknownFace(_))));
    assert!(matches!("cgminer=many".parse::<Mix>(), Err(MixError::Weight { .. })));
    assert!(matches!("".parse::<Mix>(), Err(MixError::Empty)));
}

#[test]
fn a_host_goes_down_and_comes_back_counting_from_zero() {
    let clock = SimClock::manual();
    let host = SimHost::new(SimMiner::new(MinerSpec::new(FaceName::Antminer, 3)), clock.clone());
    assert!(matches!(host.connect(4028), Door::Open { .. }));
    assert_eq!(host.connect(22), Door::Refused);
    assert_eq!(host.truth().expected_status(), MinerStatus::Active);
    host.reboot(Duration::from_mins(1));
    assert_eq!(host.connect(4028), Door::Refused);
    assert_eq!(host.truth().expected_status(), MinerStatus::Dead);
    clock.advance(Duration::from_secs(90));
    assert!(matches!(host.connect(4028), Door::Open { .. }));
    assert_eq!((host.state().elapsed_s, host.state().accepted()), (30, 0));
    host.break_with(Fault::Unresponsive);
    assert_eq!(host.connect(4028), Door::Silent);
    host.mend(FaultKind::Unresponsive);
    clock.advance(Duration::from_hours(1));
    assert_eq!(host.truth().condition, Condition::Healthy);
    let script = host.respond(4028, b"{\"command\":\"version\"}");
    assert!(matches!(script.acts.as_slice(), [Act::Wait(_), Act::Send(_)]));
}
