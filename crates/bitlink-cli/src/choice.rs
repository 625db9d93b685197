//! Which miners and in which order, as options: `--filter` and `--sort`, in the language that all of this program speaks. What it
//! means is decided in the facade's `query`.

use bitlink_miner_manager::query::{Filter, Sort, Subject};
use bitlink_miner_manager::{Miner, Timestamp};
use clap::Args;
use std::sync::Arc;

/// Which miners, and in which order.
#[derive(Debug, Default, Args)]
pub(crate) struct Choice {
    /// Only miners that pass, as `model:S19 rack:R7 -status:dead`; `docs/cli.md` has the language
    #[arg(long, value_name = "FILTER", value_parser = filter, help_heading = "Choice")]
    pub(crate) filter: Option<Filter>,
    /// In this order, as `-hashrate,address`: names with commas between, `-` for the large first
    #[arg(long, value_name = "FIELDS", value_parser = sort, allow_hyphen_values = true, help_heading = "Choice")]
    pub(crate) sort: Option<Sort>,
}

impl Choice {
    /// The filter as it was typed.
    pub(crate) fn typed(&self) -> &str {
        self.filter.as_ref().map_or("", Filter::as_str)
    }

    /// Whether a miner that is watched is wanted.
    pub(crate) fn wants(&self, miner: &Miner, now: Timestamp) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(&Subject::new(miner, None, now)))
    }

    /// Those who are wanted, in the order that is wanted; as they come where none is.
    pub(crate) fn of<'a>(&self, miners: &'a [Arc<Miner>], now: Timestamp) -> Vec<&'a Arc<Miner>> {
        let wanted: Vec<_> = miners.iter().filter(|miner| self.wants(miner, now)).collect();
        let Some(sort) = &self.sort else { return wanted };
        let subjects = wanted.iter().map(|miner| Subject::new(miner, None, now)).enumerate();
        let order = sort.order(subjects);
        order.into_iter().filter_map(|place| wanted.get(place).copied()).collect()
    }
}

/// Reads a filter; what is wrong with it is said with where.
pub(crate) fn filter(text: &str) -> Result<Filter, String> {
    Filter::parse(text).map_err(|error| format!("{error} (at column {})", error.at + 1))
}

fn sort(text: &str) -> Result<Sort, String> {
    Sort::parse(text).map_err(|error| error.to_string())
}
