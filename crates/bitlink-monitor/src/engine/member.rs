//! One watched miner: who it is, how it is judged, and what readers have been told of it. Asks nothing.

use super::desk::Desk;
use super::face::Face;
use super::manner::Manner;
use super::poll::Answer;
use crate::health::{Judge, JudgeMemory, Miss, Resolver, Rules, Verdict, rule};
use crate::registry::same_kind;
use crate::schedule::Pace;
use bitlink_model::{
    Finding, Identity, Mac, Miner, MinerId, MinerSnapshot, MinerStats, MinerStatus, Severity, Source, Span,
    Text, Timestamp,
};
use bitlink_protocol::{Credentials, Identified, Reading};
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
    manner: Option<Manner>,
    /// When it was last asked from the first question on.
    asked_anew: Duration,
    /// Whether its last reading told by itself who it is, without those first questions.
    is_marked: bool,
    judge: Judge,
    /// The mode in which it last said that it runs: it need not say so every time.
    mode: Option<Text>,
    told: Face,
    /// The name that the keeper of the registry gave to what was heard last.
    named: Option<MinerId>,
    /// The hardware address at which it was met last.
    met_at: Option<Mac>,
    /// When it was last heard.
    pub(super) heard_at: Duration,
    /// Whether its last answer was not believed.
    doubted: bool,
    /// When its last poll began, unless its pace was changed since.
    last_start: Option<Duration>,
    /// Polls in a row that failed while its reading was not live.
    stale_polls: u32,
}

/// Running times are whole seconds, taken at different moments of a reading, and a miner's clock is corrected.
const CLOCK_SLACK: Duration = Duration::from_mins(1);

/// A machine whose readings do not tell who it is, such as one whose hardware address stands on a page of its own, is asked from the
/// first question on at least so often.
const ANEW: Duration = Duration::from_mins(10);

/// Whose an answer is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose {
    pub(super) id: MinerId,
    /// The machine that answered here before, or the first one.
    same: bool,
    /// Not the machine that was last heard here.
    pub(super) is_new: bool,
    /// Whether no other machine should have this id.
    pub(super) certain: bool,
}

/// What there is to tell after a poll.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) status_from: Option<MinerStatus>,
    pub(super) other_machine: Option<MinerId>,
    /// It was dead and has answered.
    pub(super) came_back: bool,
    /// Something that a reader sees has changed.
    pub(super) seen: bool,
}

impl Member {
    /// `expected` is who answered there last, as far as is known.
    pub(super) fn new(
        endpoint: Endpoint,
        expected: Option<MinerId>,
        generation: u64,
        rules: &Arc<Rules>,
    ) -> Self {
        let mut miner = Miner::unheard(endpoint.ip(), endpoint.port());
        miner.id = expected.unwrap_or(miner.id);
        Self {
            generation,
            told: Face::of(&miner),
            miner: Arc::new(miner),
            live: false,
            manner: None,
            asked_anew: Duration::ZERO,
            is_marked: false,
            judge: Judge::new(Arc::clone(rules)),
            mode: None,
            named: None,
            met_at: None,
            heard_at: Duration::ZERO,
            doubted: false,
            last_start: None,
            stale_polls: 0,
        }
    }

    /// Whom to go on speaking with, unless it is to be asked from the first question on.
    pub(super) fn identified(&self, credentials: &[Credentials]) -> Option<Identified> {
        let known = &self.miner.snapshot.as_deref()?.identity;
        self.manner.as_ref().map(|manner| manner.identified(known, credentials))
    }

    /// A poll begins. Returns the time since the last one began, where that says something about how well the monitor
    /// keeps up.
    pub(super) fn starts_poll(&mut self, now: Duration) -> Option<Duration> {
        if !self.is_marked && now.saturating_sub(self.asked_anew) >= self.anew_after() {
            self.ask_anew();
        }
        // What is asked again soon is asked out of turn.
        let before = self.last_start.replace(now).filter(|_| !self.is_asked_soon());
        before.filter(|_| self.stale_polls == 0).map(|before| now.saturating_sub(before))
    }

    /// From half of the time to all of it: machines that were met together are not asked anew together.
    fn anew_after(&self) -> Duration {
        ANEW / 32 * (16 + u32::try_from(self.generation % 17).unwrap_or(0))
    }

    fn is_asked_soon(&self) -> bool {
        self.doubted || self.judge.is_recovering()
    }

    /// How soon it is to be asked again.
    pub(super) fn pace(&self) -> Pace {
        match self.stale_polls {
            0 if self.is_asked_soon() => Pace::Soon,
            0 => Pace::Regular,
            polls => Pace::Backoff(polls - 1),
        }
    }

