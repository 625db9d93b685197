//! Passwords, sealed in a file: for all machines, for a firmware family, or for one machine. A passphrase opens it.
//!
//! The key is made of the passphrase by Argon2id and seals everything with XChaCha20-Poly1305; who changes a byte of the file
//! makes it unreadable. Passwords are never printed and are in no error.

use crate::journal::{make, private};
use crate::marks::Marks;
use argon2::{Algorithm, Argon2, Params, Version};
use bitlink_model::{Family, Mac, Secret};
use bitlink_protocol::Credentials;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// Memory that a guess at the passphrase takes, in KiB, and how often it is gone through.
const MEMORY: u32 = 64 << 10;
const PASSES: u32 = 3;
/// A file that asks for more than this is not one of ours.
const MOST_MEMORY: u32 = 1 << 20;
const MOST_PASSES: u32 = 64;

/// For whom a login is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// The machine with this hardware address.
    Mac(Mac),
    /// The machine with this serial number.
    Serial(String),
    /// Whatever answers at this address.
    Address(IpAddr),
    /// All machines with a firmware of this family.
    Family(Family),
    /// All machines.
    All,
}

/// A text that names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names nobody: expected all, family:NAME, serial:NUMBER, an address or a hardware address")]
pub struct ScopeError {
    text: String,
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let text = text.trim();
        let named = |prefix| text.strip_prefix(prefix).map(str::trim).filter(|name: &&str| !name.is_empty());
        if text == "all" {
            Ok(Self::All)
        } else if let Some(family) = named("family:") {
            Ok(Self::Family(Family::from(family.to_ascii_lowercase())))
        } else if let Some(serial) = named("serial:") {
            Ok(Self::Serial(serial.to_owned()))
        } else if let Ok(ip) = text.parse() {
            Ok(Self::Address(ip))
        } else {
            text.parse()
                .map(Self::Mac)
                .map_err(|_not_an_address| ScopeError { text: text.chars().take(80).collect() })
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Family(family) => write!(f, "family:{family}"),
            Self::Serial(serial) => write!(f, "serial:{serial}"),
            Self::Address(ip) => ip.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
        }
    }
}

impl Scope {
    fn has(&self, at: IpAddr, marks: Option<&Marks>, family: Option<&Family>) -> bool {
        match self {
            Self::All => true,
            Self::Family(wanted) => family == Some(wanted),
            Self::Address(ip) => *ip == at,
            Self::Mac(mac) => marks.is_some_and(|marks| marks.mac == Some(*mac)),
            Self::Serial(serial) => marks.is_some_and(|marks| marks.has_serial(serial)),
        }
    }
}

/// A login and for whom it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// For whom.
    pub scope: Scope,
    /// The account; empty where there is only one.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Why passwords cannot be read or kept.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The passphrase is another, or somebody changed the file. Nobody can tell which.
    #[error("{}: the passphrase does not open it, or it is damaged", path.display())]
    NotOpened {
        /// The file.
        path: PathBuf,
    },
    /// It is no file of this program, or of a later version.
    #[error("{}: is no file of passwords that this version knows", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{}: cannot be {doing}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Arc<io::Error>,
    },
    /// The system has no random numbers.
    #[error("this system gives no random numbers")]
    NoRandom,
    /// An empty passphrase keeps nobody out.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
}

/// The file as it is written: what is needed to open it, and what is sealed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    format: String,
    memory_kib: u32,
    passes: u32,
    salt: String,
    nonce: String,
    content: String,
}

const FORMAT: &str = "bitlink-credentials-1";

#[derive(Serialize, Deserialize)]
struct Plain {
    scope: String,
    user: String,
    password: String,
}

/// The passwords, opened.
#[derive(Clone)]
pub struct Vault {
    path: PathBuf,
    passphrase: String,
    entries: Vec<Entry>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("path", &self.path)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Where the passwords of a data directory are.
    pub fn path_in(data: &Path) -> PathBuf {
        data.join("credentials.sealed")
    }

