//! `[mqtt]` of a configuration: which broker is told of the fleet.

use super::{Loaded, OrOff, Time, Wrong};
use bitlink_cockpit::mqtt::MqttConfig;
use bitlink_miner_manager::model::Secret;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// What a file says of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Mqtt {
    broker: OrOff<String>,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    prefix: String,
    discovery_prefix: OrOff<String>,
    interval: Time,
    devices: bool,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            broker: OrOff::Off,
            username: None,
            password_file: None,
            prefix: "bitlink".to_owned(),
            discovery_prefix: OrOff::On("homeassistant".to_owned()),
            interval: Time(Duration::from_secs(30)),
            devices: true,
        }
    }
}

impl Mqtt {
    /// What it comes to; `None` where no broker is told, or something is wrong.
    pub(super) fn plan(&self, loaded: &Loaded, wrong: &mut Wrong) -> Option<MqttConfig> {
        let broker = self.broker.clone().on()?;
        let config = wrong.at("mqtt.broker", MqttConfig::new(&broker))?;
        let password = match &self.password_file {
            Some(file) => Secret::new(wrong.at("mqtt.password_file", loaded.secret(file))?),
            None => Secret::default(),
        };
        let config = config
            .with_login(self.username.clone(), password)
            .with_prefix(&self.prefix)
            .with_discovery_prefix(self.discovery_prefix.clone().on())
            .with_interval(self.interval.0)
            .with_devices(self.devices);
        wrong.at("mqtt", config.validate())?;
        Some(config)
    }
}

#[cfg(test)]
mod tests {
    //! Off unless a broker is named, and refused with the setting.
    use super::super::Settings;
    use super::*;

    fn planned(text: &str) -> Result<Option<MqttConfig>, String> {
        let settings = toml::from_str::<Settings>(text).map_err(|error| error.to_string())?;
        let plan = Loaded { file: None, settings, said: serde_json::Value::Null }
            .plan()
            .map_err(|failure| failure.to_string())?;
        Ok(plan.mqtt)
    }

    #[test]
    fn nobody_is_told_unless_a_broker_is_named() {
        for text in ["", "[mqtt]\n", "[mqtt]\nbroker = \"off\"\nusername = \"me\"\n"] {
            assert_eq!(planned(text), Ok(None), "{text}");
        }
        let named = planned("[mqtt]\nbroker = \"mqtt://broker\"\n").unwrap().unwrap();
        assert_eq!(named, MqttConfig::new("mqtt://broker").unwrap(), "the settings of the library count");
        let text = "[mqtt]\nbroker = \"mqtt://[::1]:2883\"\nusername = \"me\"\nprefix = \"farm/north\"\n\
                    discovery_prefix = \"off\"\ninterval = \"1min\"\ndevices = false\n";
        let all = planned(text).unwrap().unwrap();
        assert_eq!((all.host.as_str(), all.port, all.username.as_deref()), ("[::1]", 2883, Some("me")));
        assert_eq!((all.prefix.as_str(), all.discovery_prefix), ("farm/north", None));
        assert_eq!((all.interval, all.devices), (Duration::from_mins(1), false));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_setting() {
        for (more, words) in [
            ("broker = \"mqtts://broker\"", "mqtt.broker: TLS (mqtts://) is not spoken"),
            ("broker = \"broker\"", "mqtt.broker: \"broker\" is no broker"),
            ("broker = \"mqtt://me:hunter2@broker\"", "mqtt.broker: user and password"),
            ("brocker = \"off\"", "expected one of `broker`"),
            ("broker = \"mqtt://b\"\npassword_file = \"no-such-file\"", "mqtt.password_file: "),
            ("broker = \"mqtt://b\"\nprefix = \"#\"", "mqtt: \"#\" cannot begin topics"),
            ("broker = \"mqtt://b\"\ninterval = \"500ms\"", "mqtt: the interval is"),
            ("broker = \"mqtt://b\"\npassword = \"hunter2\"", "unknown field `password`"),
        ] {
            let told = planned(&format!("[mqtt]\n{more}\n")).unwrap_err();
            assert!(told.contains(words), "{more}: {told}");
        }
    }
}
