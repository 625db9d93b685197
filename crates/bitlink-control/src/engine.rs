//! Carries plans out: step after step, never more at once than is allowed, and no further when it goes wrong. There is no other
//! way to command a machine. What happens with one machine is in `engine/one.rs`.

use crate::claims::Claims;
use crate::clock::{Clock, SystemClock};
use crate::event::{ControlEvent, Queue, Report, Stage, Stop};
use crate::gate::Gate;
use crate::hands::Hands;
use crate::journal::{Journal, Past, Progress, Record};
use crate::outcome::{Counts, Hindrance, Outcome};
use crate::plan::{Plan, Target};
use crate::wire::chain;
use bitlink_model::{ActionKind, Power};
use one::{Done, carry_out};
use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

mod one;

/// Stages that may wait for a reader before they are left out.
const STAGES: usize = 1_024;

/// Whoever may carry plans out.
#[derive(Debug, Clone)]
#[must_use]
pub struct Controller {
    hands: Arc<dyn Hands>,
    clock: Arc<dyn Clock>,
    claims: Claims,
    claimed: HashSet<String>,
    actor: String,
}

impl Controller {
    /// With these hands.
    pub fn new(hands: Arc<dyn Hands>) -> Self {
        Self {
            hands,
            clock: Arc::new(SystemClock),
            claims: Claims::new(),
            claimed: HashSet::new(),
            actor: String::new(),
        }
    }

    /// On whose account, for the journal and the audit log.
    pub fn with_actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = actor.into();
        self
    }

    /// With another wall clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Minding what others of this process have; everybody who commands the same machines should share it.
    pub fn with_claims(mut self, claims: Claims) -> Self {
        self.claims = claims;
        self
    }

    /// Minding what plans of other processes have ([`PlanStore::begin`](crate::PlanStore::begin)).
    pub fn with_claimed(mut self, claimed: HashSet<String>) -> Self {
        self.claimed = claimed;
        self
    }

    /// Begins to carry a plan out.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn execute(&self, plan: Plan, journal: Arc<dyn Journal>) -> Execution {
        let progress = vec![Progress::Waiting; plan.targets.len()];
        self.start(plan, progress, journal, None)
    }

    /// Goes on with a plan that was begun before. No command goes out again for a target for which one may have gone out:
    /// there it is only looked whether it had its effect. With `resend` it goes out again where doing it twice comes to the
    /// same as doing it once, and where no effect is to be seen.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn resume(&self, past: Past, journal: Arc<dyn Journal>, resend: bool) -> Execution {
        self.start(past.plan, past.progress, journal, Some(resend))
    }

    fn start(
        &self,
        plan: Plan,
        progress: Vec<Progress>,
        journal: Arc<dyn Journal>,
        resumed: Option<bool>,
    ) -> Execution {
        let queue = Arc::new(Queue::new(STAGES));
        let (cancel, abandon) = (CancellationToken::new(), CancellationToken::new());
        let most = Semaphore::MAX_PERMITS;
        let permits = usize::try_from(plan.policy.concurrency.max(1)).unwrap_or(most).min(most);
        let shared = Shared {
            hands: Arc::clone(&self.hands),
            journal,
            clock: Arc::clone(&self.clock),
            claims: self.claims.clone(),
            claimed: self.claimed.clone(),
            queue: Arc::clone(&queue),
            permits: Semaphore::new(permits),
            proofs: Semaphore::new(permits.div_ceil(4)),
            pacer: Pacer::new(plan.policy.max_power_per_s),
            halt: CancellationToken::new(),
            abandon: abandon.clone(),
            why: Mutex::new(None),
            resend: resumed.unwrap_or(false),
            is_complete: plan.is_complete(),
            plan,
        };
        let run = Run::new(Arc::new(shared), progress, cancel.clone());
        let (actor, is_resumed) = (self.actor.clone(), resumed.is_some());
        // owned by the execution, which ends it when it is dropped
        let task = tokio::spawn(run.run(actor, is_resumed)).abort_handle();
        Execution { queue, cancel, abandon, task }
    }
}

/// A plan that is being carried out. Dropping it stops the work at once, as the end of the program would: what was in the middle
/// is unknown then. [`Execution::stop`] stops it in good order.
#[derive(Debug)]
#[must_use = "dropping it stops the plan"]
pub struct Execution {
    queue: Arc<Queue>,
    cancel: CancellationToken,
    abandon: CancellationToken,
    task: AbortHandle,
}

