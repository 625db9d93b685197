//! Actions as they are written on a command line and in files, and the secrets that they need.

use super::toml_file;
use crate::console::{self, Console};
use crate::failure::{Exit, Failure};
use crate::text::clean;
use bitlink_miner_manager::control::Plan;
use bitlink_miner_manager::model::{
    Action, FanSetting, FirmwareFile, Frequency, NetworkSetting, PoolSetting, Power, Ratio, Secret,
};
use clap::ValueEnum;
use serde::Deserialize;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

/// A light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// Lit
    On,
    /// Dark
    Off,
}

/// How fans are driven.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fan(pub(crate) FanSetting);

pub(crate) fn fan(text: &str) -> Result<Fan, String> {
    const EXPECTED: &str = "expected auto, off, or a share like 60%";
    Ok(Fan(match text {
        "auto" => FanSetting::Automatic,
        "off" => FanSetting::Off,
        share => {
            let percent: f64 = share
                .strip_suffix('%')
                .and_then(|number| number.trim().parse().ok())
                .filter(|percent| (0.0..=100.0).contains(percent))
                .ok_or(EXPECTED)?;
            FanSetting::Fixed { duty: Ratio::from_percent(percent).map_err(|error| error.to_string())? }
        }
    }))
}

pub(crate) fn network(text: &str) -> Result<(Ipv4Addr, u8), String> {
    const EXPECTED: &str = "expected an address with its prefix, like 192.168.1.50/24";
    let (address, prefix) = text.split_once('/').ok_or(EXPECTED)?;
    let address = address.parse().map_err(|_other| EXPECTED)?;
    let prefix: u8 = prefix.parse().map_err(|_other| EXPECTED)?;
    if (1..=30).contains(&prefix) { Ok((address, prefix)) } else { Err("a prefix is 1 to 30".to_owned()) }
}

pub(crate) const fn dhcp() -> Action {
    Action::Network { network: NetworkSetting::Dhcp }
}

pub(crate) const fn static_address(
    (address, prefix): (Ipv4Addr, u8),
    gateway: Ipv4Addr,
    dns: Vec<Ipv4Addr>,
) -> Action {
    Action::Network { network: NetworkSetting::Static { address, prefix, gateway, dns } }
}

pub(crate) fn power_limit(watts: f64) -> Result<Action, Failure> {
    let power = Power::from_watts(watts).map_err(|error| Failure::of(Exit::Usage, &error))?;
    if watts < 1.0 {
        return Err(Failure::usage("a power limit is at least 1 W; `bitlink control pause` stops hashing"));
    }
    Ok(Action::PowerLimit { power })
}

pub(crate) fn frequency(megahertz: f64) -> Result<Action, Failure> {
    let frequency = Frequency::from_megahertz(megahertz).map_err(|error| Failure::of(Exit::Usage, &error))?;
    if megahertz < 1.0 {
        return Err(Failure::usage("a frequency is at least 1 MHz"));
    }
    Ok(Action::SetFrequency { frequency })
}

/// Pools as they are written in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pools {
    pool: Vec<OnePool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnePool {
    url: String,
    user: String,
    #[serde(default)]
    password: Secret,
}

/// Reads pools. Where a pool has no password it is the one of the environment, and `x` where there is none, as pools want it that
/// do not look at it.
pub(crate) fn pools(file: &Path) -> Result<Action, Failure> {
    let Pools { pool } = toml_file(file, "pools")?;
    let usual = pool_password().unwrap_or_else(|| Secret::new("x"));
    let setting = |OnePool { url, user, password }: OnePool| {
        let mut pool = PoolSetting::new(url, user, "");
        pool.password = if password.is_known() { password } else { usual.clone() };
        pool
    };
    Ok(Action::SetPools { pools: pool.into_iter().map(setting).collect() })
}

pub(crate) fn pool_password() -> Option<Secret> {
    std::env::var("BITLINK_POOL_PASSWORD").ok().map(Secret::new)
}

/// A new password, from the environment or asked for twice.
pub(crate) fn password(user: Option<String>, console: Console) -> Result<Action, Failure> {
    Ok(Action::Password { user, new: new_password("New password of the miners", console)? })
}

