//! IceRiver's firmware: forms that are posted with a number for what is wanted, behind a login (as public farm software reads
//! it). It only reads.

mod orders;

use crate::face::{Doorway, Face, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record};
use crate::number::index;
use crate::state::Phase;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct IceRiver;

const KS3: Model = Model {
    make: Some("IceRiver"),
    name: Some("KS3"),
    printed: "KS3",
    boards: 3,
    chips: 72,
    fans: 4,
    ths: 9.4,
    watts: 3500.0,
    frequency_mhz: 400.0,
    voltage: 12.0,
    fan_rpm: 6000.0,
};
const MODELS: [Model; 1] = [KS3];

const JSON: &str = "application/json";

impl Face for IceRiver {
    fn family(&self) -> Family {
        Family::ICERIVER
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        &KS3
    }

    fn host_prefix(&self) -> &'static str {
        "ks3"
    }

    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        !matches!(fault, FaultKind::Asleep)
    }

    fn doors(&self) -> &'static [Doorway] {
        &[Doorway::WEB]
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        let asked = |name: &str, value: &str| request.field(name).as_deref() == Some(value);
        let session = format!("session={}", moment.token());
        let password = moment.password("12345678");
        match (request.method, request.path()) {
            ("GET", "/") => Response::html(
                200,
                "<!DOCTYPE html><html><head><TITLE>用户界面</TITLE></head><body></body></html>",
            ),
            ("POST", "/user/loginpost") if moment.spec.access.locked => {
                answer(2, "another user is logged in", Record::new())
            }
            ("POST", "/user/loginpost") if asked("user", "admin") && asked("pwd", password) => {
                answer(0, "", Record::new()).with_header("Set-Cookie", format!("{session}; Path=/"))
            }
            ("POST", "/user/loginpost") => answer(1, "wrong user name or password", Record::new()),
            _ if request.header("cookie") != Some(session.as_str()) => {
                Response::html(302, "").with_header("Location", "/user/login")
            }
            ("POST", "/user/userpanel") if asked("post", "4") => answer(0, "", panel(moment)),
            ("POST", "/user/machineconfig") if asked("post", "1") => answer(0, "", orders::machine(moment)),
            ("POST", _) if let Some((error, words)) = orders::take(moment, request) => {
                answer(error, words, Record::new())
            }
            _ => answer(1, "unknown request", Record::new()),
        }
    }
}

fn answer(error: i64, message: &str, data: Record) -> Response {
    let reply = Record::new().int("error", error).text("message", message).put("data", data.into());
    Response { content_type: JSON, ..Response::json(Node::from(reply).to_json()) }
}

/// With the letter of the unit.
fn gigahashes(ths: f64) -> String {
    format!("{:.2}G", ths * 1e3)
}

fn panel(moment: &Moment<'_>) -> Record {
    let (spec, state) = (moment.spec, moment.state);
    let well = |kind: FaultKind| !state.faults.iter().any(|fault| fault.kind() == kind);
    let up = state.elapsed_s;
    let runtime = format!("{:02}:{:02}:{:02}:{:02}", up / 86_400, up / 3_600 % 24, up / 60 % 60, up % 60);
    let boards = (1_u64..).zip(&state.boards).map(|(number, board)| {
        let [a, b, ..] = board.pcb_c;
        let hashes = board.present && state.phase == Phase::Mining;
        Node::from(
            Record::new()
                .count("no", number)
                .count("chipnum", board.chips)
                .count("chipsuc", if board.present { board.chips_ok } else { 0 })
                .int("error", 0)
                .fixed("freq", if hashes { board.frequency_mhz } else { 0.0 }, 0)
                .text("rtpow", gigahashes(board.rate_5s))
                .text("avgpow", gigahashes(board.rate_avg))
                .text("idealpow", format!("{:.2}", board.rate_ideal * 1e3))
                .text("pcbtemp", if board.present { format!("{a:.0}-{b:.0}") } else { "0-0".to_owned() })
                .fixed("intmp", state.ambient_c, 0)
                .fixed("outtmp", state.ambient_c + 15.0, 0)
                .flag("state", hashes)
                .put("false", Node::List(Vec::new())),
        )
    });
    let pools = (0..3).map(|slot| {
        let pool = state.pools.get(slot);
        let record = Record::new().count("no", index(slot) + 1);
        let Some(pool) = pool else { return record.text("addr", "").text("user", "").into() };
        Node::from(
            record
                .text("addr", pool.url.clone())
                .text("user", pool.user.clone())
                .text("pass", "x")
                .flag("connect", pool.alive)
                .text("diff", format!("{} ", pool.difficulty))
                .count("priority", index(slot) + 1)
                .count("accepted", pool.accepted)
                .count("rejected", pool.rejected)
                .int("state", i64::from(pool.active)),
        )
    });
    let fans = state.fans_rpm.iter().map(|rpm| Node::Bare(rpm.to_string()));
    Record::new()
        .text("nic", "eth0")
        .text("mac", spec.mac.to_string().replace(':', "-"))
        .text("ip", spec.address.to_string())
        .text("netmask", "255.255.255.0")
        .text("host", spec.hostname.clone())
        .flag("dhcp", true)
        .text("model", spec.model.printed)
        .text("algo", "kHeavyHash")
        .flag("online", true)
        .text("firmver1", "BOOT_1_10")
        .text("firmver2", "image_1.7")
        .text("softver1", "10001_ks3_miner")
        .text("softver2", "10001_ks3_back")
        .flag("locate", spec.settings.light)
        .text("rtpow", gigahashes(state.rate_5s))
        .text("avgpow", gigahashes(state.rate_avg))
        .fixed("reject", 0.4, 2)
        .text("runtime", runtime)
        .text("unit", "G")
        .flag("netstate", state.pools.iter().any(|pool| pool.alive))
        .flag("powstate", well(FaultKind::PsuFault))
        .flag("tempstate", well(FaultKind::Overheating))
        .flag("fanstate", well(FaultKind::FanFailed))
        .put("fans", Node::List(fans.collect()))
        .put("pools", Node::List(pools.collect()))
        .put("boards", Node::List(boards.collect()))
}
