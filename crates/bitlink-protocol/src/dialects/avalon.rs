//! Canaan's firmware: the Avalon machines from the 721 to the A16, the Q, the Nano and the Mini.
//!
//! A cgminer whose `estats` carries each machine in one string of the [bracket grammar](bracket). `version` names the
//! model since the A10; the 7xx, 8xx and 9xx say cgminer and nothing else, several of them may hang on one controller, and
//! only their driver's name tells. (Canaan universal API manual; cgminer driver-avalon7.c)

mod bracket;
mod commands;
mod controllers;
mod faults;

use super::base;
use crate::acting::{ActError, Order, Plan};
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::Oddities;
use crate::replies::Version;
use bitlink_model::{Capabilities, Family, Identity, Make, MinerSnapshot, Text};
use controllers::Controllers;

/// Avalon machines that name themselves.
#[derive(Debug)]
pub struct Avalon;

/// The 7xx, 8xx and 9xx.
#[derive(Debug)]
pub struct AvalonOld;

/// What `version` holds on no other firmware.
const OWN_KEYS: [&str; 4] = ["PROD", "HWTYPE", "SWTYPE", "DNA"];

impl Dialect for Avalon {
    fn family(&self) -> Family {
        Family::AVALON
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        let records = evidence.answers.get("version").map(|d| d.section("VERSION")).unwrap_or_default();
        records.iter().any(|record| OWN_KEYS.iter().any(|key| record.contains_key(*key)))
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        identity(self.family(), heard, oddities)
    }

    /// The small machines offer a shorter form of their statistics; it is taken where the full one is not to be had.
    fn questions(&self) -> &'static [Question] {
        const {
            &[
                Question::must("summary"),
                Question::may("pools"),
                Question::may("estats"),
                Question::may("litestats").in_place_of("estats"),
            ]
        }
    }

    fn joins(&self) -> bool {
        true
    }

    fn capabilities(&self, identity: &Identity) -> Capabilities {
        commands::capabilities(identity)
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        read(answers, snapshot, oddities);
    }
}

impl Dialect for AvalonOld {
    fn family(&self) -> Family {
        Family::AVALON_OLD
    }

    /// The drivers are called "avalon7", "avalon8", "avalon9".
    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("AVALON")
    }

    /// The model stands in the statistics only.
    fn identity_questions(&self) -> &'static [Question] {
        const { &[Question::may("estats")] }
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        identity(self.family(), heard, oddities)
    }

    fn questions(&self) -> &'static [Question] {
        const {
            &[
                Question::must("summary"),
                Question::may("pools"),
                Question::may("estats"),
                Question::may("stats").in_place_of("estats"),
            ]
        }
    }

    fn joins(&self) -> bool {
        true
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities_old()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan_old(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        read(answers, snapshot, oddities);
    }
}

fn identity(family: Family, heard: &Answers, oddities: &Oddities) -> Identity {
    let mut identity = Identity::default();
    identity.make = Some(Make::AVALON);
    let version = heard.get("version").and_then(|d| Version::of(d, oddities));
    let mut firmware = base::firmware(family, version.as_ref());
    if let Some(r) = heard.record("version", "VERSION", oddities) {
        identity.model_raw = r.word("PROD").or_else(|| r.word("MODEL"));
        identity.model = ["MODEL", "PROD"].iter().find_map(|key| model(&r.word(key)?));
        identity.control_board = r.word("HWTYPE");
        identity.control_board_serial = r.word("DNA");
        identity.mac = r.text("MAC").and_then(|mac| mac.parse().ok());
        firmware.version = r.word("VERSION").or_else(|| r.word("LVERSION"));
    }
    identity.firmware = Some(firmware);
    complete(&mut identity, &Controllers::of(heard), oddities);
    identity
}

/// What the statistics tell where `version` did not.
fn complete(identity: &mut Identity, controllers: &Controllers, oddities: &Oddities) {
    let Some((r, only)) = controllers.first(oddities) else { return };
    let ver = r.text("Ver");
    if identity.model.is_none() {
        identity.model = ver.and_then(model);
    }
    if identity.model_raw.is_none() {
        identity.model_raw = ver.and_then(|v| v.split('-').next()).map(Text::from);
    }
    // One of several machines can be exchanged without the others.
    if only && identity.control_board_serial.is_none() {
        identity.control_board_serial = r.word("DNA");
    }
    if let Some(firmware) = &mut identity.firmware
        && firmware.version.is_none()
    {
        firmware.version = ver.map(Text::from);
    }
}

/// "1346-116" is an A1346, "15-194" an A15, "Nano3s" a Nano3s; "7411706-3162860" is a 741 with its firmware's date.
/// Some products are named after the brand and say nothing ("AVALONNANO", "AVALON0O").
pub(super) fn model(raw: &str) -> Option<Text> {
    let name = raw.split('-').next().unwrap_or_default().trim();
    let upper = name.to_ascii_uppercase();
    if matches!(upper.as_str(), "AVALONNANO" | "AVALON0O") {
        return None;
    }
    let brand =
        ["AVALONMINER", "AVALON"].iter().find(|brand| upper.starts_with(*brand)).map_or(0, |b| b.len());
    let name = name.get(brand..)?.trim();
    let digits = name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = name.split_at_checked(digits)?;
    let (number, rest) = match number.as_bytes() {
        [] => return (!name.is_empty()).then(|| name.into()),
        [b'7'..=b'9', _, _, _, ..] => (number.get(..3)?, ""),
        _ => (number, rest.trim()),
    };
    let pro = rest.eq_ignore_ascii_case("pro");
    Some(format!("A{number}{}", if pro { " Pro" } else { rest }).into())
}

fn read(answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
    base::read_summary(answers, snapshot, oddities);
    base::read_pools(answers, snapshot, oddities);
    let controllers = Controllers::of(answers);
    complete(&mut snapshot.identity, &controllers, oddities);
    controllers.read(snapshot, oddities);
}
