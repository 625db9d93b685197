//! Auradine's REST interface at port 8080, as its manual and public clients have it: the API's envelope, and records that the API
//! does not have. A token is good for an hour.

use super::{Auradine, VERSION, orders};
use crate::daemon::Daemon;
use crate::face::Moment;
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::node::{Node, Record};
use crate::number::{index, real, whole};
use crate::state::Phase;
use serde_json::Value;

const HOUR_S: u64 = 3_600;

/// Answers a request; where this is not listening there is the page for people.
pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    if request.port != super::REST_PORT {
        return Response::html(200, "<!doctype html><html><head><title>Miner UI</title></head></html>");
    }
    let window = moment.state.when_s / HOUR_S;
    let token = format!("{}{window:x}", moment.token());
    let command = request.path().trim_start_matches('/');
    if command == "token" {
        return login(moment, request, &token);
    }
    if request.header("token") != Some(token.as_str()) {
        return Response { status: 401, ..refusal(moment, "Invalid token") };
    }
    if request.method == "POST" {
        return match orders::take(moment, command, request.body) {
            Ok((code, words)) => {
                let reply = envelope(moment, 'S', code, words).int("id", 1);
                Response::json(Node::from(reply).to_json())
            }
            Err(words) => refusal(moment, words),
        };
    }
    let section = match command {
        "summary" | "devs" | "pools" | "version" => {
            let part = Auradine.part(moment, command, None);
            let reply = part.map(|part| part.into_reply(moment.state.when_s, &Auradine.description(moment)));
            return Response::json(Node::from(reply.unwrap_or_default()).to_json());
        }
        "ipreport" => ("IPReport", Node::one(report(moment))),
        "fan" => ("Fan", fans(moment)),
        "temperature" => ("Temperature", temperature(moment)),
        "psu" => ("PSU", Node::one(psu(moment))),
        "mode" => ("Mode", Node::one(mode(moment))),
        "led" => ("LED", Node::one(led(moment))),
        _ => return Response { status: 404, ..refusal(moment, "Unknown command") },
    };
    success(moment, section)
}

fn envelope(moment: &Moment<'_>, letter: char, code: i64, words: &str) -> Record {
    let status = Record::new()
        .text("STATUS", letter)
        .count("When", moment.state.when_s)
        .int("Code", code)
        .text("Msg", words)
        .text("Description", Auradine.description(moment));
    Record::new().put("STATUS", Node::one(status))
}

fn success(moment: &Moment<'_>, (name, section): (&'static str, Node)) -> Response {
    let code = match name {
        "IPReport" => 620,
        "Fan" => 510,
        "Temperature" => 590,
        "PSU" => 570,
        "Mode" => 540,
        "LED" => 530,
        _ => 300,
    };
    let reply = envelope(moment, 'S', code, name).put(name, section).int("id", 1);
    Response::json(Node::from(reply).to_json())
}

fn refusal(moment: &Moment<'_>, words: &str) -> Response {
    Response::json(Node::from(envelope(moment, 'E', 45, words).int("id", 1)).to_json())
}

fn login(moment: &Moment<'_>, request: &Request<'_>, token: &str) -> Response {
    if let Some(locked) = moment.locked() {
        return locked;
    }
    let body: Option<Value> = serde_json::from_slice(request.body).ok();
    let field = |name: &str| body.as_ref().and_then(|body| body.get(name)?.as_str());
    let given = (field("command"), field("user"), field("password"));
    if request.method != "POST" || given != (Some("token"), Some("admin"), Some(moment.password("admin"))) {
        return refusal(moment, "Invalid user or password");
    }
    let record = Record::new().text("Name", "admin").count("When", moment.state.when_s).text("Token", token);
    success(moment, ("Token", Node::one(record)))
}

