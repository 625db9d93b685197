//! Who may do what in the cockpit: users with a role and a password, tokens for programs, sessions of browsers. Passwords are
//! kept as Argon2id makes them, tokens as digests, in one file that only its owner can read; sessions are in memory.

mod file;
mod password;
mod throttle;

use self::file::{Kept, KeptToken, KeptUser};
use crate::clock;
use crate::secret;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use throttle::Throttle;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use utoipa::ToSchema;

pub use self::file::AccountsFileError;

/// What somebody may do. Each may do what those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Commands, scans, edits, asks miners anew.
    Operator,
    /// Decides who may do what.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}

impl std::str::FromStr for Role {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            "admin" => Ok(Self::Admin),
            _ => Err(AccountError::Role),
        }
    }
}

/// Why an account cannot be made or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// User: a role is one of three.
    #[error("a role is viewer, operator or admin")]
    Role,
    /// User: names are shown in logs and audits.
    #[error("a name has 1 to 40 letters, digits, dots, dashes and underscores")]
    Name,
    /// User: too short to withstand guessing, or too long to be one.
    #[error("a password has {} to {} characters", password::SHORTEST, password::LONGEST)]
    Password,
    /// User: it is there already.
    #[error("there is a user of that name")]
    Taken,
    /// User: it is not there.
    #[error("there is no such user")]
    NoUser,
    /// User: it is not there.
    #[error("there is no such token")]
    NoToken,
    /// User: nobody could let anybody in any more.
    #[error("the last admin stays one")]
    LastAdmin,
    /// User: more than anybody has.
    #[error("there are as many as there may be")]
    TooMany,
    /// This machine: it cannot be written.
    #[error(transparent)]
    File(#[from] AccountsFileError),
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("name or password is wrong")]
    Wrong,
    #[error("too many attempts")]
    TooMany(Duration),
}

/// A user, without the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// By which they sign in.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Since when there has been one of that name.
    pub made_at_ms: i64,
}

/// A token for a program, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Token {
    /// Tells it from others.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do; never more than its owner.
    pub role: Role,
    /// Whose it is.
    pub owner: String,
    /// When it was made.
    pub made_at_ms: i64,
    /// From when on it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<i64>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// A browser that is signed in.
#[derive(Debug, Clone)]
struct Session {
    name: String,
    csrf: String,
    began: Instant,
    used: Instant,
}

/// What a browser gets when it signs in.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
    pub(crate) who: Who,
}

/// How long a session lasts unused, and at most.
const IDLE: Duration = Duration::from_hours(12);
const LONGEST: Duration = Duration::from_hours(24 * 7);
/// What another program writes counts after so long at the latest.
const STALE: Duration = Duration::from_secs(5);
const MOST_SESSIONS: usize = 1_000;
const MOST_USERS: usize = 1_000;
const MOST_TOKENS: usize = 1_000;
/// Each takes 19 MiB and a core for some 20 ms.
const PASSWORDS_AT_ONCE: usize = 2;

/// All accounts of one data directory.
#[derive(Debug)]
pub struct Accounts {
    state: Mutex<State>,
    /// Where passwords are tried, so that guesses cannot take the machine.
    turns: Semaphore,
    /// The word that lets the first admin be made. Told once, where the service is started.
    first_run: Option<String>,
    demo: bool,
}

#[derive(Debug)]
struct State {
    kept: Kept,
    /// When the file was read last.
    read: Instant,
    /// By the digest of the cookie.
    sessions: HashMap<String, Session>,
    throttle: Throttle,
}

impl Accounts {
    /// Those of a data directory, or none yet.
    ///
    /// # Errors
    /// [`AccountsFileError`] when they are there and cannot be read.
    pub fn open(data: &Path) -> Result<Self, AccountsFileError> {
        let kept = Kept::read(data)?;
        let first_run = kept.users.is_empty().then(secret::word);
        Ok(Self::of(kept, first_run, false))
    }

    /// None, and whoever reaches this machine from within may do everything: for a made-up fleet only.
    pub fn demo() -> Self {
        Self::of(Kept::default(), None, true)
    }

    fn of(kept: Kept, first_run: Option<String>, demo: bool) -> Self {
        let state =
            State { kept, read: Instant::now(), sessions: HashMap::new(), throttle: Throttle::default() };
        Self { state: Mutex::new(state), turns: Semaphore::new(PASSWORDS_AT_ONCE), first_run, demo }
    }

    /// The word with which the first admin is made, while there is nobody.
    pub fn first_run_word(&self) -> Option<&str> {
        self.first_run.as_deref().filter(|_| self.is_empty())
    }

    /// Whether everybody may do everything.
    pub(crate) const fn is_demo(&self) -> bool {
        self.demo
    }

