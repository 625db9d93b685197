//! The figures, as lines on the way and as a table at the end, and their place in the documentation.

use std::fmt;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::contestants::{Contestant, Seen};
use super::rows::Row;
use crate::netns::measure::Measured;

/// Above the lines on the way.
pub(super) const HEADING: &str =
    "row               by             seconds  cpu s  MB peak    found   missed  wrong  overflows";

/// What one program did on one network.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Line {
    row: String,
    by: String,
    pub(super) is_peer: bool,
    seconds: f64,
    cpu_s: f64,
    peak_bytes: u64,
    found: u64,
    missed: u64,
    /// How many were found where nobody is.
    wrong: u64,
    /// How often the kernel's table of neighbours was full meanwhile.
    overflows: u64,
    /// Whether it was interrupted, because it was to be or because it took too long.
    interrupted: bool,
    /// For what is interrupted on purpose.
    beginning: Option<Beginning>,
    /// What went wrong, where nothing should.
    pub(super) trouble: Option<String>,
}

/// How a scan began.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Beginning {
    first_output_s: Option<f64>,
    early_bytes: Option<u64>,
    late_bytes: Option<u64>,
    done: Option<u64>,
}

impl Line {
    /// From what was measured and seen.
    pub(super) fn new(row: &Row, by: &Contestant, measured: &Measured, seen: &Seen, overflows: u64) -> Self {
        let right = seen.found.iter().filter(|ip| row.network.is_live(**ip)).count() as u64;
        let beginning = row.stopped_after_ms.map(|_| Beginning {
            first_output_s: measured.first_output_s,
            early_bytes: measured.early_bytes,
            late_bytes: measured.late_bytes,
            done: seen.done,
        });
        let too_long = measured.interrupted && beginning.is_none();
        let trouble = too_long.then(|| "it took too long and was interrupted".to_owned());
        Self {
            row: row.name.to_owned(),
            by: by.name.clone(),
            is_peer: by.is_peer,
            seconds: measured.wall_s,
            cpu_s: measured.user_s + measured.system_s,
            peak_bytes: measured.peak_bytes,
            found: right,
            missed: row.network.count() - right,
            wrong: seen.found.len() as u64 - right,
            overflows,
            interrupted: measured.interrupted,
            beginning,
            trouble: trouble.or_else(|| seen.wrong.clone()),
        }
    }

    /// Where nothing could be measured.
    pub(super) fn failed(row: &Row, by: &Contestant, error: &anyhow::Error) -> Self {
        Self {
            row: row.name.to_owned(),
            by: by.name.clone(),
            is_peer: by.is_peer,
            seconds: 0.0,
            cpu_s: 0.0,
            peak_bytes: 0,
            found: 0,
            missed: row.network.count(),
            wrong: 0,
            overflows: 0,
            interrupted: false,
            beginning: None,
            trouble: Some(format!("{error:#}")),
        }
    }

    /// Whether there are figures.
    fn is_measured(&self) -> bool {
        self.seconds > 0.0
    }

    /// As it is printed when it is there.
    pub(super) fn on_the_way(&self) -> String {
        let Self { row, by, seconds, cpu_s, found, missed, wrong, overflows, .. } = self;
        let megabytes = megabytes(self.peak_bytes);
        let note = self.note().map(|note| format!("  {note}")).unwrap_or_default();
        if !self.is_measured() {
            return format!("{row:16}  {by:14}{note}");
        }
        format!(
            "{row:16}  {by:14} {seconds:7.2} {cpu_s:6.2} {megabytes:>8} {found:8} {missed:8} {wrong:6} {overflows:10}{note}"
        )
    }

    /// What is to be said beside the figures.
    fn note(&self) -> Option<String> {
        let mut notes: Vec<String> = self.trouble.iter().cloned().collect();
        if self.wrong > 0 {
            notes.push(format!("{} found where nobody is", self.wrong));
        }
        if self.overflows > 0 {
            notes.push(format!("the table of neighbours was full {} times", self.overflows));
        }
        if let Some(Beginning { first_output_s, early_bytes, late_bytes, done }) = &self.beginning {
            if let Some(seconds) = first_output_s {
                notes.push(format!("first line after {:.0} ms", seconds * 1_000.0));
            }
            if let Some(done) = done {
                notes.push(format!("{} addresses done", grouped(*done)));
            }
            if let (Some(early), Some(late)) = (early_bytes, late_bytes) {
                let (early, late) = (megabytes(*early), megabytes(*late));
                notes.push(format!("{early} MB resident after 1 s, {late} MB at the end"));
            }
        }
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) rows: &'a [Row],
    pub(super) contestants: &'a [Contestant],
    pub(super) lines: &'a [Line],
    /// Who is not there, and why.
    pub(super) absent: &'a [String],
}

