//! A chart in the characters of a terminal: two by four points each, and a band where there are least and greatest values. Draws what
//! it is given; asks nobody.

use super::figures::Scale;
use crate::table::Tone;
use crate::times;
use bitlink_miner_manager::Timestamp;
use bitlink_miner_manager::history::Series;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// Where a chart is drawn.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    /// Characters from the left to the right edge, labels included.
    pub(super) width: usize,
    /// Lines of the chart itself.
    pub(super) height: usize,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) zone: TimeZone,
}

/// The least and the greatest that happened in one column of points, and where its line goes.
#[derive(Debug, Clone, Copy)]
struct Column {
    min: f64,
    max: f64,
    sum: f64,
    count: f64,
}

/// A chart of one metric, with its name above and the times below.
pub(super) fn draw(series: &Series, canvas: &Canvas) -> String {
    let mut text = String::new();
    let samples: Vec<_> =
        series.samples.iter().filter(|sample| sample.at >= canvas.from && sample.at < canvas.until).collect();
    let least = samples.iter().map(|sample| sample.min).fold(f64::INFINITY, f64::min);
    let most = samples.iter().map(|sample| sample.max).fold(f64::NEG_INFINITY, f64::max);
    let Some(newest) = samples.last().filter(|_| least.is_finite() && most.is_finite()) else {
        let _ = writeln!(
            text,
            "{}  nothing was recorded in this time",
            Tone::Strong.paint(&series.metric.to_string())
        );
        return text;
    };
    let scale = Scale::of(series.metric, most.abs().max(least.abs()));
    #[allow(clippy::cast_precision_loss, reason = "few samples")]
    let mean = samples.iter().map(|sample| sample.mean).sum::<f64>() / samples.len() as f64;
    let mut title = format!("min {}  max {}", scale.text(least), scale.text(most));
    if series.metric.info().nature == bitlink_miner_manager::model::MetricNature::Gauge {
        let _ = write!(title, "  mean {}", scale.text(mean));
    }
    let _ = write!(title, "  last {}", scale.text(newest.last));
    let _ = writeln!(text, "{}  {title}", Tone::Strong.paint(&series.metric.to_string()));

    let (low, high) = limits(least, most);
    let labels: Vec<String> = (0..canvas.height)
        .map(|line| {
            let is_labelled = line == 0 || line + 1 == canvas.height || line == canvas.height / 2;
            #[allow(clippy::cast_precision_loss, reason = "few lines")]
            let share = line as f64 / (canvas.height.max(2) - 1) as f64;
            if is_labelled { scale.number(high - (high - low) * share) } else { String::new() }
        })
        .collect();
    let margin = labels.iter().map(|label| crate::text::width(label)).max().unwrap_or(0);
    let columns = canvas.width.saturating_sub(margin + 2).max(8);
    let points = columns * 2;
    let placed = place(&samples, canvas, points);
    let grid = paint(&placed, points, canvas.height, low, high);
    for (label, line) in labels.iter().zip(&grid) {
        let mark = if label.is_empty() { '│' } else { '┤' };
        let _ = writeln!(
            text,
            "{}{}",
            Tone::Dim.paint(&format!("{label:>margin$} {mark}")),
            Tone::Good.paint(line.trim_end())
        );
    }
    let _ = writeln!(text, "{}", Tone::Dim.paint(&foot(canvas, margin + 1, columns)));
    text
}

/// Room above and below, so that what stays the same is drawn in the middle.
fn limits(least: f64, most: f64) -> (f64, f64) {
    if least < most {
        return (least, most);
    }
    let room = (least.abs() * 0.05).max(1e-6);
    (least - room, most + room)
}

