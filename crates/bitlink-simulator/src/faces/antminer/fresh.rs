//! The newer reply shapes of the same firmware: what its web server serves as `stats.cgi`, and what the API sends to a
//! request with a top-level `"new_api":true`.

use super::{build, chip_map, human, sensors, slots};
use crate::calendar::ago;
use crate::face::Moment;
use crate::faces::standard::hardware_percent;
use crate::node::{Node, Record, ghs};
use crate::number::{index, real, whole};
use crate::state::{Phase, PoolState};

/// Where the reply is given: the API prints the time with decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// TCP 4028.
    Api,
    /// The web server.
    Web,
}

/// The reply to one command, `None` when this shape does not exist for it.
pub(crate) fn reply(moment: &Moment<'_>, command: &str, channel: Channel) -> Option<Record> {
    // While asleep there is nothing to report, but the pools are still there.
    let asleep = moment.state.phase == Phase::Asleep;
    let only = |record: Record| if asleep { Node::List(Vec::new()) } else { Node::one(record) };
    let (section, value) = match command {
        "stats" => ("STATS", only(stats(moment))),
        "summary" => ("SUMMARY", only(summary(moment))),
        "pools" => {
            let pools =
                (0_u64..).zip(slots(&moment.state.pools)).map(|(i, slot)| Node::Record(pool(i, slot)));
            ("POOLS", Node::List(pools.collect()))
        }
        "rate" => ("RATE", only(chart(moment))),
        "warning" => ("WARNING", Node::List(Vec::new())),
        _ => return None,
    };
    Some(envelope(moment, command, channel).put(section, value))
}

fn envelope(moment: &Moment<'_>, message: &str, channel: Channel) -> Record {
    let build = build(moment);
    let status = Record::new().text("STATUS", "S");
    let status = match channel {
        Channel::Api => status.fixed("when", real(moment.state.when_s), 3),
        Channel::Web => status.count("when", moment.state.when_s),
    };
    let status = status.text("Msg", message).text("api_version", "1.0.0");
    let info = Record::new()
        .text("miner_version", build.miner)
        .text("CompileTime", build.compiled)
        .text("type", moment.spec.model.printed);
    Record::new().put("STATUS", status.into()).put("INFO", info.into())
}

fn rates(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    Record::new()
        .count("elapsed", state.elapsed_s)
        .short("rate_5s", ghs(state.rate_5s))
        .short("rate_30m", ghs(state.rate_30m))
        .short("rate_avg", ghs(state.rate_avg))
        .short("rate_ideal", ghs(state.rate_ideal))
        .text("rate_unit", "GH/s")
}

fn stats(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let hardware = hardware_percent(state.hardware_errors(), state.total_mh) / 100.0;
    let list = |sensors: &[f64]| Node::ints(sensors.iter().map(|&t| whole(t)));
    let chains = state.boards_present().map(|(i, board)| {
        let [pcb, chip, pic] = sensors(moment, board);
        let chain = Record::new()
            .count("index", index(i))
            .int("freq_avg", whole(board.frequency_mhz))
            .short("rate_ideal", ghs(board.rate_ideal))
            .short("rate_real", ghs(board.rate_5s))
            .count("asic_num", board.chips_ok)
            .text("asic", chip_map(board, false))
            .put("temp_pic", list(&pic))
            .put("temp_pcb", list(&pcb))
            .put("temp_chip", list(&chip))
            .count("hw", board.hardware_errors)
            .flag("eeprom_loaded", true)
            .text("sn", board.serial.as_str())
            .fixed("hwp", hardware_percent(board.hardware_errors, board.total_mh) / 100.0, 4);
        Node::Record(chain.put("tpl", Node::List(vec![list(&board.chip_c)])))
    });
    rates(moment)
        .count("chain_num", index(state.boards_present().count()))
        .count("fan_num", index(state.fans_rpm.len()))
        .put("fan", Node::List(state.fans_rpm.iter().map(|rpm| Node::Bare(rpm.to_string())).collect()))
        .fixed("hwp_total", hardware, 4)
        .int("miner-mode", 0)
        .int("freq-level", 100)
        .put("chain", Node::List(chains.collect()))
}

fn summary(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let slow = state.rate_5m < 0.85 * state.rate_ideal;
    let fan = state.fans_rpm.contains(&0);
    let hot = state.hottest_chip_c().is_some_and(|t| t > 85.0);
    let offline = state.pools.iter().all(|pool| !pool.alive);
    let states = [
        ("rate", slow, "low hashrate"),
        ("network", offline, "no pool"),
        ("fans", fan, "fan lost"),
        ("temp", hot, "overtemp"),
    ];
    let states = states.map(|(kind, bad, message)| {
        let record = Record::new()
            .text("type", kind)
            .text("status", if bad { "e" } else { "s" })
            .int("code", i64::from(bad))
            .text("msg", if bad { message } else { "" });
        Node::Record(record)
    });
    rates(moment)
        .count("hw_all", state.hardware_errors())
        .count("bestshare", state.best_share)
        .put("status", Node::List(states.into()))
}

fn pool(position: u64, slot: Option<&PoolState>) -> Record {
    let empty = PoolState::empty();
    let pool = slot.unwrap_or(&empty);
    let difficulty = real(pool.difficulty);
    Record::new()
        .count("index", position)
        .text("url", pool.url.as_str())
        .text("user", pool.user.as_str())
        .text("status", if pool.alive { "Alive" } else { "Dead" })
        .count("priority", position)
        .count("getworks", pool.getworks)
        .count("accepted", pool.accepted)
        .count("rejected", pool.rejected)
        .count("discarded", pool.discarded)
        .count("stale", pool.stale)
        .text("diff", if pool.alive { human(pool.difficulty) } else { String::new() })
        .count("diff1", pool.accepted.saturating_mul(pool.difficulty))
        .short("diffa", real(pool.accepted) * difficulty)
        .short("diffr", real(pool.rejected) * difficulty)
        .short("diffs", real(pool.stale) * difficulty)
        .short("lsdiff", if pool.accepted > 0 { difficulty } else { 0.0 })
        .text("lstime", pool.last_share_ago_s.map_or_else(|| "0".to_owned(), ago))
}

fn chart(moment: &Moment<'_>) -> Record {
    let series = [("miner", moment.state.rate_5m), ("ideal", moment.state.rate_ideal)].map(|(name, rate)| {
        Node::Record(Record::new().text("name", name).put("data", Node::List(vec![Node::short(ghs(rate))])))
    });
    Record::new()
        .text("unit", "GH/s")
        .put("xAxis", Node::List(vec![Node::Bare(moment.state.when_s.to_string())]))
        .put("series", Node::List(series.into()))
}
