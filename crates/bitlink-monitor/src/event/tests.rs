//! The queue: order, bounds, what is left out first, and that it is told.

use super::*;
use crate::state::Coverage;
use bitlink_model::Timestamp;
use futures::task::noop_waker;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

fn miner(n: u8, status: MinerStatus) -> Arc<Miner> {
    let mut miner = Miner::unheard(IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)), 4028);
    miner.status = status;
    Arc::new(miner)
}

fn update(n: u8) -> MonitorEvent {
    MonitorEvent::MinerUpdated(miner(n, MinerStatus::Active))
}

fn change(n: u8, from: MinerStatus, to: MinerStatus) -> MonitorEvent {
    MonitorEvent::StatusChanged { miner: miner(n, to), from, to }
}

fn snapshot(second: i64) -> MonitorEvent {
    let taken_at = Timestamp::from_unix_seconds(second).unwrap();
    let fleet = FleetSnapshot { taken_at, seq: 0, miners: Arc::default(), coverage: Coverage::default() };
    MonitorEvent::FullSnapshot(Arc::new(fleet))
}

/// Everything that can be read now, in short.
fn drain(queue: &EventQueue) -> Vec<String> {
    drain_after(queue, &mut { queue.lock().read })
}

/// The same, by a reader that minds the numbers.
fn drain_after(queue: &EventQueue, last: &mut u64) -> Vec<String> {
    let waker = noop_waker();
    let cx = Context::from_waker(&waker);
    let mut read = Vec::new();
    while let Poll::Ready(event) = queue.poll(&cx) {
        let Some(Numbered { seq, event }) = event else {
            read.push("end".to_owned());
            break;
        };
        let missed = if let MonitorEvent::Lagged { missed, .. } = event { missed } else { 1 };
        assert_eq!(seq, *last + missed, "no gap but those that are told");
        *last = seq;
        read.push(match event {
            MonitorEvent::MinerUpdated(miner) => format!("update {}", last_octet(&miner)),
            MonitorEvent::StatusChanged { miner, from, to } => {
                format!("change {} {from}->{to}", last_octet(&miner))
            }
            MonitorEvent::FullSnapshot(fleet) => format!("full {}", fleet.taken_at.as_unix_millis() / 1000),
            MonitorEvent::Lagged { missed, first } => {
                assert_eq!(first + missed - 1, seq);
                format!("lagged {missed}")
            }
            other => format!("{other:?}"),
        });
    }
    read
}

fn last_octet(miner: &Miner) -> String {
    miner.ip.to_string().rsplit('.').next().unwrap().to_owned()
}

use MinerStatus::{Active, Dead, Scanning, Warning};

#[test]
fn what_fits_comes_in_order() {
    let queue = EventQueue::new(16);
    queue.push(change(1, Scanning, Active));
    queue.push(update(1));
    queue.push(snapshot(10));
    queue.push(update(2));
    queue.push(change(2, Active, Dead));
    assert_eq!(
        drain(&queue),
        ["change 1 scanning->active", "update 1", "full 10", "update 2", "change 2 active->dead"]
    );
    queue.push(update(3));
    queue.close();
    queue.push(update(4));
    assert_eq!(
        drain(&queue),
        ["update 3", "end"],
        "what was queued can still be read, and nothing more comes"
    );
}

#[test]
fn updates_are_left_out_first_and_counted() {
    let queue = EventQueue::new(3);
    queue.push(update(1));
    queue.push(change(1, Active, Dead));
    for n in 2..=5 {
        queue.push(update(n));
    }
    assert_eq!(drain(&queue), ["lagged 1", "change 1 active->dead", "lagged 2", "update 4", "update 5"]);
    queue.push(update(6));
    assert_eq!(drain(&queue), ["update 6"], "a lag is told once");
}

#[test]
fn the_newest_may_be_missing_too_and_is_told() {
    let queue = EventQueue::new(2);
    queue.push(change(1, Active, Dead));
    queue.push(change(2, Active, Dead));
    queue.push(update(3));
    assert_eq!(drain(&queue), ["change 1 active->dead", "change 2 active->dead", "lagged 1"]);
    assert_eq!(queue.newest(), 3);
    queue.push(update(4));
    assert_eq!(drain(&queue), ["update 4"]);
}

#[test]
fn only_the_latest_snapshot_is_kept() {
    let queue = EventQueue::new(16);
    queue.push(snapshot(10));
    queue.push(update(1));
    queue.push(snapshot(20));
    assert_eq!(drain(&queue), ["lagged 1", "update 1", "full 20"]);
}

#[test]
fn changes_of_one_miner_are_joined_before_any_is_lost() {
    let queue = EventQueue::new(3);
    queue.push(change(1, Scanning, Active));
    queue.push(change(2, Scanning, Active));
    queue.push(change(3, Scanning, Active));
    queue.push(change(2, Active, Warning));
    queue.push(change(2, Warning, Dead));
    assert_eq!(
        drain(&queue),
        [
            "change 1 scanning->active",
            "lagged 1",
            "change 3 scanning->active",
            "lagged 1",
            "change 2 scanning->dead"
        ]
    );
}

#[test]
fn the_oldest_change_is_lost_only_when_there_is_nothing_else() {
    let queue = EventQueue::new(2);
    for n in 1..=4 {
        queue.push(change(n, Scanning, Dead));
    }
    assert_eq!(drain(&queue), ["lagged 2", "change 3 scanning->dead", "change 4 scanning->dead"]);
}

proptest! {
    #[test]
    fn what_is_read_and_what_is_counted_add_up_and_the_queue_is_bounded(
        kinds in prop::collection::vec((0..4_u8, 1..6_u8, any::<bool>()), 0..300),
        capacity in 1..20_usize,
    ) {
        let queue = EventQueue::new(capacity);
        let mut pushed = 0_u64;
        let (mut read, mut last) = (0_u64, 0_u64);
        let mut count = |queue: &EventQueue| {
            for line in drain_after(queue, &mut last) {
                read += line.strip_prefix("lagged ").map_or(1, |n| n.parse::<u64>().unwrap());
            }
        };
        for (kind, n, reads) in kinds {
            queue.push(match kind {
                0 => update(n),
                1 => change(n, Active, Warning),
                2 => change(n, Warning, Active),
                _ => snapshot(i64::from(n)),
            });
            pushed += 1;
            prop_assert!(queue.lock().len() <= capacity);
            if reads && n == 1 {
                count(&queue);
            }
        }
        count(&queue);
        prop_assert_eq!(read, pushed);
    }
}
