//! Passwords as they are kept: what Argon2id makes of them, with how.

use super::AccountError;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

/// Fewer characters can be guessed; more are no password.
pub(super) const SHORTEST: usize = 10;
pub(super) const LONGEST: usize = 200;

/// Memory in KiB and passes, as OWASP recommends for Argon2id.
const MEMORY: u32 = 19 << 10;
const PASSES: u32 = 2;
/// A file that asks for more than this is not one of ours.
const MOST_MEMORY: u32 = 1 << 20;
const MOST_PASSES: u32 = 64;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    memory_kib: u32,
    passes: u32,
    salt: String,
    hash: String,
}

pub(super) fn check(password: &str) -> Result<(), AccountError> {
    if (SHORTEST..=LONGEST).contains(&password.chars().count()) {
        Ok(())
    } else {
        Err(AccountError::Password)
    }
}

/// Fits no password.
pub(super) fn nobodys() -> Sealed {
    Sealed {
        memory_kib: MEMORY,
        passes: PASSES,
        salt: STANDARD_NO_PAD.encode([0; 16]),
        hash: STANDARD_NO_PAD.encode([0; 32]),
    }
}

impl Sealed {
    pub(super) fn of(password: &str) -> Option<Self> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).ok()?;
        let hash = make(password, &salt, MEMORY, PASSES)?;
        Some(Self {
            memory_kib: MEMORY,
            passes: PASSES,
            salt: STANDARD_NO_PAD.encode(salt),
            hash: STANDARD_NO_PAD.encode(hash),
        })
    }

    pub(super) fn fits(&self, password: &str) -> bool {
        let made = STANDARD_NO_PAD
            .decode(&self.salt)
            .ok()
            .and_then(|salt| make(password, &salt, self.memory_kib, self.passes));
        made.is_some_and(|made| crate::secret::is_same(&STANDARD_NO_PAD.encode(made), &self.hash))
    }
}

fn make(password: &str, salt: &[u8], memory: u32, passes: u32) -> Option<[u8; 32]> {
    if memory > MOST_MEMORY || passes > MOST_PASSES {
        return None;
    }
    let params = Params::new(memory, passes, 1, Some(32)).ok()?;
    let mut made = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut made)
        .ok()?;
    Some(made)
}