impl Execution {
    /// The next event; `None` after [`ControlEvent::Complete`].
    pub async fn recv(&mut self) -> Option<ControlEvent> {
        std::future::poll_fn(|cx| self.queue.poll(cx)).await
    }

    /// Sends no more commands. Those that are out are waited for until they have their outcomes.
    pub fn stop(&self) {
        self.cancel.cancel();
    }

    /// The same, and nobody waits for proofs any more: a command that is on its way is finished, and what came of it is unknown.
    pub fn abandon(&self) {
        self.cancel.cancel();
        self.abandon.cancel();
    }

    /// Waits for the end; `None` when the work was broken off.
    pub async fn report(mut self) -> Option<Report> {
        loop {
            if let ControlEvent::Complete { report } = self.recv().await? {
                return Some(*report);
            }
        }
    }
}

impl futures::Stream for Execution {
    type Item = ControlEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ControlEvent>> {
        self.queue.poll(cx)
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all targets of a plan share.
#[derive(Debug)]
struct Shared {
    plan: Plan,
    hands: Arc<dyn Hands>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    claims: Claims,
    claimed: HashSet<String>,
    queue: Arc<Queue>,
    /// Conversations at one time.
    permits: Semaphore,
    /// Those of them that look for a proof: who has been commanded does not keep others waiting for their command.
    proofs: Semaphore,
    pacer: Pacer,
    /// No command goes out any more.
    halt: CancellationToken,
    /// Nobody waits for proofs any more.
    abandon: CancellationToken,
    /// Why no command goes out any more.
    why: Mutex<Option<Stop>>,
    resend: bool,
    is_complete: bool,
}

impl Shared {
    fn target(&self, index: usize) -> Option<&Target> {
        self.plan.targets.get(index)
    }

    fn stage(&self, index: usize, target: &Target, stage: Stage) {
        let event = ControlEvent::Stage { target: number(index), endpoint: target.endpoint, stage };
        self.queue.push(event);
    }

    /// No command goes out any more; the first reason counts.
    fn stop(&self, why: Stop) {
        let mut slot = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            *slot = Some(why.clone());
            self.halt.cancel();
            self.queue.push(ControlEvent::Stopping { why });
        }
    }

    fn stopped(&self) -> Option<Stop> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it means for a target that no command goes out any more.
    fn not_reached(&self) -> Outcome {
        let stopped = self.stopped().unwrap_or(Stop::Cancelled);
        let because = match stopped {
            Stop::Cancelled => Hindrance::Cancelled,
            Stop::Deadline => Hindrance::Deadline,
            Stop::Journal { .. } => Hindrance::Journal,
            _ => Hindrance::Stopped,
        };
        Outcome::not(because, "the plan had stopped before it was its turn")
    }
}

/// Spreads what is switched over time.
#[derive(Debug)]
struct Pacer {
    per_second: Option<Power>,
    free: Mutex<Option<Instant>>,
}

impl Pacer {
    const fn new(per_second: Option<Power>) -> Self {
        Self { per_second, free: Mutex::new(None) }
    }

    /// When so much may be switched.
    fn reserve(&self, power: Power) -> Instant {
        let now = Instant::now();
        let Some(per_second) = self.per_second.filter(|_| power.as_watts() > 0.0) else { return now };
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let at = free.map_or(now, |free| free.max(now));
        let takes = Duration::try_from_secs_f64(power.as_watts() / per_second.as_watts().max(1.0));
        *free = at.checked_add(takes.unwrap_or(Duration::from_hours(1)));
        at
    }
}

/// The plan on its way.
struct Run {
    shared: Arc<Shared>,
    progress: Vec<Progress>,
    outcomes: Vec<Option<Outcome>>,
    counts: Counts,
    gate: Gate,
    tasks: JoinSet<(usize, Done)>,
    cancel: CancellationToken,
    started: Instant,
    canary_left: u32,
}

impl Run {
    fn new(shared: Arc<Shared>, progress: Vec<Progress>, cancel: CancellationToken) -> Self {
        let plan = &shared.plan;
        let outcomes: Vec<Option<Outcome>> = progress
            .iter()
            .map(|progress| match progress {
                Progress::Ended { outcome, .. } => Some(outcome.clone()),
                _ => None,
            })
            .collect();
        let healthy = outcomes.iter().flatten().filter(|outcome| outcome.is_success()).count();
        let healthy = u32::try_from(healthy).unwrap_or(u32::MAX);
        let canary_left = plan.policy.canary.saturating_sub(healthy);
        let gate = Gate::new(plan.policy.batch, &plan.groups);
        Self {
            shared,
            progress,
            outcomes,
            counts: Counts::default(),
            gate,
            tasks: JoinSet::new(),
            cancel,
            started: Instant::now(),
            canary_left,
        }
    }

