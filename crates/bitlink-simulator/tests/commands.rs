//! Every simulated firmware is told everything that it can be told, and readings show that it obeyed; what it cannot be told
//! is refused before anything is sent. With the real conversations, in memory.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test stops where it fails

use bitlink_model::{
    Action, ActionKind, FanSetting, FirmwareFile, Frequency, MinerSnapshot, NetworkSetting, PoolSetting,
    Power, Ratio, Secret,
};
use bitlink_protocol::{
    Act, ActError, Acted, Credentials, Effect, Identified, Proof, ProtocolError, ReadMiner, ReadSnapshot,
    capabilities, proof,
};
use bitlink_simulator::{
    Access, FaceName, Fault, MinerSpec, Obedience, Settings, SimClock, SimHost, SimMiner,
};
use bitlink_transport::{ConverseError, Door, MemoryTransport, Patience, converse};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const WHERE: &str = "127.0.10.1";
const PASSWORD: &str = "secret_1";

/// A machine of a firmware, in memory.
struct Machine {
    host: Arc<SimHost>,
    network: MemoryTransport,
    clock: SimClock,
}

/// What telling a machine something came to.
struct Told {
    result: Result<Acted, ProtocolError>,
    has_written: bool,
    requests: u32,
}

impl Machine {
    fn new(face: FaceName) -> Self {
        Self::of(MinerSpec::new(face, 7))
    }

    /// As its owner has it: the password changed, and open to orders.
    fn of(spec: MinerSpec) -> Self {
        let access = Access::default().with_password(PASSWORD).with_privileged(true);
        Self::with(spec.with_uptime(Duration::from_secs(200_000)).with_access(access))
    }

    fn with(spec: MinerSpec) -> Self {
        let clock = SimClock::manual();
        let host = Arc::new(SimHost::new(SimMiner::new(spec), clock.clone()).without_latency());
        let network = MemoryTransport::new().with_elsewhere(Door::Refused);
        network.insert(WHERE.parse().unwrap(), host.clone());
        Self { host, network, clock }
    }

    fn endpoint() -> SocketAddr {
        SocketAddr::new(WHERE.parse().unwrap(), 4028)
    }

    fn credentials(&self) -> Vec<Credentials> {
        let password = self.host.spec().access.password.unwrap_or_default();
        let of = |user: &str| Credentials::new(user, password.clone());
        vec![of("root"), of("admin"), of("super"), of("seal")]
    }

    async fn identify(&self) -> (Identified, MinerSnapshot) {
        let reading = ReadMiner::new().with_credentials(self.credentials()).with_proofs();
        let reading =
            converse(&self.network, Self::endpoint(), reading, &Patience::default()).await.unwrap().value;
        (reading.identified, reading.snapshot)
    }

    async fn read(&self, identified: &Identified) -> MinerSnapshot {
        let reading = ReadSnapshot::new(identified.clone()).with_proofs();
        converse(&self.network, Self::endpoint(), reading, &Patience::default()).await.unwrap().value
    }

    async fn tell(&self, identified: &Identified, action: Action) -> Told {
        let credentials = self.credentials();
        self.tell_as(identified, action, &credentials).await
    }

    async fn tell_as(&self, identified: &Identified, action: Action, who: &[Credentials]) -> Told {
        let mut act = Act::new(identified, action.clone(), who)
            .unwrap_or_else(|error| panic!("{} {action:?}: {error}", self.host.spec().face));
        let patience = Patience::default();
        let before = self.network.traffic().exchanges;
        let told = converse(&self.network, Self::endpoint(), &mut act, &patience).await;
        let requests = u32::try_from(self.network.traffic().exchanges - before).unwrap();
        let result = match told {
            Ok(conversed) => Ok(conversed.value),
            Err(ConverseError::Protocol(error)) => Err(error),
            Err(ConverseError::Transport(error)) => {
                let failure = error.failure();
                Err(ProtocolError::NoReply { question: "order".to_owned(), failure })
            }
            Err(other) => panic!("{other}"),
        };
        Told { result, has_written: act.has_written(), requests }
    }
}

fn pools(count: usize) -> Vec<PoolSetting> {
    let pool = |n: usize| {
        PoolSetting::new(format!("stratum+tcp://new{n}.example.net:33{n}3"), format!("farm.{n}"), "pw")
    };
    (1..=count).map(pool).collect()
}