fn report(moment: &Moment<'_>) -> Record {
    let serials = moment.state.boards.iter().map(|board| Node::Text(board.serial.clone()));
    Record::new()
        .text("command", "ipreport")
        .text("SerialNo", moment.spec.serial.as_str())
        .text("ip", moment.spec.address.to_string())
        .text("mac", moment.spec.mac.to_string().to_lowercase())
        .text("model", moment.spec.model.printed)
        .text("version", VERSION)
        .text("hostname", moment.spec.hostname.as_str())
        .text("CBSerialNo", format!("CB{}", moment.spec.serial))
        .text("ChassisSerialNo", "000020")
        .put("HBSerialNo", Node::List(serials.collect()))
        .text("InternalType", "T0")
}

fn fans(moment: &Moment<'_>) -> Node {
    let most = moment.spec.model.fan_rpm;
    let fans = moment.state.fans_rpm.iter().enumerate().map(|(i, rpm)| {
        Record::new()
            .count("ID", index(i) + 1)
            .count("Speed", *rpm)
            .int("Target", whole(most * moment.state.fan_duty))
            .int("Max", whole(most))
            .into()
    });
    Node::List(fans.collect())
}

fn temperature(moment: &Moment<'_>) -> Node {
    let sensors = |celsius: &[f64]| {
        let sensor =
            |(i, c): (usize, &f64)| Record::new().count("ID", index(i)).fixed("Temperature", *c, 2).into();
        Node::List(celsius.iter().enumerate().map(sensor).collect())
    };
    let control = Record::new()
        .int("ID", 0)
        .text("Name", "Control Board")
        .put("BoardTemp", sensors(&[moment.state.ambient_c + 8.0]))
        .put("ChipTemp", Node::Bare("null".to_owned()));
    let boards = moment.state.boards_present().map(|(slot, board)| {
        Record::new()
            .count("ID", index(slot) + 1)
            .text("Name", format!("Hash Board {}", slot + 1))
            .put("BoardTemp", sensors(&board.pcb_c))
            .put("ChipTemp", sensors(&board.chip_c))
            .into()
    });
    Node::List(std::iter::once(control.into()).chain(boards).collect())
}

/// Units are glued to the numbers.
fn psu(moment: &Moment<'_>) -> Record {
    let state = moment.state;
    let (mains, output) = (state.mains_v.max(1.0), state.output_v);
    let given = state.power_w * 0.94;
    Record::new()
        .text("VoutSet", format!("{:.2}V", moment.spec.model.voltage))
        .text("Vin", format!("{mains:.2}V"))
        .text("Iin", format!("{:.2}A", state.power_w / mains))
        .text("Vout", format!("{output:.2}V"))
        .text("Iout", format!("{:.2}A", given / output.max(1.0)))
        .text("FanSpeed1", format!("{:.2} RPM", real(state.psu_fan_rpm)))
        .text("FanSpeed2", format!("{:.2} RPM", real(state.psu_fan_rpm)))
        .text("PowerOut", format!("{given:.2}W"))
        .text("PowerIn", format!("{:.2}W", state.power_w))
        .text("PoutMax", "3452.00W")
}

fn mode(moment: &Moment<'_>) -> Record {
    Record::new()
        .text("Mode", orders::mode(moment))
        .text("Sleep", if moment.state.phase == Phase::Asleep { "on" } else { "off" })
        .text("Tune", "power")
        .int("Ths", 0)
        .int("Power", orders::power(moment))
}

/// Of several faults the lights show one.
fn led(moment: &Moment<'_>) -> Record {
    let shown = moment.state.faults.iter().find_map(|fault| match fault.kind() {
        FaultKind::PsuFault => Some((1, "PSU fault")),
        FaultKind::Overheating => Some((4, "Temperature fault")),
        FaultKind::Slow | FaultKind::BoardMissing | FaultKind::ChipsLost => Some((8, "Hashrate low")),
        _ => None,
    });
    let located = moment.spec.settings.light.then_some((3, "Locate"));
    let (code, words) = located.or(shown).unwrap_or((2, "Normal"));
    Record::new().int("Code", code).int("LED1", 1).int("LED2", 1).text("Msg", words)
}
