//! Metrics against the real thing: `promtool` reads the rules, the configuration and their tests; Prometheus scrapes a service that
//! watches simulated miners, by the configuration that we ship; and every question of the dashboard is put to it.

#![allow(clippy::indexing_slicing, reason = "what a document does not have is null")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::dist::{self, Profile};
use crate::farm::{self, Lines, Miners, Place, Running, Service};
use crate::process;
use crate::steps::{Outcome, Step};
use crate::workspace::Workspace;

/// Where what we ship lies.
const FOLDER: &str = "contrib/prometheus";
const DASHBOARD: &str = "contrib/grafana/bitlink.json";
/// The network of this check.
const NET: u8 = 1;
const MINERS: u8 = 24;
/// An alert that does not wait.
const ALERTS: &str =
    "[alerts]\nshipped = false\n[[alerts.rule]]\nname = \"offline\"\nwhen = { status = [\"dead\"] }\n";

/// The step; `required` makes what would be skipped a failure.
pub(crate) fn step(required: bool) -> Step {
    Step::new("metrics", move |workspace| match metrics(workspace)? {
        Outcome::Skipped(reason) if required => bail!("{reason}"),
        outcome => Ok(outcome),
    })
}

fn metrics(workspace: &Workspace) -> Result<Outcome> {
    if !farm::has("promtool") || !farm::has("prometheus") {
        return Ok(Outcome::not_installed("prometheus", "apt-get install prometheus"));
    }
    let folder = workspace.root().join(FOLDER);
    for words in [
        ["check", "rules", "bitlink-rules.yml"],
        ["test", "rules", "bitlink-rules-test.yml"],
        ["check", "config", "prometheus.yml"],
    ] {
        process::run(Command::new("promtool").current_dir(&folder).args(words))?;
    }
    let bitlink = dist::build_bitlink(workspace, Profile::Dev)?;
    scrape(workspace, &bitlink)?;
    Ok(Outcome::Passed)
}

/// A Prometheus that runs here.
struct Prometheus {
    at: SocketAddr,
    running: Running,
    lines: Lines,
}

impl Prometheus {
    /// Starts one with the configuration that we ship, but for the address of the service and for its leisure.
    fn start(workspace: &Workspace, place: &Place, service: &Service) -> Result<Self> {
        let folder = workspace.root().join(FOLDER);
        let shipped = std::fs::read_to_string(folder.join("prometheus.yml"))?;
        let rules = folder.join("bitlink-rules.yml").display().to_string();
        let mut config = shipped.clone();
        for (from, to) in [
            ("scrape_interval: 30s", "scrape_interval: 1s\n  evaluation_interval: 1s"),
            ("scrape_interval: 60s", "scrape_interval: 1s"),
            ("refresh_interval: 5m", "refresh_interval: 1s"),
            ("- bitlink-rules.yml", &format!("- {rules}")),
            ("127.0.0.1:4080", &service.http.to_string()),
        ] {
            if !config.contains(from) {
                bail!("{FOLDER}/prometheus.yml does not have {from:?} any more");
            }
            config = config.replace(from, to);
        }
        let config = place.write("prometheus.yml", &config)?;
        let ip = farm::server(NET);
        let at = farm::at(ip, farm::free_port(ip)?);
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", place.path().join("tsdb").display()));
        command.arg(format!("--web.listen-address={at}")).arg("--log.level=warn");
        let mut running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
        let lines = Lines::of(running.errors()?);
        let ready = farm::until(|| {
            farm::get(at, "/-/ready")
                .ok()
                .filter(|(status, _)| *status == 200)
                .map(|_| true)
                .or_else(|| running.has_ended().then_some(false))
        });
        if ready != Some(true) {
            // Why, in its own words.
            lines.wait("Prometheus to be ready", |_| None::<()>)?;
        }
        Ok(Self { at, running, lines })
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let (_, body) = farm::get(self.at, path)?;
        let answer: Value = serde_json::from_str(&body).with_context(|| format!("{path}: {body}"))?;
        if answer["status"] != "success" {
            bail!("{path}: {}", answer["error"]);
        }
        Ok(answer["data"].clone())
    }

    /// The values that an expression has now.
    fn values(&self, expression: &str) -> Result<Vec<f64>> {
        let data = self.ask(&format!("/api/v1/query?query={}", encoded(expression)))?;
        let samples = data["result"].as_array().context("no list of samples")?;
        let value = |sample: &Value| sample["value"][1].as_str().and_then(|text| text.parse().ok());
        samples.iter().map(value).collect::<Option<Vec<f64>>>().context("a sample without a value")
    }

    /// Waits until an expression has these values.
    fn wait_for(&self, expression: &str, wanted: &[f64]) -> Result<()> {
        let mut last = Vec::new();
        let found = farm::until(|| {
            last = self.values(expression).ok()?;
            (last == wanted).then_some(())
        });
        found.with_context(|| format!("{expression} is {last:?} and never {wanted:?}"))?;
        println!("{expression} = {wanted:?}");
        Ok(())
    }
}

