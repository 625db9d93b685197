//! Series for spreadsheets and programs: one sample on each line.

use super::Series;
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct Line<'a> {
    at_ms: i64,
    of: &'a str,
    metric: String,
    unit: &'a str,
    step: String,
    last: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readings: Option<u32>,
}

fn lines<'a>(of: &'a str, series: &'a [Series]) -> impl Iterator<Item = Line<'a>> {
    series.iter().flat_map(move |series| {
        let is_summary = series.tier.width().is_some();
        series.samples.iter().map(move |sample| Line {
            at_ms: sample.at.as_unix_millis(),
            of,
            metric: series.metric.to_string(),
            unit: series.metric.info().unit,
            step: series.tier.to_string(),
            last: sample.last,
            min: is_summary.then_some(sample.min),
            mean: is_summary.then_some(sample.mean),
            max: is_summary.then_some(sample.max),
            readings: is_summary.then_some(sample.readings),
        })
    })
}

/// As comma-separated values, with a line of names first. What a raw reading does not have is empty.
///
/// # Errors
/// Those of the writer.
pub fn write_csv(to: impl Write, of: &str, series: &[Series]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    writer
        .write_record(["at_ms", "of", "metric", "unit", "step", "last", "min", "mean", "max", "readings"])?;
    let text = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    for line in lines(of, series) {
        let Line { at_ms, of, metric, unit, step, last, min, mean, max, readings } = line;
        let readings = readings.map(|readings| readings.to_string()).unwrap_or_default();
        writer.write_record([
            &at_ms.to_string(),
            of,
            &metric,
            unit,
            &step,
            &last.to_string(),
            &text(min),
            &text(mean),
            &text(max),
            &readings,
        ])?;
    }
    writer.flush()
}

/// As one JSON object on each line.
///
/// # Errors
/// Those of the writer.
pub fn write_ndjson(mut to: impl Write, of: &str, series: &[Series]) -> io::Result<()> {
    for line in lines(of, series) {
        serde_json::to_writer(&mut to, &line)?;
        to.write_all(b"\n")?;
    }
    to.flush()
}
