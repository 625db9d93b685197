//! ccminer on graphics cards: bare words at port 4068, answered with records whose fields stand between semicolons (ccminer
//! `api.cpp`).

use crate::face::{Doorway, Face, Moment, Speaks};
use crate::fault::FaultKind;
use crate::miner::Model;
use crate::number::{count, index, real};
use crate::orders::Order;
use bitlink_model::Family;
use std::fmt::Write;

use super::standard;

/// See the file.
#[derive(Debug)]
pub(crate) struct Ccminer;

const PORT: u16 = 4068;
const MODELS: [Model; 1] = [Model {
    make: None,
    name: Some("GeForce GTX 1070 Ti"),
    printed: "GeForce GTX 1070 Ti",
    boards: 6,
    chips: 1,
    fans: 6,
    ths: 0.000_36,
    watts: 840.0,
    frequency_mhz: 1860.0,
    voltage: 0.9,
    fan_rpm: 3000.0,
}];

impl Face for Ccminer {
    fn family(&self) -> Family {
        Family::CCMINER
    }

    fn models(&self) -> &'static [Model] {
        &MODELS
    }

    fn default_model(&self) -> &'static Model {
        let [first] = &MODELS;
        first
    }

    fn host_prefix(&self) -> &'static str {
        "ccminer"
    }

    /// It tells the pool in use and no other, not what it should do, and of a fan that stands still not whether it should.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        !matches!(
            fault,
            FaultKind::Asleep
                | FaultKind::BoardMissing
                | FaultKind::FanFailed
                | FaultKind::Slow
                | FaultKind::PoolDead
                | FaultKind::AllPoolsDead
        )
    }

    fn doors(&self) -> &'static [Doorway] {
        const { &[Doorway { port: PORT, speaks: Speaks::Words }] }
    }

    fn word(&self, moment: &Moment<'_>, word: &str) -> String {
        // What stands behind a bar is a parameter.
        let (word, parameter) = word.split_once('|').unwrap_or((word, ""));
        match word {
            "switchpool" if moment.spec.access.privileged => switch(moment, parameter),
            "summary" => summary(moment),
            "threads" => threads(moment),
            "pool" => pool(moment),
            "help" => "summary\nthreads\npool\nhistogram\nhwinfo\nmeminfo\nscanlog\nhelp\n|".to_owned(),
            // It says nothing to what it does not know.
            _ => String::new(),
        }
    }
}

/// By a number, from 0 on; `--api-allow` decides who may.
fn switch(moment: &Moment<'_>, parameter: &str) -> String {
    let at = parameter.trim().parse().ok().filter(|at| *at < moment.state.pools.len());
    let Some(at) = at else { return "fail|".to_owned() };
    moment.order(Order::SwitchPool(at));
    "ok|".to_owned()
}

fn khs(ths: f64) -> f64 {
    ths * 1e9
}

/// The hash's own difficulty, whatever the scale.
fn difficulty(moment: &Moment<'_>) -> f64 {
    real(moment.spec.difficulty)
}

fn summary(moment: &Moment<'_>) -> String {
    let state = moment.state;
    let per_minute = standard::per_minute(state, real(state.accepted()));
    format!(
        "NAME=ccminer;VER=2.3.1;API=1.9;ALGO=lyra2v3;GPUS={};KHS={:.2};SOLV=0;ACC={};REJ={};ACCMN={per_minute:.3};\
         DIFF={:.6};NETKHS=0;POOLS={};WAIT=0;UPTIME={};TS={}|",
        state.boards_present().count(),
        khs(state.rate_5s),
        state.accepted(),
        state.rejected(),
        difficulty(moment),
        state.pools.len(),
        state.elapsed_s,
        state.when_s,
    )
}

fn threads(moment: &Moment<'_>) -> String {
    let state = moment.state;
    let cards = index(state.boards_present().count()).max(1);
    let milliwatts = count(state.power_w / real(cards) * 1e3);
    let mut out = String::new();
    for (i, board) in state.boards_present() {
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "GPU={i};BUS={};CARD={};TEMP={:.1};POWER={milliwatts};FAN={:.0};RPM={};FREQ={:.0};MEMFREQ=5508;GPUF=1898;\
             MEMF=5508;KHS={:.2};KHW={:.5};PLIM=180;ACC={};REJ={};HWF={};I=20.0;THR=1048576|",
            i + 1,
            moment.spec.model.printed,
            standard::hottest(&board.chip_c),
            state.fan_duty * 100.0,
            state.fans_rpm.get(i).copied().unwrap_or(0),
            board.frequency_mhz,
            khs(board.rate_5s),
            khs(board.rate_5s) * 1e-3 / real(milliwatts.max(1)),
            board.accepted,
            board.rejected,
            board.hardware_errors,
        );
    }
    out
}

fn pool(moment: &Moment<'_>) -> String {
    let state = moment.state;
    let Some(pool) = state.pools.iter().find(|pool| pool.active).or(state.pools.first()) else {
        return String::new();
    };
    format!(
        "POOL={};ALGO=lyra2v3;URL={};USER={};SOLV=0;ACC={};REJ={};STALE={};H=0;JOB=5f;DIFF={:.6};BEST={:.6};N2SZ=4;N2=0x01;\
         PING=31;DISCO=0;WAIT=0;UPTIME={};LAST={}|",
        standard::pool_host(pool),
        pool.url,
        pool.user,
        pool.accepted,
        pool.rejected,
        pool.stale,
        difficulty(moment),
        real(state.best_share),
        state.elapsed_s,
        pool.last_share_ago_s.unwrap_or(0),
    )
}
