//! Goldshell's web server (`/mcb/`), as its owners and public farm software describe it: what the machine is may be asked by
//! everybody, the rest wants a token that never runs out. The firmware of the CK5 takes its password encrypted only.

use crate::face::Moment;
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::node::{Node, Record, mhs};
use crate::number::{index, real};
use crate::state::Phase;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Block};
use std::fmt::Write;

const PASSWORD: &str = "123456789";

/// Answers a request.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let token = format!("eyJhbGciOiJSUzI1NiJ9.e30.{}", moment.token());
    if request.method != "GET" {
        return refused(404, "not found");
    }
    match request.path() {
        "/" => {
            return Response::html(200, "<!DOCTYPE html><html><head><title>cloud-box</title></head></html>");
        }
        "/user/logout" => return Response::json("{}"),
        "/user/login" => return login(moment, request, &token),
        "/mcb/status" => return Response::json(Node::from(status(moment)).to_json()),
        _ if request.header("authorization") != Some(format!("Bearer {token}").as_str()) => {
            return refused(401, "Check Token Error");
        }
        _ => {}
    }
    let document = match request.target {
        "/mcb/setting" => setting(moment).into(),
        "/mcb/pools" => pools(moment),
        "/mcb/cgminer?cgminercmd=devs" => devs(moment).into(),
        _ => return refused(404, "not found"),
    };
    Response::json(document.to_json())
}

fn refused(status: u16, words: &str) -> Response {
    Response { status, ..Response::json(Node::from(Record::new().text("error", words)).to_json()) }
}

/// A wrong password gets an empty token.
fn login(moment: &Moment<'_>, request: &Request<'_>, token: &str) -> Response {
    if let Some(locked) = moment.locked() {
        return locked;
    }
    let given = |name: &str, value: &str| request.field(name).as_deref() == Some(value);
    let is_encrypted = given("cipher", "true");
    if moment.spec.model.name == Some("CK5") && !is_encrypted {
        return Response::html(500, "Internal Server Error");
    }
    let password = moment.password(PASSWORD);
    let password = if is_encrypted { encrypted(password) } else { password.to_owned() };
    let right = given("username", "admin") && given("password", &password);
    Response::json(Node::from(Record::new().text("JWT Token", if right { token } else { "" })).to_json())
}

/// A password as AES-128-CBC with the key that everybody knows makes it, filled up with 1 to 16 zeros (its owners' scripts).
fn encrypted(password: &str) -> String {
    let cipher = Aes128::new(&[b'!'; 16].into());
    let mut bytes = password.as_bytes().to_vec();
    bytes.resize((bytes.len() / 16 + 1) * 16, 0);
    let (mut block, mut out) = (Block::default(), String::new());
    for piece in bytes.chunks(16) {
        block.iter_mut().zip(piece).for_each(|(byte, given)| *byte ^= given);
        cipher.encrypt_block(&mut block);
        // Writing to a string cannot fail.
        block.iter().for_each(|byte| {
            let _ = write!(out, "{byte:02x}");
        });
    }
    out
}

fn status(moment: &Moment<'_>) -> Record {
    Record::new()
        .text("hardware", "40.84.KA")
        .text("model", format!("Goldshell-{}", moment.spec.model.name.unwrap_or_default()))
        .text("mcbversion", "MCB_V3_3")
        .text("firmware", super::VERSION)
}

fn setting(moment: &Moment<'_>) -> Record {
    let plan = |level: i64, info: &str| Record::new().int("level", level).text("info", info).into();
    let plans = vec![plan(0, "normal"), plan(1, "low"), plan(3, "sleep")];
    Record::new()
        .int("select", if moment.state.phase == Phase::Asleep { 2 } else { 0 })
        .flag("tempcontrol", true)
        .flag("ledcontrol", true)
        .text("manualPowerplan", "")
        .text("name", moment.spec.mac.to_string())
        .put("powerplans", Node::List(plans))
        .flag("manual", false)
        .text("version", "v2.1")
}

fn pools(moment: &Moment<'_>) -> Node {
    let used = moment.state.pools.iter().enumerate().filter(|(_, pool)| !pool.url.is_empty());
    let pool = used.map(|(i, pool)| {
        Record::new()
            .text("url", pool.url.as_str())
            .flag("legal", true)
            .flag("active", pool.active && pool.alive)
            .count("dragid", index(i))
            .text("user", pool.user.as_str())
            .count("pool-priority", index(i))
            .text("pass", "x")
            .into()
    });
    Node::List(pool.collect())
}

fn devs(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let fans: Vec<String> = state.fans_rpm.iter().map(|rpm| format!("{rpm} rpm")).collect();
    let too_hot = state.faults.iter().any(|fault| fault.kind() == FaultKind::Overheating);
    let boards = state.boards_present().map(|(slot, board)| {
        let [hot, cool, ..] = board.pcb_c;
        let nonces = board.accepted * 2 + board.hardware_errors;
        Record::new()
            .int("valid", 0)
            .fixed("av_hashrate", mhs(board.rate_avg), 3)
            .count("rejected", board.rejected)
            .count("time", state.elapsed_s)
            .count("id", index(slot))
            .int("powerplan", if state.phase == Phase::Asleep { 3 } else { 0 })
            .count("hwerrors", board.hardware_errors)
            .text("fanspeed", fans.join(" / "))
            .count("accepted", board.accepted)
            .fixed("hwerr_ration", real(board.hardware_errors) / real(nonces.max(1)), 6)
            .count("nonces", nonces)
            .fixed("hashrate", mhs(board.rate_5s), 3)
            .text("temp", format!("{cool:.1} °C / {hot:.1} °C"))
            .int("minerstatus", if too_hot && board.rate_5s <= 0.0 { 2 } else { 0 })
            .into()
    });
    Record::new().int("status", 2).put("data", Node::List(boards.collect()))
}
