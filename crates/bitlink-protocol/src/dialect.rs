//! The seam between the API and the firmware families that speak it.
//!
//! A dialect says how its firmware is known, what to ask of it, and how to read the answers. It is a delta on the
//! generic replies: one file, its fixtures, and its row in the registry.

use crate::acting::{ActError, Order, Plan};
use crate::asking::Auth;
use crate::decode::{Document, Status};
use crate::exchange::API_DOOR;
use crate::http::{HttpRequest, TLS_PORT, WEB_PORT};
use crate::record::{Oddities, Record};
use bitlink_model::{Capabilities, Family, Identity, MinerSnapshot};
use std::fmt::Debug;

/// Where the CGMiner API listens.
pub const DEFAULT_API_PORT: u16 = 4028;

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

    /// Where a scan finds it: the ports of which one at least is open on every such miner, the likeliest first.
    fn doors(&self) -> &'static [u16] {
        &[DEFAULT_API_PORT, WEB_PORT]
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

    /// What shows the effects of commands and is asked for only when that is wanted: no other reading is worth the question.
    fn proof_questions(&self) -> &'static [Question] {
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

    /// What it can be told to do. What is not in the answer it cannot, or nobody knows how.
    fn capabilities(&self, _identity: &Identity) -> Capabilities {
        Capabilities::default()
    }

    /// How it is told. Asked only for what [`capabilities`](Self::capabilities) has.
    ///
    /// # Errors
    /// [`ActError`] where it cannot be told that, or not with this setting.
    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        Err(ActError::unsupported(order.action.kind()))
    }

    /// How its web server wants to know who gives orders, where that differs from how it wants to know who asks.
    fn acting_auth(&self) -> Auth {
        self.auth()
    }

    /// What it is delivered with, for giving orders.
    fn acting_credentials(&self) -> &'static [(&'static str, &'static str)] {
        self.default_credentials()
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
    /// As a command of the CGMiner API, where it was found.
    Command,
    /// As a command of the CGMiner API at another port.
    CommandAt {
        /// Where it listens.
        port: u16,
    },
    /// As a bare word to a service that answers in text, as ccminer's.
    Text {
        /// Where it listens.
        port: u16,
    },
    /// As a page of the web server.
    Page(Page),
    /// As a page of the web server of which nothing but its marks is wanted: any answer will do, a refusal too.
    Knock(Page),
    /// As a message with its length before it.
    Frame {
        /// Where such messages are taken.
        port: u16,
        /// The message.
        body: &'static str,
    },
}

/// Where a question goes: failures at one of them say nothing of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// Where the API was found.
    Api,
    /// This port.
    Port(u16),
}

impl Ask {
    /// Where the question goes.
    pub const fn door(&self) -> Door {
        match self {
            Self::Command
            | Self::Page(Page { port: API_DOOR, .. })
            | Self::Knock(Page { port: API_DOOR, .. }) => Door::Api,
            Self::CommandAt { port }
            | Self::Text { port }
            | Self::Page(Page { port, .. })
            | Self::Knock(Page { port, .. })
            | Self::Frame { port, .. } => Door::Port(*port),
        }
    }
}

/// A page of a web server, as a question: known before anything is said, so that it can be a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Where the web server listens; [`API_DOOR`] for the API's own port.
    pub port: u16,
    /// Whether over TLS.
    pub secure: bool,
    /// Method.
    pub method: &'static str,
    /// Path with query.
    pub path: &'static str,
    /// What the body is; empty where there is none.
    pub content_type: &'static str,
    /// Body.
    pub body: &'static str,
    /// Whether it is open to everybody: then nothing that proves who asks goes with it, and its answer proves nothing.
    pub open: bool,
}

impl Page {
    /// A page that is read.
    pub const fn get(path: &'static str) -> Self {
        Self { port: WEB_PORT, secure: false, method: "GET", path, content_type: "", body: "", open: false }
    }

    /// A question that is sent without saying more. One that changes nothing, of course.
    pub const fn post(path: &'static str) -> Self {
        Self { method: "POST", ..Self::get(path) }
    }

