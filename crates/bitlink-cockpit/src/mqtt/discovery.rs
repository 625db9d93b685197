//! How Home Assistant is told that there is a device with sensors: one message for each device, as
//! <https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload> has it. The names in it are those of Home Assistant.

use super::publisher::Topics;
use super::sensors::{Sensor, Shown, fan_key, plain, url_host};
use bitlink_model::{Identity, MinerId, MinerStatus};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// What a device is. Two that are equal are told in the same words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Device {
    pub(super) id: MinerId,
    name: String,
    make: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    board: Option<String>,
    serial: Option<String>,
    mac: Option<String>,
    area: Option<String>,
    ip: Option<IpAddr>,
    shown: Shown,
    /// For how long a reading counts.
    expire_s: u64,
}

impl Device {
    pub(super) fn new(
        id: MinerId,
        identity: &Identity,
        ip: Option<IpAddr>,
        shown: Shown,
        expire_s: u64,
    ) -> Self {
        let model = identity.name().map(|name| plain(&name));
        let where_it_is = ip.map(|ip| ip.to_string());
        let name =
            [model.as_deref(), where_it_is.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let firmware = identity.firmware.as_ref().map(|firmware| match &firmware.version {
            Some(version) => plain(&format!("{} {version}", firmware.family)),
            None => firmware.family.to_string(),
        });
        Self {
            id,
            name: if name.is_empty() { id.to_string() } else { name },
            make: identity.make.as_ref().map(|make| plain(make.as_str())),
            model: identity.model.as_deref().map(plain),
            firmware,
            board: identity.control_board.as_deref().map(plain),
            serial: identity.serial.as_deref().map(plain),
            mac: identity.mac.filter(|mac| mac.is_unique()).map(|mac| mac.to_string().to_lowercase()),
            area: None,
            ip,
            shown,
            expire_s,
        }
    }

    /// Standing somewhere that has a name.
    pub(super) fn standing(mut self, area: Option<String>) -> Self {
        self.area = area.map(|area| plain(&area));
        self
    }

    /// The message's content.
    pub(super) fn payload(&self, topics: &Topics, version: &str) -> Value {
        let unique = |key: &str| topics.unique(self.id, key);
        let mut device = json!({
            "identifiers": [topics.device(self.id)],
            "name": self.name,
            "via_device": topics.fleet_device(),
        });
        let connections = self.mac.as_ref().map(|mac| json!([["mac", mac]]));
        let url = self.ip.map(|ip| json!(format!("http://{}/", url_host(ip))));
        let texts = [
            ("manufacturer", self.make.as_ref().map(|text| json!(text))),
            ("model", self.model.as_ref().map(|text| json!(text))),
            ("sw_version", self.firmware.as_ref().map(|text| json!(text))),
            ("hw_version", self.board.as_ref().map(|text| json!(text))),
            ("serial_number", self.serial.as_ref().map(|text| json!(text))),
            ("suggested_area", self.area.as_ref().map(|text| json!(text))),
            ("connections", connections),
            ("configuration_url", url),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                set(&mut device, key, value);
            }
        }
        // How it is judged, and since when it is silent, is known of a miner whose readings are not.
        let here = json!([{ "topic": topics.status() }]);
        let mut components = Map::new();
        components.insert(
            "status".to_owned(),
            json!({
                "platform": "sensor",
                "unique_id": unique("status"),
                "name": "Status",
                "device_class": "enum",
                "options": statuses(),
                "value_template": "{{ value_json.status }}",
                "availability": here,
            }),
        );
        components.insert(
            "problem".to_owned(),
            json!({
                "platform": "binary_sensor",
                "unique_id": unique("problem"),
                "name": "Problem",
                "device_class": "problem",
                "value_template": "{{ value_json.problem }}",
                "payload_on": "True",
                "payload_off": "False",
                "json_attributes_topic": topics.state(self.id),
                "json_attributes_template": "{{ {'findings': value_json.findings} | tojson }}",
                "availability": here,
            }),
        );
        components.insert(
            "last_seen".to_owned(),
            json!({
                "platform": "sensor",
                "unique_id": unique("last_seen"),
                "name": "Last seen",
                "device_class": "timestamp",
                "value_template": "{{ value_json.last_seen }}",
                "entity_category": "diagnostic",
                "availability": here,
            }),
        );
        for sensor in self.shown.sensors() {
            let mut component = number(sensor, &unique(sensor.key));
            set(&mut component, "expire_after", json!(self.expire_s));
            components.insert(sensor.key.to_owned(), component);
        }
        for index in self.shown.fans() {
            let key = fan_key(index);
            let fan = json!({
                "platform": "sensor",
                "unique_id": unique(&key),
                "name": format!("Fan {index}"),
                "unit_of_measurement": "rpm",
                "state_class": "measurement",
                "suggested_display_precision": 0,
                "entity_category": "diagnostic",
                "value_template": format!("{{{{ value_json.{key} }}}}"),
                "expire_after": self.expire_s,
            });
            components.insert(key, fan);
        }
        json!({
            "device": device,
            "origin": origin(version),
            "availability": [{ "topic": topics.status() }, { "topic": topics.availability(self.id) }],
            "availability_mode": "all",
            "state_topic": topics.state(self.id),
            "components": components,
        })
    }
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(key.to_owned(), value);
    }
}

