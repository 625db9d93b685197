//! A plan on its way: progress for people, events for programs, and what it came to.

use super::Format;
use super::show;
use crate::console::{Console, Interruption};
use crate::failure::{Exit, Failure};
use crate::output::json;
use crate::text::{clean, so_many};
use bitlink_miner_manager::control::{ControlEvent, Execution, Outcome, Plan, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Follows a plan to its end. The first wish to stop lets commands that are out come to their end; the second does not wait for
/// proofs.
pub(super) async fn follow(
    mut run: Execution,
    plan: &Plan,
    format: Format,
    logs: Option<&Path>,
    console: Console,
) -> Result<Exit, Failure> {
    let bar = Bar::new(plan, console);
    let mut stop = Interruption::new();
    let mut stops = 0;
    let mut unsaved = None;
    loop {
        let event = tokio::select! {
            event = run.recv() => event,
            () = stop.come() => {
                stops += 1;
                if stops == 1 {
                    run.stop();
                    bar.say("no more commands are sent; waiting for those that are out (once more: do not wait)");
                } else {
                    run.abandon();
                }
                continue;
            }
        };
        let Some(event) = event else {
            return Err(Failure::new(Exit::Bug, "the plan ended without a report; please report this"));
        };
        if let (Some(dir), ControlEvent::Ended { endpoint, log: Some(log), .. }) = (logs, &event)
            && let Err(error) = save(dir, *endpoint, log)
        {
            unsaved.get_or_insert(error);
        }
        bar.show(&event);
        if format == Format::Ndjson
            && let Some(value) = in_json(&event, plan)
        {
            json::line(&mut io::stdout().lock(), &value)?;
        }
        if let ControlEvent::Complete { report } = event {
            bar.clear();
            if format != Format::Ndjson {
                show::report(plan, &report, format, console)?;
            }
            if let Some(error) = unsaved {
                return Err(
                    Failure::new(Exit::SomeFailed, "logs were read and could not be kept").because(&error)
                );
            }
            return Ok(show::exit(plan, &report));
        }
    }
}

fn save(dir: &Path, from: SocketAddr, log: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let name: String = from
        .ip()
        .to_string()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' })
        .collect();
    std::fs::write(dir.join(format!("{name}.log")), log)
}

/// An event as one object; `None` for those that are for people only.
fn in_json(event: &ControlEvent, plan: &Plan) -> Option<Value> {
    Some(match event {
        ControlEvent::Started { plan, targets, steps } => {
            json!({ "event": "started", "plan": plan, "targets": targets, "steps": steps })
        }
        ControlEvent::Step { number, size, canary } => {
            json!({ "event": "step", "number": number, "size": size, "canary": canary })
        }
        ControlEvent::Stage { target, endpoint, stage } => json!({
            "event": "stage", "target": target, "endpoint": endpoint, "stage": stage_word(*stage),
        }),
        ControlEvent::Ended { target, outcome, .. } => {
            json::event("outcome", show::one(plan, *target, outcome))
        }
        ControlEvent::CanaryPassed { healthy } => json!({ "event": "canary_passed", "healthy": healthy }),
        ControlEvent::Stopping { why } => {
            json!({ "event": "stopping", "why": serde_json::to_value(why).ok()?, "reason": why.to_string() })
        }
        ControlEvent::Lagged { missed } => json!({ "event": "lagged", "missed": missed }),
        ControlEvent::Complete { report } => json::event("complete", show::totals(report)),
        _ => return None,
    })
}

const fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Checking => "checking",
        Stage::Sending => "sending",
        Stage::Proving => "proving",
        _ => "other",
    }
}

/// The line on standard error that says how far it is, and what is worth a line of its own.
struct Bar {
    bar: ProgressBar,
    console: Console,
}

impl Bar {
    fn new(plan: &Plan, console: Console) -> Self {
        let drawn = console.shows_progress();
        let target =
            if drawn { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(u64::try_from(plan.targets.len()).ok(), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len}  {wide_msg}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        if drawn {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar, console }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| self.console.note(line));
    }

    fn show(&self, event: &ControlEvent) {
        match event {
            ControlEvent::Step { number, size, canary } => {
                let what = if *canary { "the first" } else { "batch" };
                let size = u64::try_from(*size).unwrap_or(u64::MAX);
                self.bar.set_message(format!("{what} {number}: {}", so_many(size, "miner", "miners")));
            }
            ControlEvent::Ended { endpoint, outcome, .. } => {
                self.bar.inc(1);
                if !matches!(outcome, Outcome::Verified) && !outcome.is_postponed() {
                    self.say(&format!("{endpoint}: {}", clean(&outcome.to_string())));
                }
            }
            ControlEvent::CanaryPassed { healthy } => {
                self.say(&format!("the first {healthy} are back and healthy"));
            }
            ControlEvent::Stopping { why } => self.say(&format!("stopping: {}", clean(&why.to_string()))),
            _ => self.bar.tick(),
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
