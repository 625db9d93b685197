//! Values as cells of a sheet. A text that a spreadsheet would take for a formula gets an apostrophe before it.

use super::Value;
use std::fmt::Write;

/// One value as a cell of CSV, quoted where it must be. What is not known is an empty cell.
pub fn csv_cell(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Unknown => {}
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => {
            // Writing to a text cannot fail.
            let _ = write!(out, "{number}");
        }
        Value::Text(text) => {
            let is_formula =
                text.trim_start_matches([' ', '\'']).starts_with(['=', '+', '-', '@', '\t', '\r']);
            let text = if is_formula { format!("'{text}") } else { text.clone().into_owned() };
            if text.contains([',', '"', '\n', '\r']) {
                out.push('"');
                out.push_str(&text.replace('"', "\"\""));
                out.push('"');
            } else {
                out.push_str(&text);
            }
        }
    }
}

/// A row of a sheet, with its end.
#[allow(single_use_lifetimes, reason = "a lifetime in `impl Trait` has to have a name")]
pub fn csv_row<'a>(values: impl IntoIterator<Item = Value<'a>>, out: &mut String) {
    for (place, value) in values.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        csv_cell(&value, out);
    }
    out.push_str("\r\n");
}
