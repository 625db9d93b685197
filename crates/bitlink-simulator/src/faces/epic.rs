//! ePIC's PowerPlay: HTTP where others have the CGMiner API, and a page for people at port 80 (ePIC, PowerPlay API). It only
//! reads.

mod orders;

use crate::face::{Doorway, Face, Moment, Speaks};
use crate::fault::FaultKind;
use crate::host::SimHost;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record};
use crate::number::index;
use crate::state::Phase;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct Epic;

const S19J_PRO: Model = Model {
    make: Some("Antminer"),
    name: Some("S19j Pro"),
    printed: "Antminer S19j Pro",
    boards: 3,
    chips: 126,
    fans: 4,
    ths: 104.0,
    watts: 3068.0,
    frequency_mhz: 525.0,
    voltage: 13.7,
    fan_rpm: 6000.0,
};
const MODELS: [Model; 1] = [S19J_PRO];

impl Face for Epic {
    fn family(&self) -> Family {
        Family::EPIC
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "epic"
    }

    fn doors(&self) -> &'static [Doorway] {
        const { &[Doorway { port: SimHost::API_PORT, speaks: Speaks::Http }, Doorway::WEB] }
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        if request.port == SimHost::WEB_PORT {
            let page = "<html><head><title>Miner Web Dashboard</title></head><body></body></html>";
            return Response::html(200, page);
        }
        if request.method != "GET" {
            return orders::answer(moment, request);
        }
        if request.path() == "/log" {
            return Response::html(200, "powerplay: running\n");
        }
        let document = match request.path() {
            "/summary" => summary(moment).into(),
            "/capabilities" => capabilities(moment).into(),
            "/network" => network(moment).into(),
            "/temps" | "/temps/board" => board_temperatures(moment),
            "/temps/chip" => chip_temperatures(moment),
            "/hashrate" => rates(moment),
            _ => return Response::json(r#"{"result":false,"error":{"InvalidUrl":"no such page"}}"#),
        };
        Response::json(document.to_json())
    }
}

fn null() -> Node {
    Node::Bare("null".to_owned())
}

fn capabilities(moment: &Moment<'_>) -> Record {
    let (spec, state) = (moment.spec, moment.state);
    let serials = state.boards.iter().map(|board| Node::Text(board.serial.clone())).collect();
    let chips = u64::from(spec.model.chips) * u64::from(spec.model.boards);
    let board = Record::new().text("cpuHardware", "UMC").text("cpuSerial", spec.serial.clone());
    Record::new()
        .text("Model", spec.model.printed)
        .text("Model Subtype", "BHB42601")
        .put("Board Serial Numbers", Node::List(serials))
        .text("Chip Type", "BM1362")
        .count("Max HBs", u64::from(spec.model.boards))
        .put("Performance Estimator", Record::new().count("Chip Count", chips).into())
        .put("Control Board Version", board.into())
        .put(
            "PerpetualTune",
            Node::one(Record::new().text("algorithm", "ChipTune").int("min", 60).int("max", 140)),
        )
        .put("Coins", Node::List(vec![Node::Text("BTC".to_owned())]))
        .fixed("Default Clock", spec.model.frequency_mhz, 0)
        .fixed("Default Hashrate", spec.nominal_ths, 1)
        .fixed("Default Voltage", spec.model.voltage, 1)
}

fn network(moment: &Moment<'_>) -> Record {
    let lease = Record::new()
        .text("address", moment.spec.address.to_string())
        .text("netmask", "255.255.255.0")
        .text("gateway", "192.0.2.1")
        .text("dns", "192.0.2.1")
        .text("mac_address", moment.spec.mac.to_string());
    Record::new().put("dhcp", lease.into()).put("static", null())
}

