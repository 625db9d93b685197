//! One watched miner: who it is, how it is judged, and what readers have been told of it. Asks nothing.

use super::poll::Answer;
use crate::health::{Judge, Miss, RuleBook, Verdict};
use crate::schedule::Pace;
use bitlink_model::{
    Finding, Identity, Mac, Miner, MinerId, MinerSnapshot, MinerStats, MinerStatus, Rule, Severity, Source,
    Span, Timestamp,
};
use bitlink_protocol::{Identified, Reading};
use bitlink_transport::Endpoint;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Member {
    /// Tells it from others that were watched at the same address before.
    pub(super) generation: u64,
    /// What readers are shown.
    pub(super) miner: Arc<Miner>,
    /// Whether its last reading may be shown as live.
    pub(super) live: bool,
    /// How to speak with it. Unknown before the first answer, and again whenever it may have become another machine or
    /// another firmware.
    pub(super) identified: Option<Arc<Identified>>,
    judge: Judge,
    told: Face,
    /// When its last poll began, unless its pace was changed since.
    last_start: Option<Duration>,
    /// Polls in a row that failed while its reading was not live.
    stale_polls: u32,
}

/// What there is to tell after a poll.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) status_from: Option<MinerStatus>,
    pub(super) other_machine: Option<MinerId>,
    /// Something that a reader sees has changed.
    pub(super) seen: bool,
}

impl Member {
    pub(super) fn new(endpoint: Endpoint, generation: u64, rules: &RuleBook) -> Self {
        let miner = Miner::unheard(endpoint.ip(), endpoint.port());
        Self {
            generation,
            told: Face::of(&miner),
            miner: Arc::new(miner),
            live: false,
            identified: None,
            judge: Judge::new(Arc::clone(&rules.common)),
            last_start: None,
            stale_polls: 0,
        }
    }

    /// A poll begins. Returns the time since the last one began, where that says something about how well the monitor
    /// keeps up.
    pub(super) fn starts_poll(&mut self, now: Duration) -> Option<Duration> {
        let before = self.last_start.replace(now);
        before.filter(|_| self.stale_polls == 0).map(|before| now.saturating_sub(before))
    }

    /// How soon it is to be asked again.
    pub(super) fn pace(&self) -> Pace {
        match self.stale_polls {
            0 => Pace::Regular,
            polls => Pace::Backoff(polls - 1),
        }
    }

    pub(super) fn heard(
        &mut self,
        now: Timestamp,
        answer: Answer,
        met_at: Option<Mac>,
        rules: &RuleBook,
    ) -> Change {
        let Answer { reading: Reading { identified, mut snapshot, .. }, round_trip } = answer;
        snapshot.observed_at = Some(now);
        snapshot.round_trip = Some(Span::from(round_trip));

        let known = self.miner.snapshot.as_deref();
        let same = known.is_none_or(|known| same_machine(&known.identity, &snapshot.identity))
            && !known.is_some_and(|known| was_met_elsewhere(known, met_at));
        let restarted = known.is_some_and(|known| snapshot.elapsed < known.elapsed);
        if let Some(known) = known.filter(|_| same) {
            if snapshot.identity.mac.is_none() && known.provenance.of(MAC) == Source::Observed {
                snapshot.provenance.mark(MAC, Source::Observed);
            }
            complete(&mut snapshot.identity, &known.identity);
        }
        if let Some(met_at) = met_at {
            snapshot.observe_mac(met_at);
        }
        let fitting = rules.rules_for(&snapshot.identity);
        let before = self.miner.id;
        if same {
            self.judge.set_rules(Arc::clone(fitting));
        } else {
            self.judge = Judge::new(Arc::clone(fitting));
        }
        // After a restart the firmware may be another: it is asked who it is anew.
        self.identified = (!restarted).then(|| Arc::new(identified));
        self.stale_polls = 0;

        let Verdict { status, findings, live } = self.judge.observe(now, &snapshot);
        self.live = live;
        let miner =
            Miner::from_snapshot(self.miner.ip, self.miner.port, status, snapshot).with_findings(findings);
        let change = self.show(miner);
        Change { other_machine: (!same).then_some(before), ..change }
    }

    pub(super) fn missed(&mut self, now: Timestamp, miss: &Miss) -> Change {
        let Verdict { status, findings, live } = self.judge.missed(now, miss);
        self.live = live;
        if !matches!(miss, Miss::NotAsked { .. }) {
            self.identified = None;
            let stale = !live && status != MinerStatus::Scanning;
            self.stale_polls = if stale { self.stale_polls.saturating_add(1) } else { 0 };
        }
        if self.miner.status == status && self.miner.findings == findings {
            return Change::default();
        }
        let mut miner = (*self.miner).clone();
        miner.status = status;
        miner.findings = findings;
        if !live {
            // Old numbers are never shown as live: they stay in the dated snapshot only.
            miner.stats = MinerStats::default();
        }
        self.show(miner)
    }

