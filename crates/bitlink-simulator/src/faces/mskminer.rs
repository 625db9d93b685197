//! MSKMiner (`rwglr` builds): bmminer's statistics, sixteen chains wide with numbers for texts, where chains without a
//! board have an ideal rate and a voltage all the same.

use super::custom::{Custom, no_pools};
use super::{antminer, standard};
use crate::face::Moment;
use crate::fault::Fault;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record, ghs};
use crate::number::{index, real, whole};
use crate::state::Phase;
use bitlink_model::Family;

const S19: Model = Model {
    make: Some("Antminer"),
    name: Some("S19 NoPIC"),
    printed: "S19-88 v.2.6.0.39 ",
    boards: 3,
    chips: 88,
    fans: 4,
    ths: 90.0,
    watts: 3250.0,
    frequency_mhz: 590.0,
    voltage: 13.7,
    fan_rpm: 6200.0,
};
const MODELS: [Model; 1] = [S19];

/// See the file.
pub(crate) static FACE: Custom = Custom {
    family: Family::MSKMINER,
    models: &MODELS,
    default_model: &S19,
    host_prefix: "mskminer",
    description: "bmminer 4.11.1 rwglr",
    program: ("BMMiner", "4.11.1 rwglr"),
    api: "3.1",
    compiled: "Mon Mar  4 12:00:00 UTC 2024",
    joins: true,
    stats,
    own_pools: no_pools,
    tells_sleep: false,
    web: Some(web),
};

/// A login for a cookie, and a page with the addresses.
fn web(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let given = |name: &str, value: &str| request.field(name).as_deref() == Some(value);
    let session = format!("session={}", moment.token());
    match (request.method, request.path()) {
        ("POST", "/admin/login") if moment.spec.access.locked => Response {
            status: 423,
            ..Response::html(200, "<html><body>Another user is logged in</body></html>")
        },
        ("POST", "/admin/login")
            if given("username", "admin") && given("password", moment.password("root")) =>
        {
            Response::html(302, "")
                .with_header("Location", "/admin")
                .with_header("Set-Cookie", format!("{session}; Path=/; HttpOnly"))
        }
        ("POST", "/admin/login") => Response::html(200, "<html><body>Invalid credentials</body></html>"),
        _ if request.header("cookie") != Some(session.as_str()) => {
            Response::html(302, "").with_header("Location", "/admin/login")
        }
        ("POST", "/api/info_v1") => {
            let network = Record::new()
                .text("address", moment.spec.address.to_string())
                .text("macaddr", moment.spec.mac.to_string().to_lowercase())
                .text("netmask", "255.255.255.0");
            let info = Record::new().put("network_info", Record::new().put("result", network.into()).into());
            Response::json(Node::from(info).to_json())
        }
        _ => Response::html(404, "<html><body>Not Found</body></html>"),
    }
}

const CHAINS: usize = 16;

fn stats(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let boards = index(state.boards_present().count());
    let mut out = Record::new()
        .int("STATS", 0)
        .text("ID", "BC50")
        .count("Elapsed", state.elapsed_s)
        .int("Calls", 0)
        .fixed("Wait", 0.0, 6)
        .fixed("Max", 0.0, 6)
        .fixed("Min", 99_999_999.0, 6)
        .fixed("GHS 5s", ghs(state.rate_5s), 2)
        .fixed("GHS av", ghs(state.rate_avg), 2)
        .count("miner_count", boards)
        .text("frequency", "")
        .count("fan_num", index(state.fans_rpm.len()));
    for n in 1..=CHAINS {
        out = out.count(format!("fan{n}"), state.fans_rpm.get(n - 1).copied().unwrap_or(0));
    }
    out = out.int("fan_pwm", whole(state.fan_duty * 100.0)).count("temp_num", boards);
    let part = real(u64::from(moment.spec.model.boards.max(1)));
    let asleep = state.phase == Phase::Asleep;
    for n in 1..=CHAINS {
        let board = state.boards.get(n - 1).filter(|board| board.present);
        out = out
            .int(format!("temp{n}"), board.map_or(0, |b| whole(standard::hottest(&b.pcb_c))))
            .int(format!("temp2_{n}"), board.map_or(0, |b| whole(standard::hottest(&b.chip_c))))
            .fixed(format!("freq_avg{n}"), board.map_or(0.0, |b| b.frequency_mhz), 2)
            .fixed(format!("chain_rateideal{n}"), ghs(board.map_or(31.0, |b| b.rate_ideal)), 2)
            .count(format!("chain_acn{n}"), board.map_or(0, |b| b.chips_ok))
            .text(format!("chain_acs{n}"), board.map_or_else(String::new, |b| antminer::chip_map(b, asleep)))
            .count(format!("chain_hw{n}"), board.map_or(0, |b| b.hardware_errors))
            .fixed(format!("chain_rate{n}"), board.map_or(0.0, |b| ghs(b.rate_5s)), 2)
            .fixed(format!("chain_avgrate{n}"), board.map_or(0.0, |b| ghs(b.rate_avg)), 2)
            .fixed(format!("chain_power{n}"), board.map_or(0.0, |_| state.power_w / part), 1)
            .fixed(format!("chain_voltage{n}"), board.map_or(moment.spec.model.voltage, |b| b.voltage), 2)
            .text(format!("chain_xtime{n}"), "{}");
    }
    let psu = if state.faults.contains(&Fault::PsuFault) { "PSU FAIL" } else { "PSU OK" };
    out.fixed("total_rateideal", ghs(31.0 * 16.0), 2)
        .fixed("total_freqavg", state.frequency_mhz, 2)
        .count("total_acn", state.chips_ok())
        .fixed("total_rate", ghs(state.rate_5s), 2)
        .int("total_power", whole(state.power_w))
        .int("bringup_temp", 30)
        .text("has_pic", "1")
        .int("tune_running", i64::from(state.phase == Phase::Starting))
        .text("psu_status", psu)
        .int("downscale_mode", 0)
        .flag("has_hotel_fee", false)
        .text("miner_version", "49.0.1.3")
        .text("miner_id", antminer::miner_id(moment))
}