impl fmt::Display for Table<'_> {
    /// In Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| network | by | time | ÷ loop | CPU | peak memory | found | missed | |")?;
        writeln!(f, "|---|---|---:|---:|---:|---:|---:|---:|---|")?;
        for row in self.rows {
            let of_row = || self.lines.iter().filter(|line| line.row == row.name);
            let floor =
                of_row().find(|line| line.by == "loop" && line.is_measured()).map(|line| line.seconds);
            let mut says = row.says.as_str();
            for line in of_row() {
                let note = line.note().unwrap_or_default();
                let by = &line.by;
                if line.is_measured() {
                    let ratio = floor.filter(|_| line.by != "loop" && line.beginning.is_none());
                    let ratio = ratio.map(|floor| format!("{:.1}", line.seconds / floor)).unwrap_or_default();
                    let over = if line.interrupted && line.beginning.is_none() { "> " } else { "" };
                    writeln!(
                        f,
                        "| {says} | {by} | {over}{} | {ratio} | {} | {} MB | {} | {} | {note} |",
                        time(line.seconds),
                        time(line.cpu_s),
                        megabytes(line.peak_bytes),
                        grouped(line.found),
                        grouped(line.missed),
                    )?;
                } else {
                    writeln!(f, "| {says} | {by} | | | | | | | {note} |")?;
                }
                says = "";
            }
        }
        writeln!(f, "\nWhat each asks of a host before it counts it as found:\n")?;
        for contestant in self.contestants {
            writeln!(f, "- `{}`: {}.", contestant.name, contestant.asks)?;
        }
        if !self.absent.is_empty() {
            writeln!(f, "\nLeft out: {}.", self.absent.join("; "))?;
        }
        Ok(())
    }
}

/// Seconds, as many digits as mean something.
fn time(seconds: f64) -> String {
    if seconds < 9.995 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

#[allow(clippy::cast_precision_loss, reason = "megabytes")]
pub(crate) fn megabytes(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 9.95 { format!("{megabytes:.1}") } else { format!("{megabytes:.0}") }
}

/// With commas between the thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// The document with another table of this command.
pub(crate) fn replaced(document: &str, command: &str, table: &str) -> Result<String> {
    let missing = || format!("docs/performance.md has no place for the table of {command}");
    let (begin, end) = (format!("<!-- {command}: begin -->\n"), format!("<!-- {command}: end -->\n"));
    let (before, rest) = document.split_once(&begin).with_context(missing)?;
    let (_, after) = rest.split_once(&end).with_context(missing)?;
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    //! Figures made up, and where they go.
    use super::*;
    use crate::bench_scan::contestants::Kind;
    use crate::bench_scan::rows;
    use crate::workspace::Workspace;
    use std::net::Ipv4Addr;
    use std::path::Path;

    fn measured(wall_s: f64) -> Measured {
        Measured {
            wall_s,
            user_s: 0.25,
            system_s: 0.5,
            peak_bytes: 12_400_000,
            early_bytes: Some(11_000_000),
            late_bytes: Some(12_000_000),
            first_output_s: Some(0.02),
            code: Some(0),
            interrupted: false,
        }
    }

    fn row(name: &str) -> Row {
        rows::all(false).into_iter().find(|row| row.name == name).unwrap()
    }

    #[test]
    fn whoever_is_found_is_one_who_is_there_or_is_wrong() {
        let row = row("silent-24");
        let there = (1..255).map(|n| Ipv4Addr::new(10, 18, 0, n)).filter(|ip| row.network.is_live(*ip));
        let mut seen = Seen { found: there.take(10).collect(), ..Seen::default() };
        let dead = (1..255).map(|n| Ipv4Addr::new(10, 18, 0, n)).find(|ip| !row.network.is_live(*ip));
        seen.found.extend(dead);
        let by = Contestant::bitlink(Path::new("bitlink"));
        let line = Line::new(&row, &by, &measured(1.0), &seen, 0);
        assert_eq!((line.found, line.missed, line.wrong), (10, 6, 1));
        assert!(line.on_the_way().contains("1 found where nobody is"));
    }

    #[test]
    fn the_table_compares_with_the_loop_and_names_who_is_left_out() {
        let (silent, start) = (row("silent-24"), row("start-8"));
        let floor = Contestant::the_loop(Path::new("bench-net"));
        let nmap = Contestant::peer("nmap", "nothing", Kind::Nmap, Path::new("nmap"));
        let lines = [
            Line::new(&silent, &floor, &measured(0.5), &Seen::default(), 0),
            Line::new(
                &silent,
                &nmap,
                &Measured { interrupted: true, ..measured(120.0) },
                &Seen::default(),
                3,
            ),
            Line::new(&start, &floor, &measured(5.0), &Seen { done: Some(98_304), ..Seen::default() }, 0),
            Line::failed(&start, &nmap, &anyhow::anyhow!("no line")),
        ];
        let rows = [silent, start];
        let contestants = [floor, nmap];
        let absent = ["pyasic: python3 is not installed".to_owned()];
        let table =
            Table { rows: &rows, contestants: &contestants, lines: &lines, absent: &absent }.to_string();
        for expected in [
            "| /24 silent but for 16 | loop | 0.50 s |  | 0.75 s | 12 MB | 0 | 16 |  |",
            "|  | nmap | > 120 s | 240.0 |",
            "the table of neighbours was full 3 times",
            "first line after 20 ms; 98,304 addresses done; 11 MB resident after 1 s, 12 MB at the end",
            "|  | nmap | | | | | | | no line |",
            "- `nmap`: nothing.",
            "Left out: pyasic: python3 is not installed.",
        ] {
            assert!(table.contains(expected), "{expected}\n{table}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1_000, 65_536, 16_777_216].map(grouped),
            ["0", "999", "1,000", "65,536", "16,777,216"]
        );
    }

    #[test]
    fn the_document_has_a_place_for_it() {
        let document = Workspace::locate().unwrap().root().join("docs/performance.md");
        let before = std::fs::read_to_string(document).unwrap();
        for command in ["bench-scan", "bench-monitor"] {
            let after = replaced(&before, command, "a table").unwrap();
            let place = format!("<!-- {command}: begin -->\n\na table\n\n<!-- {command}: end -->\n");
            assert!(after.contains(&place), "{after}");
            assert_eq!(replaced(&after, command, "a table").unwrap(), after);
        }
        assert!(replaced("nothing", "bench-scan", "a table").is_err());
    }
}
