//! What somebody wishes to be done, and to whom: read strictly, with safe limits where none are said.

use crate::api::Problem;
use crate::api::feed::Table;
use crate::api::fleet::filter;
use crate::clock;
use bitlink_miner_manager::control::Policy;
use bitlink_model::{Action, ActionKind, PoolSetting, Power, Secret, Span};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// What is to be done, by its kind and parameters: `{"kind": "reboot"}`, `{"kind": "locate", "on": true}`; see `/actions`.
    #[schema(value_type = Object)]
    action: Value,
    /// To whom, by their ids.
    #[serde(default)]
    ids: Vec<String>,
    /// Or to all that pass a filter.
    filter: Option<String>,
    #[serde(default)]
    policy: Care,
}

/// How carefully. What is left out is as the command line has it by default.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Care {
    /// So many may be down at once.
    batch: Option<u32>,
    /// Between the end of a batch and the next.
    pause_s: Option<f64>,
    /// So many go first and must come back healthy.
    canary: Option<u32>,
    /// Failures that are put up with.
    max_failures: Option<u32>,
    /// A plan that touches more is refused.
    max_miners: Option<u32>,
    max_kw: Option<f64>,
    /// Most power that is switched in one second.
    kw_per_second: Option<f64>,
    /// After this no command goes out.
    deadline_s: Option<f64>,
    /// Miners that are talked to at one time.
    concurrency: Option<u32>,
    /// Also command machines that show neither hardware address nor serial number.
    allow_unidentified: bool,
}

/// What cannot be wished from here, with where it can.
const ELSEWHERE: &[ActionKind] = &[ActionKind::Update, ActionKind::ReadLogs];

impl Wish {
    pub(super) fn action(&self) -> Result<Action, Problem> {
        let wrong = |detail: String| Problem::wrong("action", detail);
        let mut said = self.action.clone();
        let named = said.as_object_mut().ok_or_else(|| wrong("it is an object with a kind".to_owned()))?;
        let kind =
            named.remove("kind").ok_or_else(|| wrong("its kind is missing; /actions has them".to_owned()))?;
        named.insert("action".to_owned(), kind);
        let mut action: Action = serde_json::from_value(said).map_err(|error| wrong(error.to_string()))?;
        let kind = action.kind();
        if ELSEWHERE.contains(&kind) {
            return Err(wrong(format!("{kind} is done by `bitlink control` on the command line")));
        }
        // A secret that is read is not known: what was said is put in.
        match &mut action {
            Action::SetPools { pools } => {
                let said = self.action.get("pools").and_then(Value::as_array);
                if pools.is_empty() {
                    return Err(wrong("no pool is named".to_owned()));
                }
                for (place, pool) in pools.iter_mut().enumerate() {
                    let password = said.and_then(|pools| pools.get(place)?.get("password")?.as_str());
                    *pool = PoolSetting::new(pool.url.as_str(), pool.user.as_str(), password.unwrap_or("x"));
                }
            }
            Action::Password { new, .. } => {
                let said = self.action.get("new").and_then(Value::as_str).filter(|new| !new.is_empty());
                *new = Secret::new(said.ok_or_else(|| wrong("the new password is missing".to_owned()))?);
            }
            _ => {}
        }
        Ok(action)
    }

    pub(super) fn policy(&self) -> Result<Policy, Problem> {
        let care = &self.policy;
        let wrong = |name: &str| Problem::wrong(format!("policy.{name}"), "that is no sensible number");
        let span = |name: &str, seconds: f64| {
            Duration::try_from_secs_f64(seconds).map(Span::from).map_err(|_bad| wrong(name))
        };
        let kilowatts = |name: &str, kw: f64| {
            Power::from_kilowatts(kw).ok().filter(|_| kw > 0.0).ok_or_else(|| wrong(name))
        };
        let mut policy = Policy::default().with_unidentified(care.allow_unidentified);
        if let Some(batch) = care.batch {
            policy = policy.with_batch(Some(batch).filter(|batch| *batch > 0).ok_or_else(|| wrong("batch"))?);
        }
        if let Some(pause) = care.pause_s {
            policy = policy.with_pause(span("pause_s", pause)?);
        }
        if let Some(canary) = care.canary {
            policy = policy.with_canary(canary);
        }
        if let Some(failures) = care.max_failures {
            policy = policy.with_max_failures(failures);
        }
        if let Some(miners) = care.max_miners {
            policy = policy.with_max_miners(miners);
        }
        if let Some(kw) = care.max_kw {
            policy = policy.with_max_power(kilowatts("max_kw", kw)?);
        }
        if let Some(kw) = care.kw_per_second {
            policy = policy.with_max_power_per_s(kilowatts("kw_per_second", kw)?);
        }
        if let Some(deadline) = care.deadline_s {
            policy = policy.with_deadline(span("deadline_s", deadline)?);
        }
        if let Some(concurrency) = care.concurrency {
            let some = Some(concurrency).filter(|many| (1..=4_096).contains(many));
            policy = policy.with_concurrency(some.ok_or_else(|| wrong("concurrency"))?);
        }
        Ok(policy)
    }

