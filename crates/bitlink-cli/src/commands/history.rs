//! `bitlink history`: readings of a miner or a group over time, as a chart, a table or for other programs. Reads what is kept on this
//! machine, also beside a running service; asks no miner.

mod figures;
mod plot;

use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::table::{Cell, Column, Table, Tone};
use crate::text::{clean, so_many};
use crate::times;
use bitlink_miner_manager::history::{
    HistoryReader, Query, Series, SeriesName, Step, Tier, write_csv, write_ndjson,
};
use bitlink_miner_manager::model::{Metric, MetricPlace};
use bitlink_miner_manager::store::Reader;
use bitlink_miner_manager::{FleetRegistry, Timestamp};
use clap::{Args, ValueEnum};
use figures::Scale;
use jiff::tz::TimeZone;
use plot::Canvas;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::time::SystemTime;

/// Show readings over time that `bitlink serve` has recorded
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct HistoryArgs {
    /// Which miner, or a group: fleet, site/NAME, rack/PLACE, label/NAME
    #[arg(value_name = "MINER", required_unless_present_any = ["list_metrics", "list_groups"])]
    of: Option<String>,
    /// Which reading, as hashrate or board.0.chip_temperature; more than one may be given, and `all` is all there are
    #[arg(long, value_name = "METRIC", value_delimiter = ',')]
    metric: Vec<String>,
    /// From when on
    #[arg(long, value_name = "TIME", default_value = "6h")]
    since: String,
    /// Up to when
    #[arg(long, value_name = "TIME", default_value = "now")]
    until: String,
    /// Every reading, or summaries of 15 minutes or six hours
    #[arg(long, value_enum, default_value_t, value_name = "STEP")]
    step: StepArg,
    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    format: HistoryFormat,
    /// List the names of all readings
    #[arg(long)]
    list_metrics: bool,
    /// List the groups that are summed up
    #[arg(long, conflicts_with = "list_metrics")]
    list_groups: bool,
    #[command(flatten)]
    data: Data,
}

const AFTER: &str = "\
Miners are named by id (or how it begins), hardware address, address, serial number, host name or label.
Times: 6h (ago), 02:10, 2026-11-26, 2026-11-26T02:10, with Z or +01:00 behind it, or now.

Examples:
  bitlink history 192.168.1.100 --since 6h --metric hashrate
  bitlink history fleet --since 30d --metric hashrate,power
  bitlink history 192.168.1.100 --metric all --since 24h --format csv > miner.csv";

/// Resolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum StepArg {
    /// The finest that suits the time and reaches back so far
    #[default]
    Auto,
    /// Every reading
    Raw,
    /// Summaries of 15 minutes
    #[value(name = "15m")]
    Quarter,
    /// Summaries of six hours
    #[value(name = "6h")]
    SixHours,
}

impl From<StepArg> for Step {
    fn from(step: StepArg) -> Self {
        match step {
            StepArg::Auto => Self::Auto,
            StepArg::Raw => Self::Tier(Tier::Raw),
            StepArg::Quarter => Self::Tier(Tier::Quarter),
            StepArg::SixHours => Self::Tier(Tier::SixHours),
        }
    }
}

/// Forms of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum HistoryFormat {
    /// A chart
    #[default]
    Plot,
    /// A line for each time
    Table,
    /// A line for each value
    Csv,
    /// One document
    Json,
    /// One object on each line
    Ndjson,
}

