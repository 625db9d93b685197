//! Text for terminals and files: what strangers said made harmless, cut and padded to columns, numbers and times in
//! words. Knows nothing of miners.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What stands where nothing is known.
pub(crate) const UNKNOWN: &str = "–";

/// Makes a text harmless on a terminal and in a file: everything that does not print by itself is shown as an escape.
///
/// Whatever comes from a miner, a name server or another program passes through here before it is shown. Control
/// characters could move the cursor or send commands to the terminal, bidirectional controls could turn a line around,
/// and characters without width could hide text or make two names look alike.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            _ if is_plain(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if c.is_ascii() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            _ => out.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(out)
}

/// Whether a character takes room of its own and changes nothing about its neighbours.
pub(crate) fn is_plain(c: char) -> bool {
    match c {
        ' '..='~' => true,
        // Invisible, and yet given a width by some tables: soft hyphen, Hangul fillers, Khmer inherent vowels.
        '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' => false,
        // Bidirectional controls, line separators, interlinear marks, tags and other format characters.
        _ if is_format(c) => false,
        _ => !c.is_control() && c.width().unwrap_or(0) > 0,
    }
}

fn is_format(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{180e}' | '\u{feff}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Cuts a text to so many columns; where something was cut stands `…`.
pub(crate) fn clip(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > columns.saturating_sub(1) {
            break;
        }
        used += wide;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    Cow::Owned(out)
}

/// A number of things with thousands apart: `1,048,576`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many of a thing, in words: `1 miner`, `2 miners`.
pub(crate) fn so_many(n: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { more })
}

/// A length of time in its two largest units: `12d 4h`, `3m 20s`, `850ms`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match seconds {
        0 if time.as_millis() == 0 => "<1ms".to_owned(),
        0 => format!("{}ms", time.as_millis()),
        1..=9 if time.subsec_millis() > 0 => format!("{:.1}s", time.as_secs_f64()),
        1..=59 => format!("{seconds}s"),
        60..=3_599 => format!("{minutes}m {}s", seconds % 60),
        3_600..=86_399 => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// How long ago something was, in one unit: `now`, `4 s ago`, `3 min ago`.
pub(crate) fn ago(time: Duration) -> String {
    match time.as_secs() {
        0 => "now".to_owned(),
        s @ 1..=119 => format!("{s} s ago"),
        s @ 120..=7_199 => format!("{} min ago", s / 60),
        s @ 7_200..=172_799 => format!("{} h ago", s / 3_600),
        s => format!("{} days ago", s / 86_400),
    }
}

/// Reads a length of time: `10s`, `500ms`, `1h30m`, `2d`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a time like 10s, 500ms, 5m or 1h30m";
    let refuse = || EXPECTED.to_owned();
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().map(Duration::from_secs).map_err(|_overflow| refuse());
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_number| refuse())?;
        let millis_each: u64 = match unit.trim() {
            "ms" => 1,
            "s" | "sec" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(refuse()),
        };
        let part = number.checked_mul(millis_each).map(Duration::from_millis).ok_or_else(refuse)?;
        total = total.checked_add(part).ok_or_else(refuse)?;
        rest = next.trim_start();
    }
    if text.is_empty() { Err(refuse()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    //! Hostile text, wide text, and times both ways.
    use super::*;

    #[test]
    fn hostile_characters_are_shown_and_not_obeyed() {
        for (hostile, shown) in [
            ("\u{1b}[2J\u{1b}]0;owned\u{7}", "\\x1b[2J\\x1b]0;owned\\x07"),
            ("S19\rS21", "S19\\rS21"),
            ("a\nb\tc\0", "a\\nb\\tc\\x00"),
            ("\u{202e}daed", "\\u{202e}daed"),
            ("\u{2066}x\u{2069}\u{200b}\u{feff}", "\\u{2066}x\\u{2069}\\u{200b}\\u{feff}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("e\u{301}", "e\\u{301}"),
            ("\u{ad}\u{3164}\u{2028}", "\\u{ad}\\u{3164}\\u{2028}"),
            ("del\u{7f}", "del\\x7f"),
        ] {
            assert_eq!(clean(hostile), shown);
            assert!(clean(hostile).chars().all(is_plain), "{hostile:?}");
        }
    }

    #[test]
    fn honest_text_stays_as_it_is() {
        for text in ["Antminer S19 Pro", "stratum+tcp://pool.example:3333", "Шахта №5 · 矿机", "25 °C – µ"]
        {
            assert!(matches!(clean(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn text_is_cut_by_columns_and_not_by_characters() {
        assert_eq!(clip("overheating", 11), "overheating");
        assert_eq!(clip("overheating", 5), "over…");
        assert_eq!(clip("矿机温度", 5), "矿机…");
        assert_eq!(clip("矿机温度", 4), "矿…");
        assert_eq!(clip("abc", 0), "");
    }

    #[test]
    fn numbers_and_times_in_words() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_048_576), "1,048,576");
        assert_eq!(so_many(1, "miner", "miners"), "1 miner");
        assert_eq!(so_many(1_200, "miner", "miners"), "1,200 miners");
        assert_eq!(duration(Duration::from_micros(850)), "<1ms");
        assert_eq!(duration(Duration::from_millis(850)), "850ms");
        assert_eq!(duration(Duration::from_millis(2_345)), "2.3s");
        assert_eq!(duration(Duration::from_secs(2)), "2s");
        assert_eq!(duration(Duration::from_secs(200)), "3m 20s");
        assert_eq!(duration(Duration::from_secs(12 * 86_400 + 4 * 3_600 + 59)), "12d 4h");
        assert_eq!(ago(Duration::from_secs(0)), "now");
        assert_eq!(ago(Duration::from_secs(119)), "119 s ago");
        assert_eq!(ago(Duration::from_mins(3)), "3 min ago");
    }

    #[test]
    fn times_are_read_in_every_written_form_and_nothing_else() {
        let ms = Duration::from_millis;
        for (text, time) in [
            ("10s", ms(10_000)),
            ("10", ms(10_000)),
            ("500ms", ms(500)),
            ("1h30m", ms(5_400_000)),
            ("1h 30m", ms(5_400_000)),
            ("2d", ms(172_800_000)),
            ("5 min", ms(300_000)),
        ] {
            assert_eq!(parse_duration(text), Ok(time), "{text}");
        }
        for text in
            ["", "s", "-1s", "1.5s", "10 parsecs", "10s5", "99999999999999999999s", "184467440737095516d"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
