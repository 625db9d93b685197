//! A face: how one firmware family answers. Adding a firmware is one file under `faces/` and one row in the table here.

use crate::faces::antminer::Antminer;
use crate::faces::antminer_old::AntminerOld;
use crate::faces::asicseer;
use crate::faces::auradine::Auradine;
use crate::faces::avalon::Avalon;
use crate::faces::axeos::AxeOs;
use crate::faces::bfgminer::Bfgminer;
use crate::faces::blackminer::{self, Blackminer};
use crate::faces::braiins::Braiins;
use crate::faces::braiins_rest::BraiinsRest;
use crate::faces::ccminer::Ccminer;
use crate::faces::cgminer::Cgminer;
use crate::faces::elphapex::Elphapex;
use crate::faces::epic::Epic;
use crate::faces::futurebit::FutureBit;
use crate::faces::goldshell::Goldshell;
use crate::faces::hiveon;
use crate::faces::iceriver::IceRiver;
use crate::faces::innosilicon::Innosilicon;
use crate::faces::ipollo::IPollo;
use crate::faces::luxos::LuxOs;
use crate::faces::mara::Mara;
use crate::faces::mskminer;
use crate::faces::proto::Proto;
use crate::faces::sealminer::Sealminer;
use crate::faces::sgminer::Sgminer;
use crate::faces::vnish;
use crate::faces::whatsminer::Whatsminer;
use crate::faces::whatsminer_v3::WhatsminerV3;
use crate::fault::FaultKind;
use crate::host::SimHost;
use crate::http::{Request, Response};
use crate::miner::{MinerSpec, Model};
use crate::node::{Node, Record};
use crate::orders::{Desk, Order};
use crate::seed::Seed;
use crate::state::MinerState;
use bitlink_model::Family;
use std::fmt;
use std::str::FromStr;

/// What a face may look at while it answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) spec: &'a MinerSpec,
    pub(crate) state: &'a MinerState,
    /// Which of its sessions is the one that counts.
    pub(crate) session: u64,
    /// Where it leaves what it is told to do.
    pub(crate) desk: &'a Desk,
}

impl<'a> Moment<'a> {
    /// The password of its web server: what it was delivered with, unless somebody has changed it.
    pub(crate) fn password(&self, delivered: &'a str) -> &'a str {
        self.spec.access.password.as_deref().unwrap_or(delivered)
    }

    /// What a client that has logged in says with every request, and with no other: 32 hexadecimal digits. Also what a
    /// server of Digest gives to be answered. Who says it uses the session, so nothing else may look like it.
    pub(crate) fn token(&self) -> String {
        token(self.spec.seed, self.session)
    }

    /// Lets the machine do something once the reply is written.
    pub(crate) fn order(&self, order: Order) {
        self.desk.leave(order);
    }

    /// What a login is answered with while nobody can log in. Few vendors say how their firmware does it.
    pub(crate) fn locked(&self) -> Option<Response> {
        let words = r#"{"message":"another user is logged in"}"#;
        self.spec.access.locked.then(|| Response { status: 423, ..Response::json(words) })
    }
}

/// See [`Moment::token`].
pub(crate) fn token(seed: u64, session: u64) -> String {
    let chance = Seed::new(seed).of("session").nth(session);
    format!("{:016x}{:016x}", chance.bits(), chance.of("rest").bits())
}

/// One firmware family.
pub(crate) trait Face: fmt::Debug + Sync {
    /// The family that a client should recognise.
    fn family(&self) -> Family;

    /// The machines it runs on; the first is the usual one.
    fn models(&self) -> &'static [Model];

    /// The first of [`models`](Self::models).
    fn default_model(&self) -> &'static Model;

    /// How its network names begin.
    fn host_prefix(&self) -> &'static str;

    /// Whether a client can know of a fault from what a machine says. A missing board is not missed where nobody
    /// says how many there should be.
    fn reveals(&self, _model: &Model, fault: FaultKind) -> bool {
        // A sleeping machine looks like a broken one unless the firmware says more.
        !matches!(fault, FaultKind::Asleep)
    }

    /// Answers a request on the API port. Firmware without an API is never asked.
    fn answer(&self, _moment: &Moment<'_>, _request: &[u8]) -> Document {
        Document { form: Form::Json, content: Content::Single(Record::new()), ending: Ending::Nul }
    }

