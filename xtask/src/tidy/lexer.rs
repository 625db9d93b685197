//! Just enough of Rust's syntax to tell code from comments and literals, and product code from tests.
//!
//! It is no parser: a rule that needs to know what a name stands for belongs in clippy.

/// The source with every comment and every string or character literal blanked out; lines and columns stay in place.
pub(super) fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut chars = source.chars();
    let mut in_word = false;
    loop {
        let rest = chars.as_str();
        let after = after_comment(rest)
            .or_else(|| after_string(rest))
            .or_else(|| after_character(rest))
            .or_else(|| if in_word { None } else { after_raw_string(rest) });
        if let Some(after) = after {
            while chars.as_str().len() > after.len() {
                match chars.next() {
                    Some('\n') => code.push('\n'),
                    Some(_) => code.push(' '),
                    None => break,
                }
            }
            in_word = false;
        } else if let Some(next) = chars.next() {
            code.push(next);
            in_word = is_word(next);
        } else {
            return code;
        }
    }
}

/// Whether the code, as [`code_only`] leaves it, has `pattern` with no longer word around it.
pub(super) fn has_word(code: &str, pattern: &str) -> bool {
    code.match_indices(pattern).any(|(start, found)| {
        let (before, from) = code.split_at(start);
        let after = from.strip_prefix(found).unwrap_or_default();
        let joined = |a: Option<char>, b: Option<char>| a.is_some_and(is_word) && b.is_some_and(is_word);
        !joined(before.chars().next_back(), found.chars().next())
            && !joined(found.chars().next_back(), after.chars().next())
    })
}

/// For each line of the code, as [`code_only`] leaves it, whether it belongs to an item under `#[cfg(test)]`.
pub(super) fn test_lines(code: &str) -> Vec<bool> {
    /// Where in the file the walk is.
    enum Place {
        Product,
        /// After the attribute, before the body of its item.
        Announced,
        /// In the body, this many braces deep.
        Body(usize),
    }

    let mut place = Place::Product;
    let mut lines = Vec::new();
    for line in code.lines() {
        let mut text = line.trim_start();
        if let (Place::Product, Some(item)) = (&place, text.strip_prefix("#[cfg(test)]")) {
            place = Place::Announced;
            text = item;
        }
        lines.push(!matches!(place, Place::Product));
        for symbol in text.chars() {
            place = match (place, symbol) {
                (Place::Announced, '{') => Place::Body(1),
                (Place::Announced, ';') | (Place::Body(1), '}') => Place::Product,
                (Place::Body(depth), '{') => Place::Body(depth + 1),
                (Place::Body(depth), '}') => Place::Body(depth - 1),
                (same, _) => same,
            };
        }
    }
    lines
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What follows the comment that `rest` begins with.
fn after_comment(rest: &str) -> Option<&str> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').map_or("", |end| rest.split_at(end).1));
    }
    let mut inside = rest.strip_prefix("/*")?;
    let mut depth = 1_usize;
    while depth > 0 {
        inside = if let Some(closed) = inside.strip_prefix("*/") {
            depth -= 1;
            closed
        } else if let Some(opened) = inside.strip_prefix("/*") {
            depth += 1;
            opened
        } else {
            let mut chars = inside.chars();
            if chars.next().is_none() {
                break;
            }
            chars.as_str()
        };
    }
    Some(inside)
}

/// What follows the plain string that `rest` begins with.
fn after_string(rest: &str) -> Option<&str> {
    let mut chars = rest.strip_prefix('"')?.chars();
    loop {
        match chars.next() {
            Some('\\') => {
                chars.next();
            }
            Some('"') | None => return Some(chars.as_str()),
            Some(_) => {}
        }
    }
}

/// What follows the raw string that `rest` begins with.
fn after_raw_string(rest: &str) -> Option<&str> {
    let prefixed = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let opened = prefixed.trim_start_matches('#');
    let hashes = prefixed.len() - opened.len();
    let inside = opened.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(inside.split_once(&end).map_or("", |(_, after)| after))
}

/// What follows the character literal that `rest` begins with; a lifetime is none.
fn after_character(rest: &str) -> Option<&str> {
    let mut chars = rest.strip_prefix('\'')?.chars();
    if chars.next()? == '\\' {
        chars.next()?;
        return chars.as_str().split_once('\'').map(|(_, after)| after);
    }
    chars.as_str().strip_prefix('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blanks the source and squeezes each run of spaces.
    fn code(source: &str) -> String {
        code_only(source).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_are_no_code() {
        assert_eq!(code("a // tokio\nb"), "a b");
        assert_eq!(code("a /* tokio /* nested */ still */ b"), "a b");
        assert_eq!(code("//! tokio\n/// tokio"), "");
        assert_eq!(code("a / b"), "a / b");
        assert_eq!(code("a /* never closed"), "a");
    }

    #[test]
    fn literals_are_no_code() {
        assert_eq!(code(r#"a("to\"kio") b"#), "a( ) b");
        assert_eq!(code(r##"a(r#"to"kio"#) b"##), "a( ) b");
        assert_eq!(code(r#"a(br"tokio", r#type)"#), "a( , r#type)");
        assert_eq!(code(r#"['"', '\'', '\u{41}', b'/'] "s""#), "[ , , , b ]");
        assert_eq!(code("fn f<'a>(x: &'a str) // c"), "fn f<'a>(x: &'a str)");
        assert_eq!(code(r#"bar"tokio""#), "bar");
    }

    #[test]
    fn lines_stay_in_place() {
        let source = "one\n/* two\nthree */ four\n\"five\nsix\" seven\n";
        let code = code_only(source);
        assert_eq!(code.lines().count(), source.lines().count());
        assert_eq!(code.lines().nth(2).unwrap(), "         four");
        assert_eq!(code.lines().nth(4).unwrap(), "     seven");
    }

    #[test]
    fn a_word_is_found_only_whole() {
        assert!(has_word("use tokio::time;", "tokio"));
        assert!(has_word("std::time::Instant::now()", "Instant::now"));
        assert!(has_word("my_tokio(tokio)", "tokio"));
        assert!(!has_word("my_tokio()", "tokio"));
        assert!(!has_word("tokio_util::x", "tokio"));
        assert!(!has_word("MyInstant::now()", "Instant::now"));
    }

    #[test]
    fn test_code_ends_with_its_brace() {
        let source = "fn a() {}\n\
                      #[cfg(test)]\n\
                      mod tests {\n\
                      fn b() { if c {} }\n\
                      }\n\
                      fn d() {}\n\
                      #[cfg(test)]\n\
                      mod more;\n\
                      fn e() {}";
        assert_eq!(test_lines(source), [false, true, true, true, true, false, true, true, false]);
    }
}
