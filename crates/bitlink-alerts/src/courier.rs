//! Brings messages to channels and keeps what it carries. The order and the pauses are [`Delivery`]'s; this waits, sends and writes down.

use crate::channel::Channel;
use crate::config::Policy;
use crate::delivery::{Delivery, MessageId, QueuedMessage, Taken};
use crate::notification::Notification;
use crate::outbox::{Batch, Outbox};
use bitlink_model::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What keys of messages begin with.
pub(crate) const OUTBOX: &str = "outbox/";
/// Pause before what could not be kept is tried again.
const RETRY: Duration = Duration::from_secs(10);

fn key(id: MessageId) -> String {
    format!("{OUTBOX}{id:020}")
}

/// What is worth telling of messages.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CourierEvent {
    /// A channel has it.
    Sent(QueuedMessage),
    /// A channel has not taken it; it is tried again.
    Failed(QueuedMessage),
    /// No channel took it for so long that it is left out.
    GivenUp(QueuedMessage),
    /// It cannot be kept; messages go out all the same.
    NotKept(String),
    /// There were too many: so many are left out.
    Overrun(usize),
}

/// The channels by name, and for how long they are tried.
pub(crate) type Channels = BTreeMap<String, Arc<dyn Channel>>;

/// What a courier is handed.
#[derive(Debug)]
enum Errand {
    Carry { messages: Vec<(Vec<String>, Notification)>, batch: Batch },
    Configure { channels: Channels, give_up: Duration },
}

/// Hands messages to a courier that is under way. Dropping it lets that one finish what it is keeping, and end.
#[derive(Debug)]
pub struct Courier {
    errands: mpsc::UnboundedSender<Errand>,
}

impl Courier {
    /// A courier with what waited before, as an outbox has it; its work is the future, which ends when the courier is dropped. `now` is the
    /// time of the wall.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        kept: &BTreeMap<String, String>,
        channels: BTreeMap<String, Arc<dyn Channel>>,
        give_up: Duration,
        events: mpsc::Sender<CourierEvent>,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let waiting = kept.iter().filter_map(|(key, text)| {
            Some((
                key.strip_prefix(OUTBOX)?.parse::<MessageId>().ok()?,
                serde_json::from_str::<QueuedMessage>(text).ok()?,
            ))
        });
        let delivery = Delivery::restored(waiting.collect());
        let (errands, inbox) = mpsc::unbounded_channel();
        let work =
            Work { outbox, delivery, channels, give_up, events, unkept: Batch::default(), retry: None, now };
        (Self { errands }, work.run(inbox))
    }

    /// Keeps what an engine has decided, and sends what there is to be sent by the channels that the policy has for it.
    pub fn carry(&self, policy: &Policy, notifications: Vec<Notification>, batch: Batch) {
        let with = |notification: Notification| {
            let channels = policy.channels_for(&notification).into_iter().map(str::to_owned).collect();
            (channels, notification)
        };
        let messages = notifications.into_iter().map(with).collect();
        // An error means that it has ended.
        let _ = self.errands.send(Errand::Carry { messages, batch });
    }

    /// Other channels count from now on. What waits for those that are no more is left out.
    pub fn configure(&self, channels: BTreeMap<String, Arc<dyn Channel>>, give_up: Duration) {
        let _ = self.errands.send(Errand::Configure { channels, give_up });
    }
}

struct Work<N> {
    outbox: Arc<dyn Outbox>,
    delivery: Delivery,
    channels: Channels,
    give_up: Duration,
    events: mpsc::Sender<CourierEvent>,
    /// What could not be kept yet.
    unkept: Batch,
    retry: Option<Instant>,
    now: N,
}

impl<N: Fn() -> Timestamp + Send + Sync> Work<N> {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Errand>) {
        let mut under_way = JoinSet::new();
        let names: Vec<String> = self.channels.keys().cloned().collect();
        self.drop_strangers(&names).await;
        loop {
            for (id, message) in self.delivery.begin((self.now)()) {
                let channel = self.channels.get(&message.channel).cloned();
                // owned by this set, which ends it with the courier
                under_way.spawn(async move {
                    let taken = match channel {
                        Some(channel) => match channel.send(id, &message.notification).await {
                            Ok(_said) => Taken::Yes,
                            Err(error) => Taken::No { after: error.after(), error: error.in_words() },
                        },
                        None => Taken::No { error: "there is no such channel".to_owned(), after: None },
                    };
                    (id, taken)
                });
            }
            let next = self
                .delivery
                .next()
                .map(|at| Instant::now() + at.since((self.now)()).max(Duration::from_millis(10)));
            let wake = [next, self.retry].into_iter().flatten().min();
            tokio::select! {
                errand = inbox.recv() => match errand {
                    Some(errand) => self.obey(errand).await,
                    None => break,
                },
                Some(Ok((id, taken))) = under_way.join_next(), if !under_way.is_empty() => self.ended(id, taken).await,
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    if self.retry.is_some_and(|at| at <= Instant::now()) {
                        self.keep(Batch::default()).await;
                    }
                }
            }
        }
        self.keep(Batch::default()).await;
    }

    fn tell(&self, event: CourierEvent) {
        // Whoever does not listen misses it.
        let _ = self.events.try_send(event);
    }

    async fn obey(&mut self, errand: Errand) {
        match errand {
            Errand::Carry { messages, mut batch } => {
                let mut overrun = 0;
                for (channels, notification) in messages {
                    for channel in channels {
                        let (id, gone) = self.delivery.push(&channel, notification.clone());
                        if let Some(gone) = gone {
                            overrun += 1;
                            batch.items.insert(key(gone), None);
                        }
                        batch.items.insert(key(id), self.written(id));
                    }
                }
                if overrun > 0 {
                    self.tell(CourierEvent::Overrun(overrun));
                }
                self.keep(batch).await;
            }
            Errand::Configure { channels, give_up } => {
                (self.channels, self.give_up) = (channels, give_up);
                let names: Vec<String> = self.channels.keys().cloned().collect();
                self.drop_strangers(&names).await;
            }
        }
    }

    async fn drop_strangers(&mut self, names: &[String]) {
        let gone = self.delivery.keep_channels(|name| names.iter().any(|own| own == name));
        let items = gone.into_iter().map(|id| (key(id), None)).collect();
        self.keep(Batch { items }).await;
    }

    fn written(&self, id: MessageId) -> Option<String> {
        self.delivery.get(id).and_then(|message| serde_json::to_string(message).ok())
    }

    async fn ended(&mut self, id: MessageId, taken: Taken) {
        let is_sent = taken == Taken::Yes;
        match self.delivery.ended(id, taken, (self.now)(), self.give_up) {
            Some(message) if is_sent => self.tell(CourierEvent::Sent(message)),
            Some(message) => self.tell(CourierEvent::GivenUp(message)),
            None => {
                if let Some(message) = self.delivery.get(id) {
                    self.tell(CourierEvent::Failed(message.clone()));
                }
            }
        }
        let items = [(key(id), self.written(id))].into();
        self.keep(Batch { items }).await;
    }

    async fn keep(&mut self, batch: Batch) {
        self.unkept.extend(batch);
        if self.unkept.is_empty() {
            return;
        }
        match self.outbox.keep(self.unkept.clone()).await {
            Ok(()) => (self.unkept, self.retry) = (Batch::default(), None),
            Err(error) => {
                if self.retry.is_none() {
                    self.tell(CourierEvent::NotKept(error.to_string()));
                }
                self.retry = Some(Instant::now() + RETRY);
            }
        }
    }
}
