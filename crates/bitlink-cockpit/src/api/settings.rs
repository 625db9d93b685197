//! How the service is set up, as an admin may see it: what its configuration says, without what is secret.

use super::who::Admin;
use super::{Api, Problem};
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(settings))
}

/// What the configuration says, without secrets. Cheap to clone; all clones see what is told later.
#[derive(Debug, Clone, Default)]
pub struct Configured(Arc<RwLock<Settings>>);

impl Configured {
    /// What a file says; what is secret in it is left out at once. `None` is no file: everything is as usual.
    pub fn new(file: Option<&Path>, said: Value) -> Self {
        let configured = Self::default();
        configured.set(file, said);
        configured
    }

    /// What it says after it was read anew.
    pub fn set(&self, file: Option<&Path>, said: Value) {
        let file = file.map(|file| file.to_string_lossy().into_owned());
        let settings = Settings { file, settings: without_secrets(said) };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn get(&self) -> Settings {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
struct Settings {
    /// The file that was read; `null`: there is none, and everything is as usual.
    file: Option<String>,
    /// What it says. What it does not say is as usual. Instead of what is secret stands `…`.
    #[schema(value_type = Object)]
    settings: Value,
}

/// Settings that hold secrets themselves; those that end in `_file` only say where one is.
const SECRET: &[&str] = &["password", "secret", "token", "passphrase"];

/// Of addresses only where they lead: the rest may open doors.
fn host_only(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let hides = rest.len() > authority.len() || host.len() < authority.len();
    format!("{scheme}://{host}{}", if hides { "/…" } else { "" })
}

fn without_secrets(said: Value) -> Value {
    match said {
        Value::Object(said) => Value::Object(
            said.into_iter()
                .map(|(name, value)| {
                    let value = match &value {
                        _ if SECRET.contains(&name.as_str()) => Value::from("…"),
                        Value::String(text) if name == "url" || name == "broker" => {
                            Value::from(host_only(text))
                        }
                        _ => without_secrets(value),
                    };
                    (name, value)
                })
                .collect(),
        ),
        Value::Array(all) => Value::Array(all.into_iter().map(without_secrets).collect()),
        plain => plain,
    }
}

/// What the configuration of the service says, without secrets (admin)
#[utoipa::path(get, path = "/settings", tag = "session",
    responses((status = 200, body = Settings), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn settings(State(api): State<Api>, _: Admin) -> axum::Json<Settings> {
    axum::Json(api.0.cockpit.configured.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_secret_is_left_out_however_deep() {
        let said = json!({
            "networks": ["10.0.0.0/24"],
            "login": [{ "user": "root", "password": "hunter2" }, { "password_file": "/etc/p" }],
            "alerts": { "channel": [
                { "kind": "slack", "secret": "hunter2", "url": "https://bot:hunter2@hooks.example/T1/hunter2" },
                { "kind": "ntfy", "url": "https://ntfy.example" },
            ]},
            "mqtt": { "broker": "mqtt://farm:hunter2@10.0.0.9:1883" },
        });
        let shown = Configured::new(Some(Path::new("/etc/bitlink.toml")), said).get();
        assert_eq!(
            shown.settings,
            json!({
                "networks": ["10.0.0.0/24"],
                "login": [{ "user": "root", "password": "…" }, { "password_file": "/etc/p" }],
                "alerts": { "channel": [
                    { "kind": "slack", "secret": "…", "url": "https://hooks.example/…" },
                    { "kind": "ntfy", "url": "https://ntfy.example" },
                ]},
                "mqtt": { "broker": "mqtt://10.0.0.9:1883/…" },
            })
        );
        assert_eq!(shown.file.as_deref(), Some("/etc/bitlink.toml"));
    }
}
