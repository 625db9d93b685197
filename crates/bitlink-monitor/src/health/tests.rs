//! The judge at work: one simulated patient, read every ten seconds.

mod contact;
mod derived;
mod general;
mod parts;
mod rates;

use super::*;
use bitlink_model::{Board, Fan, FanSpeed, HashRate, MiningState, Pool, PoolStatus, Rule, Span, Temperature};
use std::time::Duration;

/// A miner that is read every ten seconds, and its judge.
#[derive(Clone)]
struct Patient {
    judge: Judge,
    now: Timestamp,
    /// What it says next. Running time and accepted shares go on by themselves where they are known.
    reading: MinerSnapshot,
    last: Option<Verdict>,
}

const STEP: u64 = 10;

impl Patient {
    fn new(rules: Rules) -> Self {
        Self {
            judge: Judge::new(Arc::new(rules)),
            now: Timestamp::from_unix_seconds(1_767_225_600).unwrap(),
            reading: healthy(),
            last: None,
        }
    }

    /// One more reading, ten seconds later.
    fn step(&mut self) -> &mut Self {
        self.now = self.now.plus(Duration::from_secs(STEP));
        if let Some(elapsed) = &mut self.reading.elapsed {
            *elapsed = Span::from_seconds(elapsed.as_seconds() + STEP);
        }
        if self.hashes()
            && let Some(accepted) = &mut self.reading.shares.accepted
        {
            *accepted += 2;
        }
        self.last = Some(self.judge.observe(self.now, &self.reading));
        self
    }

    fn hashes(&self) -> bool {
        self.reading.hashrate.current().is_none_or(|rate| rate > HashRate::ZERO)
    }

    /// Readings for so many seconds.
    fn run(&mut self, seconds: u64) -> &mut Self {
        for _ in 0..seconds / STEP {
            self.step();
        }
        self
    }

    fn minutes(&mut self, minutes: u64) -> &mut Self {
        self.run(minutes * 60)
    }

    fn set(&mut self, change: impl FnOnce(&mut MinerSnapshot)) -> &mut Self {
        change(&mut self.reading);
        self
    }

    /// Nothing is heard for so many seconds, and nobody asks.
    fn pause(&mut self, seconds: u64) -> &mut Self {
        self.now = self.now.plus(Duration::from_secs(seconds));
        if let Some(elapsed) = &mut self.reading.elapsed {
            *elapsed = Span::from_seconds(elapsed.as_seconds() + seconds);
        }
        self
    }

    /// A poll that fails, ten seconds later.
    fn miss(&mut self, miss: &Miss) -> &mut Self {
        self.pause(STEP);
        self.last = Some(self.judge.missed(self.now, miss));
        self
    }

    fn verdict(&self) -> &Verdict {
        self.last.as_ref().expect("judged at least once")
    }

    fn status(&self) -> MinerStatus {
        self.verdict().status
    }

    fn severity(&self, rule: &Rule) -> Option<Severity> {
        self.verdict().findings.iter().filter(|f| f.rule == *rule).map(|f| f.severity).max()
    }

    fn finding(&self, rule: &Rule) -> &Finding {
        self.verdict().findings.iter().find(|f| f.rule == *rule).expect("the rule is broken")
    }

    /// Rules and severities of all findings, in order.
    fn names(&self) -> Vec<(String, Severity)> {
        self.verdict().findings.iter().map(|f| (f.rule.to_string(), f.severity)).collect()
    }
}

fn patient() -> Patient {
    Patient::new(Rules::default())
}

fn ths(value: f64) -> Option<HashRate> {
    HashRate::from_ths(value).ok()
}

fn celsius(value: f64) -> Option<Temperature> {
    Temperature::from_celsius(value).ok()
}

fn fan(index: u32, rpm: f64) -> Fan {
    Fan::new(index, FanSpeed::from_rpm(rpm).unwrap())
}

fn pool(id: u32, status: PoolStatus) -> Pool {
    let mut pool = Pool::default();
    pool.id = id;
    pool.url = Some(format!("stratum+tcp://pool{id}.example:3333").into());
    pool.status = Some(status);
    pool.active = Some(id == 0);
    pool
}

/// A reading of a machine that has nothing to complain of.
fn healthy() -> MinerSnapshot {
    let mut reading = MinerSnapshot::default();
    reading.mining_state = Some(MiningState::Mining);
    reading.hashrate.realtime = ths(111.0);
    reading.hashrate.five_minutes = ths(110.0);
    reading.hashrate.average = ths(110.0);
    reading.hashrate.expected = ths(110.0);
    reading.temperatures.chip_max = celsius(72.0);
    reading.temperatures.board_max = celsius(61.0);
    reading.boards_expected = Some(3);
    reading.boards = (0..3)
        .map(|slot| {
            let mut board = Board::in_slot(slot);
            board.present = Some(true);
            board.hashrate = ths(36.7);
            board.chips = Some(114);
            board.chips_expected = Some(114);
            board
        })
        .collect();
    reading.fans = (0..4).map(|index| fan(index, 5000.0)).collect();
    reading.pools = vec![pool(0, PoolStatus::Alive), pool(1, PoolStatus::Alive)];
    reading.shares.accepted = Some(100_000);
    reading.shares.rejected = Some(100);
    reading.shares.stale = Some(10);
    reading.shares.hardware_error_ratio = bitlink_model::Ratio::from_percent(0.01).ok();
    reading.elapsed = Some(Span::from_seconds(86_400));
    reading
}

#[test]
fn a_healthy_miner_is_active_and_stays_so() {
    let mut patient = patient();
    for _ in 0..1000 {
        patient.step();
        assert_eq!((patient.status(), patient.names()), (MinerStatus::Active, vec![]));
    }
    assert!(patient.verdict().live);
}
