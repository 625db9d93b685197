//! Which message goes to which channel next, and when again if it was not taken. Pure: time is an argument.

use crate::notification::Notification;
use bitlink_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// By which a message is known: the same however often it is tried.
pub type MessageId = u64;

/// A message for one channel that waits or is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueuedMessage {
    /// The channel.
    pub channel: String,
    /// What is told.
    pub notification: Notification,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next.
    #[serde(rename = "next_ms")]
    pub next: Timestamp,
    /// Why it was not taken the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The channel has it.
    Yes,
    /// It does not, and why; where it says so, it is not to be asked again before that time.
    No {
        /// In words.
        error: String,
        /// How long to wait at least.
        after: Option<Duration>,
    },
}

/// Most messages that wait; the oldest go first.
const MOST: usize = 5_000;
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// A channel that wants to be left alone for longer is asked all the same.
const LONGEST_REST: Duration = Duration::from_hours(1);

/// What waits to be sent.
#[derive(Debug, Default)]
pub struct Delivery {
    waiting: BTreeMap<MessageId, QueuedMessage>,
    busy: BTreeSet<String>,
    resting: BTreeMap<String, Timestamp>,
    next_id: MessageId,
}

impl Delivery {
    /// With what waited before.
    pub fn restored(waiting: BTreeMap<MessageId, QueuedMessage>) -> Self {
        let next_id = waiting.keys().next_back().map_or(0, |last| last + 1);
        Self { waiting, next_id, ..Self::default() }
    }

    /// Takes a message; says under which number, and which had to make room for it.
    pub fn push(&mut self, channel: &str, notification: Notification) -> (MessageId, Option<MessageId>) {
        let oldest =
            if self.waiting.len() >= MOST { self.waiting.pop_first().map(|(id, _)| id) } else { None };
        let id = self.next_id;
        self.next_id += 1;
        let next = notification.at;
        let channel = channel.to_owned();
        self.waiting.insert(id, QueuedMessage { channel, notification, tries: 0, next, error: None });
        (id, oldest)
    }

    /// What waits.
    pub fn waiting(&self) -> impl Iterator<Item = (MessageId, &QueuedMessage)> {
        self.waiting.iter().map(|(id, message)| (*id, message))
    }

    /// One message.
    pub fn get(&self, id: MessageId) -> Option<&QueuedMessage> {
        self.waiting.get(&id)
    }

    fn at(&self, message: &QueuedMessage) -> Timestamp {
        self.resting.get(&message.channel).map_or(message.next, |rest| message.next.max(*rest))
    }

    /// What is to be sent now: of each channel that is not busy the message that came first, and then it is busy. Each channel in the order
    /// in which it was told.
    pub fn begin(&mut self, now: Timestamp) -> Vec<(MessageId, QueuedMessage)> {
        let mut begun = Vec::new();
        let mut seen = self.busy.clone();
        for (id, message) in &self.waiting {
            // What waits for its next attempt holds up what comes after it in the same channel.
            if seen.insert(message.channel.clone()) && self.at(message) <= now {
                begun.push((*id, message.clone()));
            }
        }
        self.busy.extend(begun.iter().map(|(_, message)| message.channel.clone()));
        begun
    }

    /// When something is to be sent next.
    pub fn next(&self) -> Option<Timestamp> {
        let mut seen = self.busy.clone();
        self.waiting
            .values()
            .filter(|message| seen.insert(message.channel.clone()))
            .map(|message| self.at(message))
            .min()
    }

    /// Takes note of what became of an attempt. Returns the message where it is done with: taken, or given up.
    pub fn ended(
        &mut self,
        id: MessageId,
        taken: Taken,
        now: Timestamp,
        give_up: Duration,
    ) -> Option<QueuedMessage> {
        let message = self.waiting.get_mut(&id)?;
        self.busy.remove(&message.channel);
        let Taken::No { error, after } = taken else { return self.waiting.remove(&id) };
        message.error = Some(error);
        if now.since(message.notification.at) >= give_up {
            return self.waiting.remove(&id);
        }
        message.next = now.plus(pause(id, message.tries));
        message.tries = message.tries.saturating_add(1);
        if let Some(after) = after {
            let rest = now.plus(after.min(LONGEST_REST));
            self.resting.insert(message.channel.clone(), rest);
        }
        None
    }

