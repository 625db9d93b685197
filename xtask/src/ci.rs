//! The gate: every check that a change must pass before it lands, in the order in which they fail fastest.
//!
//! It runs nothing of its own; each step belongs to the module of its subject. The same command runs on a developer's
//! machine and on the build server, and needs no more than the Rust toolchain: what else is missing is skipped and
//! counted.

use crate::steps::Step;
use crate::{
    bench, bench_monitor, bench_scan, docs, e2e, examples, fmt, hardware, interop, lint, metrics, mqtt,
    netns, test, tidy,
};

/// The steps of `cargo xtask ci`.
pub(crate) fn steps() -> Vec<Step> {
    let mut steps = vec![fmt::check()];
    steps.extend(lint::steps(false));
    steps.push(docs::step(false));
    steps.push(tidy::step());
    steps.push(hardware::step(false));
    steps.extend(test::steps(Vec::new()));
    steps.push(netns::step(false));
    steps.push(bench::run_once());
    steps.push(bench_scan::run_once());
    steps.push(bench_monitor::run_once());
    steps.push(examples::step());
    steps.push(interop::step(false, false));
    steps.push(metrics::step(false));
    steps.push(mqtt::step(false));
    steps.push(e2e::step(false));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_leaves_nothing_out() {
        let names: Vec<_> = steps().iter().map(Step::name).collect();
        assert_eq!(
            names,
            [
                "fmt",
                "clippy",
                "deny",
                "docs",
                "tidy",
                "hardware",
                "test",
                "doc-test",
                "netns",
                "bench",
                "bench-scan",
                "bench-monitor",
                "examples",
                "interop",
                "metrics",
                "mqtt",
                "e2e"
            ]
        );
    }
}
