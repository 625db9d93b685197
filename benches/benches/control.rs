//! Plans: made of readings that are there, and written as they are printed by `--dry-run --format json` and kept in a journal. The
//! bound that they are to stay under is one second for 10,000 machines.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

use bitlink_benches::{criterion, size};
use bitlink_miner_manager::control::{Candidate, Groups, Plan, Policy, Seen};
use bitlink_miner_manager::model::{
    Action, ActionKind, Capabilities, Mac, MinerSnapshot, PoolSetting, Power, Timestamp,
};
use bitlink_miner_manager::transport::Endpoint;
use criterion::{BatchSize, Criterion};
use std::hint::black_box;
use std::net::Ipv4Addr;

fn main() {
    let mut criterion = criterion().sample_size(10);
    let miners = size(10_000, 100);
    let farm: Vec<Candidate> = (0..miners).map(candidate).collect();
    plan(&mut criterion, "plan_reboot", &farm, &Action::Reboot);
    let pools = vec![PoolSetting::new("stratum+tcp://pool.example:3333", "farm.{mac}", "x"); 3];
    plan(&mut criterion, "plan_pools", &farm, &Action::SetPools { pools });
    criterion.final_summary();
}

fn candidate(number: u32) -> Candidate {
    let [_, b, c, d] = number.to_be_bytes();
    let mut snapshot = MinerSnapshot::default();
    snapshot.identity.mac = Some(Mac::new([0x02, 0, 0, b, c, d]));
    snapshot.identity.model = Some("S19 Pro".into());
    snapshot.power = Power::from_watts(3_250.0).ok();
    let at = Endpoint::new(Ipv4Addr::from(0x0a00_0001 + number).into(), 4028);
    Candidate::new(at, Ok(Seen::new(snapshot, Capabilities::default().with_all(ActionKind::ALL))))
}

fn plan(criterion: &mut Criterion, name: &str, farm: &[Candidate], action: &Action) {
    let policy = Policy::default().with_max_miners(None).with_max_power(None);
    let groups: Groups = serde_json::from_value(serde_json::json!({ "group": [
        { "name": "row 1", "members": ["10.0.0.0/20"], "max_at_once": 10 },
        { "name": "row 2", "members": ["10.0.16.0/20"], "max_kw": 50.0 },
    ] }))
    .expect("groups");
    criterion.bench_function(name, |bencher| {
        bencher.iter_batched(
            || farm.to_vec(),
            |farm| {
                let at = Timestamp::from_unix_millis(1_700_000_000_000);
                let plan = Plan::make(action.clone(), policy.clone(), &groups, at, farm).expect("a plan");
                assert!(plan.skipped.is_empty());
                black_box(serde_json::to_vec(&plan).expect("a plan is written"))
            },
            BatchSize::LargeInput,
        );
    });
}
