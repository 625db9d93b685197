//! Words that cannot be guessed, and how they are compared and kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// 32 random bytes as text. Where the system has no randomness there is no word that is safe, and nobody gets in: the word
/// is then one that compares equal to nothing.
pub(crate) fn word() -> String {
    let mut bytes = [0; 32];
    match getrandom::fill(&mut bytes) {
        Ok(()) => URL_SAFE_NO_PAD.encode(bytes),
        Err(error) => {
            tracing::error!(%error, "this system has no randomness; nobody can sign in");
            String::new()
        }
    }
}

/// Whether a text is long enough to be one of these.
pub(crate) const fn can_be_one(text: &str) -> bool {
    text.len() >= 43
}

/// A word as it is kept: who reads that cannot use it. Words are random, so no salt is needed.
pub(crate) fn digest(word: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(word.as_bytes()))
}

/// In a time that does not depend on where they differ. Nothing is the same as an empty word.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    !a.is_empty() && a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
