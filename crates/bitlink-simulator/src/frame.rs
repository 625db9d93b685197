//! Messages with their length before them, as MicroBT's API 3 sends them: 32 bits, the lowest byte first.

/// Whether a whole message has arrived.
pub(crate) fn is_complete(bytes: &[u8]) -> bool {
    message(bytes).is_some()
}

/// Answers the message in these bytes; nothing to what is none.
pub(crate) fn answer(bytes: &[u8], reply: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let Some(message) = message(bytes) else { return Vec::new() };
    let body = reply(message);
    if body.is_empty() {
        return body;
    }
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    len.to_le_bytes().into_iter().chain(body).collect()
}

fn message(bytes: &[u8]) -> Option<&[u8]> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.get(..u32::from_le_bytes(*len) as usize)
}

#[cfg(test)]
mod tests {
    //! A message in, a message out.
    use super::*;

    #[test]
    fn a_message_is_answered_with_one() {
        let asked = b"\x02\0\0\0{}";
        assert!(is_complete(asked) && !is_complete(&asked[..5]) && !is_complete(b""));
        assert_eq!(answer(asked, <[u8]>::to_vec), asked);
        assert_eq!(answer(b"nonsense", <[u8]>::to_vec), b"");
    }
}
