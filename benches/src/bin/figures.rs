//! Prints what criterion measured last as the rows of the table in `docs/performance.md`. It measures nothing.

use anyhow::{Context, Result};
use serde_json::Value;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The order of the table; within a group, rows are in the order of their names.
const GROUPS: [&str; 11] = [
    "framing",
    "document_floor",
    "document_sound",
    "document_defective",
    "snapshot",
    "conversation_first",
    "conversation_again",
    "scan",
    "monitor",
    "judge",
    "simulator",
];

fn main() -> Result<()> {
    let mut found = Vec::new();
    collect(&results()?, &mut found)?;
    found.sort();
    println!("| benchmark | median | throughput |\n|---|---:|---:|");
    for (_, name, median, throughput) in found {
        println!("| `{name}` | {median} | {throughput} |");
    }
    Ok(())
}

/// Where criterion keeps its results.
fn results() -> Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let results = target.join("criterion");
    results
        .canonicalize()
        .with_context(|| format!("no results in {}; run `cargo xtask bench`", results.display()))
}

type Row = (usize, String, String, String);

/// Finds every latest result below a folder.
fn collect(folder: &Path, found: &mut Vec<Row>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.join("new/benchmark.json").exists() {
                found.push(row(&path.join("new"))?);
            }
            collect(&path, found)?;
        }
    }
    Ok(())
}

fn row(result: &Path) -> Result<Row> {
    let read = |name: &str| -> Result<Value> {
        let text = fs::read_to_string(result.join(name))?;
        serde_json::from_str(&text).with_context(|| format!("{} in {}", name, result.display()))
    };
    let (benchmark, estimates) = (read("benchmark.json")?, read("estimates.json")?);
    let text = |key: &str| benchmark.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let nanos = estimates.pointer("/median/point_estimate").and_then(Value::as_f64).context("no median")?;
    let amount = |kind: &str| benchmark.pointer(&format!("/throughput/{kind}")).and_then(Value::as_f64);
    let throughput = match (amount("Bytes"), amount("Elements")) {
        (Some(bytes), _) => format!("{:.0} MB/s", bytes / nanos * 1e3),
        (_, Some(elements)) => per_second(elements / nanos * 1e9),
        _ => String::new(),
    };
    let group = text("group_id");
    let order = GROUPS.iter().position(|known| *known == group).unwrap_or(GROUPS.len());
    Ok((order, text("full_id"), time(nanos), throughput))
}

fn time(nanos: f64) -> String {
    match nanos {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{:.1} µs", n / 1e3),
        n if n < 1e9 => format!("{:.1} ms", n / 1e6),
        n => format!("{:.2} s", n / 1e9),
    }
}

fn per_second(rate: f64) -> String {
    match rate {
        r if r < 1e4 => format!("{r:.0}/s"),
        r if r < 1e6 => format!("{:.0} k/s", r / 1e3),
        r => format!("{:.2} M/s", r / 1e6),
    }
}
