//! Accounts as a file of the data directory, which only its owner can read. Written beside and put in place as a whole.

use super::password::Sealed;
use super::{AccountError, Role, Token, User};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const NAME: &str = "cockpit.json";

/// Why accounts cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsFileError {
    /// This machine: the file cannot be read or written.
    #[error("the accounts in {} are out of reach", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This machine: the file is not one of ours any more. It is left as it is, so that nobody gets in by breaking it.
    #[error("the accounts in {} make no sense", file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) users: Vec<KeptUser>,
    pub(super) tokens: Vec<KeptToken>,
    /// Where they are kept; nowhere in a demonstration.
    #[serde(skip)]
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptUser {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) password: Sealed,
    pub(super) made_at_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptToken {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) owner: String,
    pub(super) digest: String,
    pub(super) made_at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at_ms: Option<i64>,
}

impl KeptUser {
    pub(super) fn shown(&self) -> User {
        User { name: self.name.clone(), role: self.role, made_at_ms: self.made_at_ms }
    }
}

impl KeptToken {
    pub(super) fn shown(&self) -> Token {
        Token {
            id: self.id.clone(),
            name: self.name.clone(),
            role: self.role,
            owner: self.owner.clone(),
            made_at_ms: self.made_at_ms,
            expires_at_ms: self.expires_at_ms,
        }
    }
}

impl Kept {
    pub(super) fn read(data: &Path) -> Result<Self, AccountsFileError> {
        let file = data.join(NAME);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { file: Some(file), ..Self::default() });
            }
            Err(source) => return Err(AccountsFileError::File { file, source }),
        };
        match serde_json::from_slice::<Self>(&text) {
            Ok(kept) => Ok(Self { file: Some(file), ..kept }),
            Err(source) => Err(AccountsFileError::Damaged { file, source }),
        }
    }

    /// What the file holds now.
    pub(super) fn again(&self) -> Result<Self, AccountsFileError> {
        match self.file.as_deref().and_then(Path::parent) {
            Some(data) => Self::read(data),
            None => Ok(self.clone()),
        }
    }

    pub(super) fn write(&self) -> Result<(), AccountsFileError> {
        let Some(file) = &self.file else { return Ok(()) };
        let failed = |source| AccountsFileError::File { file: file.clone(), source };
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| AccountsFileError::Damaged { file: file.clone(), source })?;
        put(file, &text).map_err(failed)
    }

    pub(super) fn user(&self, name: &str) -> Option<&KeptUser> {
        self.users.iter().find(|user| user.name == name)
    }

    pub(super) fn user_mut(&mut self, name: &str) -> Result<&mut KeptUser, AccountError> {
        self.users.iter_mut().find(|user| user.name == name).ok_or(AccountError::NoUser)
    }

    pub(super) fn has_admin(&self) -> Result<(), AccountError> {
        let has = self.users.iter().any(|user| user.role == Role::Admin);
        if has { Ok(()) } else { Err(AccountError::LastAdmin) }
    }
}

/// On the disk as a whole, or not at all.
fn put(file: &Path, text: &[u8]) -> io::Result<()> {
    let beside = file.with_extension("json.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut out = options.open(&beside)?;
    out.write_all(text)?;
    out.sync_all()?;
    fs::rename(&beside, file)?;
    #[cfg(unix)]
    if let Some(dir) = file.parent() {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

pub(super) fn check_name(name: &str) -> Result<(), AccountError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if (1..=40).contains(&name.len()) && name.chars().all(plain) { Ok(()) } else { Err(AccountError::Name) }
}
