//! What a rule says, as data: when, of whom, for how long, and how those are told together.

use crate::span::Span;
use crate::subject::{Occasion, Subject};
use bitlink_model::{Metric, MetricPlace, MinerStatus, Position, Severity};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One rule. Only its name and `when` are needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// By which it is known in messages, and by which a rule of a configuration stands in the place of a shipped one. Letters, digits, `_`
    /// and `-`; 64 at most.
    pub name: String,
    /// What messages call it: "miners offline". None given: the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether it counts; default yes.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// When it is true of a miner.
    pub when: When,
    /// Of whom it is asked; none given: of all.
    #[serde(default, skip_serializing_if = "Selection::is_all")]
    pub only: Selection,
    /// How bad it is; default warning.
    #[serde(default = "warning")]
    pub severity: Severity,
    /// For how long it must have been true; default at once; 30 days at most.
    #[serde(default, rename = "for")]
    pub hold: Span,
    /// For how long it must not have been true any more; default at once; 30 days at most.
    #[serde(default)]
    pub clear_for: Span,
    /// Whose miners are told together; default those of a rack.
    #[serde(default = "racks")]
    pub group_by: Vec<Field>,
    /// Fewest miners of a group of which it must be true; default 1.
    #[serde(default = "one")]
    pub at_least: usize,
    /// Least share of a group's miners of which it must be true, 0 to 1; those of which it is not known do not count. Default any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// At or below which share it is over; default the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_share: Option<f64>,
    /// Time between two reminders while it lasts, or `"off"`; none given: that of the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// Names of the channels that are told; none given: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn warning() -> Severity {
    Severity::Warning
}

fn racks() -> Vec<Field> {
    vec![Field::Site, Field::Building, Field::Rack]
}

impl Rule {
    /// A rule with the usual settings.
    pub fn new(name: impl Into<String>, when: When) -> Self {
        Self {
            name: name.into(),
            title: None,
            enabled: true,
            when,
            only: Selection::default(),
            severity: warning(),
            hold: Span::default(),
            clear_for: Span::default(),
            group_by: racks(),
            at_least: one(),
            share: None,
            clear_share: None,
            repeat: None,
            channels: Vec::new(),
        }
    }

    /// What messages call it.
    pub fn shown(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// Whether it is of a group as a whole: of so many of it.
    pub(crate) fn is_of_groups(&self) -> bool {
        self.at_least > 1 || self.share.is_some()
    }

    /// What is wrong with it.
    pub(crate) fn complaint(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let longest = std::time::Duration::from_hours(24 * 30);
        let is_share = |share: Option<f64>| share.is_none_or(|share| (0.0..=1.0).contains(&share));
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            return Some("a name has letters, digits, _ and -, and 64 of them at most".to_owned());
        }
        if self.hold.0 > longest || self.clear_for.0 > longest {
            return Some("for and clear_for are 30d at most".to_owned());
        }
        if !is_share(self.share) || !is_share(self.clear_share) {
            return Some("a share is a number from 0 to 1".to_owned());
        }
        if self.clear_share > self.share {
            return Some("clear_share is not above share".to_owned());
        }
        if self.at_least == 0 {
            return Some("at_least is 1 or more".to_owned());
        }
        if matches!(self.when, When::Event { .. })
            && (self.is_of_groups() || self.hold.0 > std::time::Duration::ZERO)
        {
            return Some("an event lasts for no time: for, at_least and share are not for events".to_owned());
        }
        self.when.complaint()
    }
}

