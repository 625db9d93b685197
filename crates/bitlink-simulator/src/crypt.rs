//! The other side of MicroBT's orders: what a machine derives from its password, and how it opens and seals messages.

use crate::digest::md5_bytes;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes256, Block};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest as _, Sha256};

/// SHA-256.
pub(crate) fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Base 64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The last field of `$1$salt$hash`.
pub(crate) fn md5_crypt(password: &str, salt: &str) -> String {
    let (password, salt) = (password.as_bytes(), salt.as_bytes());
    let inner = md5_bytes(&[password, salt, password].concat());
    let mut first = [password, b"$1$", salt].concat();
    first.extend(inner.iter().cycle().take(password.len()));
    let bits = usize::BITS - password.len().leading_zeros();
    for bit in 0..bits {
        let is_set = password.len() >> bit & 1 == 1;
        first.push(if is_set { 0 } else { password.first().copied().unwrap_or(0) });
    }
    let mut hash = md5_bytes(&first);
    for round in 0..1000 {
        let (head, tail): (&[u8], &[u8]) = if round % 2 == 1 { (password, &hash) } else { (&hash, password) };
        let salt = if round % 3 == 0 { &[][..] } else { salt };
        let middle = if round % 7 == 0 { &[][..] } else { password };
        hash = md5_bytes(&[head, salt, middle, tail].concat());
    }
    let letters: Vec<char> =
        "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".chars().collect();
    let order: [&[usize]; 6] = [&[0, 6, 12], &[1, 7, 13], &[2, 8, 14], &[3, 9, 15], &[4, 10, 5], &[11]];
    let mut out = String::new();
    for group in order {
        let value = group
            .iter()
            .fold(0_usize, |value, at| value << 8 | usize::from(hash.get(*at).copied().unwrap_or(0)));
        for six in 0..=group.len() {
            out.extend(letters.get(value >> (6 * six) & 63));
        }
    }
    out
}

/// Opens a message; `None` where it is not even base 64 in whole blocks.
pub(crate) fn open(key: &[u8; 32], text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let mut bytes = GeneralPurpose::new(&alphabet::STANDARD, config).decode(text).ok()?;
    if !bytes.len().is_multiple_of(16) {
        return None;
    }
    let cipher = Aes256::new(key.into());
    for chunk in bytes.chunks_exact_mut(16) {
        let mut block = Block::default();
        block.copy_from_slice(chunk);
        cipher.decrypt_block(&mut block);
        chunk.copy_from_slice(&block);
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    // Other clients fill up with the count of what is missing.
    if let Some(count) = bytes.last().copied().filter(|count| *count <= 16) {
        let kept = bytes.len().saturating_sub(usize::from(count));
        bytes.truncate(kept);
    }
    Some(bytes)
}

/// Seals a message, filled up with zeros.
pub(crate) fn seal(key: &[u8; 32], text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    let cipher = Aes256::new(key.into());
    for chunk in bytes.chunks_exact_mut(16) {
        let mut block = Block::default();
        block.copy_from_slice(chunk);
        cipher.encrypt_block(&mut block);
        chunk.copy_from_slice(&block);
    }
    base64(&bytes)
}

#[cfg(test)]
mod tests {
    //! Published vectors, as on the other side.
    use super::*;

    #[test]
    fn as_published() {
        for (password, salt, hash) in [
            ("admin", "BQ5hoXV9", "RxmaDUO33TS7O26yeMHZ81"),
            ("admin", "a", "W8NqLlKiUpyUpxmLGXcjB1"),
            ("s3cret_9", "Zq/.aB01", "/gN5AXr0tKO83Czht2LtO/"),
            ("", "saltsalt", "5Jhcit4zN9UlGiA0txPkO0"),
            ("a-much-longer-password-than-16", "x.Y/z123", "OPWpOQfH9zwXqaJtKXJWw0"),
        ] {
            assert_eq!(md5_crypt(password, salt), hash);
        }
        let key = sha256("RxmaDUO33TS7O26yeMHZ81");
        let reboot = r#"{"cmd":"reboot","token":"w.BNbkCV6n1aNWgiBWLzT/"}"#;
        let sealed =
            "eueoy6m7l/fNCJ0Xjzk3qq4SwTeIL9MC9lquSyezSIMhWEzbXm6cwxjkcu8MiiL8AHplq5zYpvUof8m24K84GA==";
        assert_eq!(seal(&key, reboot), sealed);
        assert_eq!(open(&key, sealed).unwrap(), reboot.as_bytes());
        let filled =
            "eueoy6m7l/fNCJ0Xjzk3qq4SwTeIL9MC9lquSyezSIMhWEzbXm6cwxjkcu8MiiL8xWYKY0mF5XqQ34p0QSElYQ==";
        assert_eq!(open(&key, filled).unwrap(), reboot.as_bytes());
    }
}
