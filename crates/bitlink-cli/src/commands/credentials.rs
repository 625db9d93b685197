//! `bitlink credentials`: passwords for machines and families, sealed in the data directory. They are asked for or come from the
//! environment; none is ever on a command line or printed.

use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::table::{Cell, Column, Table};
use crate::text::so_many;
use bitlink_miner_manager::control::{Commander, Scope, Vault, VaultError};
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::Path;

/// Keep passwords for machines and families, sealed by a passphrase
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = AFTER)]
pub(crate) struct CredentialsArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    data: Data,
}

const AFTER: &str = "\
WHOM: all, family:NAME (as family:whatsminer), an address, a hardware address, serial:NUMBER
The passphrase comes from BITLINK_PASSPHRASE or is asked for; a password from BITLINK_NEW_PASSWORD, or is asked for.";

#[derive(Debug, Subcommand)]
enum What {
    /// Keep a password, in the place of the one that is kept for the same account
    Set {
        /// For whom
        #[arg(value_name = "WHOM")]
        scope: Scope,
        /// The account [default: none, for firmware that knows only one]
        #[arg(long, value_name = "USER", default_value = "")]
        user: String,
    },
    /// List for whom passwords are kept
    List,
    /// Keep it no more
    Remove {
        /// For whom
        #[arg(value_name = "WHOM")]
        scope: Scope,
        /// Only that of this account
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let exit = match error {
            VaultError::NotOpened { .. } => Exit::AccessDenied,
            VaultError::EmptyPassphrase => Exit::Usage,
            _ => Exit::SomeFailed,
        };
        Self::of(exit, &error)
    }
}

pub(crate) fn run(args: &CredentialsArgs, console: Console) -> Result<Exit, Failure> {
    let data = args.data.dir()?;
    match &args.what {
        What::Set { scope, user } => {
            let mut vault = open(&data, console)?;
            let password = super::control::action::new_password("Password to be kept", console)?;
            vault.set(scope.clone(), user, password);
            vault.save()?;
            Commander::note_credentials(&data, &super::control::actor(), scope, true)?;
            Ok(Exit::Fine)
        }
        What::Remove { scope, user } => {
            if !Vault::path_in(&data).exists() {
                return Err(Failure::new(Exit::NothingFound, "no passwords are kept"));
            }
            let mut vault = open(&data, console)?;
            let removed = vault.remove(scope, user.as_deref());
            if removed == 0 {
                return Err(Failure::new(Exit::NothingFound, format!("no password is kept for {scope}")));
            }
            vault.save()?;
            Commander::note_credentials(&data, &super::control::actor(), scope, false)?;
            Ok(Exit::Fine)
        }
        What::List => {
            if !Vault::path_in(&data).exists() {
                return Err(Failure::new(Exit::NothingFound, "no passwords are kept"));
            }
            let vault = open(&data, console)?;
            let mut rows = Table::new(&[Column::left("for", 0), Column::left("account", 0)]);
            for entry in vault.entries() {
                rows.push(vec![Cell::new(entry.scope.to_string()), Cell::new(&entry.user)]);
            }
            let mut out = console.out();
            if !rows.is_empty() {
                writeln!(out, "{}", rows.render(console::room()))?;
            }
            let count = u64::try_from(vault.entries().len()).unwrap_or(u64::MAX);
            writeln!(out, "{}.", so_many(count, "password", "passwords"))?;
            out.flush()?;
            Ok(Exit::Fine)
        }
    }
}

/// Opens what is kept, for those who command; `None` where nothing is.
pub(crate) fn open_if_any(data: &Path) -> Result<Option<Vault>, Failure> {
    if !Vault::path_in(data).exists() {
        return Ok(None);
    }
    open(data, Console::default()).map(Some)
}

fn open(data: &Path, console: Console) -> Result<Vault, Failure> {
    let passphrase = match std::env::var("BITLINK_PASSPHRASE") {
        Ok(passphrase) => passphrase,
        Err(_) if !console::can_ask() => {
            return Err(Failure::usage("there is no terminal to ask for the passphrase")
                .hint("BITLINK_PASSPHRASE has it for scripts"));
        }
        Err(_) if Vault::path_in(data).exists() => console::ask_secret("Passphrase: ", console)?,
        Err(_) => {
            let first = console::ask_secret("A new passphrase for all passwords: ", console)?;
            if console::ask_secret("The same again: ", console)? != first {
                return Err(Failure::usage("these are two different passphrases"));
            }
            first
        }
    };
    Ok(Vault::open(data, &passphrase)?)
}