    /// Whose an answer is. `None` is not known: it does not go on from the last reading, and the questions were those for
    /// the machine of before. It is to be asked again, from the first question on, before it is believed.
    ///
    /// `met_at` is the hardware address at which it was met on the network, where that can be seen.
    pub(super) fn recognise(
        &mut self,
        now: Duration,
        answer: &mut Answer,
        met_at: Option<Mac>,
        desk: &mut Desk,
    ) -> Option<Whose> {
        let snapshot = &mut answer.reading.snapshot;
        let known = self.miner.snapshot.as_deref();
        let is_like = known.is_none_or(|known| same_machine(&known.identity, &snapshot.identity))
            && !known.is_some_and(|known| was_met_elsewhere(known, met_at));
        let met_elsewhere = self.met_at.zip(met_at).is_some_and(|(before, now)| before != now);
        let goes_on = !met_elsewhere && self.goes_on(now, snapshot);
        let asked_as_known = self.manner.take().is_some();
        if !asked_as_known {
            self.asked_anew = now;
        }
        self.is_marked = tells_more(&answer.reading.identified.identity, &snapshot.identity);
        if asked_as_known && !(is_like && goes_on) {
            self.doubted = true;
            return None;
        }
        self.doubted = false;
        self.met_at = met_at.or(self.met_at);
        let named = desk.name(Endpoint::new(self.miner.ip, self.miner.port), snapshot, met_at, now);
        if let Some(known) = known.filter(|_| is_like) {
            if snapshot.identity.mac.is_none() && known.provenance.of(MAC) == Source::Observed {
                snapshot.provenance.mark(MAC, Source::Observed);
            }
            complete(&mut snapshot.identity, &known.identity);
        }
        if let Some(met_at) = met_at {
            snapshot.observe_mac(met_at);
        }
        let same = match named.zip(self.named) {
            Some((now, before)) => now == before,
            None => is_like,
        };
        self.named = named;
        let id = named.unwrap_or_else(|| MinerId::derived(&snapshot.identity, self.miner.ip));
        // Serial numbers are not always written into a machine, and an address is nobody's own.
        let certain = named.is_some() || snapshot.identity.mac.is_some_and(Mac::is_unique);
        Some(Whose { id, same, is_new: known.is_none() || !same, certain })
    }

    /// Whether the running time goes on from the last reading. One that has fallen back is a restart or another machine; one
    /// that is ahead is another machine.
    fn goes_on(&self, now: Duration, snapshot: &MinerSnapshot) -> bool {
        let before = self.miner.snapshot.as_deref().and_then(|known| known.elapsed);
        let Some((before, elapsed)) = before.zip(snapshot.elapsed) else {
            // Who told none before does not begin to, unless the reading tells by itself who it is.
            return self.is_marked || before.is_some() || snapshot.elapsed.is_none();
        };
        let (before, elapsed) = (before.as_duration(), elapsed.as_duration());
        let passed = now.saturating_sub(self.heard_at);
        elapsed >= before && elapsed <= before + passed + passed / 20 + CLOCK_SLACK
    }

