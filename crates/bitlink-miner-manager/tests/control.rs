//! Simulated machines of every firmware are commanded through the facade, with the real conversations, over virtual time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test stops where it fails

use bitlink_miner_manager::control::{
    Commander, ControlEvent, Doubt, Groups, Hindrance, Outcome, Plan, Policy, Refusal, SkipReason, Stop,
};
use bitlink_miner_manager::model::{Action, PoolSetting};
use bitlink_miner_manager::transport::{Door, MemoryTransport};
use bitlink_miner_manager::{Credentials, Fleet, ScanConfig};
use bitlink_simulator::{Access, FaceName, MinerSpec, Obedience, Phase, SimClock, SimHost, SimMiner};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "secret_1";

/// Machines in memory, and whoever commands them.
struct Farm {
    hosts: Vec<Arc<SimHost>>,
    network: MemoryTransport,
    commander: Commander,
}

fn place(index: usize) -> IpAddr {
    IpAddr::from((0x0a00_0001 + u32::try_from(index).unwrap()).to_be_bytes())
}

impl Farm {
    /// As their owner has them: the password changed, and open to orders.
    fn new(faces: impl IntoIterator<Item = FaceName>) -> Self {
        let network = MemoryTransport::new().with_elsewhere(Door::Refused);
        let clock = SimClock::runtime();
        let hosts: Vec<_> = faces
            .into_iter()
            .enumerate()
            .map(|(index, face)| {
                let access = Access::default().with_password(PASSWORD).with_privileged(true);
                let spec = MinerSpec::new(face, u64::try_from(index).unwrap() + 7)
                    .with_uptime(Duration::from_secs(200_000))
                    .with_access(access);
                let host = Arc::new(SimHost::new(SimMiner::new(spec), clock.clone()));
                network.insert(place(index), host.clone());
                host
            })
            .collect();
        let login = |user: &str| Credentials::new(user, PASSWORD);
        let logins = vec![login("root"), login("admin"), login("super"), login("seal")];
        let fleet =
            Fleet::over(Arc::new(network.clone())).with_scan(ScanConfig::default().with_credentials(logins));
        Self { hosts, network, commander: Commander::new(&fleet) }
    }

    fn targets(&self) -> Vec<String> {
        (0..self.hosts.len()).map(|index| place(index).to_string()).collect()
    }

    async fn plan(&self, action: Action, policy: Policy) -> Plan {
        self.commander.plan(action, policy, &Groups::default(), &self.targets()).await.unwrap()
    }

    /// Another machine takes the address of one.
    fn replace(&self, index: usize, by: FaceName) {
        let stranger = MinerSpec::new(by, 999)
            .with_uptime(Duration::from_secs(200_000))
            .with_access(Access::default().with_password(PASSWORD).with_privileged(true));
        let stranger = SimHost::new(SimMiner::new(stranger), self.hosts[index].clock().clone());
        self.network.insert(place(index), Arc::new(stranger));
    }

    fn down(&self) -> usize {
        self.hosts.iter().filter(|host| host.state().phase == Phase::Down).count()
    }

    fn obey(&self, index: usize, obedience: Obedience) {
        self.hosts[index].set_obedience(obedience);
    }
}

/// Firmware that can be told to reboot and to light its lamp.
fn two(count: usize) -> impl Iterator<Item = FaceName> {
    [FaceName::Antminer, FaceName::Whatsminer].into_iter().cycle().take(count)
}

