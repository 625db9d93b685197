//! Numbers as people write them: `90TH`, `3.2kW`, `95%`, `2h`. Pure.

/// Units that may stand after a number, with how many base units they are and which base unit that is.
const UNITS: &[(&str, f64, &str)] = &[
    ("h/s", 1.0, "H/s"),
    ("kh", 1e3, "H/s"),
    ("mh", 1e6, "H/s"),
    ("gh", 1e9, "H/s"),
    ("th", 1e12, "H/s"),
    ("ph", 1e15, "H/s"),
    ("eh", 1e18, "H/s"),
    ("w", 1.0, "W"),
    ("kw", 1e3, "W"),
    ("mw", 1e6, "W"),
    ("°c", 1.0, "°C"),
    ("c", 1.0, "°C"),
    ("rpm", 1.0, "rpm"),
    ("j/th", 1.0, "J/TH"),
    ("hz", 1.0, "Hz"),
    ("mhz", 1e6, "Hz"),
    ("v", 1.0, "V"),
    ("mv", 1e-3, "V"),
    ("ms", 1e-3, "s"),
    ("s", 1.0, "s"),
    ("m", 60.0, "s"),
    ("min", 60.0, "s"),
    ("h", 3_600.0, "s"),
    ("d", 86_400.0, "s"),
    ("%", 0.01, "1"),
];

/// How many bytes of a text are a number: `88`, `-1.5`, `1e12`; of `1eh` the first.
fn number_length(text: &str) -> usize {
    let length = |text: &str, also: &[char]| {
        text.find(|c: char| !c.is_ascii_digit() && !also.contains(&c)).unwrap_or(text.len())
    };
    let digits = length(text, &['.', '-', '+']);
    let Some(exponent) = text.get(digits..).and_then(|rest| rest.strip_prefix(['e', 'E'])) else {
        return digits;
    };
    let longer = length(exponent, &['-', '+']);
    let is_one = exponent.get(..longer).is_some_and(|text| text.contains(|c: char| c.is_ascii_digit()));
    if is_one { digits + 1 + longer } else { digits }
}

/// A number in base units. `unit` is the field's base unit, `per` how many of those a bare number counts.
pub(super) fn parse(text: &str, unit: Option<&str>, per: f64) -> Result<f64, String> {
    let (number, after) = text.split_at(number_length(text));
    let bad = || match text {
        "" => "a number is missing".to_owned(),
        text => format!("{text:?} is no number"),
    };
    let number: f64 = number.parse().map_err(|_no_number| bad())?;
    let after = after.trim().to_lowercase();
    let factor = match after.as_str() {
        "" => per,
        "k" => 1e3 * per,
        after => {
            let bare = after.strip_suffix("/s").filter(|bare| bare.ends_with('h')).unwrap_or(after);
            let own = unit.unwrap_or("1");
            let known = UNITS.iter().find(|(name, _, of)| *name == bare && *of == own);
            match known {
                Some((_, factor, _)) => *factor,
                None if bare == "%" => per,
                None => return Err(bad()),
            }
        }
    };
    let number = number * factor;
    if number.is_finite() { Ok(number) } else { Err(bad()) }
}
