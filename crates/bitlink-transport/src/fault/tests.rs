//! Faults do what they say, as often as planned, and the same again for the same seed. In virtual time.

use super::*;
use crate::host::{Door, Host, Script};
use crate::memory::MemoryTransport;
use bitlink_protocol::ApiRequest;
use futures::future::join_all;
use proptest::prelude::*;

const REPLY: &[u8] = b"{\"STATUS\":[{\"STATUS\":\"S\",\"Code\":11}]}";

#[derive(Debug)]
struct Miner;

impl Host for Miner {
    fn connect(&self, _port: u16) -> Door {
        Door::Open { after: Duration::ZERO }
    }

    fn respond(&self, _port: u16, _request: &[u8]) -> Script {
        Script::reply([REPLY, b"\0"].concat())
    }
}

fn at(last: u8) -> Endpoint {
    ([10, 0, 0, last], 4028).into()
}

fn network() -> MemoryTransport {
    (0..=255).fold(MemoryTransport::new(), |network, last| network.with_host(at(last).ip(), Miner))
}

fn faulty(seed: u64, plan: FaultPlan) -> FaultTransport {
    FaultTransport::new(Arc::new(network()), seed).with_plan(plan)
}

async fn ask(transport: &FaultTransport, endpoint: Endpoint) -> Result<ApiReply, TransportError> {
    let question = ApiRequest::new(b"summary".as_slice()).into();
    let limits = Limits::until(Instant::now() + Duration::from_secs(1));
    match transport.exchange(endpoint, &question, &limits).await? {
        Reply::Api(reply) => Ok(reply),
        other => panic!("{other:?}"),
    }
}

