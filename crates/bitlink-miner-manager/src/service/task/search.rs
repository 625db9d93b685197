//! Looking for miners: scans of the networks, of those that have shown themselves, and names of what is always watched.

use super::{LookUp, Looked, MOST_HEARD, Scan, Task};
use crate::error::Error;
use crate::service::ServiceEvent;
use bitlink_model::MinerStatus;
use bitlink_scanner::{ScanEvent, ScanStream, ScanTargets, is_local};
use bitlink_transport::{Endpoint, ListenEvent};
use std::collections::BTreeSet;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::time::Instant;

impl Task {
    pub(super) fn begin_scan(&mut self, now: Instant) {
        self.next_scan = None;
        self.look_up();
        let began = self.without_those_heard().and_then(|targets| {
            if targets.is_empty() { Ok(None) } else { self.fleet.scan_targets(targets).map(Some) }
        });
        match began {
            Ok(Some(stream)) => self.follow_scan(stream, Some(self.config.networks.clone()), now),
            Ok(None) => self.plan_scan(),
            Err(error) => {
                self.counts.lock().scans_failed += 1;
                self.tell(ServiceEvent::ScanFailed(Arc::new(error)));
                self.plan_scan();
            }
        }
    }

    pub(super) fn follow_scan(&mut self, stream: ScanStream, networks: Option<ScanTargets>, now: Instant) {
        self.scan = Some(Scan { stream, sweep: self.book.begin_sweep(), networks });
        self.pulse.send_modify(|pulse| pulse.scanning_since = Some(now));
    }

    pub(super) fn ask_those_heard(&mut self, now: Instant) {
        let places = self.book.places();
        let known: BTreeSet<IpAddr> = places.iter().map(SocketAddr::ip).collect();
        let heard: Vec<String> =
            mem::take(&mut self.heard).difference(&known).map(IpAddr::to_string).collect();
        if heard.is_empty() {
            return;
        }
        let began = ScanTargets::from_args(heard)
            .map_err(Error::from)
            .and_then(|targets| self.fleet.scan_targets(targets));
        match began {
            Ok(stream) => self.follow_scan(stream, None, now),
            Err(error) => self.tell(ServiceEvent::ScanFailed(Arc::new(error))),
        }
    }

    /// The networks without the miners that are heard all the time: they are not asked by two at once.
    pub(super) fn without_those_heard(&self) -> Result<ScanTargets, Error> {
        let state = self.handle.state();
        let heard = state.iter().filter(|miner| {
            miner.snapshot.is_some() && !matches!(miner.status, MinerStatus::Dead | MinerStatus::Scanning)
        });
        let heard: Vec<String> = heard.map(|miner| Endpoint::new(miner.ip, miner.port).to_string()).collect();
        let networks = self.config.networks.clone();
        if networks.is_empty() || heard.is_empty() {
            return Ok(networks);
        }
        Ok(networks.excluding(ScanTargets::from_args(heard)?)?)
    }

    /// The next scan comes after the pause.
    pub(super) fn plan_scan(&mut self) {
        self.next_scan = self.config.rescan.map(|pause| Instant::now() + pause);
    }

    pub(super) fn scanned(&mut self, event: Option<ScanEvent>) {
        let Some(scan) = &self.scan else { return };
        match event {
            Some(ScanEvent::Started { total, .. }) if scan.networks.is_some() => {
                self.tell(ServiceEvent::ScanBegan { total });
            }
            Some(ScanEvent::Found(miner)) => drop(self.book.found(&miner, scan.sweep)),
            Some(ScanEvent::NameUnknown { name, error, .. }) => {
                let error = Arc::new(error.into());
                self.tell(ServiceEvent::Unwatchable { target: name, error });
            }
            Some(ScanEvent::Complete { report, .. }) => {
                if scan.networks.is_some() {
                    self.counts.scan_ended(&report, self.clock.now());
                    self.tell(ServiceEvent::ScanEnded(Arc::from(report)));
                }
                self.end_scan();
            }
            Some(_) => {}
            None => self.end_scan(),
        }
    }

    pub(super) fn end_scan(&mut self) {
        let was_of_networks = self.scan.take().is_some_and(|scan| scan.networks.is_some());
        self.pulse.send_modify(|pulse| {
            pulse.scanning_since = None;
            if was_of_networks {
                pulse.scanned_at = Some(Instant::now());
            }
        });
        if was_of_networks {
            self.plan_scan();
        }
    }

    // -- miners that show themselves

    pub(super) fn listen(&mut self) {
        self.listening = self.config.listen.as_ref().and_then(|config| match self.fleet.listen(config) {
            Ok(stream) => Some(stream),
            Err(error) => {
                self.tell(ServiceEvent::Deaf(Arc::new(error)));
                None
            }
        });
    }

    pub(super) fn hear(&mut self, event: Option<ListenEvent>) {
        match event {
            Some(ListenEvent::Seen(seen)) if seen.is_miner() && is_local(seen.from) => {
                let is_watched = self.watched.iter().any(|endpoint| endpoint.ip() == seen.from);
                if !is_watched && self.heard.len() < MOST_HEARD && self.heard.insert(seen.from) {
                    self.tell(ServiceEvent::Heard { ip: seen.from });
                }
            }
            Some(_) => {}
            None => self.listening = None,
        }
    }

    // -- what is always watched

    pub(super) fn look_up(&mut self) {
        let texts: Vec<String> = if self.config.always.is_empty() {
            Vec::new()
        } else {
            self.config.always.to_string().split(", ").map(str::to_owned).collect()
        };
        self.always.retain(|text, _| texts.contains(text));
        let fleet = self.fleet.clone();
        self.looking_up = (!texts.is_empty()).then(|| {
            LookUp(Box::pin(async move {
                let mut looked = Vec::with_capacity(texts.len());
                for text in texts {
                    let found = fleet.endpoints_to_watch(&text).await;
                    looked.push((text, found));
                }
                looked
            }))
        });
    }

    pub(super) fn looked_up(&mut self, looked: Looked) {
        self.looking_up = None;
        self.stirred = true;
        for (target, found) in looked {
            match found {
                Ok(endpoints) => drop(self.always.insert(target, endpoints)),
                // What it was before goes on being watched.
                Err(error) => self.tell(ServiceEvent::Unwatchable { target, error: Arc::new(error) }),
            }
        }
    }
}