/// When a rule is true of a miner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    untagged,
    expecting = "expected one of { status = [..] }, { finding = [..] }, { metric = \"..\", above = .. } and { event = [..] }"
)]
#[non_exhaustive]
pub enum When {
    /// Its status is one of these.
    Status {
        /// Which.
        status: Vec<MinerStatus>,
    },
    /// One of these is found wrong with it; `*` at the end of a name stands for anything.
    Finding {
        /// Health rules.
        finding: Vec<String>,
        /// As bad as this at least.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        severity: Option<Severity>,
    },
    /// A reading is above or below a limit.
    Metric {
        /// Which reading.
        metric: MetricPattern,
        /// True where it is more than this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        above: Option<f64>,
        /// True where it is less than this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        below: Option<f64>,
        /// Not true any more only once it is at this value or beyond; none given: the limit itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clear: Option<f64>,
    },
    /// One of these has happened.
    Event {
        /// What.
        event: Vec<Occasion>,
    },
}

/// A metric of a miner, or of any of its boards, fans, pools or power supplies: `board.*.chip_temperature`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricPattern {
    metric: Metric,
    any: bool,
}

impl MetricPattern {
    pub(crate) fn matches(self, metric: Metric) -> bool {
        if self.any { metric.info().code == self.metric.info().code } else { metric == self.metric }
    }

    pub(crate) fn metrics(self) -> Vec<Metric> {
        let parts = || (0..8).filter_map(|part| self.metric.of(part)).collect::<Vec<_>>();
        let all = if self.any { parts() } else { Vec::new() };
        if all.is_empty() { vec![self.metric] } else { all }
    }

    /// Its unit.
    pub(crate) fn unit(self) -> &'static str {
        self.metric.info().unit
    }
}

impl FromStr for MetricPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let any = text.contains(".*");
        let metric: Metric = text
            .replace(".*", ".0")
            .parse()
            .map_err(|error: bitlink_model::UnknownMetric| error.to_string())?;
        if metric.info().place == MetricPlace::Group {
            return Err(format!("{text} is of a group of miners, and rules are of miners"));
        }
        Ok(Self { metric, any })
    }
}

impl fmt::Display for MetricPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.metric.to_string();
        if self.any { f.pad(&text.replacen(".0", ".*", 2)) } else { f.pad(&text) }
    }
}

impl<'de> Deserialize<'de> for MetricPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for MetricPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a rule says of a miner.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Says {
    /// It is true, and why.
    True(String),
    False,
    /// It was true and is on its way: neither.
    Between,
    /// It cannot be told.
    Unknown,
}

impl When {
    fn complaint(&self) -> Option<String> {
        let empty = |what| Some(format!("when.{what} names nothing"));
        match self {
            Self::Status { status } if status.is_empty() => empty("status"),
            Self::Status { status } if status.contains(&MinerStatus::Scanning) => {
                Some("a miner that is \"scanning\" is not judged yet: nothing is told of it".to_owned())
            }
            Self::Finding { finding, .. } if finding.is_empty() => empty("finding"),
            Self::Event { event } if event.is_empty() => empty("event"),
            Self::Metric { above: None, below: None, .. } => {
                Some("when has neither above nor below".to_owned())
            }
            Self::Metric { above: Some(_), below: Some(_), .. } => {
                Some("when has above and below: make two rules of it".to_owned())
            }
            Self::Metric { above, below, clear, .. } => {
                let numbers = [*above, *below, *clear];
                if numbers.iter().flatten().any(|number| !number.is_finite()) {
                    return Some("a limit is a number".to_owned());
                }
                let wrong_side = clear.is_some_and(|clear| {
                    above.is_some_and(|above| clear > above) || below.is_some_and(|below| clear < below)
                });
                wrong_side.then(|| "clear is on the wrong side of the limit".to_owned())
            }
            _ => None,
        }
    }

    /// The metric that is asked for.
    pub(crate) fn metric(&self) -> Option<MetricPattern> {
        match self {
            Self::Metric { metric, .. } => Some(*metric),
            _ => None,
        }
    }