    /// Puts a miner in place of the last one.
    fn show(&mut self, miner: Miner) -> Change {
        let status_from = (self.miner.status != miner.status).then_some(self.miner.status);
        let seen = self.told.differs(&miner);
        if seen {
            self.told = Face::of(&miner);
        }
        self.miner = Arc::new(miner);
        Change { status_from, other_machine: None, seen }
    }
}

/// The hardware address, by its serialised name.
const MAC: &str = "identity.mac_address";

/// Whether a machine that never told its hardware address is now met at another one.
fn was_met_elsewhere(known: &MinerSnapshot, met_at: Option<Mac>) -> bool {
    known.provenance.of(MAC) == Source::Observed
        && known.identity.mac.zip(met_at).is_some_and(|(a, b)| a != b)
}

/// Whether two accounts can be of one machine. Hardware address, then serial, then make and model decide, each where
/// both accounts have it.
fn same_machine(before: &Identity, now: &Identity) -> bool {
    let agree = |a: Option<bool>, b: fn(&Identity, &Identity) -> Option<bool>| a.or_else(|| b(before, now));
    let by_mac = before.mac.zip(now.mac).map(|(a, b)| a == b);
    let by_serial = agree(by_mac, |a, b| a.serial.as_ref().zip(b.serial.as_ref()).map(|(a, b)| a == b));
    by_serial.unwrap_or_else(|| {
        let differ = |a: Option<&str>, b: Option<&str>| a.zip(b).is_some_and(|(a, b)| a != b);
        let make = |identity: &Identity| identity.make.as_ref().map(|make| make.as_str().to_owned());
        !differ(make(before).as_deref(), make(now).as_deref())
            && !differ(before.model.as_deref(), now.model.as_deref())
    })
}

/// Fills in what this account of a machine leaves out and an earlier one said.
fn complete(now: &mut Identity, before: &Identity) {
    fn fill<T: Clone>(slot: &mut Option<T>, from: Option<&T>) {
        if slot.is_none() {
            *slot = from.cloned();
        }
    }
    fill(&mut now.make, before.make.as_ref());
    fill(&mut now.model, before.model.as_ref());
    fill(&mut now.model_raw, before.model_raw.as_ref());
    fill(&mut now.control_board, before.control_board.as_ref());
    fill(&mut now.mac, before.mac.as_ref());
    fill(&mut now.serial, before.serial.as_ref());
    fill(&mut now.control_board_serial, before.control_board_serial.as_ref());
    fill(&mut now.hostname, before.hostname.as_ref());
}

/// What a reader has been told of a miner.
#[derive(Debug, Clone)]
struct Face {
    id: MinerId,
    model: String,
    status: MinerStatus,
    findings: Vec<(Rule, Severity, Option<Timestamp>)>,
    stats: MinerStats,
}

fn names(findings: &[Finding]) -> impl Iterator<Item = (Rule, Severity, Option<Timestamp>)> + '_ {
    findings.iter().map(|f| (f.rule.clone(), f.severity, f.since))
}

impl Face {
    fn of(miner: &Miner) -> Self {
        Self {
            id: miner.id,
            model: miner.model.clone(),
            status: miner.status,
            findings: names(&miner.findings).collect(),
            stats: miner.stats.clone(),
        }
    }

    fn differs(&self, miner: &Miner) -> bool {
        self.id != miner.id
            || self.model != miner.model
            || self.status != miner.status
            || !names(&miner.findings).eq(self.findings.iter().cloned())
            || stats_differ(&self.stats, &miner.stats)
    }
}

/// Whether two sets of numbers look different to a reader. The thresholds are documented at
/// [`MonitorEvent::MinerUpdated`](crate::MonitorEvent::MinerUpdated).
fn stats_differ(told: &MinerStats, now: &MinerStats) -> bool {
    let percent = |a: f64, b: f64| moved(a, b, (a.abs() / 100.0).max(0.005));
    let degree = |a: f64, b: f64| moved(a, b, 1.0);
    let fan = |a: f64, b: f64| moved(a, b, (a.abs() / 20.0).max(100.0));
    let lists = |a: &[f64], b: &[f64], differ: &dyn Fn(f64, f64) -> bool| {
        a.len() != b.len() || a.iter().zip(b).any(|(a, b)| differ(*a, *b))
    };
    percent(told.hashrate_avg, now.hashrate_avg)
        || percent(told.hashrate_rt, now.hashrate_rt)
        || percent(told.hashrate_expected, now.hashrate_expected)
        || percent(told.power, now.power)
        || percent(told.efficiency, now.efficiency)
        || degree(told.temp_chip_max, now.temp_chip_max)
        || degree(told.temp_board_max, now.temp_board_max)
        || lists(&told.temperatures, &now.temperatures, &degree)
        || lists(&told.fans, &now.fans, &fan)
        || now.uptime < told.uptime
        || told.uptime.is_nan() != now.uptime.is_nan()
        || told.pools != now.pools
}

/// Whether a number has moved by so much, or has come or gone.
fn moved(a: f64, b: f64, by: f64) -> bool {
    if a.is_nan() || b.is_nan() { a.is_nan() != b.is_nan() } else { (a - b).abs() >= by }
}