    /// Where it listens, and for what.
    fn doors(&self) -> &'static [Doorway] {
        &[Doorway::API]
    }

    /// The same for one of its machines, where they differ.
    fn doors_of(&self, _model: &Model) -> &'static [Doorway] {
        self.doors()
    }

    /// Answers a request to its web server.
    fn web(&self, _moment: &Moment<'_>, _request: &Request<'_>) -> Response {
        Response::html(404, "")
    }

    /// Answers a message that came with its length before it.
    fn frame(&self, _moment: &Moment<'_>, _message: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    /// Answers a bare word.
    fn word(&self, _moment: &Moment<'_>, _word: &str) -> String {
        String::new()
    }
}

/// A port that a firmware listens at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doorway {
    pub(crate) port: u16,
    pub(crate) speaks: Speaks,
}

/// What is spoken at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// The CGMiner API.
    Api,
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// Messages with their length before them.
    Frames,
    /// Bare words, answered with text and a NUL.
    Words,
}

impl Doorway {
    /// The CGMiner API where it belongs.
    pub(crate) const API: Self = Self { port: SimHost::API_PORT, speaks: Speaks::Api };
    /// A web server where it belongs.
    pub(crate) const WEB: Self = Self { port: SimHost::WEB_PORT, speaks: Speaks::Http };
    /// A web server over TLS where it belongs.
    pub(crate) const TLS: Self = Self { port: SimHost::TLS_PORT, speaks: Speaks::Https };
    /// Both.
    pub(crate) const API_AND_WEB: &'static [Self] = &[Self::API, Self::WEB];
}

/// Declares the simulated firmwares: variant, name, face.
macro_rules! faces {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal, $face:expr; )+) => {
        /// A simulated firmware, by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum FaceName {
            $( $(#[$doc])* $variant, )+
        }

        impl FaceName {
            /// Every simulated firmware.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// Its name, as in configuration.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// Whether nothing answers at the port of the API.
            pub fn is_web_only(self) -> bool {
                self.face().doors().iter().all(|door| door.port != SimHost::API_PORT)
            }

            /// Whether it has the CGMiner API.
            pub fn has_api(self) -> bool {
                self.face().doors().iter().any(|door| door.speaks == Speaks::Api)
            }

            pub(crate) fn face(self) -> &'static dyn Face {
                match self { $( Self::$variant => &$face, )+ }
            }
        }
    };
}

