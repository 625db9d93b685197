//! What strangers said, made harmless: a miner may call itself anything, and people read messages in programs that obey marks in texts.

/// Characters that print nothing, move others about or pretend to be others become `\u{..}`, as do line ends. Cut to so many characters.
pub(crate) fn clean(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    for (count, c) in text.chars().enumerate() {
        if count >= most {
            out.push('…');
            break;
        }
        if c.is_control() || is_hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Cuts a text to so many bytes, at a character.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// So many of a thing: `1 miner`, `1,204 miners`.
pub(crate) fn so_many(n: usize, one: &str, more: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { more })
}

/// A number with thousands apart.
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    //! Hostile texts.
    use super::*;

    #[test]
    fn what_does_not_print_by_itself_is_shown_and_long_texts_are_cut() {
        assert_eq!(clean("a\u{202e}b\r\nBcc: x\u{1b}[2J", 99), "a\\u{202e}b\\u{d}\\u{a}Bcc: x\\u{1b}[2J");
        assert_eq!(clean("ééééé", 3), "ééé…");
        assert_eq!((cut("ééé", 3), cut("abc", 9)), ("é", "abc"));
        assert_eq!(so_many(1204, "miner", "miners"), "1,204 miners");
    }
}
