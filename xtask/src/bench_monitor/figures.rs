//! The figures of reading and watching, what is wrong with them, and the tables.

use std::fmt::Write as _;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::bench_scan::table::{grouped, megabytes};

/// What one program came to at one row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Line {
    row: String,
    by: String,
    pub(super) is_peer: bool,
    miners: u32,
    figures: Option<Figures>,
    /// What went wrong, where nothing should.
    pub(super) trouble: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Figures {
    Polled(Polled),
    Watched(Watched),
}

/// Reading as often as possible.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Polled {
    miners: u32,
    polls: u64,
    complete: u64,
    #[serde(default)]
    wrong: u64,
    connections: Option<u64>,
    seconds: f64,
    cpu_s: f64,
    peak_bytes: u64,
}

/// Watching for a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Watched {
    live: u32,
    complete: u32,
    seconds: f64,
    #[serde(default)]
    pub(super) interval_s: u64,
    cpu_s: f64,
    answered: u64,
    failed: u64,
    not_asked: u64,
    connections: u64,
    late_p50_ms: u64,
    late_p99_ms: u64,
    late_max_ms: u64,
    lag_max_ms: u64,
    resident_bytes: u64,
}

impl Line {
    pub(super) fn new(row: &str, by: &str, is_peer: bool, miners: u32, figures: Result<Figures>) -> Self {
        let (figures, trouble) = match figures {
            Ok(figures) => {
                let trouble = figures.trouble(miners);
                (Some(figures), trouble)
            }
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        Self { row: row.to_owned(), by: by.to_owned(), is_peer, miners, figures, trouble }
    }

    /// As it is printed when it is there.
    pub(super) fn on_the_way(&self) -> String {
        let Self { row, by, .. } = self;
        let note = self.trouble.as_deref().map(|trouble| format!("  {trouble}")).unwrap_or_default();
        match &self.figures {
            Some(Figures::Polled(polled)) => {
                format!(
                    "{row:12}  {by:10} {:9.0} polls/s  {:6.3} ms CPU{note}",
                    polled.rate(),
                    polled.cpu_ms()
                )
            }
            Some(Figures::Watched(watched)) => format!(
                "{row:12}  {by:10} {:9} answered  late p99 {} ms  {:6.3} ms CPU{note}",
                watched.answered,
                watched.late_p99_ms,
                watched.cpu_ms()
            ),
            None => format!("{row:12}  {by:10}{note}"),
        }
    }
}

impl Figures {
    /// What is wrong with them: somebody was not read, or not as the machine is.
    fn trouble(&self, miners: u32) -> Option<String> {
        match self {
            Self::Polled(polled) if polled.miners != miners || polled.polls == 0 => {
                Some(format!("{} of {miners} could be read, {} times", polled.miners, polled.polls))
            }
            Self::Polled(polled) if polled.complete != polled.polls || polled.wrong > 0 => Some(format!(
                "{} of {} readings are complete, {} are wrong",
                polled.complete, polled.polls, polled.wrong
            )),
            Self::Watched(watched) if watched.live != miners || watched.complete != miners => Some(format!(
                "{} of {miners} are read as live, {} completely",
                watched.live, watched.complete
            )),
            Self::Watched(watched) if watched.failed + watched.not_asked > 0 || watched.answered == 0 => {
                Some(format!("{} polls failed, {} were not made", watched.failed, watched.not_asked))
            }
            _ => None,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
impl Polled {
    fn rate(&self) -> f64 {
        self.polls as f64 / self.seconds
    }

    fn cpu_ms(&self) -> f64 {
        self.cpu_s * 1_000.0 / self.polls.max(1) as f64
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
impl Watched {
    fn cpu_ms(&self) -> f64 {
        self.cpu_s * 1_000.0 / self.answered.max(1) as f64
    }
}

/// Both tables, in Markdown.
pub(super) fn tables(lines: &[Line]) -> String {
    [polled(lines), watched(lines)].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn polled(lines: &[Line]) -> Option<String> {
    let of = |line: &Line| match &line.figures {
        Some(Figures::Polled(polled)) => Some(polled.clone()),
        _ => None,
    };
    lines.iter().find(|line| of(line).is_some())?;
    let mut text =
        "| reading | by | polls/s | ÷ bare | CPU a poll | peak memory | complete | connections a poll | |\n\
                    |---|---|---:|---:|---:|---:|---:|---:|---|\n"
            .to_owned();
    for line in lines.iter().filter(|line| line.row.starts_with("poll")) {
        let Line { row, by, miners, .. } = line;
        let note = line.trouble.as_deref().unwrap_or_default();
        let Some(polled) = of(line) else {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {} miners | {by} | | | | | | | {note} |", grouped((*miners).into()));
            continue;
        };
        let bare = lines.iter().find(|line| line.row == *row && line.by == "bare").and_then(of);
        let ratio = bare.filter(|_| by != "bare").map(|bare| format!("{:.2}", polled.rate() / bare.rate()));
        let connections =
            polled.connections.map(|count| format!("{:.2}", count as f64 / polled.polls.max(1) as f64));
        let _ = writeln!(
            text,
            "| {} miners | {by} | {:.0} | {} | {:.3} ms | {} MB | {} of {} | {} | {note} |",
            grouped((*miners).into()),
            polled.rate(),
            ratio.unwrap_or_default(),
            polled.cpu_ms(),
            megabytes(polled.peak_bytes),
            grouped(polled.complete),
            grouped(polled.polls),
            connections.unwrap_or_default(),
        );
    }
    Some(text)
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn watched(lines: &[Line]) -> Option<String> {
    let of = |line: &Line| match &line.figures {
        Some(Figures::Watched(watched)) => Some((line.miners, watched.clone())),
        _ => None,
    };
    let all: Vec<_> = lines.iter().filter_map(of).collect();
    let (least, most) = (all.iter().min_by_key(|line| line.0)?, all.iter().max_by_key(|line| line.0)?);
    let mut text =
        "| watching | for | answered | missed | late p50 | p99 | most | CPU | CPU a poll | memory | \
                    connections a poll | |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n"
            .to_owned();
    for line in lines {
        let Some((miners, watched)) = of(line) else { continue };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} at {} s | {:.0} s | {} | {} | {} ms | {} ms | {} ms | {:.1} % | {:.3} ms | {} MB | {:.2} | {} |",
            grouped(miners.into()),
            watched.interval_s,
            watched.seconds,
            grouped(watched.answered),
            grouped(watched.failed + watched.not_asked),
            watched.late_p50_ms,
            watched.late_p99_ms,
            watched.late_max_ms,
            watched.cpu_s / watched.seconds * 100.0,
            watched.cpu_ms(),
            megabytes(watched.resident_bytes),
            watched.connections as f64 / watched.answered.max(1) as f64,
            line.trouble.as_deref().unwrap_or_default(),
        );
    }
    if most.0 > least.0 {
        let more = most.1.resident_bytes.saturating_sub(least.1.resident_bytes);
        let _ = writeln!(
            text,
            "\nEach watched miner takes {:.1} kB beyond the base; the schedule was {} ms behind at most.",
            more as f64 / f64::from(most.0 - least.0) / 1_000.0,
            most.1.lag_max_ms,
        );
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    //! Figures made up.
    use super::*;

    fn polled(polls: u64, complete: u64, wrong: u64) -> Figures {
        let (seconds, cpu_s, peak_bytes) = (2.0, 0.5, 12_000_000);
        let connections = Some(polls * 3);
        Figures::Polled(Polled {
            miners: 10,
            polls,
            complete,
            wrong,
            connections,
            seconds,
            cpu_s,
            peak_bytes,
        })
    }

    fn watched(miners: u32, failed: u64, resident_bytes: u64) -> Figures {
        Figures::Watched(Watched {
            live: miners,
            complete: miners,
            seconds: 10.0,
            interval_s: 10,
            cpu_s: 1.0,
            answered: 1_000,
            failed,
            not_asked: 0,
            connections: 3_000,
            late_p50_ms: 0,
            late_p99_ms: 7,
            late_max_ms: 9,
            lag_max_ms: 4,
            resident_bytes,
        })
    }

    #[test]
    fn whoever_is_not_read_as_it_is_makes_trouble() {
        let trouble = |miners, figures| Line::new("row", "by", false, miners, Ok(figures)).trouble.is_some();
        assert!(!trouble(10, polled(1_000, 1_000, 0)));
        assert!(trouble(11, polled(1_000, 1_000, 0)));
        assert!(trouble(10, polled(1_000, 999, 0)));
        assert!(trouble(10, polled(1_000, 1_000, 1)));
        assert!(trouble(10, polled(0, 0, 0)));
        assert!(!trouble(10, watched(10, 0, 1)));
        assert!(trouble(11, watched(10, 0, 1)));
        assert!(trouble(10, watched(10, 1, 1)));
    }

    #[test]
    fn the_tables_compare_with_the_bare_loop_and_with_few() {
        let lines = [
            Line::new("poll-10", "bare", false, 10, Ok(polled(8_000, 8_000, 0))),
            Line::new("poll-10", "bitlink", false, 10, Ok(polled(4_000, 4_000, 0))),
            Line::new("poll-10", "asic-rs", true, 10, Err(anyhow::anyhow!("it broke"))),
            Line::new("watch-10", "bitlink", false, 10, Ok(watched(10, 0, 10_000_000))),
            Line::new("watch-1010", "bitlink", false, 1_010, Ok(watched(1_010, 0, 15_000_000))),
        ];
        let text = tables(&lines);
        for expected in [
            "| 10 miners | bitlink | 2000 | 0.50 | 0.125 ms | 12 MB | 4,000 of 4,000 | 3.00 |  |",
            "| 10 miners | asic-rs | | | | | | | it broke |",
            "| 1,010 at 10 s | 10 s | 1,000 | 0 | 0 ms | 7 ms | 9 ms | 10.0 % | 1.000 ms | 15 MB | 3.00 |  |",
            "Each watched miner takes 5.0 kB beyond the base",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }
}