    /// Whether there is nobody yet.
    pub fn is_empty(&self) -> bool {
        self.lock().kept.users.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics is done while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the first admin in who knows the first word.
    pub(crate) async fn set_up(
        &self,
        from: Option<IpAddr>,
        word: &str,
        name: &str,
        password: &str,
    ) -> Result<Result<SignedIn, AccountError>, LoginError> {
        self.may_try(from, "")?;
        let known = self.first_run_word().is_some_and(|known| secret::is_same(known, word));
        if !known {
            return Err(LoginError::Wrong);
        }
        self.lock().throttle.passed(from, "");
        Ok(match self.make(name, Role::Admin, password, true).await {
            Ok(()) => Ok(self.begin(name, Role::Admin)),
            Err(error) => Err(error),
        })
    }

    /// Lets somebody in.
    pub(crate) async fn sign_in(
        &self,
        from: Option<IpAddr>,
        name: &str,
        given: &str,
    ) -> Result<SignedIn, LoginError> {
        self.may_try(from, name)?;
        self.read_again(Duration::ZERO);
        let kept = self.lock().kept.user(name).cloned();
        // A name that is not there takes as long as one that is.
        let (sealed, role) = match &kept {
            Some(user) => (user.password.clone(), Some(user.role)),
            None => (password::nobodys(), None),
        };
        let fits = self.try_password(&sealed, given).await;
        let Some(role) = role.filter(|_| fits) else { return Err(LoginError::Wrong) };
        self.lock().throttle.passed(from, name);
        Ok(self.begin(name, role))
    }

    /// Whether one more guess is allowed. It counts as a wrong one until it has turned out right, so that many guesses at the
    /// same moment are no more than many one after the other.
    fn may_try(&self, from: Option<IpAddr>, name: &str) -> Result<(), LoginError> {
        let (now, mut state) = (Instant::now(), self.lock());
        if let Some(wait) = state.throttle.wait(now, from, name) {
            return Err(LoginError::TooMany(wait));
        }
        state.throttle.failed(now, from, name);
        Ok(())
    }

    /// Learns what another program has changed (`bitlink users`), and ends the sessions of whoever is not the same any more.
    fn read_again(&self, when_older: Duration) {
        let (now, mut state) = (Instant::now(), self.lock());
        if now.saturating_duration_since(state.read) < when_older {
            return;
        }
        state.read = now;
        match state.kept.again() {
            Ok(kept) => state.take(kept),
            Err(error) => tracing::error!(%error, "accounts are what they were"),
        }
    }

    /// Off the runtime's threads, and not many at the same time.
    async fn try_password(&self, sealed: &password::Sealed, given: &str) -> bool {
        let Ok(_turn) = self.turns.acquire().await else { return false };
        let (sealed, given) = (sealed.clone(), given.to_owned());
        tokio::task::spawn_blocking(move || sealed.fits(&given)).await.unwrap_or(false)
    }

    async fn seal(&self, given: &str) -> Result<password::Sealed, AccountError> {
        password::check(given)?;
        let Ok(_turn) = self.turns.acquire().await else { return Err(AccountError::TooMany) };
        let given = given.to_owned();
        tokio::task::spawn_blocking(move || password::Sealed::of(&given))
            .await
            .ok()
            .flatten()
            .ok_or(AccountError::Password)
    }

    fn begin(&self, name: &str, role: Role) -> SignedIn {
        let (cookie, csrf, now) = (secret::word(), secret::word(), Instant::now());
        let session = Session { name: name.to_owned(), csrf: csrf.clone(), began: now, used: now };
        let mut state = self.lock();
        state.sessions.retain(|_, session| session.stands(now));
        if state.sessions.len() >= MOST_SESSIONS {
            let oldest = state.sessions.iter().min_by_key(|(_, session)| session.used);
            if let Some(oldest) = oldest.map(|(digest, _)| digest.clone()) {
                state.sessions.remove(&oldest);
            }
        }
        state.sessions.insert(secret::digest(&cookie), session);
        SignedIn { cookie, csrf, who: Who { name: name.to_owned(), role } }
    }

    /// Whose cookie this is, and the word that goes with it.
    pub(crate) fn by_cookie(&self, cookie: &str) -> Option<(Who, String)> {
        if !secret::can_be_one(cookie) {
            return None;
        }
        self.read_again(STALE);
        let now = Instant::now();
        let mut state = self.lock();
        let digest = secret::digest(cookie);
        let session = state.sessions.get_mut(&digest)?;
        if !session.stands(now) {
            state.sessions.remove(&digest);
            return None;
        }
        session.used = now;
        let (name, csrf) = (session.name.clone(), session.csrf.clone());
        let role = state.kept.user(&name)?.role;
        Some((Who { name, role }, csrf))
    }

    /// Whose token this is.
    pub(crate) fn by_token(&self, token: &str) -> Option<Who> {
        if !secret::can_be_one(token) {
            return None;
        }
        self.read_again(STALE);
        let state = self.lock();
        let digest = secret::digest(token);
        let kept = state.kept.tokens.iter().find(|kept| kept.digest == digest)?;
        if kept.expires_at_ms.is_some_and(|at| at <= clock::now_ms()) {
            return None;
        }
        let owner = state.kept.user(&kept.owner)?;
        Some(Who { name: format!("{}/{}", owner.name, kept.name), role: kept.role.min(owner.role) })
    }

    pub(crate) fn sign_out(&self, cookie: &str) {
        self.lock().sessions.remove(&secret::digest(cookie));
    }

    /// Changes something that is kept, and tells it only when it is.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Kept) -> Result<T, AccountError>,
    ) -> Result<T, AccountError> {
        let mut state = self.lock();
        // What another program has written since is not undone.
        let mut kept = state.kept.again()?;
        let told = change(&mut kept)?;
        kept.write()?;
        state.take(kept);
        Ok(told)
    }