    /// What it says of a miner of which it was true before, or not.
    pub(crate) fn says(&self, subject: &Subject<'_>, was: bool) -> Says {
        let is_known = subject.status != MinerStatus::Scanning;
        match self {
            Self::Status { .. } | Self::Finding { .. } if !is_known => Says::Unknown,
            Self::Status { status } => {
                if !status.contains(&subject.status) {
                    return Says::False;
                }
                let worst = subject.findings.iter().max_by_key(|found| found.severity);
                Says::True(worst.map_or_else(|| subject.status.to_string(), |found| found.message.to_owned()))
            }
            Self::Finding { finding, severity } => {
                let is_named = |rule: &str| finding.iter().any(|pattern| glob(pattern, rule));
                let of = subject.findings.iter().filter(|found| {
                    severity.is_none_or(|least| found.severity >= least) && is_named(found.rule)
                });
                match of.max_by_key(|found| found.severity) {
                    Some(found) => Says::True(found.message.to_owned()),
                    // Nothing is said of the temperature of a machine that does not answer.
                    None if subject.status == MinerStatus::Dead => Says::Unknown,
                    None => Says::False,
                }
            }
            Self::Metric { metric, above, below, clear } => {
                let values = subject
                    .readings
                    .iter()
                    .filter(|(found, _)| metric.matches(*found))
                    .map(|(_, value)| *value);
                let worst = if above.is_some() { values.reduce(f64::max) } else { values.reduce(f64::min) };
                let Some(value) = worst else { return Says::Unknown };
                let beyond = |limit: f64| if above.is_some() { value > limit } else { value < limit };
                let limit = above.or(*below).unwrap_or(f64::NAN);
                let unit = metric.unit();
                if beyond(limit) {
                    let which = if above.is_some() { "above" } else { "below" };
                    Says::True(format!("{metric} {}, {which} {}", number(value, unit), number(limit, unit)))
                } else if was && clear.is_some_and(beyond) {
                    Says::Between
                } else {
                    Says::False
                }
            }
            Self::Event { .. } => Says::Unknown,
        }
    }
}

/// A number with its unit, hash rates in words that people use.
pub(crate) fn number(value: f64, unit: &str) -> String {
    if unit == "H/s" {
        return rate(value);
    }
    let decimals = if value.fract().abs() < 0.005 { 0 } else { 2 };
    let text = format!("{value:.decimals$}");
    if unit.is_empty() { text } else { format!("{text} {unit}") }
}

/// A hash rate: `41.2 PH/s`.
pub(crate) fn rate(hs: f64) -> String {
    let (each, unit) = match hs.abs() {
        rate if rate >= 1e18 => (1e18, "EH/s"),
        rate if rate >= 1e15 => (1e15, "PH/s"),
        rate if rate >= 1e12 || rate == 0.0 => (1e12, "TH/s"),
        _ => (1e9, "GH/s"),
    };
    format!("{:.1} {unit}", hs / each)
}

/// By what miners are put together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The site.
    Site,
    /// Building, hall or container.
    Building,
    /// The rack.
    Rack,
    /// Make and model.
    Model,
    /// All labels together; or what follows of the one that begins so: `label:customer` of `customer:Acme`.
    Label(Option<String>),
    /// Each machine for itself.
    Miner,
}

const FIELDS: &str = "site, building, rack, model, label, label:WORD or miner";

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "site" => Self::Site,
            "building" => Self::Building,
            "rack" => Self::Rack,
            "model" => Self::Model,
            "miner" => Self::Miner,
            "label" => Self::Label(None),
            _ => match text.strip_prefix("label:") {
                Some(word) if !word.is_empty() => Self::Label(Some(word.to_owned())),
                _ => return Err(format!("{text:?} is none of {FIELDS}")),
            },
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site => f.pad("site"),
            Self::Building => f.pad("building"),
            Self::Rack => f.pad("rack"),
            Self::Model => f.pad("model"),
            Self::Miner => f.pad("miner"),
            Self::Label(None) => f.pad("label"),
            Self::Label(Some(word)) => write!(f, "label:{word}"),
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is known of where a machine stands and what it is: enough to put it into groups.
pub(crate) trait Placed {
    fn id(&self) -> bitlink_model::MinerId;
    fn address(&self) -> &str;
    fn model(&self) -> &str;
    fn position(&self) -> &Position;
    fn labels(&self) -> &BTreeSet<String>;