    /// A machine that has been recognised has answered. `twin` is where the same machine answers too, if it does.
    pub(super) fn heard(
        &mut self,
        now: Duration,
        answer: Answer,
        whose: Whose,
        twin: Option<Endpoint>,
        desk: &mut Desk,
    ) -> Change {
        let Answer { reading: Reading { identified, mut snapshot, .. }, round_trip } = answer;
        snapshot.observed_at = Some(desk.dates.wall(now));
        snapshot.round_trip = Some(Span::from(round_trip));
        snapshot.shrink_to_fit();
        desk.texts.share(&mut snapshot);
        if snapshot.tuning.mode.is_some() || !whose.same {
            self.mode.clone_from(&snapshot.tuning.mode);
        }
        let fitting = desk.rules.rules_for(&snapshot.identity, self.mode.as_deref());
        let before = self.miner.id;
        let came_back = self.miner.status == MinerStatus::Dead;
        if whose.same {
            self.judge.set_rules(fitting);
        } else {
            desk.keep(before, self.judge.memory());
            self.judge = Judge::new(fitting);
        }
        if whose.is_new
            && let Some(memory) = desk.recall(whose.id)
        {
            self.judge.recall(memory);
        }
        self.manner = Some(Manner::of(identified));
        self.heard_at = now;
        self.stale_polls = 0;

        let steady = desk.dates.steady(now);
        let Verdict { mut status, mut findings, live } = self.judge.observe(steady, &snapshot);
        if let Some(twin) = twin {
            findings.push(shared_identity(twin, steady));
            findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.rule.cmp(&b.rule)));
            status = MinerStatus::Warning;
        }
        desk.dates.show(&mut findings);
        self.live = live;
        let mut miner = Miner::from_snapshot(self.miner.ip, self.miner.port, status, snapshot);
        desk.texts.share_name(&mut miner);
        miner.id = whose.id;
        miner.is_live = live;
        let change = self.show(miner.with_findings(findings));
        Change { other_machine: (!whose.same).then_some(before), came_back, ..change }
    }

    pub(super) fn missed(&mut self, now: Duration, miss: &Miss, desk: &Desk) -> Change {
        let Verdict { status, mut findings, live } = self.judge.missed(desk.dates.steady(now), miss);
        desk.dates.show(&mut findings);
        self.live = live;
        self.doubted = false;
        if !matches!(miss, Miss::NotAsked { .. }) {
            self.manner = None;
            let stale = !live && status != MinerStatus::Scanning;
            self.stale_polls = if stale { self.stale_polls.saturating_add(1) } else { 0 };
        }
        if self.miner.status == status && self.miner.findings == findings && self.miner.is_live == live {
            return Change::default();
        }
        let mut miner = (*self.miner).clone();
        miner.status = status;
        miner.findings = findings;
        miner.is_live = live;
        if !live {
            // Old numbers are never shown as live: they stay in the dated snapshot only.
            miner.stats = MinerStats::default();
        }
        self.show(miner)
    }

    /// Is judged by other rules from the next poll on.
    pub(super) fn judge_by(&mut self, rules: &mut Resolver) {
        let fitting = match self.miner.snapshot.as_deref() {
            Some(known) => rules.rules_for(&known.identity, self.mode.as_deref()),
            None => Arc::clone(rules.common()),
        };
        self.judge.set_rules(fitting);
    }

    /// Is asked from the first question on next time.
    pub(super) fn ask_anew(&mut self) {
        self.manner = None;
    }

    /// The time since its last poll began says nothing.
    pub(super) fn skip_gap(&mut self) {
        self.last_start = None;
    }

    /// What is remembered of the machine that was last heard here.
    pub(super) fn memory(&self) -> JudgeMemory {
        self.judge.memory()
    }

    /// Takes over what is remembered of the machine here.
    pub(super) fn recall(&mut self, memory: JudgeMemory) {
        self.judge.recall(memory);
    }

    /// Puts a miner in place of the last one.
    fn show(&mut self, miner: Miner) -> Change {
        let status_from = (self.miner.status != miner.status).then_some(self.miner.status);
        let seen = self.told.differs(&miner);
        if seen {
            self.told = Face::of(&miner);
        }
        self.miner = Arc::new(miner);
        Change { status_from, seen, ..Change::default() }
    }
}

/// The hardware address, by its serialised name.
const MAC: &str = "identity.mac_address";

/// Whether a machine that never told its hardware address is now met at another one.
fn was_met_elsewhere(known: &MinerSnapshot, met_at: Option<Mac>) -> bool {
    known.provenance.of(MAC) == Source::Observed
        && known.identity.mac.zip(met_at).is_some_and(|(a, b)| a != b)
}

fn shared_identity(twin: Endpoint, now: Timestamp) -> Finding {
    let message = format!("{twin} answers as the same machine");
    Finding::new(rule::IDENTITY_SHARED, Severity::Warning, message)
        .since(now)
        .clears_when("only one address answers with this hardware address")
}

/// Whether two accounts can be of one machine. Hardware address, then serial, then make, model and firmware family decide, each
/// where both accounts have it.
fn same_machine(before: &Identity, now: &Identity) -> bool {
    let agree = |a: Option<bool>, b: fn(&Identity, &Identity) -> Option<bool>| a.or_else(|| b(before, now));
    let by_mac = before.mac.zip(now.mac).map(|(a, b)| a == b);
    let by_serial = agree(by_mac, |a, b| a.serial.as_ref().zip(b.serial.as_ref()).map(|(a, b)| a == b));
    by_serial.unwrap_or_else(|| same_kind(before, now))
}

/// Whether an account has a mark that the one before it did not.
fn tells_more(before: &Identity, now: &Identity) -> bool {
    let more = |before: bool, now: bool| now && !before;
    more(before.mac.is_some(), now.mac.is_some())
        || more(before.serial.is_some(), now.serial.is_some())
        || more(before.control_board_serial.is_some(), now.control_board_serial.is_some())
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
