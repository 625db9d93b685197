//! FutureBit's Apollo: GraphQL at port 5000 that answers a question with everything it has, and a page at port 80 that leads
//! elsewhere (as public farm software reads it). What it is told is in [`orders`].

mod orders;

use crate::face::{Doorway, Face, Moment, Speaks};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record};
use crate::state::Phase;
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct FutureBit;

const APOLLO_II: Model = Model {
    make: Some("FutureBit"),
    name: Some("Apollo II"),
    printed: "v2",
    boards: 1,
    chips: 44,
    fans: 1,
    ths: 9.0,
    watts: 375.0,
    frequency_mhz: 600.0,
    voltage: 12.0,
    fan_rpm: 4000.0,
};
const MODELS: [Model; 1] = [APOLLO_II];
const PORT: u16 = 5000;

impl Face for FutureBit {
    fn family(&self) -> Family {
        Family::FUTUREBIT
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        &APOLLO_II
    }

    fn host_prefix(&self) -> &'static str {
        "futurebit-apollo"
    }

    /// It tells one pool, no count of chips that there should be, and no rate that it should reach.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        !matches!(fault, FaultKind::PoolDead | FaultKind::ChipsLost | FaultKind::Slow | FaultKind::PsuFault)
    }

    fn doors(&self) -> &'static [Doorway] {
        const { &[Doorway::WEB, Doorway { port: PORT, speaks: Speaks::Http }] }
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        if request.port != PORT {
            return Response::html(308, "").with_header("Location", "/overview");
        }
        let query = String::from_utf8_lossy(request.body);
        let token = moment.token();
        let known = request.header("authorization") == Some(format!("Bearer {token}").as_str());
        let refused = |words: &str| {
            Record::new().put("result", null()).put("error", Record::new().text("message", words).into())
        };
        let granted = |result: Record| Record::new().put("result", result.into()).put("error", null());
        let data = if query.contains("Auth{login") {
            // As it comes in JSON, quotes included.
            let password = Node::Text(moment.password("futurebit123").to_owned()).to_json();
            let login = if moment.spec.access.locked {
                refused("Another user is logged in")
            } else if query.contains(&password) {
                granted(Record::new().text("accessToken", token))
            } else {
                refused("Incorrect password")
            };
            Record::new().put("Auth", Record::new().put("login", login.into()).into())
        } else if query.contains("Mcu{stats") {
            let stats = if known {
                granted(Record::new().put("stats", computer(moment).into()))
            } else {
                refused("Your session expired, please login again")
            };
            Record::new().put("Mcu", Record::new().put("stats", stats.into()).into())
        } else if let Some(data) = orders::answer(moment, &query, request.body, known) {
            data
        } else {
            let online = Record::new().flag("status", !matches!(moment.state.phase, Phase::Asleep));
            let online = granted(Record::new().put("online", online.into()));
            let stats = granted(Record::new().put("stats", Node::one(unit(moment))));
            Record::new()
                .put("Miner", Record::new().put("online", online.into()).put("stats", stats.into()).into())
        };
        Response::json(Node::from(Record::new().put("data", data.into())).to_json())
    }
}

fn null() -> Node {
    Node::Bare("null".to_owned())
}

fn computer(moment: &Moment<'_>) -> Record {
    let card = |name: &str, mac: String| Node::from(Record::new().text("name", name).text("mac", mac));
    Record::new().text("hostname", moment.spec.hostname.clone()).put(
        "network",
        Node::List(vec![
            card("wlan0", "00:00:00:00:00:00".to_owned()),
            card("eth0", moment.spec.mac.to_string()),
        ]),
    )
}

fn unit(moment: &Moment<'_>) -> Record {
    let (spec, state) = (moment.spec, moment.state);
    let window = |ths: f64| Node::from(Record::new().text("bySol", format!("{:.2}", ths * 1e3)));
    let intervals = Record::new()
        .put("int_30", window(state.rate_5s))
        .put("int_300", window(state.rate_5m))
        .put("int_900", window(state.rate_15m))
        .put("int_3600", window(state.rate_avg))
        .put(
            "int_0",
            Record::new()
                .text("bySol", format!("{:.2}", state.rate_avg * 1e3))
                .count("errors", state.hardware_errors())
                .into(),
        );
    let master = Record::new()
        .count("upTime", state.elapsed_s)
        .text("hwAddr", "00:00:00:00:00:00")
        .int("boards", 1)
        .text("boardsW", format!("{:.1}", state.power_w))
        .put("intervals", intervals.into());
    let pool = state.pools.iter().find(|pool| pool.active).or(state.pools.first());
    let pool = pool.map_or_else(Record::new, |pool| {
        let place = pool.url.rsplit("://").next().unwrap_or_default();
        let (host, port) = place.split_once(':').unwrap_or((place, "3333"));
        let counts = Record::new()
            .count("sharesAccepted", pool.accepted)
            .count("sharesRejected", pool.rejected)
            .int("inService", i64::from(pool.alive));
        Record::new()
            .text("host", host)
            .put("port", Node::Bare(port.to_owned()))
            .text("userName", pool.user.clone())
            .count("diff", pool.difficulty)
            .put("intervals", Record::new().put("int_0", counts.into()).into())
    });
    let board = state.boards.first();
    let hot =
        board.filter(|board| board.present).map_or(0.0, |board| board.pcb_c.into_iter().fold(0.0, f64::max));
    let slot = Record::new()
        .text("ghs", format!("{:.2}", state.rate_5s * 1e3))
        .count("chips", board.map_or(0, |board| board.chips_ok))
        .int("pwrOn", i64::from(state.phase == Phase::Mining))
        .text("temperature", format!("{hot:.0}"));
    let fans = state.fans_rpm.iter().map(|rpm| Node::Text(rpm.to_string())).collect();
    Record::new()
        .text("uuid", spec.serial.clone())
        .text("version", spec.model.printed)
        .put("versions", Record::new().text("miner", "2.0.4").text("mspVer", "0x0124").into())
        .put("master", master.into())
        .put("pool", pool.into())
        .put("fans", Record::new().put("int_0", Record::new().put("rpm", Node::List(fans)).into()).into())
        .put("temperature", Record::new().fixed("max", hot, 0).into())
        .put("slots", Record::new().put("int_0", slot.into()).into())
        .put("slaves", Node::List(Vec::new()))
}