    /// A question that is put as a JSON document. One that changes nothing, of course.
    pub const fn post_json(path: &'static str, body: &'static str) -> Self {
        Self { method: "POST", content_type: "application/json", body, ..Self::get(path) }
    }

    /// A question that is put as a form. One that changes nothing, of course.
    pub const fn post_form(path: &'static str, body: &'static str) -> Self {
        Self { method: "POST", content_type: "application/x-www-form-urlencoded", body, ..Self::get(path) }
    }

    /// At another port.
    #[must_use]
    pub const fn at(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Open to everybody.
    #[must_use]
    pub const fn open(self) -> Self {
        Self { open: true, ..self }
    }

    /// Over TLS, at port 443 unless it has one of its own.
    #[must_use]
    pub const fn over_tls(self) -> Self {
        Self { secure: true, port: if self.port == WEB_PORT { TLS_PORT } else { self.port }, ..self }
    }

    /// As a request.
    pub fn request(&self) -> HttpRequest {
        let mut request = HttpRequest::get(self.path).on_port(self.port);
        request.secure = self.secure;
        request.method = self.method;
        request.body = self.body.as_bytes().to_vec();
        if self.content_type.is_empty() {
            request
        } else {
            request.with_header("Content-Type", self.content_type)
        }
    }
}

impl Question {
    /// A command that must be answered.
    pub const fn must(command: &'static str) -> Self {
        Self::may(command).required()
    }

    /// A command whose answer is welcome.
    pub const fn may(command: &'static str) -> Self {
        Self { command, ask: Ask::Command, required: false, instead_of: None }
    }

    /// A page of the web server that is welcome.
    pub const fn may_page(name: &'static str, path: &'static str) -> Self {
        Self::page(name, Page::get(path))
    }

    /// A page of the web server that must be answered.
    pub const fn must_page(name: &'static str, path: &'static str) -> Self {
        Self::may_page(name, path).required()
    }

    /// A page of the web server that is welcome, whatever its method and port.
    pub const fn page(name: &'static str, page: Page) -> Self {
        Self { ask: Ask::Page(page), ..Self::may(name) }
    }

    /// A page of which only the marks are wanted.
    pub const fn knock(name: &'static str, page: Page) -> Self {
        Self { ask: Ask::Knock(page), ..Self::may(name) }
    }

    /// A message with its length before it.
    pub const fn frame(name: &'static str, port: u16, body: &'static str) -> Self {
        Self { ask: Ask::Frame { port, body }, ..Self::may(name) }
    }

    /// A bare word to a service that answers in text.
    pub const fn text(word: &'static str, port: u16) -> Self {
        Self { ask: Ask::Text { port }, ..Self::may(word) }
    }

    /// A command at a port of its own.
    #[must_use]
    pub const fn at(self, port: u16) -> Self {
        Self { ask: Ask::CommandAt { port }, ..self }
    }

    /// The same, without whose answer the reading is worthless.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same, asked only when an earlier one had no usable answer. A required one that is refused, or whose port is shut,
    /// does not end the reading while something is still to be asked in its place.
    #[must_use]
    pub const fn in_place_of(self, other: &'static str) -> Self {
        Self { instead_of: Some(other), ..self }
    }

    /// Whether it can go out as one with others: a command that stands in the place of none.
    pub(crate) const fn is_joinable(&self) -> bool {
        matches!(self.ask, Ask::Command) && self.instead_of.is_none()
    }

    /// Whether it is a command of the CGMiner API.
    pub(crate) const fn is_command(&self) -> bool {
        matches!(self.ask, Ask::Command | Ask::CommandAt { .. })
    }

    /// Whether it is a page that wants no proof of who asks.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.ask, Ask::Page(Page { open: true, .. }))
    }

    /// Whether it asks a service that some machines have besides: a page that is neither at the web server's port nor at the
    /// API's.
    pub(crate) const fn is_aside(&self) -> bool {
        matches!(self.ask, Ask::Page(Page { port, .. }) if !matches!(port, API_DOOR | WEB_PORT | TLS_PORT))
    }