faces! {
    /// AxeOS on the Bitaxe.
    AxeOs = "axeos", AxeOs { nerd: false };
    /// The NerdAxe's firmware.
    NerdAxe = "nerdaxe", AxeOs { nerd: true };
    /// Elphapex's firmware.
    Elphapex = "elphapex", Elphapex;
    /// IceRiver's firmware.
    IceRiver = "iceriver", IceRiver;
    /// FutureBit's Apollo.
    FutureBit = "futurebit", FutureBit;
    /// ePIC's PowerPlay.
    Epic = "epic", Epic;
    /// The reference implementation.
    Cgminer = "cgminer", Cgminer;
    /// Luke Dashjr's fork of it.
    Bfgminer = "bfgminer", Bfgminer;
    /// The fork of the reference implementation for Scrypt.
    Sgminer = "sgminer", Sgminer;
    /// ccminer on graphics cards.
    Ccminer = "ccminer", Ccminer;
    /// Bitmain's firmware up to the S17 generation.
    AntminerOld = "antminer-old", AntminerOld;
    /// Bitmain's firmware of the S19, S21 and later generations.
    Antminer = "antminer", Antminer;
    /// Canaan's firmware on the A10 and later, the Q and the Nano.
    Avalon = "avalon", Avalon { old: false };
    /// Canaan's firmware on the 7xx and 8xx.
    AvalonOld = "avalon-old", Avalon { old: true };
    /// Bitdeer's firmware on the SealMiner.
    Sealminer = "sealminer", Sealminer { api: true };
    /// The same with TCP 4028 shut.
    SealminerWeb = "sealminer-web", Sealminer { api: false };
    /// Auradine's firmware.
    Auradine = "auradine", Auradine;
    /// Goldshell's firmware.
    Goldshell = "goldshell", Goldshell;
    /// Innosilicon's firmware.
    Innosilicon = "innosilicon", Innosilicon;
    /// The firmware that VolcMiner and Hammer share.
    Blackminer = "blackminer", Blackminer { api: Some(SimHost::API_PORT) };
    /// The same with its API at port 8359.
    Volcminer = "volcminer", Blackminer { api: Some(blackminer::NEWER_PORT) };
    /// The same without an API.
    VolcminerWeb = "volcminer-web", Blackminer { api: None };
    /// MicroBT's firmware with version 2 of its API.
    Whatsminer = "whatsminer", Whatsminer { v1: false };
    /// MicroBT's firmware with version 1 of its API.
    WhatsminerV1 = "whatsminer-v1", Whatsminer { v1: true };
    /// MicroBT's firmware with version 3 of its API and what is left of version 2.
    WhatsminerV3 = "whatsminer-v3", WhatsminerV3;
    /// Proto's firmware, in the plain as older machines have it.
    Proto = "proto", Proto { tls: false };
    /// Proto's firmware over TLS.
    ProtoTls = "proto-tls", Proto { tls: true };
    /// Luxor's firmware for Antminers.
    LuxOs = "luxos", LuxOs;
    /// Braiins OS with BOSminer.
    Braiins = "braiins", Braiins { api: true };
    /// Braiins OS up to 25.05 with TCP 4028 shut.
    BraiinsGraphql = "braiins-graphql", Braiins { api: false };
    /// Braiins OS from 25.07 on.
    BraiinsRest = "braiins-rest", BraiinsRest;
    /// VNish, also called AnthillOS.
    Vnish = "vnish", vnish::FACE;
    /// Hiveon's firmware for Antminers.
    Hiveon = "hiveon", hiveon::FACE;
    /// MSKMiner for Antminers.
    MskMiner = "mskminer", mskminer::FACE;
    /// asicseer's firmware for the S9.
    AsicSeer = "asicseer", asicseer::FACE;
    /// Marathon's firmware for Antminers.
    Mara = "mara", Mara;
    /// iPollo's firmware.
    IPollo = "ipollo", IPollo;
}

impl FaceName {
    /// The machines this firmware runs on; the first is the usual one.
    pub fn models(self) -> &'static [Model] {
        self.face().models()
    }
}

impl fmt::Display for FaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no simulated firmware.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no firmware called {0:?} can be simulated; known: {known}", known = names())]
pub struct UnknownFace(String);

fn names() -> String {
    FaceName::ALL.iter().map(|face| face.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for FaceName {
    type Err = UnknownFace;

    fn from_str(text: &str) -> Result<Self, UnknownFace> {
        let wanted = text.trim();
        Self::ALL
            .iter()
            .copied()
            .find(|face| face.name().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownFace(wanted.to_owned()))
    }
}

/// How a request was written, and so how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Text,
}

/// What a firmware puts after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// One NUL, then it closes.
    Nul,
    /// It closes.
    Close,
}

/// A reply before it becomes bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    pub(crate) form: Form,
    pub(crate) content: Content,
    pub(crate) ending: Ending,
}

/// What a reply holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// The answer to one command.
    Single(Record),
    /// The answers to several commands joined with `+`, by command.
    Joined(Vec<(String, Record)>),
    /// No answer: the connection closes without a byte.
    Nothing,
}

impl Document {
    /// The bytes, terminator included.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = match (&self.content, self.form) {
            (Content::Nothing, _) => return Vec::new(),
            (Content::Single(record), Form::Json) => Node::Record(record.clone()).to_json().into_bytes(),
            (Content::Joined(parts), Form::Json) => {
                let slots =
                    parts.iter().map(|(command, reply)| (command.clone().into(), Node::one(reply.clone())));
                Node::Record(Record { fields: slots.collect() }.int("id", 1)).to_json().into_bytes()
            }
            (Content::Single(record), Form::Text) => text_of(record).into_bytes(),
            (Content::Joined(parts), Form::Text) => {
                let parts = parts.iter().map(|(command, reply)| format!("CMD={command}|{}", text_of(reply)));
                parts.collect::<String>().into_bytes()
            }
        };
        if self.ending == Ending::Nul {
            bytes.push(0);
        }
        bytes
    }
}

fn text_of(reply: &Record) -> String {
    let mut out = String::with_capacity(1024);
    for (section, value) in reply.fields.iter().filter(|(key, _)| key != "id") {
        value.to_text(section, &mut out);
    }
    out
}
