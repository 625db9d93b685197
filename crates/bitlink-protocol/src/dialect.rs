//! The seam between the API and the firmware families that speak it.
//!
//! A dialect says how its firmware is known, what to ask of it, and how to read the answers. It is a delta on the
//! generic replies: one file, its fixtures, and its row in the registry.

use crate::asking::Auth;
use crate::decode::{Document, Status};
use crate::http::WEB_PORT;
use crate::record::{Oddities, Record};
use bitlink_model::{Family, Identity, MinerSnapshot};
use std::fmt::Debug;

/// One firmware family.
pub trait Dialect: Debug + Sync {
    /// Its name.
    fn family(&self) -> Family;

    /// Whether what was heard so far marks this firmware. Asked in the order of the registry; the first that says yes
    /// has it.
    fn claims(&self, evidence: &Evidence) -> bool;

    /// Whether it claims whatever speaks the API, and gives way to a special dialect that the answers to its identity
    /// questions mark: not every vendor's firmware names itself in `version`.
    fn gives_way(&self) -> bool {
        false
    }

    /// What else to ask before the identity is known.
    fn identity_questions(&self) -> &'static [Question] {
        &[]
    }

    /// Who the miner is, from everything heard during identification.
    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity;

    /// What to ask for a full reading, in order.
    fn questions(&self) -> &'static [Question];

    /// Whether the firmware answers several questions in one request. A miner that turns out not to is asked one by
    /// one, then and later.
    fn joins(&self) -> bool {
        false
    }

    /// What else to ask once those are answered, where that depends on the answers. Asked for again with everything heard
    /// so far until it names nothing new.
    fn more_questions(&self, _heard: &Answers) -> &'static [Question] {
        &[]
    }

    /// How the firmware's web server wants to know who asks.
    fn auth(&self) -> Auth {
        Auth::None
    }

    /// What it is delivered with: tried last, and told of when it still works.
    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Whether a refusal means that the mining program is still coming up. A miner that says so is read as starting,
    /// however little it answers.
    fn is_starting(&self, _refusal: &Status) -> bool {
        false
    }

    /// Reads the answers into a snapshot whose identity is filled in already.
    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities);
}

/// A question of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The command word of the API, or the name that a page of the web server goes by; answers are found under it.
    pub command: &'static str,
    /// How it is put.
    pub ask: Ask,
    /// Whether the reading is worthless without an answer.
    pub required: bool,
    /// The command in whose place it is asked: only when that one had no usable answer.
    pub instead_of: Option<&'static str>,
}

/// How a question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ask {
    /// As a command of the CGMiner API.
    Command,
    /// As a page of the web server at a port.
    Page {
        /// Where the web server listens.
        port: u16,
        /// Path with query.
        path: &'static str,
    },
}

impl Question {
    /// A command that must be answered.
    pub const fn must(command: &'static str) -> Self {
        Self { required: true, ..Self::may(command) }
    }

    /// A command whose answer is welcome.
    pub const fn may(command: &'static str) -> Self {
        Self { command, ask: Ask::Command, required: false, instead_of: None }
    }

    /// A command that is asked when an earlier one had no usable answer.
    pub const fn instead(command: &'static str, of: &'static str) -> Self {
        Self { instead_of: Some(of), ..Self::may(command) }
    }

    /// A page of the web server that is welcome.
    pub const fn may_page(name: &'static str, path: &'static str) -> Self {
        Self { ask: Ask::Page { port: WEB_PORT, path }, ..Self::may(name) }
    }

    /// A page of the web server that must be answered.
    pub const fn must_page(name: &'static str, path: &'static str) -> Self {
        Self { required: true, ..Self::may_page(name, path) }
    }

    /// Whether it can go out as one with others: a command that stands in the place of none.
    pub(crate) const fn is_joinable(&self) -> bool {
        matches!(self.ask, Ask::Command) && self.instead_of.is_none()
    }
}

/// Decoded answers, by command.
#[derive(Debug, Clone, Default)]
pub struct Answers(Vec<(&'static str, Document)>);

impl Answers {
    pub(crate) fn insert(&mut self, command: &'static str, document: Document) {
        self.0.retain(|(c, _)| *c != command);
        self.0.push((command, document));
    }

    /// The answer to a command, when there is one.
    pub fn get(&self, command: &str) -> Option<&Document> {
        self.0.iter().find(|(c, _)| *c == command).map(|(_, document)| document)
    }

    /// The first record of a section of an answer.
    pub fn record<'a>(
        &'a self,
        command: &'a str,
        section: &str,
        oddities: &'a Oddities,
    ) -> Option<Record<'a>> {
        let map = self.get(command)?.section(section).into_iter().next()?;
        Some(Record::new(map, command, oddities))
    }

    /// All records of a section of an answer.
    pub fn records<'a>(&'a self, command: &'a str, section: &str, oddities: &'a Oddities) -> Vec<Record<'a>> {
        let Some(document) = self.get(command) else { return Vec::new() };
        document.section(section).into_iter().map(|map| Record::new(map, command, oddities)).collect()
    }

    /// The statuses of all answers.
    pub fn statuses(&self) -> impl Iterator<Item = Status> {
        self.0.iter().filter_map(|(_, document)| document.status())
    }
}

/// What a stranger has said so far.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Its answers, refusals included.
    pub answers: Answers,
    text: String,
}

impl Evidence {
    /// Whether any reply contained this, whatever the case.
    pub fn says(&self, upper_case: &str) -> bool {
        self.text.contains(upper_case)
    }

    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        // Enough for every marker; a hostile reply must not be kept whole.
        let head = bytes.get(..16 * 1024).unwrap_or(bytes);
        self.text.push_str(&String::from_utf8_lossy(head).to_uppercase());
        self.text.push('\n');
    }
}

/// The dialects, in the order in which they are asked whether a miner is theirs: the more special first, since custom
/// firmware keeps much of what it replaces.
pub fn registry() -> &'static [&'static dyn Dialect] {
    &[
        &crate::dialects::Braiins,
        &crate::dialects::Whatsminer,
        &crate::dialects::LuxOs,
        &crate::dialects::Hiveon,
        &crate::dialects::Mara,
        &crate::dialects::MskMiner,
        &crate::dialects::AsicSeer,
        &crate::dialects::Vnish,
        &crate::dialects::SealMiner,
        &crate::dialects::Auradine,
        &crate::dialects::Avalon,
        &crate::dialects::AvalonOld,
        &crate::dialects::BlackMiner,
        &crate::dialects::AntminerOld,
        &crate::dialects::Antminer,
        &crate::dialects::Goldshell,
        &crate::dialects::Innosilicon,
        &crate::dialects::Fork::Bfg,
        &crate::dialects::Fork::Sg,
        &crate::dialects::CgMiner,
    ]
}
