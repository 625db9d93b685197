//! What of all that is heard is worth telling: so much per second from each source, and each machine once in a while. Takes
//! the time as an argument.

use bitlink_protocol::model::Mac;
use bitlink_protocol::reports::{Beacon, Sighting};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Sources, and machines, that are remembered at a time. Who invents more of them makes us forget, and is told of again.
const MOST_KNOWN: usize = 8_192;
/// Datagrams are counted by the second.
const SECOND: Duration = Duration::from_secs(1);

/// Whether a datagram is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Admit,
    /// Too many from there. `first` says whether that is news.
    Flood {
        first: bool,
    },
}

/// See the file.
#[derive(Debug)]
pub(super) struct Sieve {
    per_source: u32,
    quiet: Duration,
    sources: HashMap<IpAddr, Source>,
    told: HashMap<News, Instant>,
}

/// What was heard from one source in the second that began then.
#[derive(Debug)]
struct Source {
    since: Instant,
    heard: u32,
    /// When it was told that it floods.
    flood_told: Option<Instant>,
}

/// Something that need not be told twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum News {
    Machine(IpAddr, Beacon, Option<Mac>),
    Odd(IpAddr, u16),
}

impl Sieve {
    pub(super) fn new(per_source: u32, quiet: Duration) -> Self {
        Self { per_source: per_source.max(1), quiet, sources: HashMap::new(), told: HashMap::new() }
    }

    /// A datagram has come from somewhere.
    pub(super) fn admit(&mut self, now: Instant, from: IpAddr) -> Verdict {
        if self.sources.len() >= MOST_KNOWN && !self.sources.contains_key(&from) {
            let (quiet, since) = (self.quiet, |then: Instant| now.duration_since(then));
            self.sources.retain(|_, source| {
                since(source.since) < SECOND || source.flood_told.is_some_and(|told| since(told) < quiet)
            });
            if self.sources.len() >= MOST_KNOWN {
                self.sources.clear();
            }
        }
        let source = self.sources.entry(from).or_insert(Source { since: now, heard: 0, flood_told: None });
        if now.duration_since(source.since) >= SECOND {
            (source.since, source.heard) = (now, 0);
        }
        source.heard = source.heard.saturating_add(1);
        if source.heard <= self.per_source {
            return Verdict::Admit;
        }
        let first = source.flood_told.is_none_or(|told| now.duration_since(told) >= self.quiet);
        if first {
            source.flood_told = Some(now);
        }
        Verdict::Flood { first }
    }

    /// Whether a machine was not told of lately.
    pub(super) fn is_news(&mut self, now: Instant, seen: &Sighting) -> bool {
        self.is_new(now, News::Machine(seen.from, seen.beacon, seen.identity.mac))
    }

    /// Whether nothing odd was told lately of this source at this port.
    pub(super) fn is_odd_news(&mut self, now: Instant, from: IpAddr, port: u16) -> bool {
        self.is_new(now, News::Odd(from, port))
    }

    fn is_new(&mut self, now: Instant, news: News) -> bool {
        let quiet = self.quiet;
        let is_fresh = |then: &Instant| now.duration_since(*then) < quiet;
        if self.told.get(&news).is_some_and(is_fresh) {
            return false;
        }
        if self.told.len() >= MOST_KNOWN {
            self.told.retain(|_, then| is_fresh(then));
            if self.told.len() >= MOST_KNOWN {
                self.told.clear();
            }
        }
        self.told.insert(news, now);
        true
    }
}

#[cfg(test)]
mod tests {
    //! Floods, repetitions, and a memory that does not grow.
    use super::*;
    use bitlink_protocol::reports::read_report;
    use std::net::Ipv4Addr;

    const MS: Duration = Duration::from_millis(1);

    fn ip(n: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + n).into()
    }

    fn seen(n: u32, mac: u8) -> Sighting {
        read_report(ip(n), format!("10.0.0.1,02:00:00:00:00:{mac:02x}").as_bytes()).unwrap()
    }

    #[test]
    fn one_source_has_its_share_of_each_second_and_a_flood_is_told_once() {
        let mut sieve = Sieve::new(3, SECOND * 10);
        let start = Instant::now();
        let first = |flood| Verdict::Flood { first: flood };
        let verdicts: Vec<Verdict> = (0..6).map(|ms| sieve.admit(start + MS * ms, ip(1))).collect();
        let admit = Verdict::Admit;
        assert_eq!(verdicts, [admit, admit, admit, first(true), first(false), first(false)]);
        assert_eq!(sieve.admit(start + MS * 6, ip(2)), admit, "others are heard");
        assert_eq!(sieve.admit(start + SECOND, ip(1)), admit, "the next second");
        for _ in 0..3 {
            sieve.admit(start + SECOND, ip(1));
        }
        assert_eq!(sieve.admit(start + SECOND, ip(1)), first(false), "told lately");
    }

    #[test]
    fn a_machine_is_news_once_in_a_while_and_in_each_form() {
        let mut sieve = Sieve::new(3, SECOND * 10);
        let start = Instant::now();
        assert!(sieve.is_news(start, &seen(1, 1)));
        assert!(!sieve.is_news(start + SECOND * 9, &seen(1, 1)));
        assert!(sieve.is_news(start, &seen(1, 2)), "another machine at the same address");
        assert!(sieve.is_news(start, &read_report(ip(1), b"DG_IPREPORT_ONLY").unwrap()), "another form");
        assert!(sieve.is_news(start + SECOND * 10, &seen(1, 1)), "the button again");
        assert!(sieve.is_odd_news(start, ip(1), 8888) && !sieve.is_odd_news(start, ip(1), 8888));
        let mut talkative = Sieve::new(3, Duration::ZERO);
        assert!(talkative.is_news(start, &seen(1, 1)) && talkative.is_news(start, &seen(1, 1)));
    }

    #[test]
    fn invented_sources_take_no_more_memory_than_there_is() {
        let mut sieve = Sieve::new(3, SECOND * 10);
        let start = Instant::now();
        for n in 0..30_000 {
            sieve.admit(start, ip(n));
            sieve.is_news(start, &seen(n, 1));
        }
        assert!(sieve.sources.len() <= MOST_KNOWN && sieve.told.len() <= MOST_KNOWN);
        // What is over is forgotten first.
        let mut sieve = Sieve::new(3, SECOND);
        for n in 0..u32::try_from(MOST_KNOWN).unwrap() {
            sieve.is_news(start, &seen(n, 1));
        }
        assert!(sieve.is_news(start + SECOND * 2, &seen(50_000, 1)));
        assert_eq!(sieve.told.len(), 1);
    }
}
