//! Goldshell's web server (`/mcb/`), as its owners and public farm software describe it: what the machine is may be asked by
//! everybody, the rest wants a token that never runs out. The firmware of the CK5 takes its password encrypted only.

use crate::face::Moment;
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::PoolSpec;
use crate::node::{Node, Record, mhs};
use crate::number::{index, real};
use crate::orders::Order;
use crate::state::Phase;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Block};
use serde_json::Value;
use std::fmt::Write;

const PASSWORD: &str = "123456789";

/// Answers a request.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let token = format!("eyJhbGciOiJSUzI1NiJ9.e30.{}", moment.token());
    match request.path() {
        _ if !matches!(request.method, "GET" | "PUT") => return refused(404, "not found"),
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
    if request.method == "PUT" {
        return obey(moment, request).unwrap_or_else(|| refused(400, "bad request"));
    }
    let document = match request.target {
        "/mcb/setting" => setting(moment).into(),
        "/mcb/pools" => pools(moment),
        "/mcb/cgminer?cgminercmd=devs" => devs(moment).into(),
        _ => return refused(404, "not found"),
    };
    Response::json(document.to_json())
}

/// What is put changes something; pools are answered with the new list, and the rest with what was put.
fn obey(moment: &Moment<'_>, request: &Request<'_>) -> Option<Response> {
    let body = serde_json::from_slice::<Value>(request.body).ok()?;
    let text = |key: &str| Some(body.get(key)?.as_str()?.to_owned());
    match request.path() {
        "/mcb/restart" => moment.order(Order::Reboot),
        "/mcb/setting" => {
            let select = usize::try_from(body.get("select")?.as_u64()?).ok()?;
            match body.pointer("/powerplans")?.get(select)?.get("level")?.as_i64()? {
                3 => moment.order(Order::Pause),
                level @ (0 | 1) => {
                    moment.order(Order::Resume);
                    let (name, part) = if level == 0 { ("0", 1.0) } else { ("1", 0.8) };
                    moment.order(Order::Mode(name.to_owned(), part));
                }
                _ => return None,
            }
            moment.order(Order::Light(body.get("ledcontrol")?.as_bool()?));
        }
        "/mcb/newpool" => {
            text("pass")?;
            moment.order(Order::AddPool(PoolSpec { url: text("url")?, user: text("user")? }));
        }
        "/mcb/delpool" => {
            let (url, user, id) = (text("url")?, text("user")?, body.get("dragid")?.as_u64()?);
            let at = moment
                .state
                .pools
                .iter()
                .enumerate()
                .position(|(i, pool)| index(i) == id && pool.url == url && pool.user == user)?;
            moment.order(Order::RemovePool(at));
        }
        _ => return None,
    }
    Some(Response::json(body.to_string()))
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

/// The place of the plan in use.
fn selected(moment: &Moment<'_>) -> i64 {
    match moment.spec.settings.mode.as_deref() {
        _ if moment.state.phase == Phase::Asleep => 2,
        Some("1") => 1,
        _ => 0,
    }
}

fn setting(moment: &Moment<'_>) -> Record {
    let plan = |level: i64, info: &str| Record::new().int("level", level).text("info", info).into();
    let plans = vec![plan(0, "normal"), plan(1, "low"), plan(3, "sleep")];
    Record::new()
        .int("select", selected(moment))
        .flag("tempcontrol", true)
        .flag("ledcontrol", moment.spec.settings.light)
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
            .int("powerplan", if state.phase == Phase::Asleep { 3 } else { selected(moment) })
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
