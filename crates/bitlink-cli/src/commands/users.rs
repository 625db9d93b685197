//! `bitlink users`: who may sign in to the cockpit, without the cockpit: for the first one, and for a password that was forgotten. A
//! service that runs with this data learns of it within seconds.

use crate::console::Console;
use crate::failure::{Exit, Failure};
use crate::kept::Data;
use crate::table::{Cell, Column, Table};
use bitlink_cockpit::accounts::{AccountError, Accounts, AccountsFileError, Role};
use clap::{Args, Subcommand};
use std::io::Write;

/// Decide who may sign in to the cockpit of `bitlink serve`
#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = AFTER)]
pub(crate) struct UsersArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    data: Data,
}

const AFTER: &str = "\
ROLE: viewer reads; operator also commands, scans and edits; admin also decides who may what
A password comes from BITLINK_NEW_PASSWORD or is asked for. `bitlink serve` that runs learns of changes within
seconds.";

#[derive(Debug, Subcommand)]
enum What {
    /// List the users
    List,
    /// Make a user
    Add {
        /// By which they sign in
        name: String,
        /// What they may do
        #[arg(long, default_value = "viewer", value_name = "ROLE")]
        role: Role,
    },
    /// Give a user another role
    Role {
        /// Whom
        name: String,
        /// What they may do
        #[arg(value_name = "ROLE")]
        role: Role,
    },
    /// Give a user another password
    Password {
        /// Whom
        name: String,
    },
    /// Take a user away, with their tokens
    Remove {
        /// Whom
        name: String,
    },
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        let exit = match error {
            AccountError::File(_) => Exit::SomeFailed,
            AccountError::NoUser => Exit::NothingFound,
            _ => Exit::Usage,
        };
        Self::of(exit, &error)
    }
}

impl From<AccountsFileError> for Failure {
    fn from(error: AccountsFileError) -> Self {
        Self::of(Exit::SomeFailed, &error)
    }
}

pub(crate) async fn run(args: &UsersArgs, console: Console) -> Result<Exit, Failure> {
    const COLUMNS: [Column; 2] = [Column::left("user", 0), Column::left("role", 0)];
    let data = args.data.dir()?;
    if !data.is_dir() {
        std::fs::create_dir_all(&data)?;
    }
    let accounts = Accounts::open(&data)?;
    let password = || -> Result<String, Failure> {
        let secret = super::control::action::new_password("New password", console)?;
        Ok(secret.reveal().unwrap_or_default().to_owned())
    };
    match &args.what {
        What::List => {
            let users = accounts.users();
            let mut table = Table::new(&COLUMNS);
            for user in &users {
                table.push(vec![Cell::new(user.name.clone()), Cell::new(user.role.to_string())]);
            }
            let mut out = console.out();
            if users.is_empty() {
                writeln!(out, "Nobody can sign in.")?;
                return Ok(Exit::NothingFound);
            }
            writeln!(out, "{}", table.render(crate::console::room()))?;
        }
        What::Add { name, role } => accounts.add(name, *role, &password()?).await?,
        What::Role { name, role } => accounts.set_role(name, *role)?,
        What::Password { name } => accounts.set_password(name, &password()?).await?,
        What::Remove { name } => accounts.remove(name)?,
    }
    Ok(Exit::Fine)
}
