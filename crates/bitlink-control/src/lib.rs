//! Commands miners without hurting a farm. Nobody commands a machine but through here.
//!
//! A command over a selection becomes a [`Plan`]: pure, printable, with what is skipped and why, and the power that each step
//! switches. A [`Controller`] carries it out through [`Hands`]: it looks whether the machine is the one that was planned, writes
//! down that a command goes out ([`Journal`]), sends it, and reads the machine again until its effect is proven. Each target comes
//! to exactly one [`Outcome`]. The first few must come back healthy; failures have a budget; groups that share a breaker have
//! limits ([`Policy`], [`Group`]). What a crash leaves is taken up again without sending a command twice ([`Past`]); what was
//! changed can be taken back where the old state was read ([`undo`]); and every command leaves a line in a chained log
//! ([`AuditLog`]).
//!
//! How a firmware wants to be told is not known here.

mod audit;
mod claims;
mod clock;
mod engine;
mod event;
mod gate;
mod guard;
mod hands;
mod journal;
mod marks;
mod outcome;
mod plan;
mod policy;
mod template;
mod undo;
mod vault;
mod wire;

pub use audit::{AuditError, AuditLog, Audited, Event as AuditEvent, Line as AuditLine, Verdict};
pub use claims::Claims;
pub use clock::{Clock, SystemClock, VirtualClock};
pub use engine::{Controller, Execution};
pub use event::{ControlEvent, Report, Stage, Stop};
pub use guard::{PoolRules, Stray, StrayPool};
pub use hands::{ActFailure, ActFailureKind, Acted, Effect, Hands, LookError, Proof, Seen};
pub use journal::{
    FileJournal, Journal, JournalError, MemoryJournal, Past, PlanStore, PlanSummary, Progress, Record,
};
pub use marks::{Marks, Sameness};
pub use outcome::{Counts, Doubt, Hindrance, Outcome, Refusal};
pub use plan::{
    Batch, Candidate, GroupLimit, Plan, PlanError, PlanId, PlanIdError, SkipReason, Skipped, Target,
};
pub use policy::{Group, Groups, Member, Policy};
pub use template::{TemplateError, fill as fill_template, is_template};
pub use undo::{earlier, undo};
pub use vault::{Entry, Scope, ScopeError, Vault, VaultError};
pub use wire::WireHands;