    /// The users, by name.
    pub fn users(&self) -> Vec<User> {
        self.lock().kept.users.iter().map(KeptUser::shown).collect()
    }

    /// Makes a user.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn add(&self, name: &str, role: Role, password: &str) -> Result<(), AccountError> {
        self.make(name, role, password, false).await
    }

    async fn make(&self, name: &str, role: Role, password: &str, first: bool) -> Result<(), AccountError> {
        file::check_name(name)?;
        let password = self.seal(password).await?;
        self.change(|kept| {
            if first && !kept.users.is_empty() {
                return Err(AccountError::Taken);
            }
            if kept.user(name).is_some() {
                return Err(AccountError::Taken);
            }
            if kept.users.len() >= MOST_USERS {
                return Err(AccountError::TooMany);
            }
            kept.users.push(KeptUser { name: name.to_owned(), role, password, made_at_ms: clock::now_ms() });
            kept.users.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(())
        })
    }

    /// Gives a user another role.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn set_role(&self, name: &str, role: Role) -> Result<(), AccountError> {
        self.change(|kept| {
            kept.user_mut(name)?.role = role;
            kept.has_admin()
        })
    }

    /// Gives a user another password, and ends the sessions they have.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_password(&self, name: &str, password: &str) -> Result<(), AccountError> {
        let password = self.seal(password).await?;
        self.change(|kept| {
            kept.user_mut(name)?.password = password;
            Ok(())
        })
    }

    /// Whether this is the password of that user; guessing is slowed down as at the door.
    pub(crate) async fn check_password(
        &self,
        from: Option<IpAddr>,
        name: &str,
        given: &str,
    ) -> Result<(), LoginError> {
        self.may_try(from, name)?;
        let Some(user) = self.lock().kept.user(name).cloned() else { return Err(LoginError::Wrong) };
        if !self.try_password(&user.password, given).await {
            return Err(LoginError::Wrong);
        }
        self.lock().throttle.passed(from, name);
        Ok(())
    }

    /// Takes a user away, with sessions and tokens.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn remove(&self, name: &str) -> Result<(), AccountError> {
        self.change(|kept| {
            kept.user_mut(name)?;
            kept.users.retain(|user| user.name != name);
            kept.tokens.retain(|token| token.owner != name);
            kept.has_admin()
        })
    }

    /// Tokens: all of them, or those of one owner.
    pub(crate) fn tokens(&self, owner: Option<&str>) -> Vec<Token> {
        let state = self.lock();
        let of = |token: &&KeptToken| owner.is_none_or(|owner| token.owner == owner);
        state.kept.tokens.iter().filter(of).map(KeptToken::shown).collect()
    }

    /// Makes a token; it is told this once.
    pub(crate) fn add_token(
        &self,
        owner: &str,
        name: &str,
        role: Role,
        expires_at_ms: Option<i64>,
    ) -> Result<(Token, String), AccountError> {
        file::check_name(name)?;
        let token = format!("blt_{}", secret::word());
        let id: String = secret::word().chars().take(12).collect();
        let kept = KeptToken {
            id,
            name: name.to_owned(),
            role,
            owner: owner.to_owned(),
            digest: secret::digest(&token),
            made_at_ms: clock::now_ms(),
            expires_at_ms,
        };
        let shown = kept.shown();
        self.change(|all| {
            if all.tokens.len() >= MOST_TOKENS {
                return Err(AccountError::TooMany);
            }
            all.user_mut(owner)?;
            all.tokens.push(kept);
            Ok(())
        })?;
        Ok((shown, token))
    }

    /// Takes a token away; that of another owner where `owner` is nobody in particular.
    pub(crate) fn remove_token(&self, id: &str, owner: Option<&str>) -> Result<(), AccountError> {
        self.change(|kept| {
            let before = kept.tokens.len();
            kept.tokens.retain(|token| token.id != id || owner.is_some_and(|owner| token.owner != owner));
            if kept.tokens.len() == before { Err(AccountError::NoToken) } else { Ok(()) }
        })
    }
}

impl State {
    /// Other accounts count from now on. Sessions end of those who are gone or have another password.
    fn take(&mut self, kept: Kept) {
        let before = std::mem::replace(&mut self.kept, kept);
        let password = |kept: &Kept, name: &str| kept.user(name).map(|user| user.password.clone());
        self.sessions.retain(|_, session| {
            let now = password(&self.kept, &session.name);
            now.is_some() && now == password(&before, &session.name)
        });
    }
}

impl Session {
    fn stands(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) < IDLE && now.saturating_duration_since(self.began) < LONGEST
    }
}

#[cfg(test)]
mod tests;