fn operating_state(moment: &Moment<'_>) -> &'static str {
    match moment.state.phase {
        Phase::Mining => "Mining",
        Phase::Starting => "Initializing",
        Phase::Asleep | Phase::Stopped | Phase::Down | Phase::Hung => "Idling",
    }
}

/// A word, or an object with one key.
fn last_error(moment: &Moment<'_>) -> Node {
    let has = |kind: FaultKind| moment.state.faults.iter().any(|fault| fault.kind() == kind);
    if has(FaultKind::PsuFault) {
        Record::new().text("PsuError", "output voltage out of range").into()
    } else if has(FaultKind::FanFailed) {
        Record::new().int("MinimumFansError", 4).into()
    } else {
        null()
    }
}

fn summary(moment: &Moment<'_>) -> Record {
    let (spec, state) = (moment.spec, moment.state);
    let status = Record::new()
        .text("Operating State", operating_state(moment))
        .put("Last Error", last_error(moment))
        .text("Last Command", if state.phase == Phase::Asleep { "Stop" } else { "Autostart" })
        .put("Last Command Result", Record::new().flag("result", true).put("error", null()).into());
    let hashing =
        || state.boards_present().filter(|_| matches!(state.phase, Phase::Mining | Phase::Starting));
    let last = Record::new().fixed("Hashrate", state.rate_1m * 1e6, 1).count("Timestamp", state.when_s);
    let session = Record::new()
        .fixed("Average MHs", state.rate_avg * 1e6, 1)
        .count("Uptime", state.elapsed_s)
        .count("Accepted", state.accepted())
        .count("Rejected", state.rejected())
        .count("Submitted", state.accepted() + state.rejected())
        .count("Difficulty", spec.difficulty)
        .count("Active HBs", index(hashing().count()))
        .put("LastAverageMHs", last.into());
    let boards = hashing().map(|(i, board)| {
        let ideal = if board.rate_ideal > 0.0 { board.rate_5s / board.rate_ideal * 100.0 } else { 0.0 };
        let figures = [board.rate_5s * 1e6, ideal, 0.3].map(|figure| Node::Bare(format!("{figure:.3}")));
        Node::from(
            Record::new()
                .count("Index", index(i))
                .put("Hashrate", Node::List(figures.to_vec()))
                .fixed("Core Clock Avg", board.frequency_mhz, 1)
                .fixed("Input Voltage", board.voltage, 2)
                .fixed("Temperature", board.pcb_c.into_iter().fold(f64::MIN, f64::max), 0),
        )
    });
    let found = state.boards.iter().enumerate().map(|(i, board)| {
        Node::from(
            Record::new()
                .count("Index", index(i))
                .flag("Detected", board.present)
                .flag("Enabled", board.present),
        )
    });
    let auto = Record::new().int("Target Temperature", 60).int("Idle Speed", 20);
    let fans = Record::new().put("Fan Mode", Record::new().put("Auto", auto.into()).into()).fixed(
        "Fans Speed",
        state.fan_duty * 100.0,
        0,
    );
    let rpm = (1..)
        .zip(&state.fans_rpm)
        .fold(Record::new(), |record, (number, rpm)| record.count(format!("Fans Speed {number}"), *rpm));
    let supply = Record::new()
        .fixed("Input Power", state.power_w, 1)
        .fixed("Output Voltage", state.output_v, 2)
        .fixed("Target Voltage", spec.model.voltage * 1000.0, 0);
    let tune = Record::new()
        .fixed("Target", spec.nominal_ths, 0)
        .flag("Optimized", state.phase == Phase::Mining)
        .text("Unit", "TH/s");
    let tuner = Record::new()
        .flag("Running", true)
        .put("Algorithm", Record::new().put("ChipTune", tune.into()).into());
    Record::new()
        .text("Hostname", spec.hostname.clone())
        .text("Software", "PowerPlay-BMS v1.15.4")
        .put("Status", status.into())
        .put("Session", session.into())
        .put("HBs", Node::List(boards.collect()))
        .put("HBStatus", Node::List(found.collect()))
        .put("Fans", fans.into())
        .put("Fans Rpm", rpm.into())
        .put("Power Supply Stats", supply.into())
        .put(
            "Misc",
            Record::new()
                .flag("Locate Miner State", spec.settings.light)
                .int("Shutdown Temp", 95)
                .int("Critical Temp", 90)
                .into(),
        )
        .put("PerpetualTune", tuner.into())
        .put("Stratum", stratum(moment).into())
        .put("StratumConfigs", configs(moment))
        .put("PresetInfo", Record::new().fixed("Target Power", spec.nominal_w, 0).into())
}

/// Without the scheme, where it was configured with one.
fn stratum(moment: &Moment<'_>) -> Record {
    let pools = &moment.state.pools;
    let current = pools.iter().find(|pool| pool.active).or(pools.first());
    let place = current.map(|pool| pool.url.rsplit("://").next().unwrap_or_default().to_owned());
    Record::new()
        .text("Current Pool", place.unwrap_or_default())
        .text("Current User", current.map(|pool| pool.user.clone()).unwrap_or_default())
        .flag("IsPoolConnected", current.is_some_and(|pool| pool.alive))
        .fixed("Average Latency", 0.041, 3)
        .int("Config Id", 0)
}

fn configs(moment: &Moment<'_>) -> Node {
    let pools = moment.state.pools.iter().map(|pool| {
        Node::from(
            Record::new()
                .text("pool", pool.url.clone())
                .text("login", pool.user.clone())
                .text("password", "x"),
        )
    });
    Node::List(pools.collect())
}

/// `[{"Index":0,"Data":…}]` over the boards that are there.
fn by_board(moment: &Moment<'_>, data: impl Fn(usize) -> Node) -> Node {
    let boards = moment.state.boards_present();
    Node::List(
        boards.map(|(i, _)| Record::new().count("Index", index(i)).put("Data", data(i)).into()).collect(),
    )
}

fn figures(values: impl IntoIterator<Item = f64>) -> Node {
    Node::List(values.into_iter().map(|value| Node::Bare(format!("{value:.2}"))).collect())
}

fn chip_temperatures(moment: &Moment<'_>) -> Node {
    by_board(moment, |i| figures(moment.state.boards.get(i).map(|board| board.chip_c).unwrap_or_default()))
}

fn board_temperatures(moment: &Moment<'_>) -> Node {
    by_board(moment, |i| figures(moment.state.boards.get(i).map(|board| board.pcb_c).unwrap_or_default()))
}

/// One triple for each chip: rate in MH/s, percent of the ideal, percent of errors.
fn rates(moment: &Moment<'_>) -> Node {
    by_board(moment, |i| {
        let board = moment.state.boards.get(i);
        let chips = board.map_or(0, |board| board.chips_ok);
        let each = board.map_or(0.0, |board| board.rate_5s * 1e6) / crate::number::real(chips.max(1));
        Node::List((0..chips).map(|_| figures([each, 100.0, 0.3])).collect())
    })
}
