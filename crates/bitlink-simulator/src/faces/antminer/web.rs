//! The web server of Bitmain's firmware, both generations: digest authentication and the documents under `/cgi-bin/`.

mod orders;

use super::fresh;
use crate::digest::Guard;
use crate::face::Moment;
use crate::faces::whatsminer::gateway;
use crate::http::{Request, Response};
use crate::node::{Node, Record};
use crate::number::whole;
use crate::state::Phase;

/// What differs between the machines.
pub(crate) struct Site<'a> {
    /// Build date, which is also the version.
    pub(crate) compiled: &'a str,
    /// The JSON documents of 2020 and later, or the older ones.
    pub(crate) newer: bool,
    /// `miner_type.cgi` exists.
    pub(crate) tells_type: bool,
    /// The answer of the API to a command, for the older generation's copies of it.
    pub(crate) api: &'a dyn Fn(&str) -> Option<Record>,
}

/// Answers a request.
pub(crate) fn answer(moment: &Moment<'_>, site: &Site<'_>, request: &Request<'_>) -> Response {
    let guard = Guard::of(moment, "antMiner Configuration", "root", "root");
    if !guard.admits(request) {
        let page = "<html><head><title>401 - Unauthorized</title></head><body><h1>401 - Unauthorized</h1></body></html>";
        return Response::html(401, page).with_header("WWW-Authenticate", guard.challenge());
    }
    let Some(name) = request.path().strip_prefix("/cgi-bin/").and_then(|path| path.strip_suffix(".cgi"))
    else {
        return match request.path() {
            "/" | "/index.html" => Response::html(200, "<html><head><title>AntMiner</title></head></html>"),
            _ => missing(),
        };
    };
    if let Some(response) = orders::answer(moment, site, request, name) {
        return response;
    }
    match document(moment, site, request.method, name) {
        Some(Node::Text(text)) => Response { content_type: "text/plain", ..Response::json(text) },
        Some(document) => Response::json(document.to_json()),
        None => missing(),
    }
}

fn missing() -> Response {
    Response::html(
        404,
        "<html><head><title>404 - Not Found</title></head><body><h1>404 - Not Found</h1></body></html>",
    )
}

fn document(moment: &Moment<'_>, site: &Site<'_>, method: &str, name: &str) -> Option<Node> {
    let common = match (method, name) {
        ("GET", "get_system_info") => Some(system_info(moment, site)),
        ("GET", "get_network_info") => Some(network_info(moment)),
        ("GET", "get_miner_conf") => Some(miner_conf(moment, site)),
        _ => None,
    };
    if let Some(record) = common {
        return Some(record.into());
    }
    Some(match (method, name) {
        ("GET", "stats" | "summary" | "pools") if site.newer => {
            fresh::reply(moment, name, fresh::Channel::Web)?.into()
        }
        ("GET", "miner_type") if site.tells_type => miner_type(moment, site).into(),
        ("GET", "get_blink_status") if site.newer => {
            Record::new().flag("blink", moment.spec.settings.light).into()
        }
        ("GET", "log") if site.newer => log(moment),
        ("GET", "get_kernel_log") if !site.newer => log(moment),
        ("GET", "miner_summary" | "miner_stats" | "miner_pools") if !site.newer => {
            (site.api)(name.trim_start_matches("miner_"))?.into()
        }
        ("GET", "get_miner_status") if !site.newer => status(moment, site)?.into(),
        _ => return None,
    })
}

fn system_info(moment: &Moment<'_>, site: &Site<'_>) -> Record {
    let spec = moment.spec;
    let info = Record::new()
        .text("minertype", spec.model.printed)
        .text("nettype", "DHCP")
        .text("netdevice", "eth0")
        .text("macaddr", spec.mac.to_string())
        .text("hostname", spec.hostname.as_str())
        .text("ipaddress", spec.address.to_string())
        .text("netmask", "255.255.255.0")
        .text("gateway", gateway(moment))
        .text("dnsservers", gateway(moment))
        .text("system_mode", "GNU/Linux")
        .text(
            "system_kernel_version",
            "Linux 4.6.0-xilinx-gff8137b-dirty #25 SMP PREEMPT Fri Nov 23 15:30:52 CST 2018",
        )
        .text("system_filesystem_version", site.compiled);
    if !site.newer {
        return info.text("cgminer_version", "4.9.0");
    }
    let info = info.text("firmware_type", "Release");
    if site.tells_type { info.text("serinum", spec.serial.as_str()) } else { info }
}

