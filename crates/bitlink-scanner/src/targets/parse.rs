//! Targets as text, in every form that people write. Reads files that are named with `@`; asks no name server.

use super::error::{Quoted, TargetError};
use super::{Item, What};
use ipnet::{Ipv4Net, Ipv6Net};
use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How deep files may name further files.
pub(super) const MAX_DEPTH: usize = 8;
/// Longest file of targets: a million addresses, one a line, take about 15 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;

const ANY_FORM: &str = "an address, a network (10.0.0.0/24), a range (10.0.0.1-10.0.0.9, 10.0.0.1-9, 10.0-3.*.5), a \
                        host name or @file";
const V6_FORM: &str = "an IPv6 address, network (fd00::/120) or range (fd00::1-fd00::ff), without a zone";
const V4_OCTETS: &str =
    "four octets from 0 to 255, each a number without leading zeros, a range like 1-9, or *";
const V4_NETWORK: &str = "an IPv4 network with a prefix length from 0 to 32 (10.0.0.0/24)";
const V6_NETWORK: &str = "an IPv6 network with a prefix length from 0 to 128 (fd00::/120)";
const PORT: &str = "a port from 1 to 65535 after the colon";

/// How a file of targets is read; a parameter so that tests need no disk.
pub(super) type ReadFile<'a> = &'a mut dyn FnMut(&Path) -> io::Result<String>;

/// Reads a file of targets from disk, up to a limit.
pub(super) fn read_from_disk(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {MAX_FILE_BYTES} bytes"),
        ));
    }
    Ok(text)
}

/// Several targets, separated by commas or blanks.
pub(super) fn list(text: &str, read: ReadFile<'_>, into: &mut Vec<Item>) -> Result<(), TargetError> {
    list_in(text, Path::new(""), 0, read, into)
}

/// One argument of a command line: like [`list`], but a file name extends to the end and may hold blanks.
pub(super) fn argument(text: &str, read: ReadFile<'_>, into: &mut Vec<Item>) -> Result<(), TargetError> {
    match text.trim().strip_prefix('@') {
        Some(path) => file(path, Path::new(""), 0, read, into),
        None => list(text, read, into),
    }
}

fn list_in(
    text: &str,
    folder: &Path,
    depth: usize,
    read: ReadFile<'_>,
    into: &mut Vec<Item>,
) -> Result<(), TargetError> {
    // People put blanks around the dash of a range.
    let text = text.replace(" - ", "-");
    for word in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
        match word.strip_prefix('@') {
            Some(path) => file(path, folder, depth, read, into)?,
            None => into.push(item(word)?),
        }
    }
    Ok(())
}

fn file(
    name: &str,
    folder: &Path,
    depth: usize,
    read: ReadFile<'_>,
    into: &mut Vec<Item>,
) -> Result<(), TargetError> {
    if name.is_empty() {
        return Err(malformed("@", "a file name after @"));
    }
    let path: PathBuf = folder.join(name);
    if depth >= MAX_DEPTH {
        return Err(TargetError::TooDeep { path, limit: MAX_DEPTH });
    }
    let text =
        read(&path).map_err(|source| TargetError::File { path: path.clone(), source: Arc::new(source) })?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let targets = line.split('#').next().unwrap_or_default();
        list_in(targets, &folder, depth + 1, read, into).map_err(|source| TargetError::Line {
            path: path.clone(),
            line: index + 1,
            source: Box::new(source),
        })?;
    }
    Ok(())
}

/// One target that is not a file.
pub(super) fn item(word: &str) -> Result<Item, TargetError> {
    if let Some(inner) = word.strip_prefix('[') {
        let (inner, rest) = inner.split_once(']').ok_or_else(|| malformed(word, "] after the address"))?;
        let port = match rest.strip_prefix(':') {
            Some(port_text) => Some(port(port_text, word)?),
            None if rest.is_empty() => None,
            None => return Err(malformed(word, PORT)),
        };
        return Ok(Item { what: v6(inner, word)?, port });
    }
    match word.split_once(':') {
        None => Ok(Item { what: v4_or_name(word, word)?, port: None }),
        Some((_, rest)) if rest.contains(':') => Ok(Item { what: v6(word, word)?, port: None }),
        Some((host, port_text)) => {
            Ok(Item { what: v4_or_name(host, word)?, port: Some(port(port_text, word)?) })
        }
    }
}

