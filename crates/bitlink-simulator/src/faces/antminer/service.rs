//! The service at port 6060 that Antminers have since the S19 XP Hydro, open to everybody: power in a line of text, and one code
//! for what is wrong. The oldest build knows no question.

use super::build;
use crate::face::{Doorway, Moment, Speaks};
use crate::fault::Fault;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record};
use crate::number::whole;

pub(super) const PORT: u16 = 6060;
pub(super) const DOORS: &[Doorway] =
    &[Doorway::API, Doorway::WEB, Doorway { port: PORT, speaks: Speaks::Http }];

/// Whether a model has it.
pub(super) fn is_on(model: &Model) -> bool {
    model.printed.contains(" S21") || model.printed.contains("S19 XP Hyd")
}

pub(super) fn answer(moment: &Moment<'_>, request: &Request<'_>) -> Response {
    let plain = |text: String| Response { content_type: "text/plain", ..Response::json(text) };
    match (request.method, request.path()) {
        _ if !build(moment).newer => plain("error 6060 cmd".to_owned()),
        ("GET", "/miner_power") => plain(format!("miner power:{}", whole(moment.state.power_w))),
        ("GET", "/warning") => {
            let code = moment.state.faults.iter().find_map(|fault| code(*fault));
            let code = code.unwrap_or_else(|| "None".to_owned());
            Response::json(Node::from(Record::new().text("error_message", code)).to_json())
        }
        _ => plain("error 6060 cmd".to_owned()),
    }
}

fn code(fault: Fault) -> Option<String> {
    Some(match fault {
        Fault::BoardMissing { .. } => "J0:8".to_owned(),
        Fault::ChipsLost { board, .. } => format!("J{}:2", board.saturating_add(1)),
        Fault::Overheating => "P:1".to_owned(),
        Fault::PsuFault => "V:1".to_owned(),
        Fault::Slow { .. } => "R:1".to_owned(),
        _ => return None,
    })
}
