//! What `bitlink top` does outside of itself: scans, and switching a light. A miner is written to by the control engine and by nothing
//! else: planned, shown, said yes to, written down, sent once and proven.

use super::state::{Effect, Input, Proposal, ScanNews};
use crate::output::report::summary;
use crate::text::{clean, so_many};
use bitlink_miner_manager::control::{
    CommandError, Commander, ControlEvent, Execution, Groups, Outcome, Plan, Policy, Stage,
};
use bitlink_miner_manager::model::Action;
use bitlink_miner_manager::{Fleet, MonitorHandle, ScanEvent, ScanStream, ScanTargets};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;

type Planning = Pin<Box<dyn Future<Output = Result<Plan, CommandError>> + Send>>;

pub(super) struct Hands {
    fleet: Fleet,
    monitor: MonitorHandle,
    commander: Commander,
    scan: Option<ScanStream>,
    /// Found by the scan, and not watched yet.
    found: Vec<SocketAddr>,
    planning: Option<Planning>,
    plan: Option<Plan>,
    run: Option<Execution>,
}

/// What comes next.
pub(super) enum Next {
    Scan(Option<ScanEvent>),
    Plan(Box<Result<Plan, CommandError>>),
    Control(Option<ControlEvent>),
}

impl Hands {
    pub(super) fn new(fleet: Fleet, monitor: MonitorHandle, commander: Commander) -> Self {
        Self {
            fleet,
            monitor,
            commander,
            scan: None,
            found: Vec::new(),
            planning: None,
            plan: None,
            run: None,
        }
    }

    /// Begins with an effect.
    pub(super) async fn act(&mut self, effect: Effect) -> Vec<Input> {
        match effect {
            Effect::Poll(at) => {
                // An error means that the monitor has ended, which ends everything.
                let _ = self.monitor.poll_now(at).await;
                Vec::new()
            }
            Effect::Scan(text) => match targets(&text) {
                Ok(targets) => self.scan_targets(targets),
                Err(why) => vec![Input::Scan(ScanNews::Refused(why))],
            },
            Effect::StopScan => {
                if let Some(scan) = &self.scan {
                    scan.stop();
                }
                Vec::new()
            }
            Effect::Propose { at, on } => {
                let commander = self.commander.clone();
                self.planning = Some(Box::pin(async move {
                    let targets = [at.to_string()];
                    commander
                        .plan(Action::Locate { on }, Policy::default(), &Groups::default(), &targets)
                        .await
                }));
                Vec::new()
            }
            Effect::Decline => {
                (self.planning, self.plan) = (None, None);
                Vec::new()
            }
            Effect::CarryOut => {
                let Some(plan) = self.plan.take() else { return Vec::new() };
                match self.commander.execute(plan) {
                    Ok(run) => {
                        self.run = Some(run);
                        vec![Input::Commanding(
                            "looking whether it is the machine that was planned…".to_owned(),
                        )]
                    }
                    Err(error) => vec![Input::Commanded { good: false, words: in_words(&error) }],
                }
            }
            Effect::StopCommand => {
                if let Some(run) = &self.run {
                    run.stop();
                }
                Vec::new()
            }
            Effect::Quit | Effect::Interrupt | Effect::Sleep | Effect::Repaint => Vec::new(),
        }
    }

    pub(super) fn scan_targets(&mut self, targets: ScanTargets) -> Vec<Input> {
        let what = clean(&targets.to_string()).into_owned();
        vec![Input::Scan(match self.fleet.scan_targets(targets) {
            Ok(scan) => {
                self.scan = Some(scan);
                ScanNews::Began { what }
            }
            Err(error) => ScanNews::Refused(in_words(&error)),
        })]
    }

    /// What happens next of what was begun; never, while nothing was. Nothing is lost when this is dropped before it is done.
    pub(super) async fn next(&mut self) -> Next {
        tokio::select! {
            event = next_of_scan(&mut self.scan) => Next::Scan(event),
            plan = next_of_plan(&mut self.planning) => Next::Plan(Box::new(plan)),
            event = next_of_run(&mut self.run) => Next::Control(event),
        }
    }

    /// Does what follows from it. Must be let run to its end: what it was given is nowhere else.
    pub(super) async fn take(&mut self, next: Next) -> Option<Input> {
        match next {
            Next::Scan(event) => self.scanned(event).await,
            Next::Plan(plan) => {
                self.planning = None;
                Some(Input::Proposed(self.proposal(*plan)))
            }
            Next::Control(event) => self.commanded(event),
        }
    }