    async fn run(mut self, actor: String, is_resumed: bool) {
        let shared = Arc::clone(&self.shared);
        let at = shared.clock.now();
        let first = if is_resumed {
            Record::Resumed { at, actor }
        } else {
            Record::Plan { at, actor, plan: Box::new(shared.plan.clone()) }
        };
        if let Err(error) = shared.journal.append(first).await {
            shared.stop(Stop::Journal { why: chain(&error) });
        }
        let mut steps = self.steps();
        let begun: Vec<usize> = self.which(|progress| matches!(progress, Progress::Begun { .. }));
        let waiting = steps.iter().map(Vec::len).sum::<usize>();
        shared.queue.push(ControlEvent::Started {
            plan: shared.plan.id.clone(),
            targets: waiting + begun.len(),
            steps: steps.len() + usize::from(!begun.is_empty()),
        });
        let mut number = 0;
        if !begun.is_empty() {
            // What may be down already is looked at before anything else goes down.
            number += 1;
            self.step(number, begun, false).await;
        }
        self.canary(&mut number, &mut steps).await;
        while let Some(members) = steps.pop_front() {
            if shared.halt.is_cancelled() {
                break;
            }
            if members.is_empty() {
                continue;
            }
            if number > 0 {
                self.pause().await;
            }
            number += 1;
            self.step(number, members, false).await;
        }
        self.end().await;
        shared.queue.close();
    }

    /// The targets whose turn has not come, step by step.
    fn steps(&self) -> VecDeque<Vec<usize>> {
        let mut steps = VecDeque::new();
        let mut from = 0_usize;
        for batch in &self.shared.plan.batches {
            let to = from.saturating_add(usize::try_from(batch.size).unwrap_or(usize::MAX));
            let waits = |index: &usize| matches!(self.progress.get(*index), Some(Progress::Waiting));
            let members: Vec<usize> = (from..to.min(self.progress.len())).filter(waits).collect();
            if !members.is_empty() {
                steps.push_back(members);
            }
            from = to;
        }
        steps
    }

    fn which(&self, wanted: impl Fn(&Progress) -> bool) -> Vec<usize> {
        let all = self.progress.iter().enumerate();
        all.filter(|(_, progress)| wanted(progress)).map(|(index, _)| index).collect()
    }

    /// The first few. Whoever cannot be reached is replaced by the next; whoever is reached and does not come back healthy is the
    /// end.
    async fn canary(&mut self, number: &mut usize, steps: &mut VecDeque<Vec<usize>>) {
        let wanted = self.shared.plan.policy.canary;
        if self.canary_left == 0 {
            return;
        }
        while self.canary_left > 0 && !self.shared.halt.is_cancelled() {
            let mut members = Vec::new();
            while members.len() < usize::try_from(self.canary_left).unwrap_or(usize::MAX) {
                let Some(step) = steps.front_mut() else { break };
                if step.is_empty() {
                    steps.pop_front();
                } else {
                    members.push(step.remove(0));
                }
            }
            if members.is_empty() {
                return;
            }
            *number += 1;
            self.step(*number, members.clone(), true).await;
            for index in members {
                match self.outcomes.get(index) {
                    Some(Some(outcome)) if outcome.is_success() => self.canary_left -= 1,
                    _ => {}
                }
            }
        }
        if self.canary_left == 0 && !self.shared.halt.is_cancelled() {
            self.shared.queue.push(ControlEvent::CanaryPassed { healthy: wanted });
        }
    }

    /// Some targets together, until each has its outcome.
    async fn step(&mut self, number: usize, members: Vec<usize>, canary: bool) {
        let shared = Arc::clone(&self.shared);
        shared.queue.push(ControlEvent::Step { number, size: members.len(), canary });
        let mut waiting = VecDeque::from(members);
        let deadline =
            shared.plan.policy.deadline.and_then(|time| self.started.checked_add(time.as_duration()));
        loop {
            self.admit(&mut waiting);
            if self.tasks.is_empty() {
                if self.gate.is_shut() {
                    shared.stop(Stop::TooManyDown { down: self.gate.lost() });
                }
                // Their groups are as far down as they may be, and stay so.
                for index in waiting {
                    let outcome = if shared.halt.is_cancelled() {
                        shared.not_reached()
                    } else {
                        Outcome::not(Hindrance::Blocked, "others of its group are down and do not come back")
                    };
                    self.ended(index, outcome, None);
                }
                return;
            }
            tokio::select! {
                // A task that broke off has no outcome of its own; it gets one at the end.
                done = self.tasks.join_next() => if let Some(Ok((index, done))) = done {
                    self.take(index, done, canary);
                },
                () = self.cancel.cancelled(), if !shared.halt.is_cancelled() => shared.stop(Stop::Cancelled),
                () = until(deadline), if !shared.halt.is_cancelled() => shared.stop(Stop::Deadline),
            }
        }
    }

