//! Innosilicon's firmware: on TCP 4028 `innominer`, before that an sgminer whose every record has a section of its own, and a web
//! server ([`web`]) that alone tells power and hardware address, and the rest where TCP 4028 is shut.
//!
//! Each chain has a record of `stats`, with counters of every chip under keys that begin with its number.

mod commands;
mod web;

use super::base;
use crate::acting::{ActError, Order, Plan};
use crate::asking::Auth;
use crate::dialect::{Answers, Dialect, Evidence, Question};
use crate::record::{Oddities, Record};
use crate::replies::{MAX_CHIPS, Version, hash_rates};
use bitlink_model::{
    Board, Capabilities, Family, Fan, Identity, Make, MinerSnapshot, Ratio, Temperature, Text, Voltage,
};

/// Innosilicon.
#[derive(Debug)]
pub struct Innosilicon;

impl Dialect for Innosilicon {
    fn family(&self) -> Family {
        Family::INNOSILICON
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        evidence.says("INNOMINER")
            || (evidence.says("SGMINER") && evidence.says("\"NUM CHIPS\""))
            || evidence.shows("DRAGONMINT")
    }

    fn identity_questions(&self) -> &'static [Question] {
        const { &[web::TYPE, web::OVERVIEW] }
    }

    /// The description is `innominer a9-1.1.0`: model and version.
    fn identity(&self, heard: &Answers, oddities: &Oddities) -> Identity {
        let version = heard.get("version").and_then(|d| Version::of(d, oddities));
        let mut firmware = base::firmware(self.family(), version.as_ref());
        let mut identity = Identity::default();
        identity.make = Some(Make::INNOSILICON);
        let described = version.and_then(|v| v.description).unwrap_or_default();
        if let Some((model, version)) = described.strip_prefix("innominer ").and_then(|d| d.rsplit_once('-'))
        {
            identity.model_raw = Some(model.into());
            identity.model =
                Some(model.trim().to_ascii_uppercase()).filter(|m| !m.is_empty()).map(Text::from);
            firmware.version = Some(version.into());
        }
        identity.firmware = Some(firmware);
        web::read_identity(heard, &mut identity, oddities);
        identity
    }

    fn questions(&self) -> &'static [Question] {
        const {
            &[
                Question::must("summary"),
                Question::may("devs"),
                Question::may("pools"),
                Question::may("stats"),
                web::SUMMARY,
                web::STATS,
                web::ALL,
            ]
        }
    }

    /// Why it does not hash is told by the web server only.
    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        let oddities = Oddities::default();
        let mut records = heard.records("summary", "SUMMARY", &oddities);
        records.extend(heard.records(web::SUMMARY.command, "DEVS", &oddities));
        let hashes = |r: &Record<'_>| hash_rates(*r).current().is_some_and(|rate| rate.as_hs() > 0.0);
        if records.iter().any(hashes) { &[] } else { const { &[web::FAULT] } }
    }

    fn auth(&self) -> Auth {
        Auth::Login(&web::Token)
    }

    fn default_credentials(&self) -> &'static [(&'static str, &'static str)] {
        &[("admin", "admin")]
    }

    fn joins(&self) -> bool {
        true
    }

    fn capabilities(&self, _: &Identity) -> Capabilities {
        commands::capabilities()
    }

    fn plan(&self, order: &Order<'_>) -> Result<Plan, ActError> {
        commands::plan(order)
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        let answers = &web::stand_in(answers, oddities);
        base::read_summary(answers, snapshot, oddities);
        base::read_pools(answers, snapshot, oddities);
        base::read_devs(answers, snapshot, oddities);
        let stats = answers.records("stats", "STATS", oddities);
        let chains: Vec<Record<'_>> = stats.into_iter().filter(|r| r.raw("Num chips").is_some()).collect();
        for r in &chains {
            let Some(slot) = slot(*r) else { continue };
            base::with_board(&mut snapshot.boards, slot, |board| read_chain(*r, board));
        }
        base::sort_boards(&mut snapshot.boards);
        // Every chain repeats how the machine's fans are driven.
        snapshot.fans = chains.first().map(|r| fans(*r)).unwrap_or_default();
        web::read(answers, snapshot, oddities);
    }
}

/// `HLT2` is the chain of the device 2.
fn slot(r: Record<'_>) -> Option<u32> {
    let id = r.text("ID").unwrap_or_default();
    let digits = id.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().ok().filter(|slot| *slot < 64).or_else(|| r.small("Chain ID", 64))
}

fn read_chain(r: Record<'_>, board: &mut Board) {
    board.present = Some(true);
    board.chips = r.small("Num active chips", MAX_CHIPS);
    board.chips_expected = r.small("Num chips", MAX_CHIPS);
    board.hashrate_average = board.hashrate_average.or(hash_rates(r).average);
    board.frequency = r.megahertz("PLL").or(board.frequency);
    board.voltage = r.voltage("Voltage Avg", Voltage::from_millivolts);
    board.chip_sensors = (0..MAX_CHIPS)
        .map_while(|chip| {
            r.raw(&format!("{chip:02} Temp")).map(|_| r.celsius_or_zero(&format!("{chip:02} Temp")))
        })
        .flatten()
        .collect();
    let hottest = board.chip_sensors.iter().copied().max();
    let coolest = board.chip_sensors.iter().copied().min();
    board.chip_temperature = r.celsius_or_zero("Temp max").or(hottest);
    board.chip_temperature_min = r.celsius_or_zero("Temp min").or(coolest);
    let between =
        |t: &Temperature| Some(*t) >= board.chip_temperature_min && Some(*t) <= board.chip_temperature;
    board.chip_temperature_average = r.celsius_or_zero("Temp").filter(between);
}

/// Where their speeds are told. How hard all are driven is told always, and not how many there are.
fn fans(r: Record<'_>) -> Vec<Fan> {
    let duty: Option<Ratio> = r.percent("Fan duty");
    let speeds = (0..=8).filter_map(|n| r.rpm(&format!("Fan{n}")));
    let fan = |(index, speed)| {
        let mut fan = Fan::new(index, speed);
        fan.duty = duty;
        fan
    };
    (0..).zip(speeds).map(fan).collect()
}
