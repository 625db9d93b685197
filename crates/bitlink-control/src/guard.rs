//! The pool guard: which pools and workers are ours, and which machine mines elsewhere. Judges readings; asks nobody.

use crate::journal::without_password;
use bitlink_model::{MinerSnapshot, Text};
use serde::{Deserialize, Serialize};

/// What may be mined on, as it is written in a file: a list of tables `allow`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PoolRules {
    /// The pools that are ours.
    #[serde(default)]
    pub allow: Vec<PoolRule>,
}

/// One pool, or several of one owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PoolRule {
    /// Where it is: `pool.example`, `*.pool.example:3333`, `stratum+tcp://pool.example:3333`. Without a scheme or a port, any.
    /// `*` stands for any text that has no `/`, `@` or `:`.
    pub pool: String,
    /// Names of workers, with `*` for any text; none: any worker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
}

impl PoolRule {
    /// A pool with any worker.
    pub fn new(pool: impl Into<String>) -> Self {
        Self { pool: pool.into(), users: Vec::new() }
    }

    /// With workers of these names.
    #[must_use]
    pub fn with_users(mut self, users: impl IntoIterator<Item: Into<String>>) -> Self {
        self.users = users.into_iter().map(Into::into).collect();
        self
    }
}

/// What the pools of a machine come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pools", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stray {
    /// All of them are ours.
    Ours,
    /// Some are not.
    Elsewhere {
        /// Which.
        stray: Vec<StrayPool>,
    },
    /// It does not tell its pools.
    Untold,
}

/// A pool that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StrayPool {
    /// Its number.
    pub id: u32,
    /// Its address, without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Text>,
    /// Whether it is mined on now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Whether the pool is ours and only the worker is not.
    pub only_user: bool,
}

impl PoolRules {
    /// With one more pool.
    #[must_use]
    pub fn with(mut self, rule: PoolRule) -> Self {
        self.allow.push(rule);
        self
    }

    /// What the pools of a machine come to. A pool that does not tell its address is not ours.
    pub fn check(&self, snapshot: &MinerSnapshot) -> Stray {
        if snapshot.pools.is_empty() {
            return Stray::Untold;
        }
        let stray: Vec<StrayPool> = snapshot
            .pools
            .iter()
            .filter_map(|pool| {
                let place = pool.url.as_deref().and_then(Place::of);
                let mut here =
                    self.allow.iter().filter(|rule| place.as_ref().is_some_and(|place| place.is(&rule.pool)));
                let mut only_user = false;
                let is_ours = here.any(|rule| {
                    only_user = true;
                    let user = pool.user.as_deref().unwrap_or_default();
                    rule.users.is_empty() || rule.users.iter().any(|pattern| glob(pattern, user, &[]))
                });
                (!is_ours).then(|| StrayPool {
                    id: pool.id,
                    url: pool.url.as_deref().map(without_password),
                    user: pool.user.clone(),
                    active: pool.active,
                    only_user,
                })
            })
            .collect();
        if stray.is_empty() { Stray::Ours } else { Stray::Elsewhere { stray } }
    }
}

/// Where a pool is: what counts of its address.
struct Place<'a> {
    scheme: Option<&'a str>,
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = match url.trim().split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, url.trim()),
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        // What stands before the last `@` is a login, whatever it looks like.
        let place = authority.rsplit('@').next()?;
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        (!host.is_empty()).then_some(Self { scheme, host: host.trim_end_matches('.'), port })
    }

    fn is(&self, pattern: &str) -> bool {
        let Some(wanted) = Place::of(pattern) else { return false };
        let same =
            |a: Option<&str>, b: Option<&str>| a.is_none_or(|a| b.is_some_and(|b| a.eq_ignore_ascii_case(b)));
        same(wanted.scheme, self.scheme)
            && same(wanted.port, self.port)
            && glob(&wanted.host.to_ascii_lowercase(), &self.host.to_ascii_lowercase(), &['/', '@', ':'])
    }
}

/// Whether a text is as a pattern says, where `*` stands for any text without these characters.
fn glob(pattern: &str, text: &str, without: &[char]) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        // The last part stands at the end; the others at the first place where they are.
        let at = if parts.peek().is_none() {
            rest.ends_with(part).then(|| rest.len() - part.len())
        } else {
            rest.find(part)
        };
        let Some(at) = at else { return false };
        let (skipped, from) = rest.split_at(at);
        if skipped.contains(without) {
            return false;
        }
        rest = from.strip_prefix(part).unwrap_or(from);
    }
    true
}

#[cfg(test)]
mod tests {
    //! Ours, theirs, and addresses made to look like ours.
    use super::*;
    use bitlink_model::Pool;

    fn mining(url: &str, user: &str) -> MinerSnapshot {
        let mut snapshot = MinerSnapshot::default();
        let mut pool = Pool::default();
        pool.url = Some(url.into());
        pool.user = Some(user.into());
        snapshot.pools = vec![pool];
        snapshot
    }

    fn rules() -> PoolRules {
        PoolRules::default()
            .with(PoolRule::new("stratum+tcp://*.pool.example:3333").with_users(["farm.*", "farm"]))
            .with(PoolRule::new("backup.example"))
    }

    #[test]
    fn ours() {
        for (url, user) in [
            ("stratum+tcp://eu.pool.example:3333", "farm.rig1"),
            ("stratum+tcp://EU.Pool.Example:3333", "farm"),
            ("stratum+ssl://backup.example:443", "whoever"),
            ("backup.example", "whoever"),
            ("stratum+tcp://user:secret@backup.example:1/path", "whoever"),
        ] {
            assert_eq!(rules().check(&mining(url, user)), Stray::Ours, "{url} {user}");
        }
    }

    #[test]
    fn elsewhere() {
        for (url, user, only_user) in [
            ("stratum+tcp://eu.pool.example:3333", "thief.rig1", true),
            ("stratum+tcp://eu.pool.example:3334", "farm.rig1", false),
            ("stratum+ssl://eu.pool.example:3333", "farm.rig1", false),
            ("stratum+tcp://pool.example.evil.example:3333", "farm.rig1", false),
            ("stratum+tcp://eu.pool.example:3333@evil.example:3333", "farm.rig1", false),
            ("stratum+tcp://evil.example:3333/eu.pool.example:3333", "farm.rig1", false),
            ("stratum+tcp://evil.example:3333#backup.example", "farm.rig1", false),
            ("backup.example.evil", "farm", false),
            ("", "farm", false),
        ] {
            let Stray::Elsewhere { stray } = rules().check(&mining(url, user)) else {
                panic!("{url} {user}")
            };
            assert_eq!(stray[0].only_user, only_user, "{url} {user}");
        }
        let told = rules().check(&mining("stratum+tcp://a:secret@evil.example:1", "x"));
        assert!(!format!("{told:?}").contains("secret"));
        assert_eq!(rules().check(&MinerSnapshot::default()), Stray::Untold);
    }
}
