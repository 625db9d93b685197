//! How MicroBT's APIs prove who gives an order, and how they hide what it says.
//!
//! Version 2 derives a key and a signature from the password with md5-crypt, and encrypts whole orders with AES-256 in ECB
//! mode; version 3 signs with SHA-256, and encrypts only what holds passwords (WhatsMiner API manual 2.0.5; WhatsMiner API
//! 3.0 document). ECB and MD5 are theirs to choose.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes256, Block};
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::{Digest as _, Md5};
use sha2::Sha256;

/// The key of a message.
pub(super) type Key = [u8; 32];

/// The hash of md5-crypt without its prefix and salt (Kamp's algorithm, as in FreeBSD's `crypt.c`). At most eight bytes of
/// the salt count.
pub(super) fn md5_crypt(password: &[u8], salt: &[u8]) -> String {
    let salt = salt.get(..8).unwrap_or(salt);
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut start = Md5::new().chain_update(password).chain_update(b"$1$").chain_update(salt);
    start.update(inner.iter().copied().cycle().take(password.len()).collect::<Vec<u8>>());
    let mut bits = password.len();
    while bits > 0 {
        // A zero, or the password's first byte, by the bits of its length.
        start.update(if bits & 1 == 1 { &[0] } else { password.get(..1).unwrap_or_default() });
        bits >>= 1;
    }
    let mut digest = start.finalize();
    for round in 0..1000_u32 {
        let mut next = Md5::new();
        let is_odd = round & 1 == 1;
        if is_odd {
            next.update(password);
        } else {
            next.update(digest);
        }
        if !round.is_multiple_of(3) {
            next.update(salt);
        }
        if !round.is_multiple_of(7) {
            next.update(password);
        }
        if is_odd {
            next.update(digest);
        } else {
            next.update(password);
        }
        digest = next.finalize();
    }
    let byte = |at: usize| u32::from(digest.get(at).copied().unwrap_or(0));
    let groups = [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)];
    let mut out = String::with_capacity(22);
    for (high, middle, low) in groups {
        push_sixes(&mut out, byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    push_sixes(&mut out, byte(11), 2);
    out
}

/// The lowest six bits first.
fn push_sixes(out: &mut String, mut value: u32, count: usize) {
    const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for _ in 0..count {
        out.extend(LETTERS.get((value & 63) as usize).map(|letter| char::from(*letter)));
        value >>= 6;
    }
}

/// What an order of version 2 is signed and encrypted with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// What stands in the order.
    pub(super) sign: String,
    /// What it is encrypted with.
    pub(super) key: Key,
}

impl Token {
    /// From a password and what `get_token` answers.
    pub(super) fn new(password: &str, time: &str, salt: &str, new_salt: &str) -> Self {
        let key = md5_crypt(password.as_bytes(), salt.as_bytes());
        let sign = md5_crypt(format!("{key}{time}").as_bytes(), new_salt.as_bytes());
        Self { sign, key: Sha256::digest(key.as_bytes()).into() }
    }
}

/// What an order of version 3 is encrypted with; its beginning in base 64 is the signature.
pub(super) fn order_key(command: &str, password: &str, salt: &str, time: i64) -> Key {
    Sha256::digest(format!("{command}{password}{salt}{time}").as_bytes()).into()
}

/// The signature of an order of version 3.
pub(super) fn order_token(key: &Key) -> String {
    STANDARD.encode(key).chars().take(8).collect()
}

/// Encrypted, with zeros up to a whole block, in base 64.
pub(super) fn encrypt(key: &Key, text: &str) -> String {
    let cipher = Aes256::new(key.into());
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    let mut out = Vec::with_capacity(bytes.len());
    for chunk in bytes.chunks_exact(16) {
        let mut block = Block::default();
        block.copy_from_slice(chunk);
        cipher.encrypt_block(&mut block);
        out.extend_from_slice(&block);
    }
    STANDARD.encode(out)
}