    /// What it is under a field; empty where that is not known.
    fn value_of(&self, field: &Field) -> String {
        let known = |text: &Option<String>| text.clone().unwrap_or_default();
        match field {
            Field::Site => known(&self.position().site),
            Field::Building => known(&self.position().building),
            Field::Rack => known(&self.position().rack),
            Field::Model => self.model().to_owned(),
            Field::Miner => self.id().to_string(),
            Field::Label(None) => self.labels().iter().map(String::as_str).collect::<Vec<_>>().join(", "),
            Field::Label(Some(word)) => {
                let rest = |label: &String| {
                    let rest = label.strip_prefix(word.as_str())?;
                    rest.strip_prefix([':', '=']).map(str::to_owned)
                };
                self.labels().iter().find_map(rest).unwrap_or_default()
            }
        }
    }
}

impl Placed for Subject<'_> {
    fn id(&self) -> bitlink_model::MinerId {
        self.id
    }
    fn address(&self) -> &str {
        self.address
    }
    fn model(&self) -> &str {
        self.model
    }
    fn position(&self) -> &Position {
        self.position
    }
    fn labels(&self) -> &BTreeSet<String> {
        self.labels
    }
}

/// Which miners: those that fit everything that is named. Of each one text or several, `*` standing for anything; a model fits where the text
/// is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Selection {
    /// Sites.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub site: Texts,
    /// Buildings.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub building: Texts,
    /// Racks.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub rack: Texts,
    /// Models.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub model: Texts,
    /// Labels, of which it has any.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub label: Texts,
    /// Ids or addresses.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub miner: Texts,
}

/// One text, or several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Texts(pub Vec<String>);

impl Texts {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn fits(&self, fits: impl Fn(&str) -> bool) -> bool {
        self.0.is_empty() || self.0.iter().any(|text| fits(text))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, untagged, expecting = "expected a text or several")]
        enum Wire {
            One(String),
            Several(Vec<String>),
        }
        Ok(match Wire::deserialize(deserializer)? {
            Wire::One(text) => Self(vec![text]),
            Wire::Several(texts) => Self(texts),
        })
    }
}

impl Selection {
    /// Whether it is of everybody.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn fits(&self, miner: &(impl Placed + ?Sized)) -> bool {
        if self.is_all() {
            return true;
        }
        let place = miner.position();
        let is = |texts: &Texts, part: &Option<String>| {
            texts.fits(|text| part.as_deref().is_some_and(|part| glob(text, part)))
        };
        let model = miner.model().to_lowercase();
        is(&self.site, &place.site)
            && is(&self.building, &place.building)
            && is(&self.rack, &place.rack)
            && self.model.fits(|text| glob(&format!("*{}*", text.to_lowercase()), &model))
            && self.label.fits(|text| miner.labels().iter().any(|label| glob(text, label)))
            && self.miner.fits(|text| {
                let host = miner.address().rsplit_once(':').map_or(miner.address(), |(host, _)| host);
                glob(text, &miner.id().to_string()) || glob(text, miner.address()) || glob(text, host)
            })
    }
}

/// Whether a text is what a pattern says, `*` standing for anything.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// Time between two reminders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// So much.
    Every(Span),
    /// There are none.
    Off,
}

impl Repeat {
    pub(crate) fn every(self) -> Option<std::time::Duration> {
        match self {
            Self::Every(span) => Some(span.0),
            Self::Off => None,
        }
    }
}

impl<'de> Deserialize<'de> for Repeat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self::Off);
        }
        Span::parse(&text)
            .map(Self::Every)
            .ok_or_else(|| D::Error::custom("expected a time, as \"4h\", or \"off\""))
    }
}

impl Serialize for Repeat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Every(span) => span.serialize(serializer),
            Self::Off => serializer.serialize_str("off"),
        }
    }
}
