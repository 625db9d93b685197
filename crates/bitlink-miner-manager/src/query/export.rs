//! Values as cells of a sheet, and as JSON. A text that a spreadsheet would take for a formula gets an apostrophe before it.

use super::Value;
use serde::{Serialize, Serializer};

/// One value as a cell of CSV, quoted where it must be. What is not known is an empty cell.
pub fn csv_cell(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Unknown => {}
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => match exact(*number) {
            Some(whole) => out.push_str(itoa::Buffer::new().format(whole)),
            None => out.push_str(zmij::Buffer::new().format(*number)),
        },
        Value::Text(text) => {
            let begins = text.bytes().find(|byte| !matches!(byte, b' ' | b'\''));
            let is_formula = matches!(begins, Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r'));
            let apostrophe = if is_formula { "'" } else { "" };
            if text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
                out.push('"');
                out.push_str(apostrophe);
                out.push_str(&text.replace('"', "\"\""));
                out.push('"');
            } else {
                out.push_str(apostrophe);
                out.push_str(text);
            }
        }
    }
}

/// A number as a whole one, where it is and nothing is lost by it: those are written much faster.
#[allow(clippy::cast_possible_truncation)] // it is whole, and small enough
fn exact(number: f64) -> Option<i64> {
    /// Whole numbers up to here are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}

/// As JSON has it: whole numbers without a point, and `null` for what is not known.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown => serializer.serialize_none(),
            Self::Bool(yes) => serializer.serialize_bool(*yes),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => match exact(*number) {
                Some(whole) => serializer.serialize_i64(whole),
                None => serializer.serialize_f64(*number),
            },
        }
    }
}

/// A row of a sheet, with its end.
pub fn csv_row(values: &[Value<'_>], out: &mut String) {
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        csv_cell(value, out);
    }
    out.push_str("\r\n");
}