/// Decrypted, without what was filled up; `None` for what is no base 64 or no whole number of blocks. The vendor's own sample
/// ends in bits that mean nothing.
pub(super) fn decrypt(key: &Key, text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = GeneralPurpose::new(&ALPHABET, lenient).decode(text).ok()?;
    let cipher = Aes256::new(key.into());
    let mut out = Vec::with_capacity(bytes.len());
    let chunks = bytes.chunks_exact(16);
    if !chunks.remainder().is_empty() {
        return None;
    }
    for chunk in chunks {
        let mut block = Block::default();
        block.copy_from_slice(chunk);
        cipher.decrypt_block(&mut block);
        out.extend_from_slice(&block);
    }
    out.truncate(out.len() - out.iter().rev().take_while(|byte| **byte == 0).count());
    // Some fill up with the number of bytes that are missing (PKCS #7).
    if let Some(last) = out.last().copied().filter(|last| (1..=16).contains(last)) {
        let kept = out.len().saturating_sub(usize::from(last));
        if out.get(kept..).is_some_and(|filling| filling.iter().all(|byte| *byte == last)) {
            out.truncate(kept);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    //! Vectors that were computed with other programs, and the vendor's own.
    use super::*;
    use std::fmt::Write;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut out, byte| {
            write!(out, "{byte:02x}").unwrap();
            out
        })
    }

    #[test]
    fn md5_crypt_as_others_compute_it() {
        for (password, salt, hash) in [
            ("admin", "BQ5hoXV9", "RxmaDUO33TS7O26yeMHZ81"),
            ("admin", "a", "W8NqLlKiUpyUpxmLGXcjB1"),
            ("admin", "12345678", "kbapHduhihjieYIUP66Xt/"),
            ("s3cret_9", "Zq/.aB01", "/gN5AXr0tKO83Czht2LtO/"),
            ("", "saltsalt", "5Jhcit4zN9UlGiA0txPkO0"),
            ("a-much-longer-password-than-16", "x.Y/z123", "OPWpOQfH9zwXqaJtKXJWw0"),
        ] {
            assert_eq!(md5_crypt(password.as_bytes(), salt.as_bytes()), hash, "{password} {salt}");
        }
    }

    #[test]
    fn orders_of_version_2() {
        let token = Token::new("admin", "5626", "BQ5hoXV9", "jbzkfQls");
        assert_eq!(token.sign, "w.BNbkCV6n1aNWgiBWLzT/");
        assert_eq!(hex(&token.key), "199e0a202039bb7b558db7a54697dca29cb278055b7e659a127fb844d5a2fbf6");
        let off = r#"{"cmd":"power_off","respbefore":"true","token":"w.BNbkCV6n1aNWgiBWLzT/"}"#;
        let encrypted = "p/QzYk8jszmQrR9dnOEVtXIRGg7DTmk9EUY2Z5AGabmXE9uaOgah2+aEOFK/+YqMLm9r+794UBuENliIrZU34RMDsIvMmXNaR4TnfXjrtNQ=";
        assert_eq!(encrypt(&token.key, off), encrypted);
        let filled_otherwise = "p/QzYk8jszmQrR9dnOEVtXIRGg7DTmk9EUY2Z5AGabmXE9uaOgah2+aEOFK/+YqMLm9r+794UBuENliIrZU34WsBZ8dOEsO5zbejbAvTxFY=";
        for text in [encrypted, filled_otherwise] {
            assert_eq!(decrypt(&token.key, text).unwrap(), off.as_bytes());
        }
        let reboot = r#"{"cmd":"reboot","token":"w.BNbkCV6n1aNWgiBWLzT/"}"#;
        let encrypted =
            "eueoy6m7l/fNCJ0Xjzk3qq4SwTeIL9MC9lquSyezSIMhWEzbXm6cwxjkcu8MiiL8AHplq5zYpvUof8m24K84GA==";
        assert_eq!(encrypt(&token.key, reboot), encrypted);
        let reply = r#"{"STATUS":"S","When":1700000000,"Code":131,"Msg":"API command OK","Description":""}"#;
        let encrypted = "C/UGIQ8LwD66stwLyOOcM8AaTOolBWk/O12cM+G7Mz53lluOVpsOSpBcGhtOpg0QfXzqoVOPWCksKSnoq5FdlDzf1zswfpjLBG0UghjHFmJyj0Iw94hY+ImJc0aQQ3bU";
        assert_eq!(decrypt(&token.key, encrypted).unwrap(), reply.as_bytes());
        assert_eq!(encrypt(&token.key, reply), encrypted);
        let led = "token,w.BNbkCV6n1aNWgiBWLzT/|set_led|auto";
        let encrypted = "ihTnGpIDsNGqvTQ+OhK7K5nLgPHYxSKR43pNJwFKjWyBT2DLQNPkVhrtsxqnv9+y";
        assert_eq!(encrypt(&token.key, led), encrypted);
    }

    #[test]
    fn salts_with_strokes_zeros_that_lead_and_whole_blocks() {
        let token = Token::new("s3cret_9", "0042", "Zq/.aB01", "x.Y/z123");
        assert_eq!(token.sign, "26xAMnlOFdujYUTv088uD.");
        assert_eq!(hex(&token.key), "08c985e9f11841da6ce6c074f754102ca49296ccb8868c1e0f0d473c8c01d213");
        let percent = r#"{"cmd":"set_power_pct","percent":"80","token":"26xAMnlOFdujYUTv088uD."}"#;
        let encrypted = "SL6KAhYgklDLMWXodORKxrMnaP9+szrIPZ447iA+dw1UYsIFBn7s2v75j2TtniRDVWAz9+qr+C/O3KKB+A2/GpB2TGRqhE77apqq99snqsI=";
        assert_eq!(encrypt(&token.key, percent), encrypted);
        let aligned =
            format!("{{\"cmd\":\"reboot\",{}\"token\":\"26xAMnlOFdujYUTv088uD.\"}}", " ".repeat(15));
        let encrypted =
            "Ex0WdKSPLLd1m2DZ9CpZVsjmBEZS5gzHWhwNJir6H/Iu1Xp6B1RQCdMajoNVdFhu05Y//BdYzENFNzpahj3PXg==";
        assert_eq!((aligned.len(), encrypt(&token.key, &aligned).as_str()), (64, encrypted));
        let filled = "Ex0WdKSPLLd1m2DZ9CpZVsjmBEZS5gzHWhwNJir6H/Iu1Xp6B1RQCdMajoNVdFhu05Y//BdYzENFNzpahj3PXioimhoXm7J7tYqXUWoYr8s=";
        assert_eq!(decrypt(&token.key, filled).unwrap(), aligned.as_bytes());
    }

    #[test]
    fn orders_of_version_3() {
        for (command, password, salt, time, digest, token) in [
            (
                "set.miner.pools",
                "abcdefg",
                "QbVy1Ou3",
                2_118_015,
                "9af9aa0a545114322245954a83a13cdbbfd11c0ef1490b13d3c383436e1adc9e",
                "mvmqClRR",
            ),
            (
                "set.miner.service",
                "super",
                "uhCiDyVj",
                1_755_000_000,
                "17812ed7de7cbf9e20b22e47ec9e60d3348ef58b4984c34abaa811a160238b46",
                "F4Eu1958",
            ),
            (
                "set.user.change_passwd",
                "super",
                "A1b2C3d4",
                1_755_000_123,
                "2df4774df32ba09ad5a4df7bbc9431e923ce574ebffc7186334fdf7ece8e9622",
                "LfR3TfMr",
            ),
        ] {
            let key = order_key(command, password, salt, time);
            assert_eq!((hex(&key).as_str(), order_token(&key).as_str()), (digest, token));
        }
        let key = order_key("set.miner.pools", "abcdefg", "QbVy1Ou3", 2_118_015);
        let pools = r#"[{"pool":"stratum+tcp://192.168.2.3:3834","worker":"work1","passwd":"123"}]"#;
        let encrypted = "ieq1bCRfvw7f/Xbiy5lRsa38H5IKuOlgkkhRk5ZoZXyDxG2u//kYjZ+Nt8WxH/oOkwt0ZvVNiUFIxWFYuYXXTNg2ZZ8h7SCq8BggIMkM8zk=";
        assert_eq!(encrypt(&key, pools), encrypted);
        // As the vendor printed it, with bits at the end that mean nothing.
        let printed = encrypted.replace("M8zk=", "M8zn=");
        assert_eq!(decrypt(&key, &printed).unwrap(), pools.as_bytes());
        let filled = "ieq1bCRfvw7f/Xbiy5lRsa38H5IKuOlgkkhRk5ZoZXyDxG2u//kYjZ+Nt8WxH/oOkwt0ZvVNiUFIxWFYuYXXTNC/uOHz6Vo1tMz6c0VkAJY=";
        assert_eq!(decrypt(&key, filled).unwrap(), pools.as_bytes());
        let key = order_key("set.user.change_passwd", "super", "A1b2C3d4", 1_755_000_123);
        let change = r#"{"account":"super","new":"n3wPass_","old":"super"}"#;
        let encrypted =
            "kPBTVvtDZTVba9FiLUSwmdO4EQJSSXIEJTmo8R+pVhWCR/UWDbHV6bkiYCU+E8QsG+90dths7AcekBbv07n/7Q==";
        assert_eq!(encrypt(&key, change), encrypted);
        let filled =
            "kPBTVvtDZTVba9FiLUSwmdO4EQJSSXIEJTmo8R+pVhWCR/UWDbHV6bkiYCU+E8QsnHguVzQmBvIgQE/dRP5QNQ==";
        assert_eq!(decrypt(&key, filled).unwrap(), change.as_bytes());
    }

    #[test]
    fn what_is_no_message_is_none() {
        assert_eq!(decrypt(&[0; 32], "not base 64!"), None);
        assert_eq!(decrypt(&[0; 32], "AAAA"), None);
        assert_eq!(decrypt(&[0; 32], ""), Some(Vec::new()));
    }
}
