//! `import` and `export`: positions, labels and notes from and to spreadsheets.

use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::text::{clean, so_many};
use clap::Args;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Take positions, labels and notes from a CSV file
///
/// A line names a miner by id, mac_address, serial or ip, and says where it stands and what is written about it. A column that is not
/// there and an empty cell leave things as they are; a lone `-` clears. What `export` writes is understood.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file; `-` is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take in the lines that are right even if others are wrong [default: all or nothing]
    #[arg(long)]
    partial: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Write all miners to a CSV file, to be filled in and imported
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file; `-` is the standard output
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn unusable(path: &Path, what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("{} cannot be {what}", path.display())).because(error)
}

pub(crate) fn import(args: &ImportArgs, data: &Data, console: Console) -> Result<Exit, Failure> {
    let from: Box<dyn Read> = if is_standard(&args.file) {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&args.file).map_err(|error| unusable(&args.file, "read", &error))?)
    };
    let mut registry = if args.dry_run { data.read(console)? } else { data.open_for_edits(console)? };
    let done = registry.import(from, args.partial, args.dry_run)?;
    for line in &done.left_out {
        console.note(&format!("left out: {}", clean(&line.to_string())));
    }
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let would = if args.dry_run { "would be " } else { "" };
    console.note(&format!(
        "{}; {} {would}changed",
        so_many(count(done.lines), "line taken in", "lines taken in"),
        so_many(count(done.changed), "miner", "miners")
    ));
    Ok(if done.left_out.is_empty() { Exit::Fine } else { Exit::SomeFailed })
}

pub(crate) fn export(args: &ExportArgs, data: &Data, console: Console) -> Result<Exit, Failure> {
    let registry = data.read(console)?;
    if is_standard(&args.file) {
        let mut out = BufWriter::new(io::stdout().lock());
        registry.export(&mut out)?;
        out.flush()?;
    } else {
        let written = File::create(&args.file).and_then(|file| {
            let mut out = BufWriter::new(file);
            registry.export(&mut out)?;
            out.flush()
        });
        written.map_err(|error| unusable(&args.file, "written", &error))?;
    }
    Ok(if registry.damage().is_some() { Exit::SomeFailed } else { Exit::Fine })
}
