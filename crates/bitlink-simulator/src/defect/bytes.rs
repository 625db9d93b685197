//! Defects of a reply's bytes, and of how they are sent.

use super::Defect;
use crate::seed::Seed;
use bitlink_transport::Act;
use std::time::Duration;

/// Time between two bytes of a dripping reply.
const DRIP: Duration = Duration::from_millis(20);
/// Levels of a reply that is nested too deep.
const LEVELS: usize = 2000;

/// Spoils the bytes of a reply. `seed` is for defects that need chance.
pub(crate) fn spoil_bytes(mut bytes: Vec<u8>, defect: Defect, seed: Seed) -> Vec<u8> {
    let terminated = bytes.last() == Some(&0);
    match defect {
        // After the status and before the end: there the sections are.
        Defect::LeadingComma => last(&mut bytes, b"[{", b"[,{"),
        Defect::TrailingComma => last(&mut bytes, b"}]", b",}]"),
        Defect::MissingComma => last(&mut bytes, b"\",\"", b"\"\""),
        Defect::RawNewline => last(&mut bytes, b"\":\"", b"\":\"one\ntwo "),
        Defect::ControlCharacters => last(&mut bytes, b"\":\"", b"\":\"\t\x01\x1b[31m\r"),
        Defect::IllegalEscape => last(&mut bytes, b"\":\"", b"\":\"it\\'s "),
        Defect::InvalidUtf8 => last(&mut bytes, b"\":\"", b"\":\"\xff\xfe\xc3("),
        Defect::ErrorListBrackets => pairs_in_list(&mut bytes),
        Defect::DeepNesting => {
            let nested = ["{\"STATUS\":".repeat(LEVELS), "1".to_owned(), "}".repeat(LEVELS)].concat();
            return ended(nested.into_bytes(), terminated);
        }
        Defect::SecondCopy => {
            if !terminated {
                bytes.push(0);
            }
            bytes.extend_from_slice(
                b"{\"STATUS\":[{\"STATUS\":\"E\",\"When\":1,\"Code\":14,\"Msg\":\"Invalid command\"}]",
            );
            return ended([bytes.as_slice(), b",\"id\":1}"].concat(), true);
        }
        Defect::BodyLost => return ended(b",\"id\":1}".to_vec(), terminated),
        Defect::Truncated => {
            let half = bytes.len() / 2;
            bytes.truncate(half);
        }
        Defect::NoTerminator | Defect::NoTerminatorNoClose if terminated => {
            bytes.pop();
        }
        Defect::Garbage => {
            // 0 would end the reply; a brace would make it look like one.
            return (0..300_u64)
                .map(|n| seed.nth(n).bits().to_be_bytes())
                .filter_map(|[byte, ..]| Some(byte).filter(|byte| !matches!(byte, 0 | b'{' | b'[')))
                .collect();
        }
        Defect::ProgramDown => return b"Socket connect failed: Connection refused\n".to_vec(),
        Defect::WebServer => {
            return b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 24\r\n\
                Connection: close\r\n\r\n<html>Bad Request</html>"
                .to_vec();
        }
        Defect::SshServer => return b"SSH-2.0-dropbear_2020.81\r\n".to_vec(),
        // Alert, fatal, unexpected message.
        Defect::TlsServer => return vec![0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0a],
        _ => {}
    }
    bytes
}

/// How the bytes are sent: the acts after the machine has thought.
pub(crate) fn deliver(bytes: Vec<u8>, defects: &[Defect]) -> Vec<Act> {
    let has = |wanted: Defect| defects.contains(&wanted);
    if has(Defect::ZeroBytes) {
        return Vec::new();
    }
    if has(Defect::Silence) {
        return vec![Act::HoldOpen];
    }
    if has(Defect::Endless) {
        let body = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
        return vec![Act::SendForever(body.strip_suffix(b"}").unwrap_or(body).to_vec())];
    }
    let mut acts = if has(Defect::Drip) {
        bytes.into_iter().flat_map(|byte| [Act::Wait(DRIP), Act::Send(vec![byte])]).collect()
    } else if has(Defect::ResetMidReply) {
        let half = bytes.get(..bytes.len() / 2).unwrap_or_default().to_vec();
        vec![Act::Send(half), Act::Reset]
    } else if bytes.is_empty() {
        Vec::new()
    } else {
        vec![Act::Send(bytes)]
    };
    if has(Defect::NoClose) || has(Defect::NoTerminatorNoClose) {
        acts.push(Act::HoldOpen);
    }
    acts
}

fn ended(mut bytes: Vec<u8>, terminated: bool) -> Vec<u8> {
    if terminated {
        bytes.push(0);
    }
    bytes
}

/// Replaces the last place where something stands; does nothing when it stands nowhere.
fn last(bytes: &mut Vec<u8>, what: &[u8], with: &[u8]) {
    if let Some(at) = bytes.windows(what.len()).rposition(|window| window == what) {
        bytes.splice(at..at + what.len(), with.iter().copied());
    }
}

/// `"error_code":[{"110":"…"},{"218":"…"}]` as `"error_code":["110":"…","218":"…"]`.
fn pairs_in_list(bytes: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let Some((before, list)) = text.split_once("\"error_code\":[") else { return };
    let Some((list, after)) = list.split_once(']') else { return };
    *bytes = format!("{before}\"error_code\":[{}]{after}", list.replace(['{', '}'], "")).into_bytes();
}
