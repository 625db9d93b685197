//! Plans before anything is sent.

use crate::fleet::{Fault, Fleet, can_all, now, place};
use bitlink_control::{
    Candidate, Groups, LookError, Plan, PlanError, Policy, Seen, SkipReason, TemplateError,
};
use bitlink_model::{
    Action, ActionKind, Capabilities, MinerSnapshot, NetworkSetting, PoolSetting, Power, Secret, Support,
};

fn make(action: Action, policy: Policy, candidates: Vec<Candidate>) -> Result<Plan, PlanError> {
    Plan::make(action, policy, &Groups::default(), now(), candidates)
}

#[test]
fn who_is_left_out_and_why() {
    let rt = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut candidates = rt.block_on(async { Fleet::new(vec![Fault::None; 6], 1).candidates() });
    candidates[1].seen.as_mut().unwrap().capabilities =
        Capabilities::default().with(ActionKind::Reboot, Support::no("read-only API"));
    candidates[2].seen = Ok(Seen::new(MinerSnapshot::default(), can_all()));
    candidates[3].seen = candidates[0].seen.clone();
    candidates[4].seen = Err(LookError::Unreachable { why: "timed out".to_owned() });
    candidates.push(candidates[5].clone());
    let plan = make(Action::Reboot, Policy::default(), candidates.clone()).unwrap();
    let kept: Vec<_> = plan.targets.iter().map(|target| target.endpoint).collect();
    assert_eq!(kept, [place(0), place(5)]);
    let reasons: Vec<_> = plan.skipped.iter().map(|skipped| skipped.reason.clone()).collect();
    assert_eq!(
        reasons,
        [
            SkipReason::Unsupported { why: "read-only API".to_owned() },
            SkipReason::Unidentified,
            SkipReason::Duplicate { of: place(0) },
            SkipReason::Dead { why: "no answer: timed out".to_owned() },
            SkipReason::Duplicate { of: place(5) },
        ]
    );
    assert_eq!(plan.skip_counts()[0], ("duplicate", 2));
    let plan = make(Action::Reboot, Policy::default().with_unidentified(true), candidates).unwrap();
    assert_eq!(plan.targets.len(), 3);
    // It is written and read as it is.
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

#[tokio::test]
async fn ten_thousand_in_steps() {
    let fleet = Fleet::new(vec![Fault::None; 10_000], 1);
    let policy = Policy::default().with_max_miners(None).with_max_power(None);
    let plan = fleet.plan(Action::Reboot, policy);
    assert_eq!(plan.targets.len(), 10_000);
    assert_eq!(plan.batches.iter().map(|batch| batch.size).sum::<u32>(), 10_000);
    assert_eq!((plan.batches[0].size, plan.batches[0].canary), (3, true));
    assert!(plan.batches[1..].iter().all(|batch| batch.size <= 20 && !batch.canary));
    assert_eq!(plan.power, Power::from_kilowatts(30_000.0).unwrap());
    assert_eq!(plan.batches[1].power, Power::from_kilowatts(60.0).unwrap());
}

#[tokio::test]
async fn caps_refuse_the_plan_as_a_whole() {
    let fleet = Fleet::new(vec![Fault::None; 30], 1);
    let refused = |action, policy| make(action, policy, fleet.candidates()).unwrap_err();
    let error = refused(Action::Reboot, Policy::default().with_max_miners(29));
    assert_eq!(error, PlanError::TooManyMiners { miners: 30, cap: 29 });
    let cap = Power::from_kilowatts(89.0).unwrap();
    let error = refused(Action::Reboot, Policy::default().with_max_power(cap));
    assert!(matches!(error, PlanError::TooMuchPower { .. }), "{error}");
    // A light switches no power.
    make(Action::Locate { on: true }, Policy::default().with_max_power(cap), fleet.candidates()).unwrap();
    let network = NetworkSetting::Static {
        address: [10, 0, 0, 9].into(),
        prefix: 24,
        gateway: [10, 0, 0, 254].into(),
        dns: Vec::new(),
    };
    let error = refused(Action::Network { network }, Policy::default());
    assert_eq!(error, PlanError::OneAddress { miners: 30 });
    let error = refused(Action::Password { user: None, new: Secret::default() }, Policy::default());
    assert_eq!(error, PlanError::Incomplete);
    assert!(matches!(
        refused(Action::SetPools { pools: vec![] }, Policy::default()),
        PlanError::Setting { .. }
    ));
    assert!(matches!(refused(Action::Reboot, Policy::default().with_batch(0)), PlanError::Setting { .. }));
}

#[tokio::test]
async fn worker_names_are_made_for_each_machine() {
    let fleet = Fleet::new(vec![Fault::None; 3], 1);
    let pools = |user: &str| Action::SetPools {
        pools: vec![PoolSetting::new("stratum+tcp://new.example:3333", user, "letmein-7")],
    };
    let plan = make(pools("{worker}.{ip_4}"), Policy::default(), fleet.candidates()).unwrap();
    let users: Vec<String> = plan
        .targets
        .iter()
        .map(|target| match plan.action_for(target) {
            Action::SetPools { pools } => {
                assert_eq!(pools[0].password.reveal(), Some("letmein-7"));
                pools[0].user.clone()
            }
            _ => panic!(),
        })
        .collect();
    assert_eq!(users, ["farm.1", "farm.2", "farm.3"]);
    let error = make(pools("{rack}"), Policy::default(), fleet.candidates()).unwrap_err();
    assert!(matches!(error, PlanError::Template { source: TemplateError::Unknown { .. }, .. }), "{error}");
    let plan = make(pools("a.{serial}"), Policy::default(), fleet.candidates()).unwrap();
    assert_eq!(plan.targets.len(), 0);
    assert!(matches!(&plan.skipped[2].reason, SkipReason::Template { why } if why.contains("serial")));

    // Written down it has no password, and is given it again.
    let plan = make(pools("{worker}.{ip_4}"), Policy::default(), fleet.candidates()).unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert!(!text.contains("letmein"), "{text}");
    let mut read: Plan = serde_json::from_str(&text).unwrap();
    assert!(!read.is_complete());
    assert!(read.complete_with(pools("other")).is_err());
    read.complete_with(pools("{worker}.{ip_4}")).unwrap();
    assert!(read.is_complete());
    assert_eq!(read.action_for(&read.targets[1]), plan.action_for(&plan.targets[1]));
}