/// A password that somebody chooses.
pub(crate) fn new_password(what: &str, console: Console) -> Result<Secret, Failure> {
    if let Ok(password) = std::env::var("BITLINK_NEW_PASSWORD") {
        return if password.is_empty() {
            Err(Failure::usage("the new password is empty"))
        } else {
            Ok(Secret::new(password))
        };
    }
    if !super::can_ask() {
        return Err(Failure::usage("there is no terminal to ask for the new password")
            .hint("BITLINK_NEW_PASSWORD has it for scripts"));
    }
    let first = console::ask_secret(&format!("{what}: "), console)?;
    let second = console::ask_secret("The same again: ", console)?;
    match (first.is_empty(), first == second) {
        (true, _) => Err(Failure::usage("the new password is empty")),
        (_, false) => Err(Failure::usage("these are two different passwords")),
        _ => Ok(Secret::new(first)),
    }
}

pub(crate) fn update(file: &Path) -> Result<Action, Failure> {
    const MOST: u64 = 512 << 20;
    let shown = clean(&file.to_string_lossy()).into_owned();
    let refuse = |error: &std::io::Error| {
        Failure::usage(format!("the firmware {shown} cannot be read")).because(error)
    };
    let length = std::fs::metadata(file).map_err(|error| refuse(&error))?.len();
    if length == 0 || length > MOST {
        return Err(Failure::usage(format!("the firmware {shown} has {length} bytes")));
    }
    let bytes = std::fs::read(file).map_err(|error| refuse(&error))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Action::Update { firmware: FirmwareFile { name, bytes: Arc::from(bytes) } })
}

/// Where the secrets of a plan are that was written down without them.
pub(crate) struct Completing<'a> {
    pub(crate) pools: Option<&'a Path>,
    pub(crate) firmware: Option<&'a Path>,
}

/// Gives a plan its secrets back.
pub(crate) fn complete(plan: &mut Plan, given: &Completing<'_>, console: Console) -> Result<(), Failure> {
    if plan.is_complete() {
        return Ok(());
    }
    match (&plan.action, given) {
        (Action::SetPools { .. }, Completing { pools: Some(file), .. }) => {
            plan.complete_with(pools(file)?)?;
        }
        (Action::SetPools { .. }, _) => {
            let password = pool_password().ok_or_else(|| {
                Failure::usage("the passwords of the pools were not written down").hint(
                    "give the file again with --pools, or one password for all in BITLINK_POOL_PASSWORD",
                )
            })?;
            plan.complete_pools(&password);
        }
        (Action::Password { user, .. }, _) => plan.complete_with(password(user.clone(), console)?)?,
        (Action::Update { .. }, Completing { firmware: Some(file), .. }) => {
            plan.complete_with(update(file)?)?;
        }
        (Action::Update { .. }, _) => {
            return Err(Failure::usage("the firmware was not written down")
                .hint("name the file again with --firmware"));
        }
        _ => {}
    }
    Ok(())
}

/// An action in a few words.
pub(crate) fn in_words(action: &Action) -> String {
    match action {
        Action::Locate { on } => format!("switch the light {}", if *on { "on" } else { "off" }),
        Action::SetPools { pools } => {
            let first = pools.first().map(|pool| format!(", first {} as {}", pool.url, pool.user));
            format!("set {} pools{}", pools.len(), first.unwrap_or_default())
        }
        Action::SwitchPool { pool } => format!("switch to pool {pool}"),
        Action::PowerLimit { power } => format!("limit the power to {power}"),
        Action::PowerMode { mode } => format!("set the power mode {mode}"),
        Action::SetFrequency { frequency } => format!("set the frequency to {frequency}"),
        Action::Fans { fans: FanSetting::Automatic } => "let the firmware drive the fans".to_owned(),
        Action::Fans { fans: FanSetting::Off } => "switch the fans off".to_owned(),
        Action::Fans { fans: FanSetting::Fixed { duty } } => format!("drive the fans at {duty}"),
        Action::Network { network: NetworkSetting::Dhcp } => "take the address by DHCP".to_owned(),
        Action::Network { network: NetworkSetting::Static { address, prefix, .. } } => {
            format!("take the address {address}/{prefix}")
        }
        Action::Password { .. } => "change the password".to_owned(),
        Action::FactoryReset => "put everything back to how it was delivered".to_owned(),
        Action::Update { firmware } => format!("install the firmware {}", firmware.name),
        Action::ReadLogs => "read the logs".to_owned(),
        other => other.kind().to_string(),
    }
}