fn place(
    samples: &[&bitlink_miner_manager::history::Sample],
    canvas: &Canvas,
    points: usize,
) -> Vec<Option<Column>> {
    let mut placed: Vec<Option<Column>> = vec![None; points];
    let (from, until) = (canvas.from.as_unix_millis(), canvas.until.as_unix_millis());
    let span = i128::from(until.saturating_sub(from).max(1));
    for sample in samples {
        let offset = i128::from(sample.at.as_unix_millis().saturating_sub(from));
        let column = usize::try_from(offset * i128::try_from(points).unwrap_or(1) / span).unwrap_or(0);
        let Some(column) = placed.get_mut(column) else { continue };
        let column =
            column.get_or_insert(Column { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, count: 0.0 });
        column.min = column.min.min(sample.min);
        column.max = column.max.max(sample.max);
        column.sum += sample.mean;
        column.count += 1.0;
    }
    placed
}

/// The dots of a character, from the top, left and right.
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

fn paint(placed: &[Option<Column>], points: usize, height: usize, low: f64, high: f64) -> Vec<String> {
    let rows = height * 4;
    let mut cells = vec![vec![0_u32; points / 2]; height];
    let row = |value: f64| {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of few rows"
        )]
        let row = ((high - value) / (high - low) * (rows - 1) as f64).round().clamp(0.0, (rows - 1) as f64)
            as usize;
        row
    };
    let mut dot = |x: usize, y: usize| {
        let bit = DOTS.get(y % 4).and_then(|dots| dots.get(x % 2)).copied().unwrap_or(0);
        if let Some(cell) = cells.get_mut(y / 4).and_then(|line| line.get_mut(x / 2)) {
            *cell |= bit;
        }
    };
    // A summary covers several columns: a line goes over gaps of that width, and over no others.
    let known: Vec<usize> =
        placed.iter().enumerate().filter(|(_, column)| column.is_some()).map(|(x, _)| x).collect();
    let mut gaps: Vec<usize> =
        known.windows(2).map(|pair| pair.iter().rev().copied().reduce(|a, b| a - b).unwrap_or(0)).collect();
    gaps.sort_unstable();
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(1);
    let mut before: Option<(usize, usize)> = None;
    for (x, column) in placed.iter().enumerate() {
        let Some(column) = column else { continue };
        let y = row(column.sum / column.count);
        for y in row(column.max)..=row(column.min) {
            dot(x, y);
        }
        if let Some((from_x, from_y)) = before
            && x - from_x <= usual * 2 + 1
        {
            for step in from_x..=x {
                let share = step - from_x;
                let along = (from_y * (x - step) + y * share) / (x - from_x).max(1);
                dot(step, along);
            }
            // What is steep is drawn without holes.
            if x - from_x == 1 {
                for y in from_y.min(y)..=from_y.max(y) {
                    dot(x, y);
                }
            }
        }
        before = Some((x, y));
    }
    let character = |dots: &u32| if *dots == 0 { ' ' } else { char::from_u32(0x2800 + dots).unwrap_or(' ') };
    cells.iter().map(|line| line.iter().map(character).collect()).collect()
}

/// The times below a chart.
fn foot(canvas: &Canvas, margin: usize, columns: usize) -> String {
    let span = canvas.until.since(canvas.from);
    let label = |share: u32| times::brief(canvas.from.plus(span * share / 4), &canvas.zone, span);
    let widest = (0..=4).map(|share| crate::text::width(&label(share))).max().unwrap_or(1);
    let marks: &[u32] = match columns / (widest + 2) {
        0..=2 => &[0, 4],
        3..=4 => &[0, 2, 4],
        _ => &[0, 1, 2, 3, 4],
    };
    let mut line = " ".repeat(margin);
    line.push('└');
    for mark in marks {
        let text = label(*mark);
        let wide = crate::text::width(&text);
        let middle = margin + 1 + columns * usize::try_from(*mark).unwrap_or(0) / 4;
        let start = match mark {
            0 => middle,
            4 => middle.saturating_sub(wide),
            _ => middle.saturating_sub(wide / 2),
        };
        let used = crate::text::width(&line);
        line.push_str(&" ".repeat(start.saturating_sub(used)));
        line.push_str(&text);
    }
    line
}
