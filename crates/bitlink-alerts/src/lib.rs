//! Who is told what of a fleet, when, and by which way.
//!
//! * [`Engine`] is pure: it is given what is known of every miner at a time and answers with the [`Notification`]s that are due. It knows no
//!   clock, no disk and no network; [`Rule`]s, maintenance and inhibition are data ([`AlertsConfig`]).
//! * [`Channel`] is a way by which people are told: webhook, mail, Telegram, Slack, Discord, ntfy.
//! * [`Courier`] brings messages to channels, again and again until they take them; what it carries and what the engine knows is kept in an
//!   [`Outbox`], which another crate has on the disk.
//!
//! Nothing here asks miners, and nothing here decides how a miner does: findings come from elsewhere.

mod ask;
mod channel;
mod config;
mod courier;
mod delivery;
mod engine;
mod notification;
mod outbox;
mod rule;
mod shipped;
mod span;
mod subject;
mod window;
mod words;

pub use ask::{Ack, AlertOrder, AlertState, Mute, OrderError};
pub use channel::{Channel, ChannelConfig, ChannelError, ChannelKind, SendError, SmtpSecurity};
pub use config::{AlertsConfig, ConfigError, Inhibition, Policy};
pub use courier::{Courier, CourierEvent};
pub use delivery::{Delivery, MessageId, QueuedMessage, Taken};
pub use engine::{Engine, Outcome};
pub use notification::{Example, Notification, NotificationKind};
pub use outbox::{Batch, Item, KEYS, MemoryOutbox, Outbox, OutboxError};
pub use rule::{Field, MetricPattern, Repeat, Rule, Selection, Texts, When};
pub use shipped::shipped_rules;
pub use span::Span;
pub use subject::{Found, Happening, Occasion, Subject};
pub use window::{Day, Maintenance};
