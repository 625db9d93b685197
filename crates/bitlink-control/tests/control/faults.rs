//! Every fault has an outcome of its own.

use crate::fleet::{ALL, Dice, Fault, Fleet};
use bitlink_control::{Counts, Doubt, Hindrance, Outcome, Policy, Refusal, Stop};
use bitlink_model::{Action, ActionKind};

/// What one machine with a fault comes to.
async fn alone(fault: Fault, action: Action) -> Outcome {
    let fleet = Fleet::new([fault], 1);
    let report = fleet.run(fleet.plan(action, Policy::default())).await;
    assert!(report.adds_up());
    report.outcomes[0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_reboot_meets_every_fault_with_an_outcome_of_its_own() {
    let refused = |outcome: &Outcome, wanted| matches!(outcome, Outcome::Refused { by, .. } if *by == wanted);
    let unknown =
        |outcome: &Outcome, wanted| matches!(outcome, Outcome::Unknown { doubt, .. } if *doubt == wanted);
    let not = |outcome: &Outcome, wanted| matches!(outcome, Outcome::NotAttempted { because, .. } if *because == wanted);
    for fault in ALL {
        let outcome = alone(*fault, Action::Reboot).await;
        let is_right = match fault {
            Fault::None | Fault::Drops(_) | Fault::ReplyLost => outcome == Outcome::Verified,
            Fault::WrongPassword => refused(&outcome, Refusal::AccessDenied),
            // A reboot is not tried twice, whatever was in the way.
            Fault::Locked(_) => refused(&outcome, Refusal::Busy),
            Fault::Idle => refused(&outcome, Refusal::NoEffect),
            Fault::Refuses => refused(&outcome, Refusal::Miner),
            Fault::NeverBack | Fault::Sick => unknown(&outcome, Doubt::NotBack),
            Fault::CommandLost => unknown(&outcome, Doubt::ReplyLost),
            Fault::Gone => not(&outcome, Hindrance::Unreachable),
            Fault::Replaced => not(&outcome, Hindrance::OtherMachine),
            Fault::Unsupported => matches!(outcome, Outcome::Unsupported { .. }),
        };
        assert!(is_right, "{fault:?}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_light_that_is_locked_for_a_moment_is_switched_all_the_same() {
    assert_eq!(alone(Fault::Locked(1), Action::Locate { on: true }).await, Outcome::Verified);
    let outcome = alone(Fault::Locked(9), Action::Locate { on: true }).await;
    assert!(matches!(outcome, Outcome::Refused { by: Refusal::Busy, .. }), "{outcome:?}");
    // A lost answer is read back, and not sent again.
    let fleet = Fleet::new([Fault::CommandLost], 1);
    let report = fleet.run(fleet.plan(Action::Locate { on: true }, Policy::default())).await;
    assert!(matches!(report.outcomes[0], Outcome::Unknown { doubt: Doubt::ReplyLost, .. }));
    assert_eq!(fleet.commands(0), 1);
}

#[tokio::test(start_paused = true)]
async fn what_no_reading_shows_is_applied() {
    let outcome = alone(Fault::None, Action::SwitchPool { pool: 1 }).await;
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
}

/// What a fault of the thousand comes to, when it was its turn.
fn is_expected(fault: Fault, outcome: &Outcome) -> bool {
    match fault {
        Fault::None | Fault::Drops(_) | Fault::ReplyLost => *outcome == Outcome::Verified,
        Fault::NeverBack | Fault::Sick | Fault::CommandLost => matches!(outcome, Outcome::Unknown { .. }),
        Fault::Gone | Fault::Replaced => matches!(outcome, Outcome::NotAttempted { .. }),
        Fault::Unsupported => matches!(outcome, Outcome::Unsupported { .. }),
        _ => matches!(outcome, Outcome::Refused { .. }),
    }
}

/// The first three are well; of the others about every twentieth has a fault.
fn thousand(seed: u64, faults: &[Fault]) -> Vec<Fault> {
    let mut dice = Dice(seed);
    let mut pick = |index: usize| {
        if index < 3 || dice.below(20) > 0 {
            return Fault::None;
        }
        let at = dice.below(u64::try_from(faults.len()).unwrap());
        faults[usize::try_from(at).unwrap()]
    };
    (0..1_000).map(&mut pick).collect()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_reboots_by_twenties() {
    let policy = || Policy::default().with_batch(20).with_canary(3_u32).with_max_failures(1_000_u32);
    for seed in 0..4 {
        // Machines that stay down take places that nobody gets back; they are in the next test.
        let passing: Vec<Fault> = ALL
            .iter()
            .copied()
            .filter(|fault| !matches!(fault, Fault::NeverBack | Fault::Sick | Fault::CommandLost))
            .collect();
        let faults = thousand(seed, &passing);
        let fleet = Fleet::new(faults.clone(), seed);
        let report = fleet.run(fleet.plan(Action::Reboot, policy())).await;
        assert!(report.adds_up(), "seed {seed}");
        assert_eq!(report.outcomes.len(), 1_000);
        assert_eq!(report.stopped, None, "seed {seed}");
        for (fault, outcome) in faults.iter().zip(&report.outcomes) {
            assert!(is_expected(*fault, outcome), "seed {seed}: {fault:?}: {outcome:?}");
        }
        assert!((10..=20).contains(&fleet.most_down()), "seed {seed}: {} down", fleet.most_down());
        assert!(report.most_at_once <= 20);
        for index in 0..1_000 {
            assert!(fleet.commands(index) <= 1, "seed {seed}: {index} was rebooted twice");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn machines_that_stay_down_keep_their_places_until_nobody_else_may_go() {
    for seed in 0..4 {
        let faults = thousand(seed, &[Fault::NeverBack]);
        let fleet = Fleet::new(faults, seed);
        let policy = Policy::default().with_batch(20).with_max_failures(1_000_u32);
        let report = fleet.run(fleet.plan(Action::Reboot, policy)).await;
        assert!(report.adds_up());
        assert_eq!(report.stopped, Some(Stop::TooManyDown { down: 20 }), "seed {seed}");
        assert_eq!(fleet.most_down(), 20);
        assert_eq!(report.counts.unknown, 20);
        assert!(report.counts.not_attempted > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_does_not_come_back_is_the_end() {
    for fault in [Fault::NeverBack, Fault::Sick, Fault::Idle, Fault::WrongPassword, Fault::CommandLost] {
        let mut faults = vec![Fault::None; 1_000];
        faults[1] = fault;
        let fleet = Fleet::new(faults, 7);
        let report = fleet.run(fleet.plan(Action::Reboot, Policy::default())).await;
        assert!(report.adds_up());
        assert!(matches!(report.stopped, Some(Stop::CanaryFailed { .. })), "{fault:?}: {:?}", report.stopped);
        assert!(fleet.all_commands() <= 3, "{fault:?}: no other machine was touched");
        assert_eq!(report.counts.not_attempted, 997, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_cannot_be_reached_is_replaced_by_the_next() {
    let mut faults = vec![Fault::None; 40];
    faults[0] = Fault::Gone;
    faults[2] = Fault::Replaced;
    faults[3] = Fault::NeverBack;
    let fleet = Fleet::new(faults, 7);
    let report = fleet.run(fleet.plan(Action::Reboot, Policy::default())).await;
    // The third machine that could be reached was the fourth.
    assert!(matches!(report.stopped, Some(Stop::CanaryFailed { .. })), "{:?}", report.stopped);
    assert_eq!(report.counts.verified, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_budget_that_is_spent_stops_the_plan() {
    let mut faults = vec![Fault::None; 200];
    for index in (10..200).step_by(4) {
        faults[index] = Fault::Refuses;
    }
    let fleet = Fleet::new(faults, 3);
    let report = fleet.run(fleet.plan(Action::Reboot, Policy::default().with_max_failures(5_u32))).await;
    assert_eq!(report.stopped, Some(Stop::TooManyFailures { failures: 6 }));
    assert!(report.adds_up());
    let Counts { refused, not_attempted, .. } = report.counts;
    // Those that were on their way when the budget was spent end as they end.
    assert!((6..=20).contains(&refused), "{refused}");
    assert!(not_attempted > 100);
}

#[tokio::test(start_paused = true)]
async fn the_kind_is_what_was_sent() {
    let fleet = Fleet::new([Fault::None], 1);
    fleet.run(fleet.plan(Action::Restart, Policy::default())).await;
    fleet.with(0, |machine| assert_eq!(machine.commands[0].0, ActionKind::Restart));
}
