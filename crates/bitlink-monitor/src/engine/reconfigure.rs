//! Other settings for an engine that runs. What is known of the miners stays: their states, what they are called, since when
//! something is wrong with them, and what is remembered of them.

use super::Engine;
use crate::config::MonitorConfig;
use crate::health::Resolver;

/// The rules of a configuration. A gap in the readings is none while three polls in a row would have to be missed for it.
pub(super) fn resolver(config: &MonitorConfig) -> Resolver {
    Resolver::new(config.rules.clone(), config.interval * 3)
}

impl Engine {
    pub(super) fn configure(&mut self, config: MonitorConfig) {
        let now = self.started.elapsed();
        let config = config.sanitised();
        let before = std::mem::replace(&mut self.config, config);
        let config = &self.config;
        self.patience = config.poll_patience();
        if before.credentials != config.credentials {
            self.credentials = config.credentials.clone().into();
            // They may have got past a web server by a name that counts no longer.
            self.members.values_mut().for_each(|member| member.ask_anew());
        }
        if before.rules != config.rules || before.interval != config.interval {
            self.desk.rules = resolver(config);
            for member in self.members.values_mut() {
                member.judge_by(&mut self.desk.rules);
            }
        }
        if before.interval != config.interval {
            self.members.values_mut().for_each(|member| member.skip_gap());
            self.next_full = self.next_full.min(now + config.interval);
        }
        self.schedule.set_interval(config.interval, config.dead_pause, now);
        self.schedule.set_limits(config.max_in_flight, config.max_per_subnet);
        self.events.0.set_capacity(config.event_queue);
        tracing::info!(interval = ?config.interval, overrides = config.rules.overrides.len(), "settings changed");
    }
}
