//! How often somebody may guess. Per address and per account, so that neither one guesser with many names nor many guessers
//! of one name get far; an account is slowed down and never locked, so that nobody can lock others out. Pure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// So many guesses are free.
const FREE: u32 = 5;
/// The longest wait, for an address and for an account.
const LONGEST_FROM: Duration = Duration::from_mins(15);
const LONGEST_NAME: Duration = Duration::from_secs(30);
/// After so long everything is forgiven.
const FORGIVEN: Duration = Duration::from_hours(1);
/// Guessers remembered.
const MOST: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    From(IpAddr),
    Name(String),
}

#[derive(Debug, Clone, Copy)]
struct Fails {
    count: u32,
    last: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Throttle(HashMap<Key, Fails>);

impl Throttle {
    /// How long it is to wait, if it is.
    pub(super) fn wait(&self, now: Instant, from: Option<IpAddr>, name: &str) -> Option<Duration> {
        keys(from, name)
            .filter_map(|key| {
                let Fails { count, last } = *self.0.get(&key)?;
                let longest = match key {
                    Key::From(_) => LONGEST_FROM,
                    Key::Name(_) => LONGEST_NAME,
                };
                let more = count.checked_sub(FREE)?;
                let delay = Duration::from_secs(1 << more.min(12)).min(longest);
                delay.checked_sub(now.saturating_duration_since(last)).filter(|wait| !wait.is_zero())
            })
            .max()
    }

    pub(super) fn failed(&mut self, now: Instant, from: Option<IpAddr>, name: &str) {
        if self.0.len() >= MOST {
            self.0.retain(|_, fails| now.saturating_duration_since(fails.last) < FORGIVEN);
        }
        if self.0.len() >= MOST {
            // More guessers than anybody has: all begin anew rather than that memory grows.
            self.0.clear();
        }
        for key in keys(from, name) {
            let fails = self.0.entry(key).or_insert(Fails { count: 0, last: now });
            if now.saturating_duration_since(fails.last) >= FORGIVEN {
                fails.count = 0;
            }
            *fails = Fails { count: fails.count.saturating_add(1), last: now };
        }
    }

    /// Somebody was let in. Their address is forgiven, and so is the account.
    pub(super) fn passed(&mut self, from: Option<IpAddr>, name: &str) {
        for key in keys(from, name) {
            self.0.remove(&key);
        }
    }
}

fn keys(from: Option<IpAddr>, name: &str) -> impl Iterator<Item = Key> {
    let name = name.chars().take(64).collect();
    from.map(Key::From).into_iter().chain([Key::Name(name)])
}

#[cfg(test)]
mod tests {
    //! Guessing slows down; who is let in is forgiven; others are not held up.
    use super::*;

    #[test]
    fn who_guesses_on_waits_ever_longer() {
        let (now, mut throttle) = (Instant::now(), Throttle::default());
        let from = Some(IpAddr::from([192, 0, 2, 1]));
        for n in 0..FREE {
            assert_eq!(throttle.wait(now, from, &format!("user{n}")), None);
            throttle.failed(now, from, &format!("user{n}"));
        }
        assert_eq!(throttle.wait(now, from, "another"), Some(Duration::from_secs(1)), "by the address");
        for _ in 0..20 {
            throttle.failed(now, from, "another");
        }
        assert_eq!(throttle.wait(now, from, "third"), Some(LONGEST_FROM));
        let elsewhere = Some(IpAddr::from([192, 0, 2, 2]));
        assert_eq!(throttle.wait(now, elsewhere, "another"), Some(LONGEST_NAME), "slowed, not locked");
        assert_eq!(throttle.wait(now, elsewhere, "user1"), None);
        assert_eq!(throttle.wait(now + LONGEST_FROM, from, "third"), None);
        throttle.passed(from, "another");
        assert_eq!(throttle.wait(now, from, "another"), None);
    }
}
