//! Commands: a plan is made and shown, confirmed by the number of machines that was shown, carried out by the control engine, and
//! can be stopped and taken back. Nothing goes to a miner by any other way.

mod run;
mod wish;

use super::feed::{Row, Table};
use super::problem::Body;
use super::who::{Operator, Viewer};
use super::{Api, Problem};
use crate::accounts::Who;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use bitlink_miner_manager::control::{
    CommandError, Commander, JournalError, Outcome, Past, Plan, PlanId, PlanSummary, Progress, Target,
};
use bitlink_model::{Action, Secret};
pub(super) use run::Plans;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wish::{Actions, Wish};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(actions))
        .routes(routes!(list, make))
        .routes(routes!(one))
        .routes(routes!(run))
        .routes(routes!(cancel))
        .routes(routes!(undo))
}

impl Api {
    fn commander(&self, who: &Who) -> Commander {
        self.0.commander.clone().with_actor(format!("{}@cockpit", who.name))
    }

    /// Does something to its end, whoever goes away meanwhile. It ends with the service.
    pub(super) fn work(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.works.spawn(work);
    }
}

/// A plan, as far as it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Shown {
    id: String,
    /// `made`, `running`, `ended`, or `interrupted`: it was begun and nobody carries it out.
    state: &'static str,
    made_at_ms: i64,
    actor: String,
    /// What is to be done by its kind and parameters, without secrets; left out in lists of plans of other runs.
    #[schema(value_type = Object)]
    action: Option<serde_json::Value>,
    kind: &'static str,
    /// How many machines are commanded.
    targets: usize,
    /// Power that it switches, and of how many machines that is assumed.
    power_w: Option<f64>,
    assumed_powers: u32,
    estimate_s: Option<f64>,
    steps: Vec<StepShown>,
    /// Who is left out, and why; the first thousand.
    skipped: Vec<SkippedShown>,
    skipped_count: usize,
    /// How many for which reason.
    skip_counts: BTreeMap<&'static str, usize>,
    /// The plan that it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<String>,
    /// The step that is being done, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at_ms: Option<i64>,
    #[schema(value_type = Object)]
    counts: bitlink_miner_manager::control::Counts,
    /// How many have no outcome yet.
    open: usize,
    /// Why it stopped before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    /// What each machine came to; left out in lists and live messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outcomes: Vec<TargetShown>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct StepShown {
    size: u32,
    power_w: f64,
    /// Whether these go first and must come back healthy.
    canary: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct SkippedShown {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    address: String,
    name: Option<String>,
    reason: String,
    text: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct TargetShown {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    address: String,
    name: Option<String>,
    /// How far it is: `waiting`, `checking`, `sending`, `proving`, `ended`.
    stage: &'static str,
    /// What it came to: `verified`, `applied`, `refused`, `unsupported`, `unknown`, `not_attempted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Skipped machines that are named one by one.
const MOST_SKIPPED: usize = 1_000;

impl TargetShown {
    fn of(target: &Target, who: &Known<'_>) -> Self {
        Self {
            id: who(target.endpoint),
            address: target.endpoint.to_string(),
            name: target.name.as_ref().map(ToString::to_string),
            stage: "waiting",
            outcome: None,
            text: None,
        }
    }

    fn came_to(&mut self, outcome: &Outcome) {
        self.stage = "ended";
        self.outcome = Some(outcome.word());
        self.text = outcome.why().map(str::to_owned);
    }
}

/// By its kind, as a wish names it.
fn shown_action(action: &Action) -> Option<serde_json::Value> {
    let mut value = serde_json::to_value(action).ok()?;
    let object = value.as_object_mut()?;
    if let Some(kind) = object.remove("action") {
        object.insert("kind".to_owned(), kind);
    }
    Some(value)
}

/// Which machine is known to answer at a place.
type Known<'a> = dyn Fn(SocketAddr) -> Option<String> + 'a;

impl Shown {
    /// A plan before it begins.
    fn of(plan: &Plan, actor: &str, who: &Known<'_>) -> Self {
        let mut skip_counts = BTreeMap::new();
        for skipped in &plan.skipped {
            *skip_counts.entry(skipped.reason.word()).or_default() += 1;
        }
        Self {
            id: plan.id.to_string(),
            state: "made",
            made_at_ms: plan.made_at.as_unix_millis(),
            actor: actor.to_owned(),
            action: shown_action(&plan.action),
            kind: plan.action.kind().as_str(),
            targets: plan.targets.len(),
            power_w: Some(plan.power.as_watts()),
            assumed_powers: plan.assumed_powers,
            estimate_s: Some(plan.estimate.as_duration().as_secs_f64()),
            steps: plan
                .batches
                .iter()
                .map(|batch| StepShown {
                    size: batch.size,
                    power_w: batch.power.as_watts(),
                    canary: batch.canary,
                })
                .collect(),
            skipped: plan
                .skipped
                .iter()
                .take(MOST_SKIPPED)
                .map(|skipped| SkippedShown {
                    id: who(skipped.endpoint),
                    address: skipped.endpoint.to_string(),
                    name: skipped.name.as_ref().map(ToString::to_string),
                    reason: skipped.reason.word().to_owned(),
                    text: skipped.reason.to_string(),
                })
                .collect(),
            skipped_count: plan.skipped.len(),
            skip_counts,
            undoes: plan.undoes.as_ref().map(ToString::to_string),
            step: None,
            started_at_ms: None,
            ended_at_ms: None,
            counts: bitlink_miner_manager::control::Counts::default(),
            open: plan.targets.len(),
            stopped: None,
            outcomes: Vec::new(),
        }
    }

    /// A plan of which nothing but the journal is left.
    fn of_past(past: &Past, who: &Known<'_>) -> Self {
        let mut shown = Self::of(&past.plan, &past.actor, who);
        let (waiting, begun) = past.open();
        shown.counts = past.counts();
        shown.open = waiting + begun;
        shown.state = if past.ended.is_some() { "ended" } else { "interrupted" };
        shown.stopped = past.ended.clone().flatten();
        shown.outcomes = past
            .plan
            .targets
            .iter()
            .zip(&past.progress)
            .map(|(target, progress)| {
                let mut of = TargetShown::of(target, who);
                match progress {
                    Progress::Ended { outcome, .. } => of.came_to(outcome),
                    Progress::Begun { .. } => {
                        of.stage = "sending";
                        of.text = Some("a command may have gone out, and nothing is known of it".to_owned());
                    }
                    _ => {}
                }
                of
            })
            .collect();
        shown
    }

    fn of_summary(summary: &PlanSummary) -> Self {
        Self {
            id: summary.id.to_string(),
            state: match (summary.running, summary.open) {
                (true, _) => "running",
                (false, 0) => "ended",
                (false, _) if summary.stopped.is_some() => "ended",
                (false, _) => "interrupted",
            },
            made_at_ms: summary.made_at.as_unix_millis(),
            actor: summary.actor.clone(),
            action: None,
            kind: summary.kind.as_str(),
            targets: summary.targets,
            power_w: None,
            assumed_powers: 0,
            estimate_s: None,
            steps: Vec::new(),
            skipped: Vec::new(),
            skipped_count: 0,
            skip_counts: BTreeMap::new(),
            undoes: None,
            step: None,
            started_at_ms: None,
            ended_at_ms: None,
            counts: summary.counts,
            open: summary.open,
            stopped: summary.stopped.clone(),
            outcomes: Vec::new(),
        }
    }
}

/// What miners can be told, with the settings of each
#[utoipa::path(get, path = "/actions", tag = "commands", responses((status = 200, body = Actions)))]
async fn actions(_: Viewer) -> axum::Json<Actions> {
    axum::Json(wish::actions())
}

#[derive(Debug, Serialize, ToSchema)]
struct List {
    /// The newest first.
    plans: Vec<Shown>,
    /// Files of plans that cannot be read.
    unreadable: usize,
}

/// The plans: those that were made and not begun, those that run, and those that are over
#[utoipa::path(get, path = "/plans", tag = "commands", responses((status = 200, body = List), (status = 401, body = Problem)))]
async fn list(State(api): State<Api>, _: Viewer) -> Result<axum::Json<List>, Problem> {
    let mut plans = api.0.plans.all();
    let (kept, unreadable) = api
        .off(|api| {
            let store = api.0.commander.plans().ok_or_else(|| Problem::missing("no plans are kept"))?;
            store.list().map_err(|error| Problem::failed("the plans cannot be read", &error))
        })
        .await?;
    let known: std::collections::HashSet<String> = plans.iter().map(|plan| plan.id.clone()).collect();
    plans.extend(
        kept.iter().filter(|plan| !known.contains(plan.id.as_str())).take(500).map(Shown::of_summary),
    );
    plans.sort_by(|a, b| b.made_at_ms.cmp(&a.made_at_ms).then_with(|| b.id.cmp(&a.id)));
    Ok(axum::Json(List { plans, unreadable }))
}

/// Make a plan; nothing is sent by it (operator)
#[utoipa::path(post, path = "/plans", tag = "commands", request_body = Wish,
    responses((status = 201, body = Shown), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn make(
    State(api): State<Api>,
    Operator(who): Operator,
    Body(wish): Body<Wish>,
) -> Result<(StatusCode, axum::Json<Shown>), Problem> {
    let table = api.table().await;
    let (action, policy) = (wish.action()?, wish.policy()?);
    let targets = wish.targets(&table)?;
    let commander = api.commander(&who);
    let plan = commander
        .plan(action, policy, &api.0.cockpit.groups, &targets)
        .await
        .map_err(|error| not_made(&error))?;
    kept(&api, plan, &who, &table)
}

/// Keeps a plan that waits for a yes, and shows it.
fn kept(api: &Api, plan: Plan, who: &Who, table: &Table) -> Result<(StatusCode, axum::Json<Shown>), Problem> {
    let places = places(table);
    let known = |at: SocketAddr| places.get(&at).cloned();
    let shown = Shown::of(&plan, &format!("{}@cockpit", who.name), &known);
    let targets = plan.targets.iter().map(|target| TargetShown::of(target, &known)).collect();
    api.0.plans.keep(plan, shown.clone(), targets)?;
    Ok((StatusCode::CREATED, axum::Json(shown)))
}

/// Which machines are where.
fn places(table: &Table) -> HashMap<SocketAddr, String> {
    let place = |row: &Row| (SocketAddr::new(row.miner.ip, row.miner.port), row.key.to_string());
    table.rows.iter().map(place).collect()
}

fn not_made(error: &CommandError) -> Problem {
    let detail = super::problem::chain(error);
    match error {
        CommandError::Look(_) => Problem::wrong("ids", detail),
        CommandError::Plan(_) => Problem::wrong("policy", detail),
        CommandError::Journal(error) => match error {
            JournalError::Missing { .. } => Problem::missing(detail),
            _ => Problem::failed("it cannot be written down", error),
        },
        _ => Problem::failed("it cannot be planned", error),
    }
}

fn plan_id(text: &str) -> Result<PlanId, Problem> {
    text.parse().map_err(|_no_id| Problem::missing("there is no such plan"))
}

/// A plan with what each machine came to
#[utoipa::path(get, path = "/plans/{id}", tag = "commands", params(("id" = String, Path)),
    responses((status = 200, body = Shown), (status = 404, body = Problem)))]
async fn one(
    State(api): State<Api>,
    _: Viewer,
    Path(id): Path<String>,
) -> Result<axum::Json<Shown>, Problem> {
    if let Some(shown) = api.0.plans.get(&id) {
        return Ok(axum::Json(shown));
    }
    let id = plan_id(&id)?;
    let past = api
        .off(move |api| {
            let store = api.0.commander.plans().ok_or_else(|| Problem::missing("no plans are kept"))?;
            store.read(&id).map_err(|error| match error {
                JournalError::Missing { .. } => Problem::missing("there is no such plan"),
                error => Problem::failed("the plan cannot be read", &error),
            })
        })
        .await?;
    let places = places(&*api.table().await);
    Ok(axum::Json(Shown::of_past(&past, &|at| places.get(&at).cloned())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    /// How many machines it commands, as it was shown.
    miners: usize,
}

/// Carry a plan out that was made and shown (operator)
#[utoipa::path(post, path = "/plans/{id}/run", tag = "commands", params(("id" = String, Path)), request_body = Confirmed,
    responses((status = 202, body = Shown), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn run(
    State(api): State<Api>,
    Operator(who): Operator,
    Path(id): Path<String>,
    Body(wish): Body<Confirmed>,
) -> Result<(StatusCode, axum::Json<Shown>), Problem> {
    let plan = api.0.plans.take(&id, wish.miners)?;
    let commander = api.commander(&who);
    // The journal is made, and written through to the disk.
    let begun = api.off(move |_| commander.execute(plan).map_err(|error| not_made(&error))).await;
    let execution = match begun {
        Ok(execution) => execution,
        Err(problem) => {
            api.0.plans.drop_begun(&id);
            return Err(problem);
        }
    };
    let shown = api.0.plans.begin(&id, format!("{}@cockpit", who.name));
    tracing::info!(by = who.name, plan = id, "a plan is carried out");
    api.work(api.0.plans.clone().follow(id, execution, api.0.happened.clone()));
    shown
        .map(|shown| (StatusCode::ACCEPTED, axum::Json(shown)))
        .ok_or_else(|| Problem::missing("there is no such plan"))
}

/// Stop a plan that runs: no more commands go out, what is out is waited for (operator)
#[utoipa::path(post, path = "/plans/{id}/cancel", tag = "commands", params(("id" = String, Path)),
    responses((status = 202), (status = 404, body = Problem)))]
async fn cancel(
    State(api): State<Api>,
    Operator(who): Operator,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    api.0.plans.cancel(&id)?;
    tracing::info!(by = who.name, plan = id, "a plan is stopped");
    Ok(StatusCode::ACCEPTED)
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct UndoWish {
    /// Passwords of workers are not kept: which one the old pools get.
    pool_password: Option<String>,
}

/// Make a plan that takes another back, where what was there before was read (operator)
#[utoipa::path(post, path = "/plans/{id}/undo", tag = "commands", params(("id" = String, Path)), request_body = UndoWish,
    responses((status = 201, body = Shown), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn undo(
    State(api): State<Api>,
    Operator(who): Operator,
    Path(id): Path<String>,
    Body(wish): Body<UndoWish>,
) -> Result<(StatusCode, axum::Json<Shown>), Problem> {
    let id = plan_id(&id)?;
    let secret = wish.pool_password.map_or_else(|| Secret::new("x"), Secret::new);
    let plan = api
        .commander(&who)
        .undo(&id, bitlink_miner_manager::control::Policy::default(), &api.0.cockpit.groups, &secret)
        .await
        .map_err(|error| not_made(&error))?;
    let table = api.table().await;
    kept(&api, plan, &who, &table)
}