fn port(digits: &str, word: &str) -> Result<u16, TargetError> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed(word, PORT));
    }
    match digits.parse::<u16>() {
        Ok(port) if port != 0 => Ok(port),
        Ok(_) | Err(_) => Err(TargetError::PortOutOfBounds { text: Quoted::new(word) }),
    }
}

fn v6(text: &str, word: &str) -> Result<What, TargetError> {
    if text.contains('/') {
        let net: Ipv6Net = text.parse().map_err(|_parse| malformed(word, V6_NETWORK))?;
        return Ok(What::Network(net.trunc().into()));
    }
    let address = |text: &str| text.parse::<Ipv6Addr>().map_err(|_parse| malformed(word, V6_FORM));
    match text.split_once('-') {
        None => Ok(What::one(address(text)?.into())),
        Some((first, last)) => {
            let (first, last) = (address(first)?, address(last)?);
            if last < first {
                return Err(TargetError::Reversed { text: Quoted::new(word) });
            }
            Ok(What::range(first.into(), last.into()))
        }
    }
}

fn v4_or_name(text: &str, word: &str) -> Result<What, TargetError> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(What::one(address.into()));
    }
    if text.contains('/') {
        let net: Ipv4Net = text.parse().map_err(|_parse| malformed(word, V4_NETWORK))?;
        return Ok(What::Network(net.trunc().into()));
    }
    if let Some((first, last)) = text.split_once('-')
        && let (Ok(first), Ok(last)) = (first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>())
    {
        if last < first {
            return Err(TargetError::Reversed { text: Quoted::new(word) });
        }
        return Ok(What::range(first.into(), last.into()));
    }
    if is_name(text) {
        return Ok(What::Name(text.to_ascii_lowercase()));
    }
    if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'*')) {
        return octets(text, word);
    }
    Err(malformed(word, ANY_FORM))
}

fn octets(text: &str, word: &str) -> Result<What, TargetError> {
    let mut pattern = [(0_u8, 0_u8); 4];
    let mut parts = text.split('.');
    for octet in &mut pattern {
        let part = parts.next().ok_or_else(|| malformed(word, V4_OCTETS))?;
        *octet = match part.split_once('-') {
            _ if part == "*" => (0, u8::MAX),
            None => {
                let number = number(part, word)?;
                (number, number)
            }
            Some((low, high)) => (number(low, word)?, number(high, word)?),
        };
        if octet.1 < octet.0 {
            return Err(TargetError::Reversed { text: Quoted::new(word) });
        }
    }
    if parts.next().is_some() {
        return Err(malformed(word, V4_OCTETS));
    }
    Ok(What::octets(pattern))
}

fn number(digits: &str, word: &str) -> Result<u8, TargetError> {
    let plain = digits == "0" || !digits.starts_with(['0', '+']);
    digits.parse::<u8>().ok().filter(|_| plain).ok_or_else(|| malformed(word, V4_OCTETS))
}

/// Whether a text can be a host name (RFC 1123, and the underscore that people use). What looks like an address with
/// a slip of the pen ("10.0.0.x") is none, so that it is refused here and not asked of a name server.
fn is_name(text: &str) -> bool {
    let labels: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    let legal = text.len() <= 253
        && labels.iter().all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        });
    let has_letters = |label: &&str| label.bytes().any(|b| b.is_ascii_alphabetic());
    let names_something = labels.last().is_some_and(has_letters);
    let like_an_address = labels.len() > 3 && labels.iter().take(3).all(|label| !has_letters(label));
    legal && names_something && !like_an_address
}

fn malformed(text: &str, expected: &'static str) -> TargetError {
    TargetError::Malformed { text: Quoted::new(text), expected }
}
