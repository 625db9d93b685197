//! Plans of this run: those that were made and wait for a yes, and those that are carried out, with how far they are.

use super::{Shown, TargetShown};
use crate::api::Problem;
use crate::api::happened::{Happened, Happening};
use crate::clock;
use bitlink_miner_manager::control::{ControlEvent, Execution, Plan, Stage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// Plans remembered. What was begun is in the journal too.
const KEPT: usize = 100;
/// How long a plan that was made waits for a yes: what it was made of gets old.
const WAITS_MS: i64 = 3_600_000;

#[derive(Debug, Clone)]
pub(crate) struct Plans {
    inner: Arc<Mutex<BTreeMap<String, Kept>>>,
    news: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kept {
    shown: Shown,
    /// Until it begins.
    plan: Option<Plan>,
    targets: Vec<TargetShown>,
    stop: Arc<Notify>,
    change: u64,
}

impl Plans {
    pub(crate) fn new(news: watch::Sender<u64>) -> Self {
        Self { inner: Arc::default(), news }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        let mut number = 0;
        self.news.send_modify(|news| {
            *news += 1;
            number = *news;
        });
        number
    }

    /// Those that have changed since, and the last change.
    pub(crate) fn since(&self, change: u64) -> (Vec<serde_json::Value>, u64) {
        let plans = self.lock();
        let changed = plans.values().filter(|kept| kept.change > change);
        let last = plans.values().map(|kept| kept.change).max().unwrap_or(0);
        (changed.filter_map(|kept| serde_json::to_value(&kept.shown).ok()).collect(), last)
    }

    pub(super) fn all(&self) -> Vec<Shown> {
        self.lock().values().map(|kept| kept.shown.clone()).collect()
    }

    pub(super) fn get(&self, id: &str) -> Option<Shown> {
        let plans = self.lock();
        let kept = plans.get(id)?;
        let mut shown = kept.shown.clone();
        shown.outcomes.clone_from(&kept.targets);
        Some(shown)
    }

    /// Keeps a plan that waits for a yes.
    pub(super) fn keep(&self, plan: Plan, shown: Shown, targets: Vec<TargetShown>) -> Result<(), Problem> {
        let change = self.number();
        let mut plans = self.lock();
        let now = clock::now_ms();
        plans.retain(|_, kept| kept.shown.state != "made" || now - kept.shown.made_at_ms < WAITS_MS);
        while plans.len() >= KEPT {
            let oldest = plans
                .iter()
                .filter(|(_, kept)| kept.shown.state != "running")
                .min_by_key(|(_, kept)| kept.shown.made_at_ms)
                .map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { return Err(Problem::busy("too many plans run")) };
            plans.remove(&oldest);
        }
        let kept = Kept { shown, plan: Some(plan), targets, stop: Arc::new(Notify::new()), change };
        plans.insert(kept.shown.id.clone(), kept);
        Ok(())
    }

    /// Hands a plan out to be carried out, once, if what was said yes to is what it is.
    pub(super) fn take(&self, id: &str, miners: usize) -> Result<Plan, Problem> {
        let mut plans = self.lock();
        let kept = plans.get_mut(id).ok_or_else(|| {
            Problem::missing(
                "there is no such plan, or it was made too long ago; what it was made of may have changed",
            )
        })?;
        let Some(plan) = kept.plan.as_ref() else { return Err(Problem::conflict("it was begun already")) };
        if plan.targets.len() != miners {
            let is = plan.targets.len();
            return Err(Problem::conflict(format!("it commands {is} miners, and {miners} were said yes to")));
        }
        if miners == 0 {
            return Err(Problem::conflict("it commands nobody"));
        }
        if clock::now_ms() - kept.shown.made_at_ms >= WAITS_MS {
            return Err(Problem::conflict("it was made too long ago; make it anew"));
        }
        kept.plan.take().ok_or_else(|| Problem::conflict("it was begun already"))
    }

    /// It could not be begun.
    pub(super) fn drop_begun(&self, id: &str) {
        self.lock().remove(id);
    }

    pub(super) fn begin(&self, id: &str, actor: String) -> Option<Shown> {
        self.change(id, |kept| {
            kept.shown.state = "running";
            kept.shown.actor = actor;
            kept.shown.started_at_ms = Some(clock::now_ms());
        });
        self.get(id)
    }

    pub(super) fn cancel(&self, id: &str) -> Result<(), Problem> {
        let plans = self.lock();
        match plans.get(id) {
            Some(kept) if kept.shown.state == "running" => {
                kept.stop.notify_one();
                Ok(())
            }
            Some(_) => Err(Problem::conflict("it does not run")),
            None => Err(Problem::missing("no such plan runs here")),
        }
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Kept)) {
        let number = self.number();
        if let Some(kept) = self.lock().get_mut(id) {
            change(kept);
            kept.change = number;
        }
    }

    /// Reads how it goes, to its end.
    pub(super) async fn follow(self, id: String, mut execution: Execution, happened: Happened) {
        let Some(stop) = self.lock().get(&id).map(|kept| Arc::clone(&kept.stop)) else { return };
        let mut stopped = false;
        loop {
            let event = tokio::select! {
                event = execution.recv() => event,
                () = stop.notified(), if !stopped => {
                    execution.stop();
                    stopped = true;
                    continue;
                }
            };
            let Some(event) = event else { break };
            match event {
                ControlEvent::Step { number, .. } => self.change(&id, |kept| kept.shown.step = Some(number)),
                ControlEvent::Stage { target, stage, .. } => {
                    let word = match stage {
                        Stage::Checking => "checking",
                        Stage::Sending => "sending",
                        _ => "proving",
                    };
                    // Too many to be told one by one; who looks at the plan sees it.
                    if let Some(kept) = self.lock().get_mut(&id)
                        && let Some(of) =
                            usize::try_from(target).ok().and_then(|place| kept.targets.get_mut(place))
                    {
                        of.stage = word;
                    }
                }
                ControlEvent::Ended { target, outcome, .. } => self.change(&id, |kept| {
                    kept.shown.counts.add(&outcome);
                    kept.shown.open = kept.shown.open.saturating_sub(1);
                    if let Some(of) =
                        usize::try_from(target).ok().and_then(|place| kept.targets.get_mut(place))
                    {
                        of.came_to(&outcome);
                    }
                }),
                ControlEvent::Stopping { why } => {
                    self.change(&id, |kept| kept.shown.stopped = Some(why.to_string()));
                }
                ControlEvent::Complete { report } => {
                    self.change(&id, |kept| {
                        kept.shown.state = "ended";
                        kept.shown.ended_at_ms = Some(clock::now_ms());
                        kept.shown.counts = report.counts;
                        kept.shown.open = 0;
                        kept.shown.stopped = report.stopped.as_ref().map(ToString::to_string);
                    });
                    let counts = &report.counts;
                    let bad = counts.refused + counts.unknown + counts.unsupported;
                    let severity = if bad > 0 || report.stopped.is_some() { "warning" } else { "info" };
                    let text = format!(
                        "plan {id}: {} verified, {} applied, {bad} not, {} not attempted",
                        counts.verified, counts.applied, counts.not_attempted
                    );
                    happened.push(Happening::new("plan", severity, text));
                    return;
                }
                _ => {}
            }
        }
        self.change(&id, |kept| {
            kept.shown.state = "interrupted";
            kept.shown.ended_at_ms = Some(clock::now_ms());
        });
    }
}