    /// Opens the passwords of a data directory; where there are none yet, they begin empty with this passphrase.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn open(data: &Path, passphrase: &str) -> Result<Self, VaultError> {
        if passphrase.is_empty() {
            return Err(VaultError::EmptyPassphrase);
        }
        let path = Self::path_in(data);
        let entries = match fs::read(&path) {
            Ok(text) => unseal(&path, &text, passphrase)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(VaultError::File { path, doing: "read", source: Arc::new(error) }),
        };
        Ok(Self { path, passphrase: passphrase.to_owned(), entries })
    }

    /// What it has, in order of scope.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Puts a login in the place of the one of the same scope and account, if there is one.
    pub fn set(&mut self, scope: Scope, user: &str, password: Secret) {
        self.remove(&scope, Some(user));
        self.entries.push(Entry { scope, user: user.to_owned(), password });
        self.entries.sort_by(|a, b| (&a.scope, &a.user).cmp(&(&b.scope, &b.user)));
    }

    /// Takes the logins of a scope out, all or those of one account; how many there were.
    pub fn remove(&mut self, scope: &Scope, user: Option<&str>) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.scope != *scope || user.is_some_and(|user| user != entry.user));
        before - self.entries.len()
    }

    /// The logins for a machine, those meant for it alone first.
    pub fn for_machine(
        &self,
        at: IpAddr,
        marks: Option<&Marks>,
        family: Option<&Family>,
    ) -> Vec<Credentials> {
        let fitting = self.entries.iter().filter(|entry| entry.scope.has(at, marks, family));
        fitting.filter_map(|entry| Some(Credentials::new(&entry.user, entry.password.reveal()?))).collect()
    }

    /// Seals and keeps them, with salt of its own each time.
    ///
    /// # Errors
    /// [`VaultError`]; what was kept before is still there then.
    pub fn save(&self) -> Result<(), VaultError> {
        let failed = |doing| {
            let path = self.path.clone();
            move |error| VaultError::File { path, doing, source: Arc::new(error) }
        };
        let text = self.seal()?;
        if let Some(dir) = self.path.parent() {
            make(dir).map_err(|error| failed("made")(io::Error::other(error)))?;
        }
        let draft = self.path.with_extension("sealed.new");
        let mut file =
            private().create(true).truncate(true).write(true).open(&draft).map_err(failed("made"))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("written"))?;
        fs::rename(&draft, &self.path).map_err(failed("written"))
    }

    fn seal(&self) -> Result<String, VaultError> {
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        getrandom::fill(&mut salt).map_err(|_none| VaultError::NoRandom)?;
        getrandom::fill(&mut nonce).map_err(|_none| VaultError::NoRandom)?;
        let plain: Vec<Plain> = self
            .entries
            .iter()
            .map(|entry| Plain {
                scope: entry.scope.to_string(),
                user: entry.user.clone(),
                password: entry.password.reveal().unwrap_or_default().to_owned(),
            })
            .collect();
        let unwritable = || VaultError::Foreign { path: self.path.clone() };
        let plain = serde_json::to_vec(&plain).map_err(|_never| unwritable())?;
        let cipher = cipher(&self.passphrase, &salt, MEMORY, PASSES).ok_or_else(unwritable)?;
        let aad = aad(MEMORY, PASSES, &salt);
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &aad })
            .map_err(|_never| unwritable())?;
        let file = Sealed {
            format: FORMAT.to_owned(),
            memory_kib: MEMORY,
            passes: PASSES,
            salt: hex(&salt),
            nonce: hex(&nonce),
            content: hex(&sealed),
        };
        serde_json::to_string_pretty(&file).map_err(|_never| unwritable())
    }
}

fn unseal(path: &Path, text: &[u8], passphrase: &str) -> Result<Vec<Entry>, VaultError> {
    let foreign = || VaultError::Foreign { path: path.to_path_buf() };
    let file: Sealed = serde_json::from_slice(text).map_err(|_other| foreign())?;
    let is_ours = file.format == FORMAT && file.memory_kib <= MOST_MEMORY && file.passes <= MOST_PASSES;
    let (Some(salt), Some(nonce), Some(sealed), true) =
        (unhex(&file.salt), unhex(&file.nonce), unhex(&file.content), is_ours)
    else {
        return Err(foreign());
    };
    let nonce: [u8; 24] = nonce.try_into().map_err(|_length| foreign())?;
    let cipher = cipher(passphrase, &salt, file.memory_kib, file.passes).ok_or_else(foreign)?;
    let aad = aad(file.memory_kib, file.passes, &salt);
    let plain = cipher
        .decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: &aad })
        .map_err(|_wrong| VaultError::NotOpened { path: path.to_path_buf() })?;
    let plain: Vec<Plain> = serde_json::from_slice(&plain).map_err(|_other| foreign())?;
    plain
        .into_iter()
        .map(|Plain { scope, user, password }| {
            let scope = scope.parse().map_err(|_unknown: ScopeError| foreign())?;
            Ok(Entry { scope, user, password: Secret::new(password) })
        })
        .collect()
}

fn cipher(passphrase: &str, salt: &[u8], memory: u32, passes: u32) -> Option<XChaCha20Poly1305> {
    let params = Params::new(memory, passes, 1, Some(32)).ok()?;
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut key)
        .ok()?;
    Some(XChaCha20Poly1305::new(&Key::from(key)))
}

/// What is not secret, and must not be changed either.
fn aad(memory: u32, passes: u32, salt: &[u8]) -> Vec<u8> {
    [FORMAT.as_bytes(), &memory.to_be_bytes(), &passes.to_be_bytes(), salt].concat()
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