fn scrape(workspace: &Workspace, bitlink: &Path) -> Result<()> {
    let place = Place::new("metrics")?;
    let mut miners = Miners::start(bitlink, NET, MINERS)?;
    let mut service = Service::start(bitlink, &place, &miners, farm::server(NET), ALERTS)?;
    service.wait_for_live(MINERS)?;
    let mut prometheus = Prometheus::start(workspace, &place, &service)?;
    let all = f64::from(MINERS);
    prometheus.wait_for("count(asic_up == 1)", &[all])?;
    prometheus.wait_for("count by (job) (up == 1) > 0", &[1.0, 1.0])?;
    prometheus.wait_for("bitlink:devices_live:ratio", &[1.0])?;
    prometheus.wait_for("sum(bitlink_devices)", &[all])?;
    prometheus.wait_for("sum(asic_status)", &[all])?;
    // What the service sums up is what its devices tell.
    prometheus.wait_for(
        "abs(sum(asic_hashrate_hashes_per_second) / sum(bitlink_fleet_hashrate_hashes_per_second) - 1) < bool 0.05",
        &[1.0],
    )?;
    prometheus.wait_for("count(asic_board_chips) >= bool count(asic_up)", &[1.0])?;
    targets(&prometheus)?;
    rules(&prometheus)?;
    dashboard(workspace, &prometheus)?;

    // The farm loses its power: no reading looks live, and the alert begins to wait.
    miners.running.kill();
    prometheus.wait_for("bitlink_devices{status=\"dead\"}", &[all])?;
    prometheus.wait_for("count(asic_up == 0)", &[all])?;
    prometheus.wait_for("asic_hashrate_hashes_per_second", &[])?;
    prometheus.wait_for("ALERTS{alertname=\"BitlinkSiteSilent\",alertstate=\"pending\"}", &[1.0])?;
    prometheus.wait_for("ALERTS{alertname=\"AsicDead\"}", &[])?;
    prometheus.wait_for("sum(bitlink_alerts_firing) > bool 0", &[1.0])?;
    // It had nothing to complain about, as a series that comes twice.
    prometheus.running.kill();
    let mut complaints = Vec::new();
    prometheus.lines.drain(|line| complaints.push(line.to_owned()));
    let of_samples: Vec<&String> =
        complaints.iter().filter(|line| line.contains("ingesting") || line.contains("duplicate")).collect();
    if !of_samples.is_empty() {
        bail!("Prometheus complains: {of_samples:#?}");
    }
    Ok(())
}

fn targets(prometheus: &Prometheus) -> Result<()> {
    let data = prometheus.ask("/api/v1/targets?state=active")?;
    let targets = data["activeTargets"].as_array().context("no list of targets")?;
    for target in targets {
        if target["health"] != "up" {
            bail!("{} is {}: {}", target["scrapeUrl"], target["health"], target["lastError"]);
        }
    }
    println!("{} targets are up", targets.len());
    Ok(())
}

fn rules(prometheus: &Prometheus) -> Result<()> {
    let mut number = 0;
    let well = farm::until(|| {
        let data = prometheus.ask("/api/v1/rules").ok()?;
        let rules: Vec<&Value> = data["groups"]
            .as_array()?
            .iter()
            .filter_map(|group| group["rules"].as_array())
            .flatten()
            .collect();
        number = rules.len();
        (number > 0 && rules.iter().all(|rule| rule["health"] == "ok")).then_some(())
    });
    well.context("not every rule is well")?;
    println!("{number} rules are loaded and well");
    Ok(())
}

/// Puts every question of the dashboard, until each has an answer. What is in order, or is not told here, has nothing to show.
fn dashboard(workspace: &Workspace, prometheus: &Prometheus) -> Result<()> {
    let text = std::fs::read_to_string(workspace.root().join(DASHBOARD))?;
    let dashboard: Value = serde_json::from_str(&text).context(DASHBOARD)?;
    let panels = dashboard["panels"].as_array().context("a dashboard without panels")?;
    let (mut asked, mut silent) = (0, 0);
    for panel in panels {
        let title = panel["title"].as_str().unwrap_or_default();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().context("a target without an expression")?;
            let expression = expression.replace("$site", ".*");
            let first = prometheus.values(&expression).with_context(|| format!("{DASHBOARD}: {title}"))?;
            asked += 1;
            if first.is_empty() && may_be_silent(title, &expression) {
                silent += 1;
                continue;
            }
            // Rates take more than one look.
            let shown =
                farm::until(|| prometheus.values(&expression).ok().filter(|values| !values.is_empty()));
            shown.with_context(|| format!("{DASHBOARD}: {title:?} shows nothing: {expression}"))?;
        }
    }
    println!("{asked} questions of the dashboard are understood, {silent} have nothing to show here");
    Ok(())
}

fn may_be_silent(title: &str, expression: &str) -> bool {
    let is_of_bad_days =
        ["Dead", "Findings", "What is wrong, by rule", "Most rejected work"].contains(&title);
    let is_not_told_here =
        ["bitlink_mqtt", "inlet", "asic_power", "bitlink_fleet_power", "devices_with_power"];
    is_of_bad_days || is_not_told_here.iter().any(|part| expression.contains(part))
}

/// As a part of a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_a_part_of_a_url() {
        assert_eq!(encoded("a{b=\"c d\"} > 1"), "a%7Bb%3D%22c%20d%22%7D%20%3E%201");
    }
}
