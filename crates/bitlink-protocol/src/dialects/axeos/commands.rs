//! What AxeOS and the NerdAxe's firmware can be told, by whoever is in the same private network (ESP-Miner,
//! ESP-Miner-NerdQAxePlus: `http_server.c`). What is set counts from the next start on in some versions, so they are started
//! anew each time.

use crate::acting::{ActError, Address, Move, Order, Plan, Put, duty_percent, secret};
use crate::dialect::Page;
use crate::error::ProtocolError;
use bitlink_model::{Action, ActionKind, Capabilities, FanSetting, PoolSetting, Support};
use serde_json::{Map, Value, json};

const INFO: &str = "system info";
/// What is chosen of the slots: one, and one to fall back to.
const SLOTS: usize = 2;
/// Where a pool listens whose address does not say.
const PORT: u16 = 3333;

pub(super) fn capabilities(nerd: bool) -> Capabilities {
    let able = Capabilities::default()
        .with_all(&[
            ActionKind::Reboot,
            ActionKind::Pause,
            ActionKind::Resume,
            ActionKind::SetPools,
            ActionKind::SetFrequency,
            ActionKind::Fans,
        ])
        .with(ActionKind::Update, Support::Unverified)
        .with(ActionKind::Restart, Support::no("the program is the machine"))
        .with(ActionKind::SwitchPool, Support::no("the firmware takes its pools by their order only"))
        .with(ActionKind::PowerLimit, Support::no("the firmware has no limit"))
        .with(ActionKind::PowerMode, Support::no("the firmware has no modes"))
        .with(ActionKind::Network, Support::no("its network is a wireless one"))
        .with(ActionKind::Password, Support::no("the firmware knows no password"))
        .with(ActionKind::FactoryReset, Support::no("the firmware cannot be reset from afar"))
        .with(ActionKind::ReadLogs, Support::no("its log is a stream"));
    let light = if nerd { Support::no("the firmware has nothing to be found by") } else { Support::Yes };
    able.with(ActionKind::Locate, light)
}

pub(super) fn plan(order: &Order<'_>, nerd: bool) -> Result<Plan, ActError> {
    Ok(match order.action {
        Action::Reboot => Plan::new([restart()]),
        Action::Pause if nerd => Plan::one(page("shutdown", "/api/system/shutdown")),
        Action::Resume if nerd => Plan::new([restart()]),
        Action::Pause => Plan::one(page("pause", "/api/system/pause")),
        Action::Resume => Plan::one(page("resume", "/api/system/resume")),
        Action::Locate { on: true } => Plan::one(page("identify", "/api/system/identify")),
        Action::Locate { on: false } => {
            return Err(ActError::impossible("the display goes back by itself after half a minute"));
        }
        Action::SetPools { pools } => set_pools(pools, nerd)?,
        Action::SetFrequency { frequency } => {
            let megahertz = frequency.as_megahertz().round();
            #[allow(clippy::cast_possible_truncation)] // some megahertz
            let whole = Value::from(megahertz as i64);
            Plan::new([patch(&json!({ "frequency": whole })), restart()])
        }
        Action::Fans { fans } => {
            let body = match fans {
                FanSetting::Automatic => json!({ "autofanspeed": 1 }),
                FanSetting::Fixed { duty } => {
                    // By the name of newer versions and of older ones; a key that is not known is passed over.
                    let percent = duty_percent(*duty)?;
                    json!({ "autofanspeed": 0, "manualFanSpeed": percent, "fanspeed": percent })
                }
                _ => return Err(ActError::impossible("fans cannot be switched off")),
            };
            Plan::new([patch(&body)])
        }
        Action::Update { firmware } => {
            let mut request = Page::post("/api/system/OTA").request();
            request.body = firmware.bytes.to_vec();
            let request = request.with_header("Content-Type", "application/octet-stream");
            Plan::one(Put::page("OTA", request).may_be_silent())
        }
        other => return Err(ActError::unsupported(other.kind())),
    })
}

fn page(name: &'static str, path: &'static str) -> Put {
    Put::page(name, Page::post(path).request())
}

fn restart() -> Move {
    page("restart", "/api/system/restart").may_close().writes().into()
}

fn patch(body: &Value) -> Move {
    Put::json("settings", "/api/system", body).by("PATCH").writes().into()
}

/// Newer versions have slots, of which two are chosen, and take the names of older ones without heed; older ones know no
/// slots. Both are told where there are both. One pool stands in both places.
fn set_pools(pools: &[PoolSetting], nerd: bool) -> Result<Plan, ActError> {
    if pools.len() > SLOTS {
        return Err(ActError::impossible("the firmware has room for two pools"));
    }
    let mut flat = Map::new();
    let mut slots = Vec::with_capacity(SLOTS);
    let last = pools.last();
    for (id, prefix) in ["stratum", "fallbackStratum"].into_iter().enumerate() {
        let Some(pool) = pools.get(id).or(last) else { break };
        let address = Address::of(&pool.url);
        let (host, port) = (address.host, address.port.unwrap_or(PORT));
        let password = secret(&pool.password)?;
        let tls = u8::from(matches!(address.scheme, Some("stratum+ssl" | "stratum+tls")));
        for (key, value) in [
            ("URL", json!(host)),
            ("Port", json!(port)),
            ("User", json!(pool.user)),
            ("Password", json!(password)),
        ] {
            flat.insert(format!("{prefix}{key}"), value);
        }
        slots.push(json!({
            "id": id, "stratumURL": host, "stratumPort": port, "stratumUser": pool.user,
            "stratumPassword": password, "stratumTLS": tls,
        }));
    }
    if nerd {
        return Ok(Plan::new([patch(&Value::Object(flat)), restart()]));
    }
    Ok(Plan::new([
        Put::get(INFO, "/api/system/info").into(),
        Move::decide(move |heard| {
            let info = heard.whole(INFO)?;
            if !info.contains_key("ASICModel") {
                let excerpt = crate::Excerpt::of("no system info");
                return Err(ProtocolError::Malformed { question: INFO.to_owned(), excerpt });
            }
            if info.get("pools").is_some_and(Value::is_array) {
                flat.insert("pools".to_owned(), Value::Array(slots));
                flat.insert("primaryPoolIndex".to_owned(), json!(0));
                flat.insert("secondaryPoolIndex".to_owned(), json!(1));
            }
            Ok(vec![patch(&Value::Object(flat)), restart()])
        }),
    ]))
}