/// One action of a kind, as this machine can take it.
fn action(face: FaceName, kind: ActionKind, identified: &Identified, before: &MinerSnapshot) -> Action {
    match kind {
        ActionKind::Reboot => Action::Reboot,
        ActionKind::Restart => Action::Restart,
        ActionKind::Pause => Action::Pause,
        ActionKind::Resume => Action::Resume,
        ActionKind::Locate => Action::Locate { on: true },
        ActionKind::SetPools => {
            // Some have room for one.
            let room = [3, 2, 1]
                .into_iter()
                .find(|count| Act::new(identified, Action::SetPools { pools: pools(*count) }, &[]).is_ok());
            Action::SetPools { pools: pools(room.unwrap_or(1).min(2)) }
        }
        ActionKind::SwitchPool => Action::SwitchPool { pool: before.pools.get(1).map_or(1, |pool| pool.id) },
        ActionKind::PowerLimit => {
            let nominal = before.power.map_or(3000.0, Power::as_watts);
            Action::PowerLimit { power: Power::from_watts((nominal * 0.8).round()).unwrap() }
        }
        ActionKind::PowerMode if face == FaceName::LuxOs => {
            let stock = MinerSpec::new(face, 7).model.frequency_mhz;
            Action::PowerMode { mode: format!("{:.0}MHz", stock - 25.0) }
        }
        ActionKind::PowerMode if face == FaceName::Vnish => Action::PowerMode { mode: "2400".to_owned() },
        ActionKind::PowerMode => {
            let words = ["low", "eco", "high", "Power", "Efficiency", "auto", "sleep", "1"];
            let mode = |word: &str| Action::PowerMode { mode: word.to_owned() };
            words
                .into_iter()
                .map(mode)
                .find(|action| Act::new(identified, action.clone(), &[]).is_ok())
                .unwrap_or_else(|| Action::PowerMode { mode: "normal".to_owned() })
        }
        ActionKind::SetFrequency => {
            let frequency = before.tuning.frequency.map_or(500.0, Frequency::as_megahertz);
            Action::SetFrequency { frequency: Frequency::from_megahertz((frequency * 0.9).round()).unwrap() }
        }
        ActionKind::Fans => {
            Action::Fans { fans: FanSetting::Fixed { duty: Ratio::from_percent(80.0).unwrap() } }
        }
        ActionKind::Network => {
            // Some cannot be told of name servers.
            let of = |dns: &[&str]| Action::Network {
                network: NetworkSetting::Static {
                    address: "192.0.2.17".parse().unwrap(),
                    prefix: 24,
                    gateway: "192.0.2.1".parse().unwrap(),
                    dns: dns.iter().map(|dns| dns.parse().unwrap()).collect(),
                },
            };
            let full = of(&["192.0.2.53"]);
            if Act::new(identified, full.clone(), &[]).is_ok() { full } else { of(&[]) }
        }
        ActionKind::Password => Action::Password { user: None, new: Secret::new("n3wPass_") },
        ActionKind::FactoryReset => Action::FactoryReset,
        ActionKind::Update => Action::Update {
            firmware: FirmwareFile { name: "firmware.bin".to_owned(), bytes: Arc::from(*b"not a firmware") },
        },
        ActionKind::ReadLogs => Action::ReadLogs,
        other => panic!("{other}: no such action is tried"),
    }
}

/// Whether the machine did it, by what is true of it and not by what it says.
fn is_done(action: &Action, settings: &Settings, machine: &Machine) -> bool {
    let spec = machine.host.spec();
    let state = machine.host.state();
    match action {
        Action::Locate { on } => settings.light == *on,
        Action::SetPools { pools } => {
            let bare = |url: &str| url.split_once("://").map_or(url, |(_, rest)| rest).to_owned();
            let mut now: Vec<_> =
                spec.pools.iter().map(|pool| (bare(&pool.url), pool.user.clone())).collect();
            // The last stands in places that must not be empty.
            now.dedup();
            let told: Vec<_> = pools.iter().map(|pool| (bare(&pool.url), pool.user.clone())).collect();
            now == told
        }
        Action::Pause => state.phase == bitlink_simulator::Phase::Asleep,
        Action::Resume => state.phase != bitlink_simulator::Phase::Asleep,
        Action::PowerLimit { power } => {
            settings.power_limit_w.is_some_and(|w| (w - power.as_watts()).abs() < 1.0)
        }
        Action::PowerMode { mode } => {
            settings.mode.is_some() || mode == "sleep" && state.phase == bitlink_simulator::Phase::Asleep
        }
        Action::SetFrequency { frequency } => {
            settings.frequency_mhz.is_some_and(|mhz| (mhz - frequency.as_megahertz()).abs() < 1.0)
        }
        Action::Fans { .. } => settings.fan_percent == Some(80),
        Action::Network { .. } => {
            settings.network.as_deref().is_some_and(|words| words.contains("192.0.2.17"))
        }
        Action::Password { new, .. } => spec.access.password.as_deref() == new.reveal(),
        Action::SwitchPool { .. } => settings.preferred_pool == 1 || state.pools[1].active,
        Action::Reboot | Action::FactoryReset => state.uptime_s < 2_000,
        Action::Restart => state.elapsed_s < 2_000,
        Action::Update { firmware } => settings.firmware_bytes == Some(firmware.bytes.len()),
        Action::ReadLogs => true,
        other => panic!("{other:?}"),
    }
}