    /// Leaves out what is for channels that are no more. Returns their numbers.
    pub fn keep_channels(&mut self, keep: impl Fn(&str) -> bool) -> Vec<MessageId> {
        let gone: Vec<MessageId> =
            self.waiting.iter().filter(|(_, message)| !keep(&message.channel)).map(|(id, _)| *id).collect();
        self.waiting.retain(|id, _| !gone.contains(id));
        gone
    }
}

/// Doubles from 5 s to 5 min, each up to a quarter shorter or longer: by its number, so that many do not come at once.
fn pause(id: MessageId, tries: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << tries.min(10)).min(LONGEST_PAUSE);
    let mixed = (id ^ (u64::from(tries) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    #[allow(clippy::cast_precision_loss, reason = "24 bits")]
    let share = mixed as f64 / f64::from(1 << 24);
    pause.mul_f64(0.75 + share / 2.0)
}

#[cfg(test)]
mod tests {
    //! Order, pauses, rests and ends.
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_channel_that_is_down_for_an_hour_gets_everything_in_order_and_holds_up_nobody() {
        let mut delivery = Delivery::default();
        for _ in 0..3 {
            delivery.push("down", Notification::test(at(0)));
        }
        delivery.push("up", Notification::test(at(0)));
        let (mut now, mut got, mut tries) = (at(0), Vec::new(), 0);
        while let Some(next) = delivery.next() {
            now = now.max(next);
            for (id, message) in delivery.begin(now) {
                let fails = message.channel == "down" && now < at(3600);
                tries += usize::from(fails);
                let no = Taken::No { error: "refused".to_owned(), after: None };
                if delivery.ended(id, if fails { no } else { Taken::Yes }, now, DAY).is_some() {
                    got.push((message.channel.clone(), id));
                }
            }
        }
        let got: Vec<(&str, u64)> = got.iter().map(|(channel, id)| (channel.as_str(), *id)).collect();
        assert_eq!(got, [("up", 3), ("down", 0), ("down", 1), ("down", 2)]);
        assert!((12..30).contains(&tries), "{tries} attempts in an hour");
        assert!(now >= at(3600) && now < at(3600 + 400));
    }

    #[test]
    fn a_channel_that_asks_for_a_rest_gets_it_and_what_is_never_taken_is_given_up() {
        let mut delivery = Delivery::default();
        delivery.push("slow", Notification::test(at(0)));
        delivery.push("slow", Notification::test(at(0)));
        let first = delivery.begin(at(0))[0].0;
        assert!(delivery.begin(at(0)).is_empty(), "one at a time");
        let no = |after| Taken::No { error: "429".to_owned(), after };
        assert_eq!(delivery.ended(first, no(Some(Duration::from_secs(90))), at(0), DAY), None);
        assert_eq!((delivery.next(), delivery.begin(at(89)).len()), (Some(at(90)), 0));
        let again = delivery.begin(at(90));
        assert_eq!((again[0].0, again[0].1.tries), (first, 1));
        let gone = delivery.ended(first, no(None), at(86_400), DAY).unwrap();
        assert_eq!(gone.error.as_deref(), Some("429"));
        assert_eq!(delivery.keep_channels(|name| name != "slow").len(), 1);
        assert_eq!(delivery.next(), None);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut delivery = Delivery::default();
        for _ in 0..MOST {
            assert_eq!(delivery.push("a", Notification::test(at(0))).1, None);
        }
        assert_eq!(delivery.push("a", Notification::test(at(0))).1, Some(0));
        assert_eq!(delivery.waiting().count(), MOST);
    }
}
