//! What listens where a miner should and is none, and miners that mean harm.

use crate::support::{run, serve};

#[test]
fn a_web_server_is_named_as_what_it_is() {
    let web = serve([127, 91, 21, 1], |_| Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()));
    let get = run(&format!("get {web}")).ended_with(1);
    assert!(get.err.contains("not a miner: a web server answered"), "{}", get.err);

    let scan = run(&format!("scan {web} --format json")).ended_with(3).json();
    assert_eq!(scan["scan"]["counts"]["not_a_miner"], 1);
    assert_eq!(scan["others"][0]["outcome"], "not_a_miner");
    assert_eq!(scan["others"][0]["ip"], "127.91.21.1");
    assert!(scan["others"][0]["reason"].as_str().unwrap().contains("a web server"));
}

#[test]
fn a_banner_of_another_service_is_named_too() {
    let ssh = serve([127, 91, 22, 1], |_| Some(b"SSH-2.0-dropbear\r\n".to_vec()));
    let scan = run(&format!("scan {ssh}")).ended_with(3);
    assert!(scan.out.contains("not a miner") && scan.out.contains("an SSH server"), "{}", scan.out);
}

#[test]
fn an_access_list_has_a_code_of_its_own() {
    let closed = serve([127, 91, 23, 1], |_| None);
    let get = run(&format!("get {closed}")).ended_with(4);
    assert!(get.err.contains("access denied") && get.err.contains("hint: allow this machine"), "{}", get.err);
    let scan = run(&format!("scan {closed}")).ended_with(4);
    assert!(scan.out.contains("1 access denied"), "{}", scan.out);
}

#[test]
fn some_that_fail_among_many_are_told_and_the_rest_goes_on() {
    let fleet = crate::support::Simulation::start("127.91.24.0/24", "--miners 2 --sick 0");
    let closed = serve([127, 91, 24, 9], |_| None);
    let scan = run(&format!("scan 127.91.24.1-2:{} {closed} nowhere.invalid --format json", fleet.port));
    let scan = scan.ended_with(1).json();
    let counts = &scan["scan"]["counts"];
    assert_eq!(
        (&counts["found"], &counts["access_denied"], &counts["name_unknown"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(scan["scan"]["total"], 4);
    assert!(scan["others"].as_array().unwrap().iter().any(|other| other["name"] == "nowhere.invalid"));
}

/// Says of itself what would clear a screen, hide text, turn a line around and run a formula.
fn hostile(question: &str) -> Vec<u8> {
    let status = r#"{"STATUS":[{"STATUS":"S","When":1,"Code":22,"Msg":"ok","Description":"x"}]"#;
    let body = if question.contains("version") {
        r#""VERSION":[{"CGMiner":"4.11.1","API":"3.7","Type":"Antminer \u001b[2J\u202eS19\r\u200b,\"x\"","Miner":"=1+1\u009b31m"}]"#
    } else if question.contains("summary") {
        r#""SUMMARY":[{"Elapsed":4000,"GHS 5s":95000.0,"GHS av":95000.0}]"#
    } else if question.contains("stats") {
        r#""STATS":[{"BMMiner":"1.0\u001b[1A","Type":"Antminer \u202eS19\u001b]2;x\u0007"},{"Elapsed":4000,"GHS 5s":95000.0,"rate_unit":"\u009b2J","fan1":"\u001b[5n","chain_sn1":"\u0008\u2066sn"}]"#
    } else if question.contains("pools") {
        r#""POOLS":[{"POOL":0,"URL":"stratum+tcp://\u001b]0;owned\u0007","User":"@SUM(A1)","Status":"Alive","Stratum Active":true}]"#
    } else {
        return br#"{"STATUS":[{"STATUS":"E","When":1,"Code":14,"Msg":"Invalid \u001b[31m command"}]}"#
            .to_vec();
    };
    format!("{status},{body},\"id\":1}}\0").into_bytes()
}

#[test]
fn a_hostile_miner_does_nothing_to_whoever_reads_of_it() {
    let hostile = serve([127, 91, 25, 1], |question| Some(hostile(question)));
    for args in [
        "get",
        "get --format json",
        "get --raw",
        "scan",
        "scan --format json",
        "scan --format ndjson",
        "scan --format csv",
    ] {
        let ran = run(&format!("{args} {hostile} --color never")).ended_with(0);
        for text in [&ran.out, &ran.err] {
            let bad = text.chars().find(|c| {
                (c.is_control() && !matches!(c, '\n' | '\r'))
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            });
            assert_eq!(bad, None, "{args}: {text:?}");
            assert!(!text.replace("\r\n", "").contains('\r'), "{args}: {text:?}");
        }
        if args.ends_with("csv") {
            assert!(ran.out.contains(",'@SUM(A1),"), "{}", ran.out);
        }
    }
}
