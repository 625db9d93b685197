//! AxeOS on the Bitaxe, and the NerdAxe's firmware: a web server and nothing else (ESP-Miner, `http_server.c`;
//! ESP-Miner-NerdQAxePlus, `handler_system.cpp`). It only reads.

mod orders;

use crate::face::{Doorway, Face, Moment};
use crate::fault::FaultKind;
use crate::http::{Request, Response};
use crate::miner::Model;
use crate::node::{Node, Record};
use crate::state::{Phase, PoolState};
use bitlink_model::Family;

/// See the file.
#[derive(Debug)]
pub(crate) struct AxeOs {
    /// The NerdAxe's.
    pub(crate) nerd: bool,
}

const GAMMA: Model = Model {
    make: Some("Bitaxe"),
    name: Some("Gamma"),
    printed: "Gamma",
    boards: 1,
    chips: 1,
    fans: 1,
    ths: 1.2,
    watts: 18.0,
    frequency_mhz: 525.0,
    voltage: 1.15,
    fan_rpm: 6500.0,
};
const AXES: [Model; 2] =
    [GAMMA, Model { name: Some("Supra"), printed: "Supra", ths: 0.7, watts: 13.0, ..GAMMA }];
const NERD: Model = Model {
    make: Some("NerdAxe"),
    name: Some("NerdQAxe+"),
    printed: "NerdQAxe+",
    chips: 4,
    fans: 2,
    ths: 2.5,
    watts: 60.0,
    ..GAMMA
};
const NERDS: [Model; 1] = [NERD];

impl Face for AxeOs {
    fn family(&self) -> Family {
        if self.nerd { Family::NERDAXE } else { Family::AXEOS }
    }

    fn models(&self) -> &'static [Model] {
        if self.nerd { &NERDS } else { &AXES }
    }

    fn default_model(&self) -> &'static Model {
        if self.nerd { &NERD } else { &GAMMA }
    }

    fn host_prefix(&self) -> &'static str {
        if self.nerd { "nerdqaxe" } else { "bitaxe" }
    }

    /// It counts no chips that answer, and knows of its pools only that it mines. A machine of one chip that
    /// loses it hashes no more.
    fn reveals(&self, _: &Model, fault: FaultKind) -> bool {
        match fault {
            FaultKind::PoolDead | FaultKind::AllPoolsDead => false,
            FaultKind::Slow | FaultKind::ChipsLost => !self.nerd,
            _ => true,
        }
    }

    fn doors(&self) -> &'static [Doorway] {
        &[Doorway::WEB]
    }

    fn web(&self, moment: &Moment<'_>, request: &Request<'_>) -> Response {
        if let Some(response) = orders::answer(moment, request, self.nerd) {
            return response;
        }
        let page = if self.nerd { "NerdQAxe+" } else { "AxeOS" };
        let document = match (request.method, request.path()) {
            ("GET", "/") => {
                return Response::html(
                    200,
                    format!("<html><head><title>{page}</title></head><body></body></html>"),
                );
            }
            ("GET", "/api/system/info") => self.info(moment),
            ("GET", "/api/system/asic") => asic(moment),
            ("GET", "/api/v2/identify") if self.nerd => Record::new()
                .text("deviceModel", moment.spec.model.printed)
                .flag("otp", false)
                .flag("apActive", false),
            // A captive portal: whatever it does not know leads to its front page.
            _ => return Response::html(302, "Redirect to the captive portal").with_header("Location", "/"),
        };
        Response::json(Node::from(document).to_json())
    }
}

