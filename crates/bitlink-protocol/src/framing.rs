//! Where a reply ends, found while its bytes arrive.
//!
//! The reference server ends a reply with one NUL and closes. Others close without a NUL, or send a NUL and leave the
//! socket open, or do neither; the last are complete when the brackets of their JSON balance, or their text ends with
//! `|`, and nothing more arrives for a moment. This module looks at bytes only; who waits, and how long, is told by
//! the answer.

/// What is known about the end of a reply after the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// More must come.
    More,
    /// Complete as it stands; if nothing follows for a moment it is the whole reply.
    Settled,
    /// A NUL ended it; the reply is what stands before, and anything after it is to be thrown away.
    Terminated,
}

/// Finds the end of one reply while its bytes arrive.
pub trait Boundary {
    /// Takes the next bytes, however they were split.
    fn push(&mut self, chunk: &[u8]) -> Framing;

    /// How many bytes of what was pushed belong to the reply.
    fn reply_len(&self) -> usize;
}

/// Finds the end of one reply of the CGMiner API.
#[derive(Debug, Default)]
pub struct Framer {
    form: Form,
    depth: usize,
    in_string: bool,
    escaped: bool,
    last: u8,
    reply_len: usize,
    terminated: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Form {
    #[default]
    Unknown,
    Json,
    Text,
}

impl Framer {
    /// A framer at the beginning of a reply.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> Framing {
        if self.terminated {
            return Framing::Terminated;
        }
        match self.form {
            Form::Json if self.depth == 0 && !self.in_string => Framing::Settled,
            Form::Text if self.last == b'|' => Framing::Settled,
            _ => Framing::More,
        }
    }

    fn take(&mut self, byte: u8) {
        if self.form == Form::Unknown {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => return,
                b'{' | b'[' => self.form = Form::Json,
                _ => self.form = Form::Text,
            }
        }
        if self.form == Form::Text {
            // Padding after the last record separator does not un-finish a reply.
            if !byte.is_ascii_whitespace() {
                self.last = byte;
            }
            return;
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}

impl Boundary for Framer {
    fn push(&mut self, chunk: &[u8]) -> Framing {
        for &byte in chunk {
            if self.terminated {
                break;
            }
            if byte == 0 {
                self.terminated = true;
                break;
            }
            self.reply_len += 1;
            self.take(byte);
        }
        self.state()
    }

    /// All of what was pushed, or what stands before the NUL.
    fn reply_len(&self) -> usize {
        self.reply_len
    }
}

/// Longest message taken for one: beyond this its length is taken for something else.
const LONGEST_FRAME: usize = 64 << 20;

/// Finds the end of one message that has its length before it, and passes over heartbeats: messages of length nothing.
#[derive(Debug, Default)]
pub struct FrameFramer {
    head: Vec<u8>,
    /// Bytes of the body still to come, once its length is known.
    left: Option<usize>,
    len: usize,
}

impl FrameFramer {
    /// A framer at the beginning of a reply.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Boundary for FrameFramer {
    fn push(&mut self, chunk: &[u8]) -> Framing {
        let mut rest = chunk;
        while let Some((byte, after)) = rest.split_first() {
            if let Some(left) = self.left {
                let taken = left.min(rest.len());
                self.len += taken;
                self.left = Some(left - taken);
                break;
            }
            self.head.push(*byte);
            self.len += 1;
            rest = after;
            if let [a, b, c, d] = *self.head {
                self.head.clear();
                let body = u32::from_le_bytes([a, b, c, d]) as usize;
                if body > 0 {
                    self.left = Some(body.min(LONGEST_FRAME));
                }
            }
        }
        if self.left == Some(0) { Framing::Terminated } else { Framing::More }
    }

    fn reply_len(&self) -> usize {
        self.len
    }
}

/// The first message in these bytes, without the length before it; what there is of it, when it was cut short.
pub fn unframe(mut bytes: &[u8]) -> &[u8] {
    while let Some((len, rest)) = bytes.split_first_chunk::<4>() {
        let len = u32::from_le_bytes(*len) as usize;
        if len > 0 {
            return rest.get(..len).unwrap_or(rest);
        }
        bytes = rest;
    }
    &[]
}

#[cfg(test)]
mod tests {
    //! Ends of replies, whatever the pieces they arrive in.
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8], expected: Framing, len: usize) {
        let mut framer = Framer::new();
        assert_eq!(framer.push(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        assert_eq!(framer.reply_len(), len);
    }

    #[test]
    fn every_documented_ending() {
        check(b"{\"a\":[1]}\0", Framing::Terminated, 9);
        check(b"{\"a\":[1]}", Framing::Settled, 9);
        check(b"{\"a\":[1]}\n", Framing::Settled, 10);
        check(b"{\"a\":[1]", Framing::More, 8);
        check(b"{\"a\":\"}\\\"", Framing::More, 9);
        check(b"{\"a\":1}\0,\"id\":1}\0", Framing::Terminated, 7);
        check(b"STATUS=S,Code=11|SUMMARY,Elapsed=5|\0", Framing::Terminated, 35);
        check(b"STATUS=S|SUMMARY,Elapsed=5| ", Framing::Settled, 28);
        check(b"STATUS=S|SUMMARY,Elapsed=5", Framing::More, 26);
        check(b"", Framing::More, 0);
        check(b"\0", Framing::Terminated, 0);
    }

    #[test]
    fn a_message_ends_where_its_length_says_and_heartbeats_are_passed_over() {
        fn check(bytes: &[u8], expected: Framing, len: usize, message: &[u8]) {
            let mut framer = FrameFramer::new();
            assert_eq!(framer.push(bytes), expected, "{bytes:?}");
            assert_eq!(framer.reply_len(), len, "{bytes:?}");
            assert_eq!(unframe(&bytes[..len]), message, "{bytes:?}");
        }
        check(b"\x02\0\0\0{}", Framing::Terminated, 6, b"{}");
        check(b"\0\0\0\0\0\0\0\0\x02\0\0\0{}", Framing::Terminated, 14, b"{}");
        check(b"\x02\0\0\0{}\x02\0\0\0[]", Framing::Terminated, 6, b"{}");
        check(b"\x03\0\0\0{}", Framing::More, 6, b"{}");
        check(b"\xff\xff\xff\xff{}", Framing::More, 6, b"{}");
        check(b"\x02\0", Framing::More, 2, b"");
        check(b"\0\0\0\0", Framing::More, 4, b"");
    }

    proptest! {
        #[test]
        fn any_split_of_a_message_finds_the_same_end(
            bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(3), any::<u8>()], 0..40),
            cut in 0_usize..40,
        ) {
            let cut = cut.min(bytes.len());
            let mut whole = FrameFramer::new();
            let at_once = whole.push(&bytes);
            let mut pieces = FrameFramer::new();
            pieces.push(&bytes[..cut]);
            prop_assert_eq!(pieces.push(&bytes[cut..]), at_once);
            prop_assert_eq!(pieces.reply_len(), whole.reply_len());
            prop_assert!(unframe(&bytes).len() <= bytes.len());
        }

        #[test]
        fn any_split_finds_the_same_end(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let cut = cut.min(bytes.len());
            let mut whole = Framer::new();
            let at_once = whole.push(&bytes);
            let mut pieces = Framer::new();
            pieces.push(&bytes[..cut]);
            prop_assert_eq!(pieces.push(&bytes[cut..]), at_once);
            prop_assert_eq!(pieces.reply_len(), whole.reply_len());
        }
    }
}