pub(crate) fn run(args: &HistoryArgs, console: Console) -> Result<Exit, Failure> {
    if args.list_metrics {
        return list_metrics(console);
    }
    if args.list_groups {
        let mut out = console.out();
        for group in Reader::open(&args.data.dir()?)?.groups()? {
            writeln!(out, "{}", clean(&group))?;
        }
        return Ok(Exit::Fine);
    }
    let Some(of) = &args.of else { return Err(Failure::usage("it is not said whose history")) };
    let (zone, now) = (TimeZone::system(), Timestamp::from(SystemTime::now()));
    let time = |text: &str| times::parse(text, now, &zone).map_err(Failure::usage);
    let (from, until) = (time(&args.since)?, time(&args.until)?);
    if from >= until {
        return Err(Failure::usage("--since is not before --until"));
    }
    let dir = args.data.dir()?;
    let (name, title) = named(of, &args.data, console)?;
    let query = Query::new(name, from, until).with_metrics(metrics(args)?).with_step(args.step.into());
    let mut series = Reader::open(&dir)?.series(&query)?;
    // In the order in which they were asked for.
    series.sort_by_key(|series| query.metrics.iter().position(|metric| *metric == series.metric));
    if series.is_empty() {
        return Err(Failure::new(
            Exit::NothingFound,
            format!("nothing was recorded of {} in this time", clean(&title)),
        )
        .hint("`bitlink serve` records; `bitlink history --list-metrics` has the names of readings"));
    }
    let canvas = Canvas { width: console::room().unwrap_or(80), height: 10, from, until, zone };
    match args.format {
        HistoryFormat::Plot => {
            let mut out = console.out();
            let steps = series.first().map(|series| series.tier.to_string()).unwrap_or_default();
            writeln!(
                out,
                "{}  {} to {} ({steps})\n",
                clean(&title),
                times::full(from, &canvas.zone),
                times::full(until, &canvas.zone)
            )?;
            for series in &series {
                writeln!(out, "{}", plot::draw(series, &canvas))?;
            }
            out.flush()?;
        }
        HistoryFormat::Table => table(&series, &canvas.zone, console)?,
        HistoryFormat::Csv => write_csv(BufWriter::new(io::stdout().lock()), &title, &series)?,
        HistoryFormat::Ndjson => write_ndjson(BufWriter::new(io::stdout().lock()), &title, &series)?,
        HistoryFormat::Json => document(&title, &series, from, until)?,
    }
    Ok(Exit::Fine)
}

/// Whose history a text names, and how that is shown.
fn named(of: &str, data: &Data, console: Console) -> Result<(SeriesName, String), Failure> {
    let is_group = of == "fleet" || ["site/", "rack/", "label/"].iter().any(|kind| of.starts_with(kind));
    if is_group {
        return Ok((SeriesName::Group(of.to_owned()), of.to_owned()));
    }
    let registry: FleetRegistry = data.read(console)?;
    let id = registry.find(of)?;
    Ok((SeriesName::Miner(id), id.to_string()))
}

/// None named: for people what they look at first, for programs all there are.
fn metrics(args: &HistoryArgs) -> Result<Vec<Metric>, Failure> {
    if args.metric.iter().any(|name| name == "all") {
        return Ok(Vec::new());
    }
    if args.metric.is_empty() {
        return Ok(match args.format {
            HistoryFormat::Plot | HistoryFormat::Table => {
                vec![Metric::HASHRATE, Metric::POWER, Metric::TEMP_CHIP_MAX]
            }
            _ => Vec::new(),
        });
    }
    let parsed = args.metric.iter().map(|name| {
        name.parse().map_err(|error: bitlink_miner_manager::model::UnknownMetric| {
            Failure::of(Exit::Usage, &error).hint("`bitlink history --list-metrics` has all of them")
        })
    });
    parsed.collect()
}

fn list_metrics(console: Console) -> Result<Exit, Failure> {
    const COLUMNS: [Column; 4] = [
        Column::left("name", 0),
        Column::left("unit", 0),
        Column::left("kind", 2),
        Column::left("what it is", 1).cut_to(12),
    ];
    let mut table = Table::new(&COLUMNS);
    for metric in Metric::kinds() {
        let info = metric.info();
        let name = match info.place {
            MetricPlace::Group => format!("{} (groups)", info.name),
            _ => metric.to_string(),
        };
        let kind = format!("{:?}", info.nature).to_lowercase();
        table.push(vec![Cell::new(name), Cell::new(info.unit), Cell::new(kind), Cell::new(info.about)]);
    }
    let mut out = console.out();
    writeln!(out, "{}", table.render(console::room()))?;
    writeln!(out, "The number is that of the board, fan, pool or power supply.")?;
    out.flush()?;
    Ok(Exit::Fine)
}

