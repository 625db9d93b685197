//! The two text formats in which metrics are told: the one of Prometheus (version 0.0.4) and OpenMetrics 1.0. Knows no miner.
//!
//! Shapes after the specifications: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::fmt::Write as _;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// What every collector reads.
    Prometheus,
    /// What Prometheus asks for: with units, and with an end by which a reader knows that nothing is missing.
    OpenMetrics,
}

impl Format {
    /// What a client wants, by its `Accept` header. One that does not say gets what everybody reads.
    pub fn negotiate(accept: Option<&str>) -> Self {
        let mut best = (0.0, Self::Prometheus);
        for choice in accept.unwrap_or_default().split(',') {
            let mut parts = choice.split(';').map(str::trim);
            let format = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/openmetrics-text" => Self::OpenMetrics,
                "text/plain" | "text/*" | "*/*" => Self::Prometheus,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f64>);
            let weight = weight.ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0);
            if weight > best.0 {
                best = (weight, format);
            }
        }
        best.1
    }

    /// Its `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// How the values of a metric behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows, but for restarts.
    Counter,
    /// Is 1, and says everything by its labels.
    Info,
    /// Counts by size.
    Histogram,
}

/// What is to be known of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// Its name, as its samples have it; of a histogram without their endings.
    pub name: &'static str,
    /// How its values behave.
    pub kind: Kind,
    /// The unit of its values in the plural, which its name ends in; empty where it is a number of things.
    pub unit: &'static str,
    /// In words.
    pub help: &'static str,
}

impl Family {
    /// A gauge.
    pub(crate) const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, unit, help }
    }

    /// A counter. Its name ends in `_total`.
    pub(crate) const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, unit, help }
    }

    /// What its samples are called without the ending that its kind gives them.
    pub fn stem(&self) -> &'static str {
        let ending = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.name.strip_suffix(ending).unwrap_or(self.name)
    }
}

/// Metrics as text, growing.
#[derive(Debug)]
pub(crate) struct Page {
    format: Format,
    text: String,
}

impl Page {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, text: String::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Takes back what came after a length.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.text.truncate(len);
    }

    /// What has come together since the last time.
    pub(crate) fn take(&mut self) -> String {
        let room = self.text.len();
        std::mem::replace(&mut self.text, String::with_capacity(room))
    }

    /// Begins a metric. All its samples follow.
    pub(crate) fn family(&mut self, family: &Family) {
        let (name, kind) = match (self.format, family.kind) {
            (Format::Prometheus, Kind::Gauge | Kind::Info) | (Format::OpenMetrics, Kind::Gauge) => {
                (family.name, "gauge")
            }
            (Format::Prometheus, Kind::Counter) => (family.name, "counter"),
            (Format::OpenMetrics, Kind::Counter) => (family.stem(), "counter"),
            (Format::OpenMetrics, Kind::Info) => (family.stem(), "info"),
            (_, Kind::Histogram) => (family.name, "histogram"),
        };
        self.line(format_args!("# HELP {name} {}", family.help));
        self.line(format_args!("# TYPE {name} {kind}"));
        if self.format == Format::OpenMetrics && !family.unit.is_empty() {
            self.line(format_args!("# UNIT {name} {}", family.unit));
        }
    }

    /// One value of a metric. Labels are [written](Labels) already; a value that is no number is left out.
    pub(crate) fn sample(&mut self, name: &str, labels: &str, value: f64) {
        self.sample_with(name, labels, format_args!(""), value);
    }

    /// The same with one more label, whose value must need no escape.
    pub(crate) fn sample_with(
        &mut self,
        name: &str,
        labels: &str,
        more: std::fmt::Arguments<'_>,
        value: f64,
    ) {
        if !value.is_finite() {
            return;
        }
        let text = &mut self.text;
        text.push_str(name);
        let before = text.len();
        text.push('{');
        text.push_str(labels);
        let begun = text.len();
        if !labels.is_empty() {
            text.push(',');
        }
        let bare = text.len();
        // Writing to a String cannot fail.
        let _ = text.write_fmt(more);
        if text.len() == bare {
            text.truncate(begun);
        }
        if text.len() == before + 1 {
            text.truncate(before);
        } else {
            text.push('}');
        }
        let _ = if value != 0.0 && !(1e-6..1e18).contains(&value.abs()) {
            writeln!(text, " {value:e}")
        } else {
            writeln!(text, " {value}")
        };
    }

    /// Takes the last sample back where there is one of the same series among those since `from`: whoever reads a series twice at one
    /// time may believe neither.
    pub(crate) fn once_since(&mut self, from: usize) {
        let series = |line: &str| line.rsplit_once(' ').map_or(0, |(series, _)| series.len());
        let Some(since) = self.text.get(from..) else { return };
        let Some((before, last)) = since.strip_suffix('\n').and_then(|lines| lines.rsplit_once('\n')) else {
            return;
        };
        let told = last.get(..series(last));
        if before.lines().any(|line| line.get(..series(line)) == told) {
            let end = from + before.len() + 1;
            self.text.truncate(end);
        }
    }

    /// The end.
    pub(crate) fn end(&mut self) {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(line);
        self.text.push('\n');
    }
}

