//! Steps: run one after another under a heading each, timed, and counted at the end.
//!
//! What a step does is decided by the module that makes it; this file only runs them and reports.

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::workspace::Workspace;

/// How a step that did not fail ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ran and all was well.
    Passed,
    /// It could not run, and why; the reason says what to do about it.
    Skipped(String),
}

impl Outcome {
    /// The outcome of a step whose tool is missing: what is missing and how to get it.
    pub(crate) fn not_installed(tool: &str, remedy: &str) -> Self {
        Self::Skipped(format!("{tool} is not installed; install with `{remedy}`"))
    }
}

/// The work of a step.
type Action = Box<dyn FnOnce(&Workspace) -> Result<Outcome>>;

/// One thing to check or build.
pub(crate) struct Step {
    name: &'static str,
    action: Action,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Step {
    /// A step called `name` that does `action`; an error is a failure.
    pub(crate) fn new(
        name: &'static str,
        action: impl FnOnce(&Workspace) -> Result<Outcome> + 'static,
    ) -> Self {
        Self { name, action: Box::new(action) }
    }

    /// The name under which the step is reported.
    #[cfg(test)]
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

/// What to do with the remaining steps when one has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// Leave them.
    Stop,
    /// Run them all the same.
    KeepGoing,
}

/// How a step ended, as the report has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    Skipped,
    NotRun,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
            Self::NotRun => "not run",
        })
    }
}

/// One line of the report.
#[derive(Debug)]
struct Line {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
    /// Why the step failed or was skipped.
    note: Option<String>,
}

/// How all the steps ended.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

impl Report {
    /// Whether no step failed.
    pub(crate) fn is_success(&self) -> bool {
        self.count(Verdict::Failed) == 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|line| line.verdict == verdict).count()
    }
}

/// The table of the steps, the reasons, and on the last line the counts.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lines.iter().map(|line| line.name.len()).max().unwrap_or_default().max(4);
        if self.lines.len() > 1 {
            writeln!(f, "{:width$}  {:7}  {:>7}", "step", "result", "seconds")?;
            for Line { name, verdict, took, .. } in &self.lines {
                match verdict {
                    Verdict::NotRun => writeln!(f, "{name:width$}  {verdict:7}")?,
                    _ => writeln!(f, "{name:width$}  {verdict:7}  {:>7.1}", took.as_secs_f64())?,
                }
            }
            writeln!(f)?;
        }
        for Line { name, verdict, note, .. } in &self.lines {
            if let Some(note) = note {
                writeln!(f, "{name}: {verdict}: {note}")?;
            }
        }
        let not_run = self.count(Verdict::NotRun);
        if not_run > 0 {
            writeln!(f, "steps not run after the failure: {not_run}; --keep-going runs them all")?;
        }
        writeln!(
            f,
            "{} passed, {} failed, {} skipped",
            self.count(Verdict::Passed),
            self.count(Verdict::Failed),
            self.count(Verdict::Skipped)
        )
    }
}

/// Runs the steps in order and prints the report.
pub(crate) fn run(workspace: &Workspace, steps: Vec<Step>, on_failure: OnFailure) -> Report {
    let mut report = Report::default();
    for Step { name, action } in steps {
        if on_failure == OnFailure::Stop && !report.is_success() {
            report.lines.push(Line { name, verdict: Verdict::NotRun, took: Duration::ZERO, note: None });
            continue;
        }
        say(&format!("==> {name}"));
        let started = Instant::now();
        let result = action(workspace);
        let took = started.elapsed();
        let (verdict, note) = match result {
            Ok(Outcome::Passed) => (Verdict::Passed, None),
            Ok(Outcome::Skipped(reason)) => (Verdict::Skipped, Some(reason)),
            Err(error) => (Verdict::Failed, Some(format!("{error:#}"))),
        };
        let note_shown = note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        say(&format!("<== {name}: {verdict} in {:.1} s{note_shown}\n", took.as_secs_f64()));
        report.lines.push(Line { name, verdict, took, note });
    }
    say(report.to_string().trim_end());
    report
}

/// Prints at once, so that the line stands before what the next program prints.
fn say(text: &str) {
    println!("{text}");
    // Nobody is left to be told when the standard output is gone.
    let _ = std::io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn three_steps() -> Vec<Step> {
        vec![
            Step::new("good", |_| Ok(Outcome::Passed)),
            Step::new("bad", |_| bail!("it broke")),
            Step::new("late", |_| Ok(Outcome::not_installed("a tool", "get tool"))),
        ]
    }

    fn report(on_failure: OnFailure) -> Report {
        run(&Workspace::locate().unwrap(), three_steps(), on_failure)
    }

    #[test]
    fn the_last_line_is_the_counts_alone() {
        let text = report(OnFailure::KeepGoing).to_string();
        assert_eq!(text.lines().last(), Some("1 passed, 1 failed, 1 skipped"));
        assert!(text.ends_with('\n'), "nothing may follow on that line");
    }

    #[test]
    fn a_failure_fails_the_whole_and_stops_the_rest() {
        let report = report(OnFailure::Stop);
        assert!(!report.is_success());
        let text = report.to_string();
        assert!(text.contains("late  not run"), "{text}");
        assert_eq!(text.lines().last(), Some("1 passed, 1 failed, 0 skipped"));
    }

    #[test]
    fn what_was_skipped_is_said_in_so_many_words() {
        let text = report(OnFailure::KeepGoing).to_string();
        assert!(text.contains("late: skipped: a tool is not installed; install with `get tool`"), "{text}");
        assert!(text.contains("bad: FAILED: it broke"), "{text}");
    }

    #[test]
    fn a_skipped_step_is_not_a_failure() {
        let steps = vec![Step::new("only", |_| Ok(Outcome::Skipped("no need".to_owned())))];
        let report = run(&Workspace::locate().unwrap(), steps, OnFailure::Stop);
        assert!(report.is_success());
        assert_eq!(report.to_string(), "only: skipped: no need\n0 passed, 0 failed, 1 skipped\n");
    }
}