#[tokio::test(start_paused = true)]
async fn a_farm_is_rebooted_by_twenties_and_every_machine_has_one_outcome() {
    let farm = Farm::new(two(200));
    let doubtful = Obedience::default();
    farm.obey(50, doubtful.with_says_yes_does_nothing(true));
    farm.obey(60, doubtful.with_never_comes_back(true));
    farm.obey(70, doubtful.with_reply_lost_after_write(true));
    let plan = farm.plan(Action::Reboot, Policy::default()).await;
    assert_eq!(plan.targets.len(), 200, "{:?}", plan.skipped);
    // Machines that do not tell their marks stand where they were named; the order is that of the names.
    let index_of = |plan: &Plan, ip: IpAddr| plan.targets.iter().position(|t| t.endpoint.ip() == ip).unwrap();
    let (idle, lost, doubt) =
        (index_of(&plan, place(50)), index_of(&plan, place(60)), index_of(&plan, place(70)));
    // Another machine has taken an address since.
    farm.replace(80, FaceName::Antminer);
    let moved = index_of(&plan, place(80));

    let mut run = farm.commander.execute(plan).unwrap();
    let mut most = 0;
    let report = loop {
        let event = run.recv().await.unwrap();
        most = most.max(farm.down());
        if let ControlEvent::Complete { report } = event {
            break report;
        }
    };
    assert!(report.adds_up());
    assert_eq!(report.stopped, None);
    assert!((5..=20).contains(&most), "{most} down at once");
    let outcome = |index: usize| &report.outcomes[index];
    // A firmware that reboots without a word does not say yes either.
    assert!(matches!(outcome(idle), Outcome::Unknown { doubt: Doubt::ReplyLost, .. }), "{:?}", outcome(idle));
    assert!(matches!(outcome(lost), Outcome::Unknown { doubt: Doubt::NotBack | Doubt::ReplyLost, .. }));
    assert_eq!(*outcome(doubt), Outcome::Verified, "the machine itself told what became of it");
    assert!(
        matches!(outcome(moved), Outcome::NotAttempted { because: Hindrance::OtherMachine, .. }),
        "{:?}",
        outcome(moved)
    );
    assert_eq!(report.counts.verified, 197, "{:?}", report.counts);
}