/// Labels as they are written between the braces.
#[derive(Debug, Default)]
pub(crate) struct Labels(String);

impl Labels {
    /// With one more label. What is absent is left out, which is the same as empty to every reader.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            if !self.0.is_empty() {
                self.0.push(',');
            }
            self.0.push_str(name);
            self.0.push_str("=\"");
            escape(value, &mut self.0);
            self.0.push('"');
        }
        self
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// Most characters of a text that somebody else has written.
const LONGEST: usize = 200;

/// Writes the value of a label. Texts are hostile: beyond what the format asks for, whatever does not print by itself or turns
/// its neighbours around is shown as an escape, and what is too long is cut.
fn escape(value: &str, out: &mut String) {
    for (n, c) in value.chars().enumerate() {
        match c {
            _ if n >= LONGEST => {
                out.push('…');
                break;
            }
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ if c.is_control() || is_invisible(c) => {
                let _ = write!(out, "\\\\u{{{:x}}}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
}

/// Bidirectional controls, characters without width, separators of lines, tags.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    //! What is written can be read, whoever has named the miner.
    use super::*;

    #[test]
    fn a_client_gets_what_it_prefers_of_what_there_is() {
        let of = |accept| Format::negotiate(accept);
        assert_eq!(of(None), Format::Prometheus);
        assert_eq!(of(Some("")), Format::Prometheus);
        assert_eq!(of(Some("text/html, */*")), Format::Prometheus);
        assert_eq!(of(Some("application/openmetrics-text")), Format::OpenMetrics);
        assert_eq!(of(Some("application/openmetrics-text; version=1.0.0; q=0")), Format::Prometheus);
        assert_eq!(of(Some("text/plain;q=0.9, application/openmetrics-text;q=0.5")), Format::Prometheus);
        // As Prometheus 2 asks.
        let asks = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(of(Some(asks)), Format::OpenMetrics);
    }

    fn written(value: f64) -> String {
        let mut page = Page::new(Format::Prometheus);
        page.sample("a", "", value);
        page.take()
    }

    #[test]
    fn numbers_are_written_in_full_and_read_back_the_same() {
        assert_eq!(written(95_123_456_000_000.0), "a 95123456000000\n");
        assert_eq!(written(0.0), "a 0\n");
        assert_eq!(written(12.4), "a 12.4\n");
        assert_eq!(written(f64::NAN), "", "what is no number is absent");
        for value in [1e300, 1.5e-9, f64::MAX, 1_700_000_000.123] {
            assert_eq!(written(value).trim_start_matches("a ").trim_end().parse(), Ok(value));
        }
    }

    #[test]
    fn braces_are_there_only_with_something_between_them() {
        let mut page = Page::new(Format::Prometheus);
        page.sample("a", "", 1.0);
        page.sample("a", "x=\"1\"", 1.0);
        page.sample_with("a", "", format_args!("y=\"2\""), 1.0);
        page.sample_with("a", "x=\"1\"", format_args!("y=\"2\""), 1.0);
        assert_eq!(page.take(), "a 1\na{x=\"1\"} 1\na{y=\"2\"} 1\na{x=\"1\",y=\"2\"} 1\n");
    }

    #[test]
    fn the_two_formats_differ_in_names_of_types_in_units_and_in_the_end() {
        let family = Family::counter("a_joules_total", "joules", "Energy.");
        let of = |format| {
            let mut page = Page::new(format);
            page.family(&family);
            page.sample(family.name, "", 1.0);
            page.end();
            page.take()
        };
        assert_eq!(
            of(Format::Prometheus),
            "# HELP a_joules_total Energy.\n# TYPE a_joules_total counter\na_joules_total 1\n"
        );
        assert_eq!(
            of(Format::OpenMetrics),
            "# HELP a_joules Energy.\n# TYPE a_joules counter\n# UNIT a_joules joules\na_joules_total 1\n# EOF\n"
        );
    }

    #[test]
    fn a_series_that_was_told_is_not_told_again() {
        let mut page = Page::new(Format::Prometheus);
        page.sample("a", "x=\"1\"", 0.0);
        let from = page.len();
        for (labels, value) in
            [("x=\"1\"", 1.0), ("x=\"2\"", 2.0), ("x=\"1\"", 3.0), ("x=\"2\"", 2.0), ("x=\"12\"", 4.0)]
        {
            page.sample("a", labels, value);
            page.once_since(from);
        }
        assert_eq!(page.take(), "a{x=\"1\"} 0\na{x=\"1\"} 1\na{x=\"2\"} 2\na{x=\"12\"} 4\n");
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_miner_calls_itself_stays_within_its_quotes(name in ".{0,300}") {
            let labels = Labels::default().with("name", Some(&name)).with("next", Some("x")).into_string();
            proptest::prop_assert!(!labels.contains(|c: char| c.is_control() || is_invisible(c)));
            // As a reader takes it apart.
            if !name.is_empty() {
                let rest = labels.strip_prefix("name=\"").unwrap();
                let mut escaped = false;
                let end = rest.char_indices().find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                let (end, _) = end.unwrap();
                proptest::prop_assert_eq!(&rest[end..], "\",next=\"x\"");
            }
        }
    }
}