    async fn scanned(&mut self, event: Option<ScanEvent>) -> Option<Input> {
        Some(Input::Scan(match event {
            Some(ScanEvent::Found(miner)) => {
                // Watched by the dozen: each order is a turn of the monitor.
                self.found.push(SocketAddr::new(miner.ip, miner.port));
                if self.found.len() >= 32 {
                    self.join().await;
                }
                return None;
            }
            Some(ScanEvent::Progress { done, total, found, eta, .. }) => {
                self.join().await;
                ScanNews::Progress { done, total, found, eta }
            }
            Some(ScanEvent::Complete { report, .. }) => {
                self.join().await;
                self.scan = None;
                // Written for a terminal that takes colours.
                let words = anstream::adapter::strip_str(&summary(&report).join("; ")).to_string();
                ScanNews::Ended { words, good: report.adds_up() }
            }
            Some(_) => return None,
            None => {
                self.scan = None;
                let words = "the scan ended without a report; please report this".to_owned();
                ScanNews::Ended { words, good: false }
            }
        }))
    }

    /// Watches those that were found.
    async fn join(&mut self) {
        if !self.found.is_empty() {
            // An error means that the monitor has ended, which ends everything.
            let _ = self.monitor.extend(std::mem::take(&mut self.found)).await;
        }
    }

    fn proposal(&mut self, plan: Result<Plan, CommandError>) -> Proposal {
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return Proposal { lines: vec![in_words(&error)], possible: false },
        };
        let mut lines: Vec<String> = Vec::new();
        for target in &plan.targets {
            let name = target.name.as_deref().unwrap_or("unknown");
            lines.push(format!("{} {name}", target.endpoint));
            lines.push(format!("known by {}", target.marks));
            if target.unverified {
                lines.push("its firmware should be able to, as documented; nobody has seen it".to_owned());
            }
        }
        lines.extend(plan.skipped.iter().map(|one| format!("{}: {}", one.endpoint, one.reason)));
        let possible = !plan.targets.is_empty();
        if possible {
            lines.push(format!("about {}", crate::text::duration(plan.estimate.as_duration())));
            self.plan = Some(plan);
        }
        Proposal { lines, possible }
    }

    fn commanded(&mut self, event: Option<ControlEvent>) -> Option<Input> {
        match event {
            Some(ControlEvent::Stage { stage, .. }) => Some(Input::Commanding(
                match stage {
                    Stage::Checking => "looking whether it is the machine that was planned…",
                    Stage::Sending => "sending the command…",
                    _ => "sent; reading the miner until that is proven…",
                }
                .to_owned(),
            )),
            Some(ControlEvent::Complete { report }) => {
                self.run = None;
                let good = report.outcomes.iter().all(Outcome::is_success) && !report.outcomes.is_empty();
                let mut words = String::new();
                for outcome in &report.outcomes {
                    // Writing to a String cannot fail.
                    let _ = write!(words, "light: {}", outcome.word().replace('_', " "));
                    if let Some(why) = outcome.why() {
                        let _ = write!(words, ", {}", clean(why));
                    }
                }
                if report.outcomes.is_empty() {
                    words = format!("light: {}", so_many(0, "miner", "miners"));
                }
                let _ = write!(words, " (plan {})", report.plan);
                Some(Input::Commanded { good, words })
            }
            Some(_) => None,
            None => {
                self.run = None;
                let words = "the plan ended without a report; please report this".to_owned();
                Some(Input::Commanded { good: false, words })
            }
        }
    }
}

/// Targets as they are typed: apart by spaces or commas.
fn targets(text: &str) -> Result<ScanTargets, String> {
    let words: Vec<String> =
        text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    ScanTargets::from_args(&words).map_err(|error| in_words(&error))
}

/// An error and its causes on one line.
fn in_words(error: &dyn std::error::Error) -> String {
    clean(&crate::output::json::with_causes(error)).into_owned()
}

async fn next_of_scan(scan: &mut Option<ScanStream>) -> Option<ScanEvent> {
    match scan {
        Some(scan) => scan.recv().await,
        None => std::future::pending().await,
    }
}

async fn next_of_plan(planning: &mut Option<Planning>) -> Result<Plan, CommandError> {
    match planning {
        Some(planning) => planning.await,
        None => std::future::pending().await,
    }
}

async fn next_of_run(run: &mut Option<Execution>) -> Option<ControlEvent> {
    match run {
        Some(run) => run.recv().await,
        None => std::future::pending().await,
    }
}
