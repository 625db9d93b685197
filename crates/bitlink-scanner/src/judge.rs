//! The quick judgement of a miner that has just been found, from one reading. Health over time (how long, how often)
//! needs more than one reading and is not judged here.

use bitlink_model::{
    Evidence, Finding, MinerSnapshot, MinerStatus, MiningState, Ratio, Rule, Severity, Temperature,
};

/// From this temperature on a miner is hot, °C.
pub const HOT_CELSIUS: f64 = 85.0;
/// Below this share of its expected hash rate a miner is slow.
pub const SLOW_RATIO: f64 = 0.85;

/// Raised for a miner whose hottest sensor is at [`HOT_CELSIUS`] or more.
pub const RULE_HOT: Rule = Rule::new("temperature_high");
/// Raised for a miner that should be mining and hashes below [`SLOW_RATIO`] of what it should.
pub const RULE_SLOW: Rule = Rule::new("hashrate_low");
/// Raised for a miner that says itself that it should be mining and is not.
pub const RULE_NOT_MINING: Rule = Rule::new("not_mining");

/// [`MinerStatus::Warning`] with a finding for each rule that is broken, else [`MinerStatus::Paused`] for a miner that says
/// that it is stopped by wish, else [`MinerStatus::Active`]. A reading that is missing breaks no rule, and neither does the
/// hash rate of a miner that is stopped or coming up.
pub fn judge(snapshot: &MinerSnapshot) -> (MinerStatus, Vec<Finding>) {
    let findings: Vec<Finding> =
        [too_hot(snapshot), too_slow(snapshot), not_mining(snapshot)].into_iter().flatten().collect();
    let status = match snapshot.mining_state {
        _ if !findings.is_empty() => MinerStatus::Warning,
        Some(MiningState::Stopped) => MinerStatus::Paused,
        _ => MinerStatus::Active,
    };
    (status, findings)
}

fn too_hot(snapshot: &MinerSnapshot) -> Option<Finding> {
    let celsius =
        snapshot.temperatures.hottest().map(Temperature::as_celsius).filter(|t| *t >= HOT_CELSIUS)?;
    let finding = Finding::new(
        RULE_HOT,
        Severity::Warning,
        format!("hottest sensor {celsius:.0} °C, limit {HOT_CELSIUS:.0} °C"),
    )
    .with_numbers(Evidence::new(celsius, "°C"), Evidence::new(HOT_CELSIUS, "°C"))
    .clears_when(format!("below {HOT_CELSIUS:.0} °C"));
    Some(dated(finding, snapshot))
}

fn too_slow(snapshot: &MinerSnapshot) -> Option<Finding> {
    if matches!(snapshot.mining_state, Some(MiningState::Stopped | MiningState::Starting)) {
        return None;
    }
    let ratio =
        snapshot.hashrate.of_expected().map(Ratio::as_fraction).filter(|ratio| *ratio < SLOW_RATIO)?;
    let (percent, limit) = (ratio * 100.0, SLOW_RATIO * 100.0);
    let finding = Finding::new(
        RULE_SLOW,
        Severity::Warning,
        format!("hashes at {percent:.0} % of what it should, limit {limit:.0} %"),
    )
    .with_numbers(Evidence::new(percent, "%"), Evidence::new(limit, "%"))
    .clears_when(format!("at {limit:.0} % or more"));
    Some(dated(finding, snapshot))
}

fn not_mining(snapshot: &MinerSnapshot) -> Option<Finding> {
    (snapshot.mining_state == Some(MiningState::Failed)).then(|| {
        let finding = Finding::new(RULE_NOT_MINING, Severity::Critical, "should be mining and is not")
            .clears_when("mining again");
        dated(finding, snapshot)
    })
}

/// From one reading it is only known that it is true now.
fn dated(finding: Finding, snapshot: &MinerSnapshot) -> Finding {
    match snapshot.observed_at {
        Some(now) => finding.since(now),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    //! Each rule at, above and below its limit.
    use super::*;
    use bitlink_model::HashRate;

    fn check(celsius: Option<f64>, ratio: Option<f64>, state: Option<MiningState>, rules: &[Rule]) {
        let mut snapshot = MinerSnapshot::default();
        snapshot.temperatures.chip_max = celsius.map(|c| Temperature::from_celsius(c).unwrap());
        snapshot.hashrate.realtime = ratio.map(|r| HashRate::from_ths(100.0 * r).unwrap());
        snapshot.hashrate.expected = ratio.map(|_| HashRate::from_ths(100.0).unwrap());
        snapshot.mining_state = state;
        let (status, findings) = judge(&snapshot);
        assert_eq!(findings.iter().map(|f| f.rule.clone()).collect::<Vec<_>>(), rules);
        assert_eq!(status == MinerStatus::Warning, !rules.is_empty());
        assert_eq!(
            status == MinerStatus::Paused,
            rules.is_empty() && state == Some(MiningState::Stopped),
            "{status}"
        );
    }

    #[test]
    fn hot_slow_and_failed_miners_warn_and_silence_does_not() {
        check(None, None, None, &[]);
        check(Some(84.9), Some(0.85), None, &[]);
        check(Some(85.0), Some(1.0), None, &[RULE_HOT]);
        check(Some(60.0), Some(0.849), None, &[RULE_SLOW]);
        check(Some(91.0), Some(0.0), Some(MiningState::Failed), &[RULE_HOT, RULE_SLOW, RULE_NOT_MINING]);
        check(Some(30.0), Some(0.0), Some(MiningState::Stopped), &[]);
        check(Some(91.0), Some(0.0), Some(MiningState::Stopped), &[RULE_HOT]);
        check(Some(30.0), Some(0.1), Some(MiningState::Starting), &[]);
    }
}