#[tokio::test(start_paused = true)]
async fn a_firmware_that_says_yes_and_does_nothing_is_found_out() {
    let farm = Farm::new(two(6));
    for index in 0..6 {
        farm.obey(index, Obedience::default().with_says_yes_does_nothing(true));
    }
    let plan = farm.plan(Action::Pause, Policy::default().with_canary(0_u32)).await;
    assert_eq!(plan.targets.len(), 6, "{:?}", plan.skipped);
    let report = farm.commander.execute(plan).unwrap().report().await.unwrap();
    for outcome in &report.outcomes {
        assert!(matches!(outcome, Outcome::Refused { by: Refusal::NoEffect, .. }), "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_somebody_else_holds_and_a_password_that_was_changed_are_told_apart() {
    let farm = Farm::new(FaceName::ALL.iter().copied());
    let policy = || Policy::default().with_canary(0_u32).with_max_failures(1_000_u32);
    let changed = || Access::default().with_privileged(true).with_password("changed_1");
    for (access, is_locked) in [(changed().with_locked(true), true), (changed(), false)] {
        let plan = farm.plan(Action::Locate { on: true }, policy()).await;
        assert!(plan.targets.len() >= 2, "{:?}", plan.skipped);
        let opened: Vec<_> = farm.hosts.iter().map(|host| host.spec().access).collect();
        farm.hosts.iter().for_each(|host| host.set_access(access.clone()));
        let report = farm.commander.execute(plan.clone()).unwrap().report().await.unwrap();
        for (host, access) in farm.hosts.iter().zip(opened) {
            host.set_access(access);
        }
        let by = |wanted| {
            report
                .outcomes
                .iter()
                .filter(|o| matches!(o, Outcome::Refused { by, .. } if *by == wanted))
                .count()
        };
        let (busy, denied) = (by(Refusal::Busy), by(Refusal::AccessDenied));
        assert!(if is_locked { busy > 0 } else { denied > 0 && busy == 0 }, "{:?}", report.outcomes);
        for outcome in &report.outcomes {
            assert!(!matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_paused_hashes_again_when_it_is_told_to() {
    let farm = Farm::new(FaceName::ALL.iter().copied());
    let policy = || Policy::default().with_canary(0_u32).with_unidentified(true);
    let plan = farm.plan(Action::Pause, policy()).await;
    let paused: Vec<_> = plan.targets.iter().map(|target| target.endpoint.ip()).collect();
    assert!(paused.len() >= 4, "{:?}", plan.skipped);
    let report = farm.commander.execute(plan).unwrap().report().await.unwrap();
    assert_eq!(report.counts.verified, report.counts.total(), "{:?}", report.outcomes);
    let names: Vec<_> = paused.iter().map(ToString::to_string).collect();
    let plan = farm.commander.plan(Action::Resume, policy(), &Groups::default(), &names).await.unwrap();
    let report = farm.commander.execute(plan.clone()).unwrap().report().await.unwrap();
    for (target, outcome) in plan.targets.iter().zip(&report.outcomes) {
        assert_eq!(*outcome, Outcome::Verified, "{:?}", target.name);
    }
}

#[tokio::test(start_paused = true)]
async fn who_tells_its_marks_with_every_reading_is_checked_by_one_question_and_whoever_took_its_place_is_found_out()
 {
    let farm = Farm::new([FaceName::LuxOs; 4]);
    let plan = farm.plan(Action::Pause, Policy::default().with_canary(0_u32)).await;
    let planned = farm.network.traffic().exchanges;
    assert_eq!(planned, 4 * 2, "who are you, and how are you");
    farm.replace(1, FaceName::LuxOs);
    farm.replace(2, FaceName::Whatsminer);
    let report = farm.commander.execute(plan.clone()).unwrap().report().await.unwrap();
    for (target, outcome) in plan.targets.iter().zip(&report.outcomes) {
        if [place(1), place(2)].contains(&target.endpoint.ip()) {
            let is_other = matches!(outcome, Outcome::NotAttempted { because: Hindrance::OtherMachine, .. });
            assert!(is_other, "{outcome:?}");
        } else {
            assert_eq!(*outcome, Outcome::Verified);
        }
    }
    // The check, a session with the command in it, and the proof.
    let farm = Farm::new([FaceName::LuxOs]);
    let plan = farm.plan(Action::Pause, Policy::default().with_canary(0_u32)).await;
    let before = farm.network.traffic().exchanges;
    farm.commander.execute(plan).unwrap().report().await.unwrap();
    assert_eq!(farm.network.traffic().exchanges - before, 1 + 3 + 1);
    // Some time later its firmware may be another.
    tokio::time::advance(Duration::from_mins(11)).await;
    let before = farm.network.traffic().exchanges;
    farm.plan(Action::Resume, Policy::default().with_canary(0_u32)).await;
    assert_eq!(farm.network.traffic().exchanges - before, 2);
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_stays_away_saves_the_others() {
    let farm = Farm::new(two(60));
    farm.obey(1, Obedience::default().with_never_comes_back(true));
    let plan = farm.plan(Action::Reboot, Policy::default()).await;
    let report = farm.commander.execute(plan).unwrap().report().await.unwrap();
    assert!(matches!(report.stopped, Some(Stop::CanaryFailed { .. })));
    assert_eq!((report.counts.unknown, report.counts.not_attempted), (1, 57));
}

#[tokio::test(start_paused = true)]
async fn every_firmware_gets_its_pools_or_says_beforehand_that_it_cannot() {
    let farm = Farm::new(FaceName::ALL.iter().copied());
    let pools = vec![
        PoolSetting::new("stratum+tcp://new1.example.net:3333", "farm.{ip_4}", "pw"),
        PoolSetting::new("stratum+tcp://new2.example.net:3333", "farm.{ip_4}", "pw"),
        PoolSetting::new("stratum+tcp://new3.example.net:3333", "farm.{ip_4}", "pw"),
    ];
    let policy = Policy::default().with_canary(0_u32).with_max_failures(1_000_u32).with_unidentified(true);
    let plan = farm.plan(Action::SetPools { pools }, policy).await;
    assert!(plan.targets.len() >= 2);
    assert_eq!(plan.targets.len() + plan.skipped.len(), FaceName::ALL.len());
    for skipped in &plan.skipped {
        assert!(matches!(skipped.reason, SkipReason::Unsupported { .. }), "{skipped:?}");
    }
    let names: Vec<_> = plan.targets.iter().map(|target| target.name.clone()).collect();
    let report = farm.commander.execute(plan).unwrap().report().await.unwrap();
    assert!(report.adds_up());
    for (name, outcome) in names.iter().zip(&report.outcomes) {
        assert!(
            !matches!(outcome, Outcome::Unknown { .. } | Outcome::NotAttempted { .. }),
            "{name:?}: {outcome}"
        );
    }
    assert!(report.counts.verified >= 2, "{:?} {:?}", report.counts, report.outcomes);
}

#[tokio::test(start_paused = true)]
async fn a_network_is_looked_through_and_who_is_named_is_told_of_even_when_he_is_dead() {
    let farm = Farm::new(two(4));
    let (action, groups) = (Action::Locate { on: true }, Groups::default());
    let targets = ["10.0.0.0/28", "10.0.0.99"];
    let plan = farm.commander.plan(action, Policy::default(), &groups, &targets).await.unwrap();
    assert_eq!(plan.targets.len(), 4);
    assert_eq!(plan.skipped.len(), 1);
    assert!(matches!(plan.skipped[0].reason, SkipReason::Dead { .. }), "{:?}", plan.skipped);
    let report = farm.commander.execute(plan).unwrap().report().await.unwrap();
    assert!(report.outcomes.iter().all(Outcome::is_success), "{:?}", report.outcomes);
    assert!(farm.hosts.iter().all(|host| host.spec().settings.light));
}