    /// Where those are that are meant.
    pub(super) fn targets(&self, table: &Table) -> Result<Vec<String>, Problem> {
        let at = |miner: &bitlink_model::Miner| SocketAddr::new(miner.ip, miner.port).to_string();
        let targets: Vec<String> = match (&self.filter, self.ids.is_empty()) {
            (Some(text), true) => {
                let (filter, now) = (filter(text)?, clock::now());
                if filter.is_empty() {
                    return Err(Problem::wrong(
                        "filter",
                        "everybody is meant; say `status:active`, or name them by id",
                    ));
                }
                let rows = table.rows.iter().filter(|row| filter.matches(&row.subject_for(&filter, now)));
                rows.map(|row| at(&row.miner)).collect()
            }
            (None, false) => {
                let find = |id: &String| {
                    let row = table.get(id);
                    row.map(|row| at(&row.miner))
                        .ok_or_else(|| Problem::wrong("ids", format!("there is no miner {id:?}")))
                };
                self.ids.iter().map(find).collect::<Result<_, _>>()?
            }
            _ => return Err(Problem::wrong("ids", "either ids or a filter says who is meant")),
        };
        if targets.is_empty() {
            return Err(Problem::wrong("filter", "nobody passes it"));
        }
        Ok(targets)
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Actions {
    actions: Vec<ActionInfo>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ActionInfo {
    /// Its word.
    kind: &'static str,
    title: &'static str,
    description: &'static str,
    /// Whether machines stop hashing for it.
    interrupts: bool,
    /// Whether it cannot be taken back, or may lock people out.
    dangerous: bool,
    parameters: Vec<Setting>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Setting {
    name: &'static str,
    /// `bool`, `text`, `number`, `secret`, `pools`, `fans` or `network`.
    kind: &'static str,
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    title: &'static str,
}

pub(super) fn actions() -> Actions {
    let of = |kind: &ActionKind| {
        let (title, description, parameters) = told(*kind)?;
        let dangerous = matches!(kind, ActionKind::FactoryReset | ActionKind::Password | ActionKind::Network);
        Some(ActionInfo {
            kind: kind.as_str(),
            title,
            description,
            interrupts: kind.interrupts(),
            dangerous,
            parameters,
        })
    };
    Actions { actions: ActionKind::ALL.iter().filter_map(of).collect() }
}

fn told(kind: ActionKind) -> Option<(&'static str, &'static str, Vec<Setting>)> {
    let one = |name, kind, unit, title| vec![Setting { name, kind, required: true, unit, title }];
    Some(match kind {
        ActionKind::Reboot => ("Reboot", "restart the machine", vec![]),
        ActionKind::Restart => ("Restart mining", "restart the mining program, not the machine", vec![]),
        ActionKind::Pause => ("Pause", "stop hashing until told otherwise", vec![]),
        ActionKind::Resume => ("Resume", "go on hashing", vec![]),
        ActionKind::Locate => {
            ("Locate", "switch the light by which it is found", one("on", "bool", None, "Light on"))
        }
        ActionKind::SetPools => (
            "Set pools",
            "replace all pools; workers may hold {ip}, {ip_4}, {mac}, {serial}, {hostname}, {worker}",
            one("pools", "pools", None, "Pools"),
        ),
        ActionKind::SwitchPool => {
            ("Switch pool", "mine on another of its pools", one("pool", "number", None, "Number of the pool"))
        }
        ActionKind::PowerLimit => {
            ("Limit power", "hold the power below a limit", one("power_w", "number", Some("W"), "Limit"))
        }
        ActionKind::PowerMode => (
            "Power mode",
            "the firmware's own mode or preset, by its word",
            one("mode", "text", None, "Mode"),
        ),
        ActionKind::SetFrequency => (
            "Set frequency",
            "drive the chips at a frequency",
            one("frequency_hz", "number", Some("Hz"), "Frequency"),
        ),
        ActionKind::Fans => (
            "Fans",
            "automatic, at a share of full speed, or off in a fluid",
            one("fans", "fans", None, "Fans"),
        ),
        ActionKind::Network => ("Network", "by DHCP or by hand", one("network", "network", None, "Address")),
        ActionKind::Password => (
            "Change password",
            "of its web server or API",
            vec![
                Setting { name: "user", kind: "text", required: false, unit: None, title: "Account" },
                Setting { name: "new", kind: "secret", required: true, unit: None, title: "New password" },
            ],
        ),
        ActionKind::FactoryReset => ("Factory reset", "everything as it was delivered", vec![]),
        _ => return None,
    })
}