fn statuses() -> Vec<String> {
    [MinerStatus::Active, MinerStatus::Paused, MinerStatus::Warning, MinerStatus::Dead, MinerStatus::Scanning]
        .map(|status| status.to_string())
        .to_vec()
}

fn origin(version: &str) -> Value {
    json!({ "name": "Bit-Link Miner Manager", "sw_version": version })
}

fn number(sensor: &Sensor, unique: &str) -> Value {
    let mut component = json!({
        "platform": "sensor",
        "unique_id": unique,
        "name": sensor.name,
        "state_class": sensor.state_class,
        "suggested_display_precision": sensor.decimals,
        "value_template": format!("{{{{ value_json.{} }}}}", sensor.key),
    });
    if let Some(unit) = sensor.unit {
        set(&mut component, "unit_of_measurement", json!(unit));
    }
    if let Some(class) = sensor.class {
        set(&mut component, "device_class", json!(class));
    }
    if sensor.is_diagnostic {
        set(&mut component, "entity_category", json!("diagnostic"));
    }
    component
}

/// The sums of the fleet as a device of their own.
pub(super) fn fleet(topics: &Topics, version: &str) -> Value {
    let measured = [
        ("hashrate_ths", "Hash rate", Some("TH/s"), None, 2),
        ("hashrate_expected_ths", "Expected hash rate", Some("TH/s"), None, 2),
        ("power_w", "Power", Some("W"), Some("power"), 0),
        ("efficiency_j_per_th", "Efficiency", Some("J/TH"), None, 1),
        ("miners", "Miners", None, None, 0),
        ("miners_live", "Miners live", None, None, 0),
        ("miners_with_hashrate", "Miners that tell their hash rate", None, None, 0),
        ("miners_with_power", "Miners that tell their power", None, None, 0),
        ("miners_active", "Miners active", None, None, 0),
        ("miners_paused", "Miners paused", None, None, 0),
        ("miners_warning", "Miners in warning", None, None, 0),
        ("miners_dead", "Miners dead", None, None, 0),
        ("miners_scanning", "Miners not judged yet", None, None, 0),
    ];
    let mut components = Map::new();
    for (key, name, unit, class, decimals) in measured {
        let sensor = Sensor {
            key,
            name,
            unit,
            class,
            state_class: "measurement",
            decimals,
            is_diagnostic: key.starts_with("miners_with"),
            is_always: true,
            read: |_| None,
        };
        components.insert(key.to_owned(), number(&sensor, &topics.fleet_unique(key)));
    }
    json!({
        "device": { "identifiers": [topics.fleet_device()], "name": "Mining fleet", "manufacturer": "Bit-Link Miner Manager", "sw_version": version },
        "origin": origin(version),
        "availability": [{ "topic": topics.status() }],
        "state_topic": topics.fleet_state(),
        "components": components,
    })
}
