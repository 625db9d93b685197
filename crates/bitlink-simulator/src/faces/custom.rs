//! Custom firmware for Antminers that keeps Bitmain's mining program and its API: what these families share, and a table of
//! what each changes. One family is one file with its [`Custom`].

use super::{antminer, antminer_old, cgminer::records, control};
use crate::call::Call;
use crate::daemon::{Daemon, JOINABLE, PRIVILEGED, Part};
use crate::face::{Document, Doorway, Face, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record};
use bitlink_model::Family;
use std::cmp::Ordering;

/// One such firmware.
#[derive(Debug)]
pub(crate) struct Custom {
    pub(crate) family: Family,
    /// The machines; their printed names are what the firmware says as `Type`.
    pub(crate) models: &'static [Model],
    pub(crate) default_model: &'static Model,
    pub(crate) host_prefix: &'static str,
    pub(crate) description: &'static str,
    /// Key and version of the mining program.
    pub(crate) program: (&'static str, &'static str),
    pub(crate) api: &'static str,
    pub(crate) compiled: &'static str,
    pub(crate) joins: bool,
    /// The data record of `stats`.
    pub(crate) stats: fn(&Moment<'_>) -> Record,
    /// Pools behind the user's.
    pub(crate) own_pools: fn(usize) -> Vec<Record>,
    /// Whether it lets a client know that a machine sleeps.
    pub(crate) tells_sleep: bool,
    /// The web server, where it is simulated.
    pub(crate) web: Option<fn(&Moment<'_>, &Request<'_>) -> Response>,
}

/// No pools of its own.
pub(crate) fn no_pools(_: usize) -> Vec<Record> {
    Vec::new()
}

/// The statistics as Bitmain's firmware of the machine's generation prints them.
pub(crate) fn bitmain_stats(moment: &Moment<'_>) -> Record {
    if is_s9(moment) {
        antminer_old::stats(moment, antminer_old::Generation::S9)
    } else {
        antminer::stats(moment)
    }
}

/// Whether the machine is of the generation of the S9.
fn is_s9(moment: &Moment<'_>) -> bool {
    matches!(moment.spec.model.name, Some("S9" | "T9"))
}

/// The boards with the numbers of their chains, counted from 6 on an S9 and from 1 later.
pub(crate) fn chains<'a>(
    moment: &Moment<'a>,
) -> impl Iterator<Item = (usize, &'a crate::state::BoardState)> + use<'a> {
    let first = if is_s9(moment) { 6 } else { 1 };
    moment.state.boards_present().map(move |(i, board)| (first + i, board))
}

impl Custom {
    fn version(&self, moment: &Moment<'_>, with_api: bool) -> Record {
        let (key, value) = self.program;
        let head = Record::new().text(key, value);
        let head = if with_api { head.text("API", self.api) } else { head };
        head.text("Miner", if is_s9(moment) { "30.0.1.3" } else { "49.0.1.3" })
            .text("CompileTime", self.compiled)
            .text("Type", moment.spec.model.printed)
    }
}

impl Custom {
    /// The reply of the API to a command, for web servers that have copies of it.
    pub(crate) fn reply(&self, moment: &Moment<'_>, command: &str) -> Option<Record> {
        let part = self.part(moment, command, None)?;
        Some(part.into_reply(moment.state.when_s, self.description))
    }
}

impl Face for Custom {
    fn family(&self) -> Family {
        self.family.clone()
    }

    fn models(&self) -> &'static [Model] {
        self.models
    }

    fn default_model(&self) -> &'static Model {
        self.default_model
    }

    fn host_prefix(&self) -> &'static str {
        self.host_prefix
    }

    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        self.tells_sleep || !matches!(fault, FaultKind::Asleep)
    }

    fn answer(&self, moment: &Moment<'_>, request: &[u8]) -> Document {
        self.answer_call(moment, &Call::read(request, &["command"]))
    }

    fn doors(&self) -> &'static [Doorway] {
        if self.web.is_some() { Doorway::API_AND_WEB } else { &[Doorway::API] }
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        self.web.map_or_else(|| Response::html(404, ""), |web| web(moment, request))
    }
}

impl Daemon for Custom {
    fn description(&self, _: &Moment<'_>) -> String {
        self.description.to_owned()
    }

    fn joins(&self) -> bool {
        self.joins
    }

    fn joinable(&self, command: &str) -> bool {
        JOINABLE.contains(&command)
    }

    fn part(&self, moment: &Moment<'_>, command: &str, parameter: Option<&str>) -> Option<Part> {
        let (key, _) = self.program;
        Some(match command {
            // Of the others nobody tells what their API takes.
            order if self.family == Family::ASICSEER && PRIVILEGED.contains(&order) => {
                if !moment.spec.access.privileged {
                    return Some(Part::denied(order));
                }
                return control::answer(moment, order, parameter);
            }
            "version" => {
                let version = Node::one(self.version(moment, true));
                Part::section(22, format!("{key} versions"), "VERSION", version)
            }
            "summary" => {
                let summary = if is_s9(moment) {
                    antminer_old::summary(moment, antminer_old::Generation::S9)
                } else {
                    antminer::summary(moment)
                };
                Part::section(11, "Summary", "SUMMARY", Node::one(summary))
            }
            "pools" => {
                let more = moment.state.pools.iter().skip(antminer::POOL_SLOTS).map(Some);
                let slots = (0_i64..).zip(antminer::slots(&moment.state.pools).chain(more));
                let mut pools: Vec<Record> =
                    slots.map(|(i, slot)| antminer::pool(moment, i, slot, "Pool Stale%")).collect();
                prefer(&mut pools, moment.spec.settings.preferred_pool);
                pools.extend((self.own_pools)(pools.len()));
                Part::section(7, format!("{} Pool(s)", pools.len()), "POOLS", records(pools))
            }
            "devs" => Part::section(9, "1 ASC(s)", "DEVS", Node::one(antminer_old::device(moment))),
            // The header and the data without a comma between them; `estats` has no header.
            "stats" => {
                let both = vec![self.version(moment, false).into(), (self.stats)(moment).into()];
                Part::section(70, format!("{key} stats"), "STATS", Node::Glued(both))
            }
            "estats" => Part::section(70, format!("{key} stats"), "STATS", Node::one((self.stats)(moment))),
            _ => return None,
        })
    }
}

/// Who is switched to goes before all others, which follow in their order (cgminer `cgminer.c`, `switch_pools`).
fn prefer(pools: &mut [Record], preferred: usize) {
    for (at, pool) in pools.iter_mut().enumerate() {
        let priority = match at.cmp(&preferred) {
            Ordering::Less => at + 1,
            Ordering::Equal => 0,
            Ordering::Greater => at,
        };
        for (key, value) in &mut pool.fields {
            if key == "Priority" {
                *value = Node::Bare(priority.to_string());
            }
        }
    }
}