impl AxeOs {
    fn info(&self, moment: &Moment<'_>) -> Record {
        let (spec, state) = (moment.spec, moment.state);
        let down = matches!(state.phase, Phase::Asleep | Phase::Stopped);
        let chip = state.boards.first().map_or(0.0, |board| board.chip_c.into_iter().fold(0.0, f64::max));
        let has = |kind: FaultKind| state.faults.iter().any(|fault| fault.kind() == kind);
        let supply_mv = if self.nerd { 12_040.0 } else { 5_030.0 };
        let mut info = Record::new()
            .fixed("power", state.power_w, 2)
            .fixed("voltage", supply_mv, 2)
            .fixed("current", state.power_w / supply_mv * 1e6, 2)
            .fixed("temp", chip, 2)
            .fixed("vrTemp", chip - 4.0, 0)
            .fixed("hashRate", state.rate_5s * 1e3, 4)
            .fixed("hashRate_1m", state.rate_1m * 1e3, 4)
            .fixed("hashRate_10m", state.rate_15m * 1e3, 4)
            .fixed("hashRate_1h", state.rate_avg * 1e3, 4)
            .count("bestDiff", state.best_share)
            .count("bestSessionDiff", state.best_share)
            .count("poolDifficulty", spec.difficulty)
            .fixed("coreVoltage", spec.model.voltage * 1e3, 0)
            .fixed("coreVoltageActual", if down { 0.0 } else { spec.model.voltage * 1e3 - 4.0 }, 0)
            .fixed("frequency", spec.settings.frequency_mhz.unwrap_or(spec.model.frequency_mhz), 0)
            .text("ssid", "farm")
            .text("macAddr", spec.mac.to_string())
            .text("hostname", spec.hostname.clone())
            .text("wifiStatus", "Connected!")
            .int("wifiRSSI", -55)
            .count("sharesAccepted", state.accepted())
            .count("sharesRejected", state.rejected())
            .count("uptimeSeconds", state.elapsed_s)
            .int("smallCoreCount", 2040)
            .text("ASICModel", asic_model(moment))
            .fixed("fanspeed", state.fan_duty * 100.0, 0)
            .text("runningPartition", "ota_0");
        let rpm = |index: usize| state.fans_rpm.get(index).copied().unwrap_or_default();
        info = if self.nerd {
            let fan = |index| {
                Node::from(Record::new().int("mode", 2).count("rpm", rpm(index)).fixed(
                    "speedPerc",
                    state.fan_duty * 100.0,
                    0,
                ))
            };
            info.text("deviceModel", spec.model.printed)
                .count("asicCount", u64::from(spec.model.chips))
                .put("asicTemps", Node::List(vec![Node::Bare(format!("{chip:.2}"))]))
                .text("version", "v1.0.36")
                .int("fanCount", 2)
                .count("fanrpm", rpm(0))
                .count("fanrpm2", rpm(1))
                .put("fans", Node::List(vec![fan(0), fan(1)]))
                .int("boardError", if has(FaultKind::PsuFault) { 3 } else { 0 })
                .flag("shutdown", state.phase == Phase::Asleep)
                .flag("otp", false)
        } else {
            info.fixed("actualFrequency", state.frequency_mhz, 0)
                .fixed("expectedHashrate", spec.nominal_ths * 1e3, 0)
                .fixed("errorPercentage", 0.2, 2)
                .int("isUsingFallbackStratum", 0)
                .text("version", "v2.10.1")
                .text("axeOSVersion", "v2.10.1")
                .text("idfVersion", "v5.5")
                .text("boardVersion", "601")
                .count("fanrpm", rpm(0))
                .int("fan2rpm", 0)
                .int("temptarget", 60)
                .int("overheat_mode", 0)
                .flag("miningPaused", state.phase == Phase::Asleep)
        };
        if !self.nerd && has(FaultKind::PsuFault) {
            info = info.text("power_fault", "Power input fault detected");
        }
        pools(info, &state.pools, self.nerd)
    }
}

fn asic(moment: &Moment<'_>) -> Record {
    let model = moment.spec.model;
    Record::new()
        .text("ASICModel", asic_model(moment))
        .text("deviceModel", model.printed)
        .text("swarmColor", "green")
        .count("asicCount", u64::from(model.chips))
        .fixed("defaultFrequency", model.frequency_mhz, 0)
        .put("frequencyOptions", Node::ints([400, 490, 525]))
        .fixed("defaultVoltage", model.voltage * 1e3, 0)
        .put("voltageOptions", Node::ints([1000, 1100, 1150]))
}

/// Flat keys for two, and on AxeOS the list of slots too. The host stands without a scheme.
fn pools(mut info: Record, pools: &[PoolState], nerd: bool) -> Record {
    let place = |pool: &PoolState| {
        let place = pool.url.rsplit("://").next().unwrap_or_default();
        let (host, port) = place.split_once(':').unwrap_or((place, "3333"));
        (host.to_owned(), Node::Bare(port.to_owned()))
    };
    let mut slots = Vec::new();
    for ((id, prefix), pool) in [(0, "stratum"), (1, "fallbackStratum")].into_iter().zip(pools) {
        let (host, port) = place(pool);
        let slot = Record::new()
            .int("id", id)
            .text("stratumProtocol", "SV1")
            .text("stratumURL", host.clone())
            .put("stratumPort", port.clone())
            .text("stratumUser", pool.user.clone())
            .text("stratumPassword", "*****")
            .int("stratumTLS", 0);
        slots.push(slot.into());
        info = info
            .text(format!("{prefix}URL"), host)
            .put(format!("{prefix}Port"), port)
            .text(format!("{prefix}User"), pool.user.clone());
    }
    if nerd {
        return info.flag("isUsingFallbackStratum", false);
    }
    info.int("primaryPoolIndex", 0)
        .int("secondaryPoolIndex", 1)
        .int("useFallbackStratum", 0)
        .put("pools", Node::List(slots))
}

/// The chip by which clients tell the models apart (ESP-Miner, `device_config.h`).
fn asic_model(moment: &Moment<'_>) -> &'static str {
    match moment.spec.model.printed {
        "Max" => "BM1397",
        "Ultra" => "BM1366",
        "Supra" => "BM1368",
        _ => "BM1370",
    }
}