async fn probe(transport: &FaultTransport, endpoint: Endpoint) -> Probe {
    transport.probe(endpoint, Instant::now() + Duration::from_secs(1)).await
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, u128) {
    let started = Instant::now();
    (future.await, started.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn no_plan_no_fault() {
    let transport = faulty(1, FaultPlan::default());
    let (reply, took) = timed(ask(&transport, at(1))).await;
    assert_eq!((reply.unwrap(), took), (ApiReply::terminated(REPLY), 0));
    assert_eq!(probe(&transport, at(1)).await.outcome, ProbeOutcome::Open);
}

#[tokio::test(start_paused = true)]
async fn refused_and_exhausted() {
    let transport = faulty(1, FaultPlan::default().with_refuse(1.0));
    assert!(matches!(ask(&transport, at(1)).await, Err(TransportError::Refused)));
    assert_eq!(probe(&transport, at(1)).await.outcome, ProbeOutcome::Refused);
    transport.set_plan(FaultPlan::default().with_exhaust(1.0));
    assert!(matches!(ask(&transport, at(1)).await, Err(TransportError::Exhausted(_))));
    assert_eq!(probe(&transport, at(1)).await.outcome, ProbeOutcome::Exhausted);
    assert_eq!(transport.injected(Fault::Refuse), 2);
    assert_eq!(transport.injected(Fault::Exhaust), 2);
}

#[tokio::test(start_paused = true)]
async fn lost_replies_reach_the_miner_and_refused_questions_do_not() {
    let network = network();
    let transport = FaultTransport::new(Arc::new(network.clone()), 1)
        .with_plan_for(at(1), FaultPlan::default().with_stall(1.0))
        .with_plan_for(at(2), FaultPlan::default().with_drop(1.0))
        .with_plan_for(at(3), FaultPlan::default().with_refuse(1.0));
    let (stalled, took) = timed(ask(&transport, at(1))).await;
    assert!(matches!(stalled, Err(TransportError::TimedOut { stage: Stage::Waiting, received: 0 })));
    assert_eq!(took, 1000);
    assert!(matches!(ask(&transport, at(2)).await, Err(TransportError::ClosedWithoutReply)));
    assert!(matches!(ask(&transport, at(3)).await, Err(TransportError::Refused)));
    let heard = [1, 2, 3].map(|last| network.traffic_of(at(last).ip()).exchanges);
    assert_eq!(heard, [1, 1, 0]);
    assert_eq!(
        probe(&transport, at(1)).await,
        Probe { outcome: ProbeOutcome::Silent, elapsed: Duration::from_secs(1) }
    );
}

#[tokio::test(start_paused = true)]
async fn truncated() {
    let transport = faulty(1, FaultPlan::default().with_truncate_at(10));
    let expected = ApiReply { bytes: REPLY[..10].to_vec(), completion: Completion::EndOfStream };
    assert_eq!(ask(&transport, at(1)).await.unwrap(), expected);
    transport.set_plan(FaultPlan::default().with_truncate_at(0));
    assert!(matches!(ask(&transport, at(1)).await, Err(TransportError::ClosedWithoutReply)));
    transport.set_plan(FaultPlan::default().with_truncate_at(REPLY.len()));
    assert_eq!(ask(&transport, at(1)).await.unwrap(), ApiReply::terminated(REPLY), "nothing to cut");
    transport.set_plan(FaultPlan::default().with_truncate(1.0));
    for _ in 0..100 {
        match ask(&transport, at(1)).await {
            Ok(reply) => assert!(REPLY.starts_with(&reply.bytes) && reply.bytes.len() < REPLY.len()),
            Err(error) => assert!(matches!(error, TransportError::ClosedWithoutReply), "{error:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn corrupted() {
    let transport = faulty(1, FaultPlan::default().with_corrupt(1.0));
    for _ in 0..100 {
        let reply = ask(&transport, at(1)).await.unwrap();
        assert_eq!((reply.bytes.len(), reply.completion), (REPLY.len(), Completion::Terminated));
        let changed = reply.bytes.iter().zip(REPLY).filter(|(now, then)| now != then).count();
        assert!(changed <= 4, "{changed} bytes changed");
        assert!(!reply.bytes.contains(&0));
    }
}

#[tokio::test(start_paused = true)]
async fn delayed() {
    let late = |ms| FaultPlan::default().with_delay(1.0, Duration::from_millis(ms));
    let transport = faulty(1, late(300));
    let (reply, took) = timed(ask(&transport, at(1))).await;
    assert_eq!((reply.unwrap(), took), (ApiReply::terminated(REPLY), 300));
    assert_eq!(
        probe(&transport, at(1)).await,
        Probe { outcome: ProbeOutcome::Open, elapsed: Duration::from_millis(300) }
    );
    transport.set_plan(late(1500));
    let (outcome, took) = timed(ask(&transport, at(1))).await;
    assert!(matches!(outcome, Err(TransportError::TimedOut { stage: Stage::Connecting, .. })));
    assert_eq!(took, 1000);
    assert_eq!(probe(&transport, at(1)).await.outcome, ProbeOutcome::Silent);
}

#[tokio::test(start_paused = true)]
async fn dripping() {
    let every = |ms| FaultPlan::default().with_drip(1.0, Duration::from_millis(ms));
    let transport = faulty(1, every(10));
    let (reply, took) = timed(ask(&transport, at(1))).await;
    assert_eq!(reply.unwrap(), ApiReply::terminated(REPLY));
    assert_eq!(took, 10 * REPLY.len() as u128);

    transport.set_plan(every(100));
    let (reply, took) = timed(ask(&transport, at(1))).await;
    assert_eq!(reply.unwrap(), ApiReply { bytes: REPLY[..10].to_vec(), completion: Completion::Cut });
    assert_eq!(took, 1000);

    transport.set_plan(every(2000));
    let outcome = ask(&transport, at(1)).await;
    assert!(matches!(outcome, Err(TransportError::TimedOut { stage: Stage::Waiting, .. })), "{outcome:?}");

    transport.set_plan(every(0));
    assert_eq!(ask(&transport, at(1)).await.unwrap(), ApiReply::terminated(REPLY));
}

#[tokio::test(start_paused = true)]
async fn what_the_inner_transport_says_of_the_way_stays() {
    let transport = FaultTransport::new(Arc::new(MemoryTransport::new()), 1)
        .with_plan(FaultPlan::default().with_drop(1.0).with_stall(1.0));
    assert!(matches!(ask(&transport, at(1)).await, Err(TransportError::Refused)));
}

#[tokio::test(start_paused = true)]
async fn plans_of_one_endpoint_come_and_go() {
    let transport = faulty(1, FaultPlan::default());
    transport.set_plan_for(at(1), FaultPlan::default().with_refuse(1.0));
    assert!(ask(&transport, at(1)).await.is_err());
    assert!(ask(&transport, at(2)).await.is_ok());
    transport.clear_plan_for(at(1));
    assert!(ask(&transport, at(1)).await.is_ok());
}

/// The fates of some exchanges with each of some miners.
async fn fates(transport: &FaultTransport, miners: u8, all_at_once: bool) -> Vec<Vec<String>> {
    let one = async |last| {
        let mut fates = Vec::new();
        for _ in 0..5 {
            fates.push(format!("{:?}", ask(transport, at(last)).await));
        }
        fates
    };
    if all_at_once {
        return join_all((0..miners).map(one)).await;
    }
    let mut all = Vec::new();
    for last in (0..miners).rev() {
        all.insert(0, one(last).await);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_brings_the_same_faults_in_any_order() {
    let plan = FaultPlan::everything(0.3);
    let together = fates(&faulty(7, plan), 20, true).await;
    assert_eq!(together, fates(&faulty(7, plan), 20, false).await);
    assert_ne!(together, fates(&faulty(8, plan), 20, false).await);

    let probed = faulty(7, plan);
    for last in 0..20 {
        probe(&probed, at(last)).await;
    }
    assert_eq!(together, fates(&probed, 20, true).await, "probes do not disturb exchanges");
}

#[tokio::test(start_paused = true)]
async fn the_odds_of_one_fault_leave_the_others_alone() {
    let plan = FaultPlan::default().with_refuse(0.3);
    let refused = async |plan| {
        let fates = fates(&faulty(7, plan), 50, true).await.concat();
        fates.into_iter().map(|fate| fate.contains("Refused")).collect::<Vec<_>>()
    };
    assert_eq!(refused(plan).await, refused(plan.with_corrupt(0.5)).await);
}

#[tokio::test(start_paused = true)]
async fn faults_are_as_frequent_as_planned() {
    let transport = faulty(3, FaultPlan::default().with_drop(0.1));
    join_all((0..=255).map(async |last| {
        for _ in 0..40 {
            drop(ask(&transport, at(last)).await);
        }
    }))
    .await;
    let dropped = transport.injected(Fault::Drop);
    assert!((900..1150).contains(&dropped), "{dropped} of 10240");
    let never = faulty(3, FaultPlan::everything(f64::NAN));
    assert!(ask(&never, at(1)).await.is_ok());
}

/// The reference values for seed 1234567, as published with the generator.
#[test]
fn the_dice_are_splitmix64() {
    let mut dice = Dice(1_234_567);
    assert_eq!(dice.next(), 6_457_827_717_110_365_317);
    assert_eq!(dice.next(), 3_203_168_211_198_807_973);
}

proptest! {
    #[test]
    fn dice_stay_in_range(seed: u64, byte: u8, n in 0_usize..1000) {
        let mut dice = Dice(seed);
        let unit = dice.unit();
        prop_assert!((0.0..1.0).contains(&unit));
        prop_assert!(dice.below(n) < n.max(1));
        let other = dice.other_than(byte);
        prop_assert!(other != byte && other != 0);
    }
}
