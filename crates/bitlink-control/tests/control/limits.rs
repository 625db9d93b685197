//! What may go on at one time, how fast, and for how long; and who may stop it.

use crate::fleet::{COMMAND, Fault, Fleet, LOOK, now, place, until};
use bitlink_control::{
    Claims, ControlEvent, Doubt, Groups, Hindrance, MemoryJournal, Outcome, Plan, Policy, SkipReason, Stage,
    Stop,
};
use bitlink_model::{Action, Power, Span};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn groups() -> Groups {
    toml::from_str(
        r#"
        [[group]]
        name = "rack 1"
        members = ["10.0.0.1-10.0.0.12"]
        max_at_once = 2
        [[group]]
        name = "breaker A"
        members = ["10.0.0.0/27", "02:00:00:00:00:30"]
        max_kw = 12.5
        "#,
    )
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn groups_go_only_so_many_and_so_much_at_a_time() {
    let fleet = Fleet::new(vec![Fault::None; 60], 11);
    let policy = Policy::default().with_batch(20).with_max_power_per_s(None);
    let plan = Plan::make(Action::Reboot, policy, &groups(), now(), fleet.candidates()).unwrap();
    let of = |plan: &Plan, group| plan.targets.iter().filter(|target| target.groups.contains(&group)).count();
    assert_eq!((of(&plan, 0), of(&plan, 1)), (12, 32));
    // No step of the plan breaks a limit either.
    let mut from = 0;
    for batch in &plan.batches {
        let step = &plan.targets[from..from + batch.size as usize];
        from += batch.size as usize;
        assert!(step.iter().filter(|target| target.groups.contains(&0)).count() <= 2);
        assert!(step.iter().filter(|target| target.groups.contains(&1)).count() <= 4, "4 times 3 kW");
    }
    assert_eq!(from, 60);

    let mut run = fleet.controller().execute(plan.clone(), Arc::new(MemoryJournal::new()));
    let mut inside = HashSet::new();
    let mut most = [0; 2];
    while let Some(event) = run.recv().await {
        match event {
            ControlEvent::Stage { target, stage: Stage::Sending, .. } => inside.insert(target),
            ControlEvent::Ended { target, .. } => inside.remove(&target),
            ControlEvent::Complete { report } => {
                assert_eq!(report.counts.verified, 60);
                break;
            }
            _ => continue,
        };
        for (group, most) in most.iter_mut().enumerate() {
            let group = u32::try_from(group).unwrap();
            let has = |index: &&u32| plan.targets[**index as usize].groups.contains(&group);
            *most = (*most).max(inside.iter().filter(has).count());
        }
    }
    assert_eq!(most, [2, 4]);
}

#[tokio::test(start_paused = true)]
async fn one_machine_that_its_group_cannot_bear_is_left_out() {
    let fleet = Fleet::new(vec![Fault::None; 2], 1);
    let groups: Groups =
        toml::from_str("[[group]]\nname = 'fuse'\nmembers = ['02:00:00:00:00:01']\nmax_kw = 2.9").unwrap();
    let plan = Plan::make(Action::Reboot, Policy::default(), &groups, now(), fleet.candidates()).unwrap();
    assert_eq!(plan.targets.len(), 1);
    assert_eq!(plan.skipped[0].endpoint, place(1));
    assert_eq!(plan.skipped[0].reason, SkipReason::OverGroupLimit { group: "fuse".to_owned() });
    for wrong in ["[[group]]\nname = 'a'", "[[group]]\nname='a'\nmembers=['10.0.0.9-10.0.0.1']", "[[grop]]"] {
        assert!(toml::from_str::<Groups>(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn power_is_switched_no_faster_than_allowed() {
    let fleet = Fleet::new(vec![Fault::None; 100], 1);
    let rate = Power::from_kilowatts(30.0).ok();
    let policy = Policy::unlimited().with_max_power_per_s(rate);
    let plan = fleet.plan(Action::Pause, policy);
    let started = Instant::now();
    let report = fleet.run(plan).await;
    assert_eq!(report.counts.verified, 100);
    let mut sent: Vec<Duration> =
        (0..100).map(|index| fleet.with(index, |machine| machine.commands[0].1 - started)).collect();
    sent.sort();
    // Ten machines of 3 kW in each second, the first at once.
    for (index, at) in sent.iter().enumerate() {
        let earliest = Duration::from_millis(100) * u32::try_from(index).unwrap();
        assert!(*at >= earliest, "{index} at {at:?}");
    }
    assert!(sent[99] < Duration::from_secs(11));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_are_curtailed_in_seconds() {
    let fleet = Fleet::new(vec![Fault::None; 10_000], 1);
    let report = fleet.run(fleet.plan(Action::Pause, Policy::unlimited())).await;
    assert_eq!(report.counts.verified, 10_000);
    assert!(report.elapsed < Duration::from_secs(16), "{:?}", report.elapsed);
}

#[tokio::test(start_paused = true)]
async fn nobody_else_comes_between_the_check_and_the_command_and_no_proof_keeps_commands_waiting() {
    let fleet = Fleet::new(vec![Fault::None; 1_000], 1);
    let plan = fleet.plan(Action::Pause, Policy::unlimited().with_concurrency(8_u32));
    let started = Instant::now();
    let report = fleet.run(plan).await;
    assert_eq!(report.counts.verified, 1_000);
    let mut last = Duration::ZERO;
    for index in 0..1_000 {
        let (checked, commanded) =
            fleet.with(index, |machine| (machine.checked.unwrap(), machine.commands[0].1));
        assert_eq!(commanded - checked, COMMAND, "{index}");
        last = last.max(commanded - started);
    }
    // Two of eight may look for proofs meanwhile.
    let most = (LOOK + COMMAND) * 1_000 / 6;
    assert!(last <= most + COMMAND, "the last command ended after {last:?}, due were {most:?}");
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_nothing_goes_out() {
    let fleet = Fleet::new(vec![Fault::None; 200], 1);
    let policy = Policy::default().with_deadline(Span::from_seconds(300));
    let report = fleet.run(fleet.plan(Action::Reboot, policy)).await;
    assert_eq!(report.stopped, Some(Stop::Deadline));
    assert!(report.adds_up());
    let late = |o: &&Outcome| matches!(o, Outcome::NotAttempted { because: Hindrance::Deadline, .. });
    assert!(report.outcomes.iter().filter(late).count() > 100);
    assert_eq!(report.counts.unknown, 0, "those that were out were waited for");
}

#[tokio::test(start_paused = true)]
async fn stopped_between_commands_and_not_inside_one() {
    for after in 1..30 {
        let fleet = Fleet::new(vec![Fault::None; 60], after);
        let plan = fleet.plan(Action::Reboot, Policy::default());
        let mut run = fleet.controller().execute(plan, Arc::new(MemoryJournal::new()));
        for _ in 0..after {
            until(&mut run, |event| matches!(event, ControlEvent::Stage { .. })).await;
        }
        run.stop();
        let report = run.report().await.unwrap();
        assert!(report.adds_up());
        assert_eq!(report.stopped, Some(Stop::Cancelled));
        let sent = u32::try_from(fleet.all_commands()).unwrap();
        assert_eq!(report.counts.verified, sent, "what was out was waited for");
        assert_eq!(report.counts.not_attempted, 60 - sent);
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_want_to_wait_is_told_what_is_unknown() {
    let fleet = Fleet::new(vec![Fault::None; 10], 1);
    let plan = fleet.plan(Action::Reboot, Policy::default().with_canary(0_u32));
    let mut run = fleet.controller().execute(plan, Arc::new(MemoryJournal::new()));
    until(&mut run, |event| matches!(event, ControlEvent::Stage { stage: Stage::Proving, .. })).await;
    run.abandon();
    let report = run.report().await.unwrap();
    assert!(report.adds_up());
    let unknown = |o: &&Outcome| matches!(o, Outcome::Unknown { doubt: Doubt::NotProven, .. });
    assert_eq!(report.outcomes.iter().filter(unknown).count(), fleet.all_commands());
}

#[tokio::test(start_paused = true)]
async fn two_plans_do_not_meet_on_one_machine() {
    let fleet = Fleet::new(vec![Fault::None; 3], 1);
    let claims = Claims::new();
    let controller = fleet.controller().with_claims(claims);
    let mut first =
        controller.execute(fleet.plan(Action::Reboot, Policy::default()), Arc::new(MemoryJournal::new()));
    until(&mut first, |event| matches!(event, ControlEvent::Stage { stage: Stage::Proving, .. })).await;
    let second = controller
        .execute(fleet.plan(Action::Locate { on: true }, Policy::default()), Arc::new(MemoryJournal::new()));
    let second = second.report().await.unwrap();
    let claimed = |o: &Outcome| matches!(o, Outcome::NotAttempted { because: Hindrance::Claimed, .. });
    assert!(second.outcomes.iter().all(claimed), "{:?}", second.outcomes);
    assert_eq!(first.report().await.unwrap().counts.verified, 3);
    let third = controller
        .execute(fleet.plan(Action::Locate { on: true }, Policy::default()), Arc::new(MemoryJournal::new()));
    assert_eq!(third.report().await.unwrap().counts.verified, 3, "they are free again");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_sleeps_is_told_what_it_missed_and_misses_no_outcome() {
    let fleet = Fleet::new(vec![Fault::None; 2_000], 1);
    let mut run = fleet
        .controller()
        .execute(fleet.plan(Action::Pause, Policy::unlimited()), Arc::new(MemoryJournal::new()));
    tokio::time::sleep(Duration::from_mins(1)).await;
    let (mut ended, mut stages, mut missed) = (0, 0, 0);
    while let Some(event) = run.recv().await {
        match event {
            ControlEvent::Ended { .. } => ended += 1,
            ControlEvent::Stage { .. } => stages += 1,
            ControlEvent::Lagged { missed: more } => missed += more,
            _ => {}
        }
    }
    assert_eq!((ended, stages + missed), (2_000, 6_000));
    assert!(missed > 0);
}
