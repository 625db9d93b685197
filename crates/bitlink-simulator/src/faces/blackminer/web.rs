//! The web server of VolcMiner and Hammer behind HTTP Digest, as public clients read it: who the machine is, and of a VolcMiner how
//! it does, with objects and lists in quotation marks and every number a text. What it is told
//! is in [`orders`].

mod orders;

use super::CHAINS;
use crate::calendar::ago;
use crate::digest::Guard;
use crate::face::Moment;
use crate::faces::antminer::{chip_map, slots};
use crate::faces::whatsminer::gateway;
use crate::http::{Request, Response};
use crate::node::{Node, Record, mhs};
use crate::number::{count, whole};
use crate::state::{Phase, PoolState};
use std::fmt::Display;

/// Answers a request.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let is_volcminer = moment.spec.model.make == Some("VolcMiner");
    let password = if is_volcminer { "ltc@dog" } else { "root" };
    let guard = Guard::of(moment, "blackMiner Configuration", "root", password);
    if !guard.admits(request) {
        return Response::html(401, "<html><head><title>401 - Unauthorized</title></head></html>")
            .with_header("WWW-Authenticate", guard.challenge());
    }
    match (request.method, request.path()) {
        ("GET", "/") => Response::html(200, "<html><head><title>blackMiner</title></head></html>"),
        ("GET", "/cgi-bin/get_system_info.cgi") => Response::json(Node::from(system(moment)).to_json()),
        ("GET", "/cgi-bin/get_miner_statusV1.cgi") if is_volcminer => Response::json(status(moment)),
        _ => orders::answer(moment, request, is_volcminer).unwrap_or_else(|| {
            Response::html(404, "<html><head><title>404 - Not Found</title></head></html>")
        }),
    }
}

fn system(moment: &Moment<'_>) -> Record {
    let spec = moment.spec;
    Record::new()
        .text("minertype", spec.model.printed)
        .text("nettype", "DHCP")
        .text("netdevice", "eth0")
        .text("macaddr", spec.mac.to_string())
        .text("hostname", spec.hostname.as_str())
        .text("ipaddress", spec.address.to_string())
        .text("netmask", "255.255.255.0")
        .text("gateway", gateway(moment))
        .text("dnsservers", gateway(moment))
        .text("curtime", "10:00:00")
        .text("uptime", ago(moment.state.uptime_s))
        .text("loadaverage", "0.10, 0.12, 0.09")
        .text("mem_total", "239000")
        .text("mem_used", "60000")
        .text("mem_free", "179000")
        .text("mem_buffers", "1000")
        .text("mem_cached", "20000")
        .text("system_mode", "GNU/Linux")
        .text("bb_hwv", "1.0.1.3")
        .text("system_kernel_version", "Linux 4.4.0")
        .text("system_filesystem_version", "2025-01-01 00-00-00 CST")
        .text("cgminer_version", "2.3.3")
}

/// Fields that are all texts.
fn texts(fields: &[(&str, &dyn Display)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\": \"{value}\"")).collect();
    format!("{{{}}}", fields.join(", "))
}

/// A number with commas between the thousands.
fn commas(number: f64, decimals: usize) -> String {
    let plain = format!("{number:.decimals$}");
    let (whole, rest) =
        plain.split_once('.').map_or((plain.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    rest.map_or(out.clone(), |rest| format!("{out}.{rest}"))
}

fn counted(number: u64) -> String {
    commas(crate::number::real(number), 0)
}

fn status(moment: &Moment<'_>) -> String {
    let state = moment.state;
    let (days, rest) = (state.elapsed_s / 86_400, state.elapsed_s % 86_400);
    let elapsed = format!("{days}d{}h{}m{}s", rest / 3_600, rest / 60 % 60, rest % 60);
    let total = texts(&[
        ("t_getworks", &counted(state.getworks())),
        ("t_accepted", &counted(state.accepted())),
        ("t_rejected", &counted(state.rejected())),
        ("t_discarded", &counted(state.discarded())),
        ("t_stale", &counted(state.stale())),
    ]);
    let hardware = texts(&[("h_hw", &counted(state.hardware_errors()))]);
    let pools: Vec<String> = (0_u64..).zip(slots(&state.pools)).map(|(i, slot)| pool(i, slot)).collect();
    let asleep = state.phase == Phase::Asleep;
    let chains: Vec<String> = CHAINS
        .iter()
        .zip(&state.boards)
        .filter(|(_, board)| board.present)
        .map(|(n, board)| {
            texts(&[
                ("index", n),
                ("chain_acn", &board.chips_ok),
                ("temp", &whole(crate::faces::standard::hottest(&board.pcb_c))),
                ("hw", &board.hardware_errors),
                ("chain_rate", &commas(mhs(board.rate_5s), 2)),
                ("chain_acs", &chip_map(board, asleep)),
                ("freq", &commas(board.frequency_mhz, 0)),
            ])
        })
        .collect();
    let fans: Vec<String> =
        (1..).zip(&state.fans_rpm).map(|(n, rpm)| format!("\"fan{n}\": \"{}\"", counted(*rpm))).collect();
    format!(
        "{{\n\"code\": \"200\",\n\"msg\": \"OK\",\n\"data\": \"{{\n\"elapsed\": \"{elapsed}\", \"ghs5s\": \"{}\", \
         \"ghsav\": \"{}\", \"bestshare\": \"{}\",\n\"pools\": {{ \"total\": {total}, \"hw\": {hardware}, \
         \"pool_dtls\": \"[ {} ]\" }},\n\"chains\": \"[ {} ]\",\n\"fan\": {{{}}}\n}}\"\n}}",
        commas(mhs(state.rate_5s), 2),
        commas(mhs(state.rate_avg), 2),
        state.best_share,
        pools.join(",\n"),
        chains.join(",\n"),
        fans.join(", "),
    )
}

fn pool(position: u64, slot: Option<&PoolState>) -> String {
    let empty = PoolState::empty();
    let pool = slot.unwrap_or(&empty);
    let done =
        |shares: u64| counted(count(crate::number::real(shares) * crate::number::real(pool.difficulty)));
    texts(&[
        ("index", &position),
        ("url", &pool.url),
        ("user", &pool.user),
        ("status", &if pool.alive { "Alive" } else { "Dead" }),
        ("diff", &pool.difficulty),
        ("getworks", &counted(pool.getworks)),
        ("priority", &position),
        ("accepted", &counted(pool.accepted)),
        ("diffa", &done(pool.accepted)),
        ("diffr", &done(pool.rejected)),
        ("diffs", &done(pool.stale)),
        ("rejected", &counted(pool.rejected)),
        ("discarded", &counted(pool.discarded)),
        ("stale", &counted(pool.stale)),
        ("lsdiff", &if pool.accepted > 0 { pool.difficulty } else { 0 }),
        ("lstime", &pool.last_share_ago_s.map_or_else(|| "0".to_owned(), ago)),
    ])
}
