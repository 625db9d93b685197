//! The protocol core by itself: finding the end of a reply, bytes to documents, documents to snapshots, and whole
//! conversations. No I/O and no clock.
//!
//! Throughput is in bytes of replies. "Defective" replies lack commas and are read by the lenient parser, after the
//! strict one has refused them.

use bitlink_benches::{CannedMiner, DIALECTS, Outcome, criterion, defective, drive, long_stats};
use bitlink_protocol::model::MinerSnapshot;
use bitlink_protocol::{ApiReply, Boundary, Framer, Oddities, ReadMiner, Reply, decode};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use std::hint::black_box;

fn main() {
    let mut criterion = criterion();
    framing(&mut criterion);
    floors(&mut criterion);
    documents(&mut criterion);
    snapshots(&mut criterion);
    conversations(&mut criterion);
    criterion.final_summary();
}

/// Where does the reply end? Asked of every byte that arrives.
fn framing(criterion: &mut Criterion) {
    let reply = long_stats();
    let mut group = criterion.benchmark_group("framing");
    group.throughput(bytes(reply.len()));
    group.bench_function(BenchmarkId::new("stats", reply.len()), |b| {
        b.iter(|| Framer::new().push(black_box(&reply)));
    });
    group.finish();
}

/// What the same long reply costs without any of our code: made into a tree, and only looked through.
fn floors(criterion: &mut Criterion) {
    let reply = long_stats();
    let mut group = criterion.benchmark_group("document_floor");
    group.throughput(bytes(reply.len()));
    group.bench_function(BenchmarkId::new("serde_json_tree", reply.len()), |b| {
        b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&reply)));
    });
    group.bench_function(BenchmarkId::new("serde_json_nothing_kept", reply.len()), |b| {
        b.iter(|| serde_json::from_slice::<serde::de::IgnoredAny>(black_box(&reply)));
    });
    group.finish();
}

/// The longest reply of each fixture, and one of the size that a real Antminer sends.
fn documents(criterion: &mut Criterion) {
    let of_fixture = |(label, fixture)| (label, CannedMiner::load(fixture).longest_reply());
    let replies = DIALECTS.map(of_fixture).into_iter().chain([("antminer_long", long_stats())]);
    for (label, reply) in replies {
        for (state, reply) in [("sound", reply.clone()), ("defective", defective(&reply))] {
            let reply = ApiReply::terminated(reply);
            let mut group = criterion.benchmark_group(format!("document_{state}"));
            group.throughput(bytes(reply.bytes.len()));
            group.bench_function(BenchmarkId::new(label, reply.bytes.len()), |b| {
                b.iter(|| decode("stats", black_box(&reply)));
            });
            group.finish();
        }
    }
}

/// Decoded answers to a snapshot, as the dialect reads them; what follows from the rest is filled in too.
fn snapshots(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot");
    for (label, fixture) in DIALECTS {
        let miner = CannedMiner::load(fixture);
        let (dialect, answers) = miner.answers();
        group.throughput(bytes(total(&miner.later_reading().1)));
        group.bench_function(label, |b| {
            b.iter(|| {
                let mut snapshot = MinerSnapshot::default();
                dialect.read(black_box(&answers), &mut snapshot, &Oddities::default());
                snapshot.derive();
                snapshot
            });
        });
    }
    group.finish();
}

/// Everything from the first question to the reading: of a stranger, and of a miner that was identified before, which
/// is what a monitor does at every poll.
fn conversations(criterion: &mut Criterion) {
    for (label, fixture) in DIALECTS {
        let miner = CannedMiner::load(fixture);
        let first = miner.first_reading();
        let mut group = criterion.benchmark_group("conversation_first");
        group.throughput(bytes(total(&first)));
        group.bench_function(label, |b| {
            b.iter_batched(|| first.clone(), |said| drive(ReadMiner::new(), said), BatchSize::SmallInput);
        });
        group.finish();

        let (identified, later) = miner.later_reading();
        let mut group = criterion.benchmark_group("conversation_again");
        group.throughput(bytes(total(&later)));
        group.bench_function(label, |b| {
            b.iter_batched(
                || (ReadMiner::again(identified.clone()), later.clone()),
                |(conversation, said)| drive(conversation, said),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn total(outcomes: &[Outcome]) -> usize {
    let lengths = outcomes.iter().map(|outcome| match outcome {
        Ok(Reply::Api(reply)) => reply.bytes.len(),
        _ => 0,
    });
    lengths.sum()
}

fn bytes(count: usize) -> Throughput {
    Throughput::Bytes(count as u64)
}