/// Most readings side by side.
const SIDE_BY_SIDE: usize = 8;

fn table(series: &[Series], zone: &TimeZone, console: Console) -> Result<(), Failure> {
    let shown = series.get(..SIDE_BY_SIDE.min(series.len())).unwrap_or(series);
    if shown.len() < series.len() {
        let left_out = u64::try_from(series.len() - shown.len()).unwrap_or(u64::MAX);
        console.note(&format!(
            "{} left out; name those that are wanted with --metric",
            so_many(left_out, "reading is", "readings are")
        ));
    }
    let mut rows: BTreeMap<Timestamp, Vec<Option<String>>> = BTreeMap::new();
    let mut out = console.out();
    let mut titles = vec!["time".to_owned()];
    for (place, series) in shown.iter().enumerate() {
        let most = series.samples.iter().map(|sample| sample.max.abs()).fold(0.0, f64::max);
        let scale = Scale::of(series.metric, most);
        let unit = if scale.unit.is_empty() { String::new() } else { format!(" {}", scale.unit) };
        titles.push(format!("{}{unit}", series.metric));
        let is_summary = series.tier.width().is_some();
        for sample in &series.samples {
            let row = rows.entry(sample.at).or_insert_with(|| vec![None; shown.len()]);
            let text = if is_summary && sample.min < sample.max {
                format!(
                    "{} ({}–{})",
                    scale.number(sample.mean),
                    scale.number(sample.min),
                    scale.number(sample.max)
                )
            } else {
                scale.number(sample.last)
            };
            if let Some(cell) = row.get_mut(place) {
                *cell = Some(text);
            }
        }
    }
    let texts: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(at, row)| {
            let cells = row.into_iter().map(|cell| cell.unwrap_or_else(|| crate::text::UNKNOWN.to_owned()));
            [times::full(at, zone)].into_iter().chain(cells).collect()
        })
        .collect();
    let widths: Vec<usize> = titles
        .iter()
        .enumerate()
        .map(|(place, title)| {
            let cells = texts.iter().filter_map(|row| row.get(place)).map(|text| crate::text::width(text));
            cells.chain([crate::text::width(title)]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(text, wide)| {
            format!("{}{text}", " ".repeat(wide.saturating_sub(crate::text::width(text))))
        });
        padded.collect::<Vec<_>>().join("  ")
    };
    writeln!(out, "{}", Tone::Strong.paint(&line(&titles)))?;
    for row in &texts {
        writeln!(out, "{}", line(row))?;
    }
    out.flush()?;
    Ok(())
}

fn document(of: &str, series: &[Series], from: Timestamp, until: Timestamp) -> Result<(), Failure> {
    let list: Vec<serde_json::Value> = series
        .iter()
        .map(|series| {
            let samples: Vec<serde_json::Value> = series
                .samples
                .iter()
                .map(|sample| {
                    if series.tier.width().is_some() {
                        serde_json::json!({"at_ms": sample.at, "min": sample.min, "mean": sample.mean, "max": sample.max, "last": sample.last, "readings": sample.readings})
                    } else {
                        serde_json::json!({"at_ms": sample.at, "value": sample.last})
                    }
                })
                .collect();
            serde_json::json!({"metric": series.metric.to_string(), "unit": series.metric.info().unit, "step": series.tier.to_string(), "samples": samples})
        })
        .collect();
    let whole = serde_json::json!({"of": of, "from_ms": from, "until_ms": until, "series": list});
    let mut out = BufWriter::new(io::stdout().lock());
    crate::output::json::pretty(&mut out, &whole)?;
    out.flush()?;
    Ok(())
}