fn network_info(moment: &Moment<'_>) -> Record {
    let spec = moment.spec;
    Record::new()
        .text("nettype", "DHCP")
        .text("netdevice", "eth0")
        .text("macaddr", spec.mac.to_string())
        .text("ipaddress", spec.address.to_string())
        .text("netmask", "255.255.255.0")
        .text("conf_nettype", "DHCP")
        .text("conf_hostname", spec.hostname.as_str())
        .text("conf_ipaddress", "")
        .text("conf_netmask", "")
        .text("conf_gateway", "")
        .text("conf_dnsservers", "")
}

fn miner_conf(moment: &Moment<'_>, site: &Site<'_>) -> Record {
    let pools = super::slots(&moment.state.pools).map(|slot| {
        let (url, user) = slot.map_or(("", ""), |pool| (pool.url.as_str(), pool.user.as_str()));
        let password = if url.is_empty() { "" } else { "x" };
        Node::Record(Record::new().text("url", url).text("user", user).text("pass", password))
    });
    let conf = Record::new()
        .put("pools", Node::List(pools.collect()))
        .flag("api-listen", true)
        .flag("api-network", true)
        .text("api-groups", "A:stats:pools:devs:summary:version")
        .text("api-allow", "A:0/0,W:*")
        .flag("bitmain-fan-ctrl", moment.spec.settings.fan_percent.is_some())
        .text("bitmain-fan-pwm", moment.spec.settings.fan_percent.unwrap_or(100).to_string())
        .flag("bitmain-use-vil", true)
        .text("bitmain-freq", whole(moment.spec.model.frequency_mhz).to_string())
        .text("bitmain-voltage", whole(moment.spec.model.voltage * 100.0).to_string())
        .text("bitmain-ccdelay", "0")
        .text("bitmain-pwth", "0");
    if !site.newer {
        return conf;
    }
    let asleep = moment.state.phase == Phase::Asleep;
    let mode = moment.spec.settings.mode.as_deref().unwrap_or("0");
    conf.text("bitmain-hashrate-percent", "100")
        .text("bitmain-work-mode", if asleep { "1" } else { mode })
        .text("bitmain-freq-level", "100")
}

fn miner_type(moment: &Moment<'_>, site: &Site<'_>) -> Record {
    let subtype =
        if moment.spec.model.printed.contains("21") { "AMLCtrl_BHB68XXX" } else { "AMLCtrl_BHB42XXX" };
    Record::new()
        .text("miner_type", moment.spec.model.printed)
        .text("subtype", subtype)
        .text("fw_version", site.compiled)
}

fn log(moment: &Moment<'_>) -> Node {
    Node::Text(format!(
        "{} driver-btm-api.c: running for {} s\n",
        moment.state.when_s, moment.state.elapsed_s
    ))
}

/// The one document that sums up an old machine; its parts are the API's.
fn status(moment: &Moment<'_>, site: &Site<'_>) -> Option<Record> {
    let section = |command: &str, name: &str| {
        let reply = (site.api)(command)?;
        reply.fields.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let state = moment.state;
    let summary = Record::new()
        .count("elapsed", state.elapsed_s)
        .fixed("ghs5s", crate::node::ghs(state.rate_5s), 2)
        .fixed("ghsav", crate::node::ghs(state.rate_avg), 2);
    Some(
        Record::new()
            .put("summary", summary.into())
            .put("pools", section("pools", "POOLS")?)
            .put("devs", section("devs", "DEVS")?),
    )
}