/// Tells a machine one thing and looks whether it did it; what is wrong.
async fn check(face: FaceName, kind: ActionKind) -> Result<(), String> {
    let machine = Machine::new(face);
    let (identified, mut before) = machine.identify().await;
    let is_possible = capabilities(&identified).of(kind).is_possible();
    let action = action(face, kind, &identified, &before);
    if !is_possible {
        let refused = Act::new(&identified, action, &machine.credentials());
        return match refused {
            Err(ActError::Unsupported { .. }) => Ok(()),
            other => Err(format!("is not possible and yet {other:?}")),
        };
    }
    if kind == ActionKind::Resume {
        machine.host.break_with(Fault::Asleep);
        machine.clock.advance(Duration::from_mins(1));
        before = machine.read(&identified).await;
    }
    if let Err(error) = Act::new(&identified, action.clone(), &machine.credentials()) {
        return Err(format!("is possible and yet {action:?}: {error}"));
    }
    let told = machine.tell(&identified, action.clone()).await;
    let acted = told.result.map_err(|error| format!("{error:?}"))?;
    if told.has_written != (kind != ActionKind::ReadLogs) {
        return Err(format!("has written: {}", told.has_written));
    }
    if acted.log.is_some_and(|log| !log.is_empty()) != (kind == ActionKind::ReadLogs) {
        return Err("log".to_owned());
    }
    if acted.effect == Effect::AfterRestart {
        machine.host.reboot(Duration::from_secs(30));
    }
    // Some tell it only while they come up.
    machine.clock.advance(Duration::from_secs(50));
    let soon = match kind {
        ActionKind::FactoryReset | ActionKind::Password => None,
        _ => Some(machine.read(&identified).await),
    };
    machine.clock.advance(Duration::from_secs(400));
    if !is_done(&action, &machine.host.spec().settings, &machine) {
        return Err(format!("said {acted_said:?} and did nothing", acted_said = acted.said));
    }
    // The password and the pools are not what they were.
    if matches!(kind, ActionKind::FactoryReset | ActionKind::Password) {
        return Ok(());
    }
    let after = machine.read(&identified).await;
    if soon.is_some_and(|soon| proof(&action, Some(&before), &soon) == Proof::Proven) {
        return Ok(());
    }
    match proof(&action, Some(&before), &after) {
        Proof::Proven => Ok(()),
        // A reading tells nothing of these, and only of the newest firmware of some.
        Proof::Impossible if HIDDEN.contains(&kind) || hides(face, kind) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// What no reading tells.
const HIDDEN: [ActionKind; 4] =
    [ActionKind::Fans, ActionKind::Network, ActionKind::ReadLogs, ActionKind::Update];

/// What the readings of some firmware do not tell.
fn hides(face: FaceName, kind: ActionKind) -> bool {
    match kind {
        ActionKind::Locate => matches!(
            face,
            FaceName::AntminerOld
                | FaceName::AxeOs
                | FaceName::Blackminer
                | FaceName::Braiins
                | FaceName::BraiinsRest
                | FaceName::Elphapex
                | FaceName::Goldshell
                | FaceName::Hiveon
                | FaceName::Mara
                | FaceName::Proto
                | FaceName::ProtoTls
                | FaceName::Volcminer
                | FaceName::VolcminerWeb
                | FaceName::Whatsminer
                | FaceName::WhatsminerV1
        ),
        ActionKind::PowerMode => {
            matches!(
                face,
                FaceName::Goldshell
                    | FaceName::Mara
                    | FaceName::Proto
                    | FaceName::ProtoTls
                    | FaceName::Vnish
                    | FaceName::WhatsminerV1
            )
        }
        ActionKind::PowerLimit => face == FaceName::Mara,
        _ => false,
    }
}

#[tokio::test]
async fn whatever_a_firmware_can_be_told_it_does() {
    let mut wrong = Vec::new();
    for face in FaceName::ALL.iter().copied() {
        for kind in ActionKind::ALL.iter().copied() {
            if let Err(error) = check(face, kind).await {
                wrong.push(format!("{face} {kind}: {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Who has another password is told nothing, and a machine that says no has done nothing.
#[tokio::test]
async fn a_refusal_is_one_and_changes_nothing() {
    for face in [FaceName::Antminer, FaceName::Whatsminer, FaceName::WhatsminerV3] {
        let machine = Machine::new(face);
        let (identified, _) = machine.identify().await;
        let wrong = ["root", "admin", "super"].map(|user| Credentials::new(user, "wrong"));
        let told = machine.tell_as(&identified, Action::Locate { on: true }, &wrong).await;
        assert!(matches!(told.result, Err(ProtocolError::AccessDenied { .. })), "{face}: {:?}", told.result);
        assert!(!told.has_written, "{face}");
        assert!(!machine.host.spec().settings.light, "{face}");
    }
}

/// WhatsMiner takes no orders as it is delivered.
#[tokio::test]
async fn what_is_shut_as_delivered_denies_access() {
    for face in [FaceName::Whatsminer, FaceName::WhatsminerV1, FaceName::WhatsminerV3] {
        let machine = Machine::with(MinerSpec::new(face, 7));
        let (identified, _) = machine.identify().await;
        let told = machine.tell_as(&identified, Action::Pause, &[]).await;
        assert!(matches!(told.result, Err(ProtocolError::AccessDenied { .. })), "{face}: {:?}", told.result);
        assert!(!told.has_written, "{face}");
    }
}

/// What a machine was delivered with opens it where its owner says nothing else, also where it is read without a password.
#[tokio::test]
async fn what_it_was_delivered_with_opens_it() {
    for face in
        [FaceName::Vnish, FaceName::BraiinsGraphql, FaceName::Antminer, FaceName::Hiveon, FaceName::Auradine]
    {
        let machine = Machine::with(MinerSpec::new(face, 7));
        let (identified, _) = machine.identify().await;
        let told = machine.tell_as(&identified, Action::Locate { on: true }, &[]).await;
        assert!(told.result.is_ok(), "{face}: {:?}", told.result);
        assert!(machine.host.spec().settings.light, "{face}");
    }
}

/// Somebody else holds all tokens.
#[tokio::test]
async fn what_somebody_else_holds_is_locked() {
    let machine = Machine::new(FaceName::Whatsminer);
    let (identified, _) = machine.identify().await;
    machine
        .host
        .set_access(Access::default().with_password(PASSWORD).with_privileged(true).with_locked(true));
    let told = machine.tell(&identified, Action::Pause).await;
    assert!(matches!(told.result, Err(ProtocolError::Locked { .. })), "{:?}", told.result);
    assert!(!told.has_written);
}

/// A machine that says yes and does nothing is caught by its next reading; one whose reply is lost is told nothing twice.
#[tokio::test]
async fn machines_that_do_not_obey_as_they_should() {
    let machine = Machine::new(FaceName::Antminer);
    let (identified, before) = machine.identify().await;
    let action = Action::SetPools { pools: pools(2) };
    machine.host.set_obedience(Obedience::default().with_says_yes_does_nothing(true));
    let told = machine.tell(&identified, action.clone()).await;
    assert!(told.result.is_ok() && told.has_written);
    assert_eq!(proof(&action, Some(&before), &machine.read(&identified).await), Proof::NotYet);

    machine.host.set_obedience(Obedience::default().with_reply_lost_after_write(true));
    let told = machine.tell(&identified, action.clone()).await;
    assert_eq!(told.result.unwrap().effect, Effect::ConnectionLost);
    assert_eq!(proof(&action, Some(&before), &machine.read(&identified).await), Proof::Proven);

    let machine = Machine::new(FaceName::Whatsminer);
    let (identified, _) = machine.identify().await;
    machine.host.set_obedience(Obedience::default().with_reply_lost_after_write(true));
    let told = machine.tell(&identified, Action::Locate { on: true }).await;
    assert!(matches!(told.result, Err(ProtocolError::NoReply { .. })), "{:?}", told.result);
    assert!(told.has_written && told.requests == 2, "{}", told.requests);
    assert!(machine.host.spec().settings.light);

    machine.host.set_obedience(Obedience::default().with_never_comes_back(true));
    let told = machine.tell(&identified, Action::Reboot).await;
    assert_eq!(told.result.unwrap().effect, Effect::ConnectionLost);
    machine.clock.advance(Duration::from_hours(10));
    assert_eq!(machine.host.state().phase, bitlink_simulator::Phase::Down);
}