    /// Whether it asks the web server.
    pub(crate) const fn is_page(&self) -> bool {
        matches!(self.ask, Ask::Page(_) | Ask::Knock(_))
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

    /// A page that is one object.
    pub fn page<'a>(&'a self, name: &'a str, oddities: &'a Oddities) -> Option<Record<'a>> {
        Some(Record::new(self.get(name)?.root(), name, oddities))
    }

    /// The statuses of all answers.
    pub fn statuses(&self) -> impl Iterator<Item = Status> {
        self.0.iter().filter_map(|(_, document)| document.status())
    }
}

impl FromIterator<(&'static str, Document)> for Answers {
    /// Of several answers to one command the last counts.
    fn from_iter<T: IntoIterator<Item = (&'static str, Document)>>(answers: T) -> Self {
        let mut all = Self::default();
        answers.into_iter().for_each(|(command, document)| all.insert(command, document));
        all
    }
}

/// What a stranger has said so far.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Its answers, refusals included.
    pub answers: Answers,
    api: String,
    web: String,
}

impl Evidence {
    /// What was heard: the answers, and word for word what the API and the web server said.
    pub fn new(answers: Answers, api: &[u8], web: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_uppercase();
        Self { answers, api: text(api), web: text(web) }
    }

    /// Whether any reply of the API contained this, whatever the case.
    pub fn says(&self, upper_case: &str) -> bool {
        self.api.contains(upper_case)
    }

    /// Whether any reply of a web server contained this, head or body, whatever the case.
    pub fn shows(&self, upper_case: &str) -> bool {
        self.web.contains(upper_case)
    }

    pub(crate) fn hear(&mut self, question: Question, bytes: &[u8]) {
        // Enough for every marker; a hostile reply must not be kept whole.
        let head = bytes.get(..16 * 1024).unwrap_or(bytes);
        let text = if question.is_page() { &mut self.web } else { &mut self.api };
        text.push_str(&String::from_utf8_lossy(head).to_uppercase());
        text.push('\n');
    }
}

/// The dialects, in the order in which they are asked whether a miner is theirs: the more special first, since custom
/// firmware keeps much of what it replaces.
pub fn registry() -> &'static [&'static dyn Dialect] {
    &[
        &crate::dialects::BraiinsRest,
        &crate::dialects::Braiins,
        &crate::dialects::Whatsminer,
        &crate::dialects::LuxOs,
        &crate::dialects::Hiveon,
        &crate::dialects::Mara,
        &crate::dialects::MskMiner,
        &crate::dialects::AsicSeer,
        &crate::dialects::Vnish,
        &crate::dialects::SealMiner,
        &crate::dialects::SealMinerWeb,
        &crate::dialects::Auradine,
        &crate::dialects::Avalon,
        &crate::dialects::AvalonOld,
        &crate::dialects::BlackMiner,
        &crate::dialects::AntminerOld,
        &crate::dialects::Antminer,
        &crate::dialects::Epic,
        &crate::dialects::NerdAxe,
        &crate::dialects::AxeOs,
        &crate::dialects::IceRiver,
        &crate::dialects::Elphapex,
        &crate::dialects::FutureBit,
        &crate::dialects::Goldshell,
        &crate::dialects::Innosilicon,
        &crate::dialects::IPollo,
        &crate::dialects::Proto { tls: true },
        &crate::dialects::Proto { tls: false },
        // Its redirection to TLS is a mark that others may leave too.
        &crate::dialects::WhatsminerV3,
        &crate::dialects::Fork::Bfg,
        &crate::dialects::Fork::Sg,
        &crate::dialects::CgMiner,
        &crate::dialects::CcMiner,
    ]
}

/// The ports at which a scan finds miners of these families, the likeliest first; of all families when none is named.
/// The first is where most of them listen: a machine that is not there at all need not be asked for the others.
pub fn doors_of(families: &[Family]) -> Vec<u16> {
    let wanted = registry().iter().filter(|d| families.is_empty() || families.contains(&d.family()));
    let mut doors: Vec<u16> = wanted.flat_map(|dialect| dialect.doors()).copied().collect();
    // As common as they are in the field; whatever is not here is rare.
    let common = [DEFAULT_API_PORT, WEB_PORT, TLS_PORT];
    doors.sort_by_key(|door| (common.iter().position(|c| c == door).unwrap_or(common.len()), *door));
    doors.dedup();
    doors
}
