//! Candidates that the system knows already: the neighbours in its table, as far as they are targets. Asks nobody.

use super::{Candidate, CandidateSource, Candidates, SourceError};
use crate::targets::ScanPlan;
use bitlink_transport::Neighbours;
use futures::{StreamExt, stream};
use std::sync::Arc;

/// The neighbours of this machine: named `arp`. They are asked first, and no others than the targets.
#[derive(Debug, Clone)]
pub struct NeighbourTable(Option<Arc<dyn Neighbours>>);

impl NeighbourTable {
    /// Of these neighbours; `None` where the system tells nothing.
    pub fn new(neighbours: Option<Arc<dyn Neighbours>>) -> Self {
        Self(neighbours)
    }
}

impl CandidateSource for NeighbourTable {
    fn name(&self) -> &'static str {
        "arp"
    }

    fn open(&self, plan: &ScanPlan) -> Result<Candidates, SourceError> {
        let neighbours = self.0.as_ref().ok_or(SourceError::NoTable)?;
        let known: Vec<Candidate> = neighbours
            .table()
            .into_iter()
            .map(|(ip, mac)| Candidate::new(ip.into()).with_mac(Some(mac)))
            .filter(|candidate| plan.contains_address(candidate.ip))
            .collect();
        Ok(Candidates::new(stream::iter(known).boxed()))
    }
}
