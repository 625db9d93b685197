//! `bitlink demo` without a terminal.

use crate::support::{Running, run};

#[test]
fn once_prints_every_miner_and_finds_the_truth() {
    let demo = run("demo --once --miners 16 --seed 3").ended_with(0);
    assert_eq!(demo.out.lines().filter(|line| line.contains(" 127.0.10.")).count(), 16, "{}", demo.out);
    assert!(
        demo.out.contains("16 miners compared with the simulation: model and status are true."),
        "{}",
        demo.out
    );
    assert!(demo.out.contains("✖ dead"), "one falls silent: {}", demo.out);
}

#[test]
fn a_demo_ends_well_at_a_signal() {
    for signal in ["INT", "TERM"] {
        let mut demo = Running::start("demo --miners 2");
        demo.wait_for("2 miners");
        demo.signal(signal);
        demo.end().ended_with(0);
    }
}
