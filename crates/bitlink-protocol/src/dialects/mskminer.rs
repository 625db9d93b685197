//! MSKMiner (`rwglr` builds) for Antminers: Bitmain's statistics, sixteen chains wide, with power, voltage and the state
//! of the supply.
//!
//! The model stands without its make and with the firmware's version: `S19-88 v.2.6.0.39 `. The hardware address is told by its
//! web server only, to who logs in; of its other pages no public client knows, nor of a mark on its front page, so that a machine
//! whose API is shut is not recognised.

use super::{antminer, base};
use crate::asking::{Auth, Login, Pass, Refusal};
use crate::auth::Credentials;
use crate::dialect::{Answers, Dialect, Evidence, Page, Question};
use crate::http::{HttpReply, HttpRequest, form};
use crate::record::{Oddities, Record};
use bitlink_model::{
    ActionKind, Capabilities, Component, DeviceError, Family, HashRate, Identity, MinerSnapshot,
    NetworkIdentity, Ratio, Severity, Source, Support, Text,
};

/// MSKMiner.
#[derive(Debug)]
pub struct MskMiner;

/// Put as a question that is sent, though it changes nothing.
const INFO: Question = Question::page("info", Page::post("/api/info_v1"));

impl Dialect for MskMiner {
    fn family(&self) -> Family {
        Family::MSKMINER
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("RWGLR")
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[INFO] }
    }

    fn auth(&self) -> Auth {
        Auth::Login(&Door)
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("admin", "root")]
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let mut identity = antminer::identity(self.family(), heard, oddities);
        let raw = identity.model_raw.as_deref().unwrap_or_default().trim();
        if let Some((model, version)) = raw.split_once(" v.") {
            let (model, version) = (antminer::model(model), version.trim().to_owned());
            identity.model = model;
            if let Some(firmware) = &mut identity.firmware {
                firmware.version = Some(version.into());
            }
        }
        if let Some(r) = network(heard, oddities) {
            identity.mac = r.text("macaddr").and_then(|mac| mac.parse().ok());
            identity.network = Some(NetworkIdentity {
                ip: r.text("address").and_then(|ip| ip.parse().ok()),
                netmask: r.text("netmask").map(Text::from),
                ..NetworkIdentity::default()
            });
        }
        identity
    }

    fn questions(&self) -> &'static [Question] {
        &antminer::QUESTIONS
    }

    fn joins(&self) -> bool {
        true
    }

    /// Nothing: public clients log in and read, and none is known to have changed anything.
    fn capabilities(&self, _: &Identity) -> Capabilities {
        let why = Support::no("no page of its web server that changes anything is known");
        ActionKind::ALL.iter().fold(Capabilities::default(), |all, kind| all.with(*kind, why.clone()))
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        antminer::read(answers, snapshot, oddities);
        let Some(r) = antminer::data(answers, oddities) else { return };
        // A chain without chips still has an ideal rate and a voltage.
        snapshot.boards.retain(|board| board.present == Some(false) || board.chips.is_some_and(|n| n > 0));
        antminer::with_boards(r, snapshot, |n, board| {
            board.voltage = base::board_voltage(r, &format!("chain_voltage{n}"));
        });
        // So the machine's ideal rate is that of the boards it has.
        let ideal = HashRate::sum(snapshot.boards.iter().map(|board| board.hashrate_expected));
        if ideal.is_some() {
            snapshot.hashrate.expected = ideal;
            snapshot.provenance.mark("hashrate.expected_hs", Source::Derived);
        }
        base::sum_board_power(snapshot);
        read_state(r, snapshot);
    }
}

fn read_state(r: Record<'_>, snapshot: &mut MinerSnapshot) {
    let duty: Option<Ratio> = r.percent("fan_pwm");
    for fan in &mut snapshot.fans {
        fan.duty = duty;
    }
    snapshot.tuning.settled = r.flag("tune_running").map(|running| !running);
    if let Some(status) = r.text("psu_status").filter(|status| !status.to_ascii_uppercase().ends_with("OK")) {
        snapshot.errors.push(DeviceError::new(Severity::Warning, status).about(Component::Psu));
    }
}

fn network<'a>(heard: &'a Answers, oddities: &'a Oddities) -> Option<Record<'a>> {
    heard.page(INFO.command, oddities)?.record("network_info")?.record("result")
}

/// A form for a cookie.
#[derive(Debug)]
struct Door;

impl Login for Door {
    fn request(&self, credentials: &Credentials, _way: u32) -> HttpRequest {
        let body = form(&[("username", &credentials.user), ("password", &credentials.password)]);
        HttpRequest::post("/admin/login", "application/x-www-form-urlencoded", body)
    }

    fn accept(&self, reply: &HttpReply) -> Result<Pass, Refusal> {
        let granted = reply.status < 400;
        Pass::cookies(reply).filter(|_| granted).ok_or(Refusal::WrongCredentials)
    }

    /// Who is not let in may be led to the login.
    fn is_expired(&self, reply: &HttpReply) -> bool {
        (300..400).contains(&reply.status)
    }
}
