//! What is wrong in a configuration, all of it at once.

use crate::failure::{Exit, Failure};
use crate::text::clean;
use bitlink_miner_manager::ScanTargets;
use std::fmt::Display;
use std::path::Path;

/// An error in words.
#[derive(Debug)]
pub(super) struct Said(pub(super) String);

impl Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

/// What is wrong with a file, each with the setting.
pub(super) struct Wrong(pub(super) Vec<Said>);

impl Wrong {
    pub(super) fn at<T, E: std::error::Error + 'static>(
        &mut self,
        setting: &str,
        outcome: Result<T, E>,
    ) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.say(setting, &crate::output::json::with_causes(&error));
                None
            }
        }
    }

    /// None named is none.
    pub(super) fn targets(&mut self, setting: &str, texts: &[String]) -> ScanTargets {
        if texts.is_empty() {
            return ScanTargets::default();
        }
        self.at(setting, ScanTargets::from_args(texts)).unwrap_or_default()
    }

    pub(super) fn say(&mut self, setting: &str, what: &dyn Display) {
        self.0.push(Said(format!("{setting}: {}", clean(&what.to_string()))));
    }

    pub(super) fn failure(self, file: Option<&Path>) -> Failure {
        let what = match file {
            Some(file) => format!("the configuration {} is wrong", clean(&file.to_string_lossy())),
            None => "the settings are wrong".to_owned(),
        };
        self.0.iter().fold(Failure::new(Exit::Usage, what), |failure, wrong| failure.because(wrong))
    }
}
