//! In which order miners are. What is not known comes last, either way; equals are in order of address.

use super::{Field, Subject, Value, field};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

/// Fields by which miners are put in order, the first counting most.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sort(Vec<(&'static Field, bool)>);

/// Why a text is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no field {0:?} to sort by")]
pub struct SortError(pub String);

/// More fields decide nothing any more.
const MOST: usize = 8;

impl Sort {
    /// Reads `-hashrate,address`: names with commas between, a minus before what goes from the large to the small. Nothing is
    /// the order of addresses.
    ///
    /// # Errors
    /// [`SortError`] with the name that is none.
    pub fn parse(text: &str) -> Result<Self, SortError> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty()).take(MOST);
        let fields = names.map(|name| {
            let (down, bare) = match name.strip_prefix('-') {
                Some(bare) => (true, bare),
                None => (false, name.strip_prefix('+').unwrap_or(name)),
            };
            field(bare).map(|field| (field, down)).ok_or_else(|| SortError(bare.to_owned()))
        });
        fields.collect::<Result<_, _>>().map(Self)
    }

    /// By these fields, the first counting most; with `true` from the large to the small.
    pub fn by(fields: impl IntoIterator<Item = (&'static Field, bool)>) -> Self {
        Self(fields.into_iter().take(MOST).collect())
    }

    /// The fields that count, the first counting most.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.0.iter().map(|(field, _)| *field)
    }

    /// Whether none is said: the order is that of addresses then.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The places of these miners, in order.
    #[allow(single_use_lifetimes, reason = "a lifetime in `impl Trait` has to have a name")]
    pub fn order<'a>(&self, subjects: impl IntoIterator<Item = (usize, Subject<'a>)>) -> Vec<usize> {
        let mut placed: Vec<_> =
            subjects.into_iter().map(|(place, subject)| self.place(place, &subject)).collect();
        placed.sort_unstable_by(|a, b| self.compare(a, b));
        placed.iter().map(Placed::place).collect()
    }

    /// A miner with what decides where it comes, for those who put them in order themselves. `place` is what the caller knows it
    /// by; where all else is equal the smaller one comes first.
    pub fn place<'a>(&self, place: usize, subject: &Subject<'a>) -> Placed<'a> {
        let keys: Vec<_> = self.0.iter().map(|(field, _)| Key::of(field, subject)).collect();
        let leads = keys.first().zip(self.0.first()).map_or(0, |(key, (_, down))| key.leads(*down));
        Placed { leads, place, keys, at: (subject.miner.ip, subject.miner.port) }
    }

    /// Which of two that this order has [placed](Self::place) comes first.
    pub fn compare(&self, a: &Placed<'_>, b: &Placed<'_>) -> Ordering {
        let by_keys = || {
            let both = self.0.iter().zip(a.keys.iter().zip(&b.keys));
            both.map(|((_, down), (a, b))| match (a, b) {
                (Key::Unknown, Key::Unknown) => Ordering::Equal,
                (Key::Unknown, _) => Ordering::Greater,
                (_, Key::Unknown) => Ordering::Less,
                _ if *down => b.compare(a),
                _ => a.compare(b),
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
        };
        (a.leads.cmp(&b.leads))
            .then_with(by_keys)
            .then_with(|| a.at.cmp(&b.at))
            .then_with(|| a.place.cmp(&b.place))
    }
}

/// A miner with what decides where it comes.
#[derive(Debug)]
pub struct Placed<'a> {
    /// By this alone most are told apart, without going to the keys.
    leads: u64,
    place: usize,
    keys: Vec<Key<'a>>,
    at: (IpAddr, u16),
}

impl Placed<'_> {
    /// What the caller knows it by.
    pub const fn place(&self) -> usize {
        self.place
    }
}

#[derive(Debug)]
enum Key<'a> {
    Unknown,
    Number(f64),
    Text(Cow<'a, str>),
    At(IpAddr, u16),
}

impl<'a> Key<'a> {
    fn of(field: &Field, subject: &Subject<'a>) -> Self {
        if matches!(field.key, "address" | "ip") {
            return Self::At(subject.miner.ip, subject.miner.port);
        }
        if let "status" | "worst" = field.key {
            return Self::Number(super::fields::attention(subject.miner));
        }
        match field.value(subject) {
            Value::Unknown => Self::Unknown,
            Value::Number(number) => Self::Number(number),
            Value::Bool(yes) => Self::Number(f64::from(u8::from(yes))),
            Value::Text(text) => Self::Text(text),
        }
    }

    /// A number in whose order the first keys are, as far as that can be told by one: numbers whole, of texts only whether
    /// there is one.
    fn leads(&self, down: bool) -> u64 {
        match self {
            Self::Unknown => u64::MAX,
            Self::Number(number) => {
                // As `total_cmp` has it: the bits of negative numbers run backwards.
                let bits = number.to_bits();
                let up = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
                if down { !up } else { up }
            }
            Self::Text(_) | Self::At(..) => 0,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => natural(a, b),
            (Self::At(a, p), Self::At(b, q)) => (a, p).cmp(&(b, q)),
            // One field gives keys of one kind.
            _ => Ordering::Equal,
        }
    }
}

/// Texts as people put them in order: `R2` before `R10`, capital or not.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.bytes().peekable(), b.bytes().peekable());
    loop {
        let order = match (left.peek().copied(), right.peek().copied()) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                number(&mut left).cmp(&number(&mut right))
            }
            (Some(x), Some(y)) => {
                left.next();
                right.next();
                x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase())
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn number(digits: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> u64 {
    let mut number = 0_u64;
    while let Some(digit) = digits.next_if(u8::is_ascii_digit) {
        number = number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    number
}
