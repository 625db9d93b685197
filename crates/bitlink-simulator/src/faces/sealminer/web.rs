//! The web server of the SealMiner, as public clients read it: PHP pages behind a cookie that a form gives. It only reads.

use crate::face::Moment;
use crate::fault::Fault;
use crate::http::{Request, Response};
use crate::node::{Node, Record, mhs, percent};
use crate::number::{real, whole};
use crate::seed::Seed;
use crate::state::{Phase, PoolState};

/// Slots for pools that are always listed.
const POOL_SLOTS: usize = 3;

/// Answers a request.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let session = format!("PHPSESSID={}", moment.token());
    let page = match (request.method, request.path()) {
        ("GET", "/") => {
            return Response::html(
                200,
                "<!doctype html><html><head><link rel=\"stylesheet\" href=\"assets/css/amazeui.min.css\"></head></html>",
            );
        }
        ("POST", "/cgi-bin/login.php") => {
            if let Some(locked) = moment.locked() {
                return locked;
            }
            let given = |name: &str, value: &str| request.field(name).as_deref() == Some(value);
            let known = given("username", "seal") && given("origin_pwd", moment.password("seal"));
            let reply = Record::new()
                .int("state", i64::from(!known))
                .text("msg", if known { "ok" } else { "failed" });
            return Response::json(Node::from(reply).to_json()).with_header(
                "Set-Cookie",
                if known { format!("{session}; path=/") } else { "PHPSESSID=0; path=/".to_owned() },
            );
        }
        _ if request.header("cookie") != Some(session.as_str()) => {
            return Response::html(302, "").with_header("Location", "/login.html");
        }
        ("GET", "/cgi-bin/get_system_info.php") => system(moment),
        ("GET", "/cgi-bin/miner-status.php") => status(moment),
        ("GET", "/cgi-bin/miner_psu_status.php") => supply(moment),
        ("GET", "/cgi-bin/get_miner_poolconf.php") => configuration(moment),
        _ => return Response::html(404, "File not found."),
    };
    Response::json(Node::from(page).to_json())
}

fn system(moment: &Moment<'_>) -> Record {
    let spec = moment.spec;
    let seed = Seed::new(spec.seed);
    Record::new()
        .text("miner_type", spec.model.printed)
        .text("brand", "Sealminer")
        .text(
            "firmware_version",
            seed.of("build").pick(&["2025010101", "2025091001"]).copied().unwrap_or("2025091001"),
        )
        .text("macaddr", spec.mac.to_string().to_lowercase())
        .text("ipaddress", spec.address.to_string())
        .text("DHCP", "true")
        .text("led", "off")
        .text("miningMode", "2")
        .int("low_power", 0)
        .int("normal", 2)
        .int("high_performance", 3)
        .int("custom", 5)
        .text("ctrl_version", "BD-CB-01")
        .text("crtl_sn", format!("SIMC{:010X}", seed.of("control board").bits() >> 24))
        .text("psu_model", "BDP-4000")
        .int("ratedHashrate", 0)
        .text("systemTime", "2025-09-20 10:00:00")
        .int("tuning_done", i64::from(moment.state.phase != Phase::Starting))
        .text("upgrade_result", "0\\n")
        .put("nomalPowerRatio", Node::Bare("null".to_owned()))
}

fn status(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let submitted = state.accepted() + state.rejected();
    let summary = Record::new()
        .count("elapsed", state.elapsed_s)
        .short("mhsav", mhs(state.rate_avg))
        .text("foundblocks", "0")
        .short("rejected", percent(state.rejected(), submitted));
    let slots = state.pools.iter().map(Some).chain(std::iter::repeat(None)).take(POOL_SLOTS);
    let pools = (0_i64..).zip(slots).map(|(id, slot)| pool(id, slot).into());
    Record::new().put("summary", summary.into()).put("pools", Node::List(pools.collect()))
}

/// A pool; what an empty slot has not is an empty text.
fn pool(id: i64, slot: Option<&PoolState>) -> Record {
    let Some(pool) = slot.filter(|pool| !pool.url.is_empty()) else {
        let keys = [
            "url", "user", "status", "isActive", "diff", "getworks", "priority", "accept", "rejected",
            "stale",
        ];
        return keys.into_iter().fold(Record::new().int("id", id), |record, key| record.text(key, ""));
    };
    let difficulty = real(pool.difficulty);
    Record::new()
        .int("id", id)
        .text("url", pool.url.as_str())
        .text("user", pool.user.as_str())
        .text("status", if pool.alive { "Alive" } else { "Dead" })
        .flag("isActive", pool.active)
        .short("diff", difficulty)
        .count("getworks", pool.getworks)
        .int("priority", id)
        .count("accept", pool.accepted)
        .count("rejected", pool.rejected)
        .short("rejected%", percent(pool.rejected, pool.accepted + pool.rejected))
        .count("stale", pool.stale)
        .short("diffA", real(pool.accepted) * difficulty)
        .short("diffR", real(pool.rejected) * difficulty)
        .short("lsdiff", if pool.accepted > 0 { difficulty } else { 0.0 })
        .text("lstime", pool.last_share_ago_s.map_or_else(String::new, crate::calendar::ago))
}

fn supply(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let fault = state.faults.contains(&Fault::PsuFault);
    Record::new()
        .int("Power", whole(state.power_w))
        .short("Voltage", state.mains_v)
        .short("Current", state.power_w / state.mains_v.max(1.0))
        .short("Temp", state.psu_c)
        .flag("Online", true)
        .text("StatusCode", if fault { "0x0020" } else { "0x0000" })
}

fn configuration(moment: &Moment<'_>) -> Record {
    let pools = moment.state.pools.iter().map(|pool| {
        Record::new().text("url", pool.url.as_str()).text("user", pool.user.as_str()).text("pass", "x").into()
    });
    Record::new().put("pools", Node::List(pools.collect())).text("xk-h3x-miningmode", "2").text(
        "xk-h3x-psu-input-max-power",
        whole((moment.spec.nominal_w * 1.05 / 100.0).ceil() * 100.0).to_string(),
    )
}