    /// Begins with those that may be switched now.
    fn admit(&mut self, waiting: &mut VecDeque<usize>) {
        let shared = Arc::clone(&self.shared);
        for _ in 0..waiting.len() {
            let Some(index) = waiting.pop_front() else { return };
            let Some(target) = shared.target(index) else { continue };
            let begun = match self.progress.get_mut(index) {
                Some(progress @ Progress::Begun { .. }) => Some(std::mem::take(progress)),
                _ => None,
            };
            // One that may be down already has its place, whether there is one or not.
            if begun.is_none() {
                if shared.halt.is_cancelled() {
                    let outcome = shared.not_reached();
                    self.ended(index, outcome, None);
                    continue;
                }
                if !self.gate.admits(target) {
                    waiting.push_back(index);
                    continue;
                }
            }
            self.gate.enter(target);
            let shared = Arc::clone(&shared);
            self.tasks.spawn(async move { (index, carry_out(shared, index, begun).await) });
        }
    }

    fn take(&mut self, index: usize, done: Done, canary: bool) {
        let shared = Arc::clone(&self.shared);
        let Some(target) = shared.target(index) else { return };
        let kind = shared.plan.kind();
        let Done { outcome, log, journal } = done;
        if matches!(outcome, Outcome::Unknown { .. }) && kind.interrupts() && kind != ActionKind::Pause {
            self.gate.lose();
        } else {
            self.gate.leave(target);
        }
        if let Some(error) = journal {
            shared.stop(Stop::Journal { why: error });
        }
        if outcome.is_failure() {
            if canary {
                shared.stop(Stop::CanaryFailed { why: format!("{}: {outcome}", target.endpoint) });
            }
            let failures = self.counts.failures().saturating_add(1);
            if failures > shared.plan.policy.max_failures {
                shared.stop(Stop::TooManyFailures { failures });
            }
        }
        self.ended(index, outcome, log);
    }

    fn ended(&mut self, index: usize, outcome: Outcome, log: Option<Vec<u8>>) {
        self.counts.add(&outcome);
        if let Some(target) = self.shared.target(index) {
            self.shared.queue.push(ControlEvent::Ended {
                target: number(index),
                endpoint: target.endpoint,
                outcome: outcome.clone(),
                log,
            });
        }
        if let Some(slot) = self.outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
    }

    /// Between two steps.
    async fn pause(&self) {
        let pause = self.shared.plan.policy.pause.as_duration();
        let deadline = self.shared.plan.policy.deadline;
        let deadline = deadline.and_then(|time| self.started.checked_add(time.as_duration()));
        tokio::select! {
            () = sleep(pause) => {}
            () = self.cancel.cancelled() => self.shared.stop(Stop::Cancelled),
            () = until(deadline) => self.shared.stop(Stop::Deadline),
        }
    }

    async fn end(mut self) {
        let shared = Arc::clone(&self.shared);
        let open: Vec<usize> = (0..self.outcomes.len())
            .filter(|index| self.outcomes.get(*index).is_some_and(Option::is_none))
            .collect();
        for index in open {
            let outcome = shared.not_reached();
            self.ended(index, outcome, None);
        }
        let outcomes: Vec<Outcome> = self.outcomes.into_iter().flatten().collect();
        let counts = Counts::of(&outcomes);
        let stopped = shared.stopped();
        let ended = Record::Ended {
            at: shared.clock.now(),
            counts,
            stopped: stopped.as_ref().map(ToString::to_string),
        };
        let mut stopped = stopped;
        if let Err(error) = shared.journal.append(ended).await {
            stopped.get_or_insert(Stop::Journal { why: chain(&error) });
        }
        shared.queue.push(ControlEvent::Complete {
            report: Box::new(Report {
                plan: shared.plan.id.clone(),
                outcomes,
                counts,
                stopped,
                elapsed: self.started.elapsed(),
                most_at_once: self.gate.most(),
            }),
        });
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
