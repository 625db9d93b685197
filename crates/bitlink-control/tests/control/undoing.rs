//! What was changed is taken back, where it was read before.

use crate::fleet::{Fault, Fleet, can_all, now, place};
use bitlink_control::{
    Groups, Journal, MemoryJournal, Past, PlanError, Policy, Seen, SkipReason, earlier, undo,
};
use bitlink_model::{Action, MiningState, PoolSetting, Power, Secret, Text};
use std::sync::Arc;

async fn done(fleet: &Fleet, action: Action) -> Past {
    let journal = Arc::new(MemoryJournal::new());
    let plan = fleet.plan(action, Policy::default());
    fleet.run_with(plan, Arc::clone(&journal) as Arc<dyn Journal>).await;
    Past::of(journal.records()).unwrap()
}

fn take_back(fleet: &Fleet, past: &Past) -> Result<bitlink_control::Plan, PlanError> {
    let look = |at| {
        let candidates = fleet.candidates();
        candidates.into_iter().find(|c| c.endpoint == at).map(|candidate| candidate.seen)
    };
    undo(past, Policy::default(), &Groups::default(), now(), &Secret::new("x"), look)
}

#[tokio::test(start_paused = true)]
async fn pools_are_put_back_on_each_machine() {
    let fleet = Fleet::new(vec![Fault::None; 5], 1);
    fleet.with(4, |machine| machine.fault = Fault::Refuses);
    let pools = vec![PoolSetting::new("stratum+tcp://new.example:3333", "thief.{ip_4}", "y")];
    let past = done(&fleet, Action::SetPools { pools }).await;
    assert_eq!(fleet.with(1, |m| m.snapshot.pools[0].user.clone()).as_deref(), Some("thief.2"));
    assert_eq!(earlier(&past).len(), 4, "the one that refused has nothing to be taken back");
    let plan = take_back(&fleet, &past).unwrap();
    assert_eq!(plan.undoes.as_ref(), Some(&past.plan.id));
    assert_ne!(plan.id, past.plan.id);
    assert!(plan.is_complete());
    let report = fleet.run(plan).await;
    assert_eq!(report.counts.verified, 4);
    for index in 0..4 {
        let pool = fleet.with(index, |m| m.snapshot.pools[0].clone());
        assert_eq!(pool.url.as_deref(), Some("stratum+tcp://old.example:3333"));
        assert_eq!(pool.user, Some(format!("farm.rig{index}")).map(Text::from));
    }
}

#[tokio::test(start_paused = true)]
async fn power_limits_lights_and_pauses_are_taken_back() {
    let fleet = Fleet::new(vec![Fault::None; 3], 1);
    let power = Power::from_watts(2_000.0).unwrap();
    let past = done(&fleet, Action::PowerLimit { power }).await;
    assert_eq!(fleet.with(0, |m| m.snapshot.power_limit), Some(power));
    fleet.run(take_back(&fleet, &past).unwrap()).await;
    assert_eq!(fleet.with(0, |m| m.snapshot.power_limit), Power::from_watts(3_300.0).ok());

    let past = done(&fleet, Action::Locate { on: true }).await;
    fleet.run(take_back(&fleet, &past).unwrap()).await;
    assert_eq!(fleet.with(2, |m| m.snapshot.light), Some(false));

    let past = done(&fleet, Action::Pause).await;
    assert_eq!(fleet.with(2, |m| m.snapshot.mining_state), Some(MiningState::Stopped));
    fleet.run(take_back(&fleet, &past).unwrap()).await;
    assert_eq!(fleet.with(2, |m| m.snapshot.mining_state), Some(MiningState::Mining));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_back_says_why_and_a_strange_machine_gets_nobody_elses_settings() {
    let fleet = Fleet::new(vec![Fault::None; 2], 1);
    let past = done(&fleet, Action::Reboot).await;
    let error = take_back(&fleet, &past).unwrap_err();
    assert!(error.to_string().contains("reboot cannot be taken back"), "{error}");

    let past = done(&fleet, Action::Locate { on: true }).await;
    let look = |at| {
        let mut seen = fleet.candidates().into_iter().find(|c| c.endpoint == at)?.seen.ok()?;
        if at == place(0) {
            seen = Seen::new(fleet.candidates()[1].seen.clone().ok()?.snapshot, can_all());
        }
        Some(Ok(seen))
    };
    let plan = undo(&past, Policy::default(), &Groups::default(), now(), &Secret::default(), look).unwrap();
    assert_eq!(plan.targets.len(), 1);
    assert!(
        matches!(&plan.skipped[0].reason, SkipReason::NothingToUndo { why } if why.contains("another machine"))
    );
}
