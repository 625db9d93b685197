//! Many simulated miners from one seed, each at its address.

use crate::access::{Access, ApiDoor};
use crate::clock::SimClock;
use crate::defect::Defect;
use crate::face::{FaceName, UnknownFace};
use crate::fault::{Episode, Fault, FaultKind, Schedule};
use crate::host::SimHost;
use crate::miner::{MinerSpec, SimMiner, Truth};
use crate::number::{count, index};
use crate::seed::Seed;
use crate::serve::{FleetServer, ServeError, ServeOptions};
use bitlink_model::Mac;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// What a fleet is made of. Every field has a default that makes a useful fleet.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FleetSpec {
    /// How many miners. Default 20.
    pub miners: usize,
    /// Which firmwares, and how often each. Default three Antminers and two WhatsMiners to one of everything else.
    pub mix: Mix,
    /// Where all chance comes from. Default 1.
    pub seed: u64,
    /// The part of the miners, 0 to 1, that have a fault. Default 0.1.
    pub sick: f64,
    /// Which faults those have. Default all that a standing fleet shows: not booting or rebooting.
    pub faults: Vec<FaultKind>,
    /// Whether faults come and go instead of staying. Default false: a snapshot can be compared with the truth.
    pub intermittent: bool,
    /// The part of the miners, 0 to 1, that answer wrongly. Default 0.
    pub defective: f64,
    /// In which ways, one each. Default none.
    pub defects: Vec<Defect>,
    /// How all of them let people in, but for the two parts below. Default as they were delivered.
    pub access: Access,
    /// The part of the miners, 0 to 1, whose password is that of `access`, where it names one. Default all.
    pub changed: f64,
    /// The part of the miners, 0 to 1, whose login somebody else holds. Default 0.
    pub locked: f64,
    /// The address of the first miner; the others follow. Default 127.0.10.1.
    pub first: Ipv4Addr,
    /// Miners that have just been switched on instead of having run for days. Default false.
    pub cold: bool,
    /// Answer at once instead of after some milliseconds. Default false.
    pub instant: bool,
}

impl Default for FleetSpec {
    fn default() -> Self {
        Self {
            miners: 20,
            mix: Mix::default(),
            seed: 1,
            sick: 0.1,
            faults: vec![
                FaultKind::BoardMissing,
                FaultKind::ChipsLost,
                FaultKind::Overheating,
                FaultKind::FanFailed,
                FaultKind::PsuFault,
                FaultKind::Slow,
                FaultKind::AllPoolsDead,
                FaultKind::Unresponsive,
            ],
            intermittent: false,
            defective: 0.0,
            defects: Vec::new(),
            access: Access::default(),
            changed: 1.0,
            locked: 0.0,
            first: Ipv4Addr::new(127, 0, 10, 1),
            cold: false,
            instant: false,
        }
    }
}

impl FleetSpec {
    /// A fleet of so many miners, everything else as by default.
    pub fn new(miners: usize) -> Self {
        Self { miners, ..Self::default() }
    }

    /// With other firmwares.
    #[must_use]
    pub fn with_mix(mut self, mix: Mix) -> Self {
        self.mix = mix;
        self
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With another part of sick miners, 0 to 1.
    #[must_use]
    pub fn with_sick(mut self, sick: f64) -> Self {
        self.sick = sick;
        self
    }

    /// With other faults.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<FaultKind>) -> Self {
        self.faults = faults;
        self
    }

    /// With faults that come and go, or that stay.
    #[must_use]
    pub fn with_intermittent(mut self, intermittent: bool) -> Self {
        self.intermittent = intermittent;
        self
    }

    /// With a part of the miners, 0 to 1, answering wrongly in one of these ways each.
    #[must_use]
    pub fn with_defects(mut self, defective: f64, defects: Vec<Defect>) -> Self {
        self.defective = defective;
        self.defects = defects;
        self
    }

    /// With a part of the miners, 0 to 1, having this password instead of the one they were delivered with.
    #[must_use]
    pub fn with_password(mut self, changed: f64, password: impl Into<String>) -> Self {
        self.access.password = Some(password.into());
        self.changed = changed;
        self
    }

    /// With sessions that end each time this much has passed, after so many requests, or both.
    #[must_use]
    pub fn with_sessions(mut self, time: Option<Duration>, requests: Option<u32>) -> Self {
        self.access.session_time = time;
        self.access.session_requests = requests;
        self
    }

    /// With a part of the miners, 0 to 1, letting nobody log in.
    #[must_use]
    pub fn with_locked(mut self, locked: f64) -> Self {
        self.locked = locked;
        self
    }

    /// With the port of the API in another state.
    #[must_use]
    pub fn with_api(mut self, api: ApiDoor) -> Self {
        self.access.api = api;
        self
    }

    /// With the first miner at another address.
    #[must_use]
    pub fn with_first(mut self, first: Ipv4Addr) -> Self {
        self.first = first;
        self
    }

    /// With miners that have just been switched on, or that have run for days.
    #[must_use]
    pub fn with_cold(mut self, cold: bool) -> Self {
        self.cold = cold;
        self
    }

    /// With answers at once, or after some milliseconds.
    #[must_use]
    pub fn with_instant(mut self, instant: bool) -> Self {
        self.instant = instant;
        self
    }

    /// The addresses of the fleet: one after another, never .0 or .255 of any /24, so that the whole fleet is among
    /// the hosts of the networks it stands in, however they are cut.
    ///
    /// # Errors
    /// [`FleetError::NoRoom`] when the addresses run out.
    pub fn addresses(&self) -> Result<Vec<Ipv4Addr>, FleetError> {
        let addresses: Vec<Ipv4Addr> = (u32::from(self.first)..=u32::MAX)
            .filter(|n| !matches!(n & 0xff, 0 | 0xff))
            .take(self.miners)
            .map(Ipv4Addr::from)
            .collect();
        let leaves_loopback =
            self.first.is_loopback() && addresses.last().is_some_and(|last| !last.is_loopback());
        if addresses.len() < self.miners || leaves_loopback {
            return Err(FleetError::NoRoom { first: self.first, miners: self.miners });
        }
        Ok(addresses)
    }

    /// Builds the miners.
    ///
    /// # Errors
    /// [`FleetError`] when the addresses run out or the mix is empty.
    pub fn build(&self, clock: &SimClock) -> Result<SimFleet, FleetError> {
        let addresses = self.addresses()?;
        let mut hosts = BTreeMap::new();
        for (n, address) in addresses.into_iter().enumerate() {
            let host = SimHost::new(SimMiner::new(self.miner(n, address)?), clock.clone());
            let host = if self.instant { host.without_latency() } else { host };
            hosts.insert(IpAddr::V4(address), Arc::new(host));
        }
        Ok(SimFleet { clock: clock.clone(), hosts })
    }

    /// The specification of one miner.
    fn miner(&self, n: usize, address: Ipv4Addr) -> Result<MinerSpec, FleetError> {
        let seed = Seed::new(self.seed).of("miner").nth(index(n));
        let face = self.mix.pick(seed.of("face")).ok_or(FleetError::EmptyMix)?;
        let model = seed.of("model").pick(face.models()).unwrap_or(face.face().default_model());
        let [.., high, middle, low] = index(n).to_be_bytes();
        let [.., fleet_high, fleet_low] = Seed::new(self.seed).of("card").bits().to_be_bytes();
        let mut spec = MinerSpec::of_model(face, model, seed.bits())
            .with_address(IpAddr::V4(address))
            .with_mac(Mac::new([0x02, fleet_high, fleet_low, high, middle, low]));
        if self.cold {
            spec.uptime = Duration::ZERO;
        }
        spec.access = self.access.clone();
        spec.access.locked = is_due(n, self.locked);
        spec.access.password = spec.access.password.filter(|_| is_due(n, self.changed));
        if is_due(n, self.defective)
            && let Some(defect) = seed.of("defect").pick(&self.defects)
        {
            spec.defects.push(*defect);
        }
        if is_due(n, self.sick)
            && let Some(kind) = seed.of("fault").pick(&self.faults)
        {
            let fault = concrete(*kind, &spec, seed.of("where"));
            spec.episodes.push(Episode { fault, when: self.when(*kind, seed.of("when")) });
        }
        Ok(spec)
    }

    fn when(&self, kind: FaultKind, seed: Seed) -> Schedule {
        let seconds =
            |name: &str, low: f64, high: f64| Duration::from_secs(count(seed.of(name).between(low, high)));
        match kind {
            FaultKind::Rebooting => Schedule::Every {
                period: seconds("period", 1800.0, 14_400.0),
                lasting: seconds("lasting", 30.0, 90.0),
                first: seconds("first", 20.0, 600.0),
            },
            _ if self.intermittent => Schedule::Every {
                period: seconds("period", 900.0, 7200.0),
                lasting: seconds("lasting", 120.0, 800.0),
                first: seconds("first", 0.0, 600.0),
            },
            _ => Schedule::Always,
        }
    }
}

/// Whether the `n`-th of many is among a part of them. Evenly spread instead of by lot: small fleets keep the part.
fn is_due(n: usize, part: f64) -> bool {
    let before = |n: usize| count(crate::number::real(index(n)) * part.clamp(0.0, 1.0) + 0.5);
    before(n + 1) > before(n)
}

/// A fault of a kind somewhere on a machine.
fn concrete(kind: FaultKind, spec: &MinerSpec, seed: Seed) -> Fault {
    let model = spec.model;
    let small = |n: u64| u8::try_from(n).unwrap_or(0);
    let board = small(seed.of("board").below(u64::from(model.boards)));
    match kind {
        FaultKind::BoardMissing => Fault::BoardMissing { board },
        FaultKind::ChipsLost => {
            // Enough to be seen: a third to nearly all of a board.
            let chips = seed.of("chips").between(0.5, 0.9) * f64::from(model.chips);
            Fault::ChipsLost { board, chips: u16::try_from(count(chips)).unwrap_or(1).max(1) }
        }
        FaultKind::Overheating => Fault::Overheating,
        FaultKind::FanFailed => Fault::FanFailed { fan: small(seed.of("fan").below(u64::from(model.fans))) },
        FaultKind::PsuFault => Fault::PsuFault,
        FaultKind::Slow => Fault::Slow { percent: small(40 + seed.of("percent").below(30)) },
        FaultKind::PoolDead => Fault::PoolDead,
        FaultKind::AllPoolsDead => Fault::AllPoolsDead,
        FaultKind::Asleep => Fault::Asleep,
        FaultKind::Booting => Fault::Booting,
        FaultKind::Unresponsive => Fault::Unresponsive,
        FaultKind::Rebooting => Fault::Rebooting,
    }
}

/// Which firmwares a fleet runs, and how often each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix(Vec<(FaceName, u32)>);

impl Default for Mix {
    /// Every firmware that answers at the port of the API.
    fn default() -> Self {
        let all = FaceName::ALL.iter().copied();
        Self(all.filter(|face| !face.is_web_only()).map(|face| (face, weight(face))).collect())
    }
}

/// As common as in the field, roughly.
const fn weight(face: FaceName) -> u32 {
    match face {
        FaceName::Antminer => 3,
        FaceName::Whatsminer => 2,
        _ => 1,
    }
}

impl Mix {
    /// Every firmware there is, those too that are met at port 80 alone: listening there takes a right, or another port.
    pub fn everything() -> Self {
        Self(FaceName::ALL.iter().map(|&face| (face, weight(face))).collect())
    }

    /// Only one firmware.
    pub fn only(face: FaceName) -> Self {
        Self(vec![(face, 1)])
    }

    /// Firmwares with weights; a weight of 0 leaves one out.
    pub fn new(weights: impl IntoIterator<Item = (FaceName, u32)>) -> Self {
        Self(weights.into_iter().collect())
    }

    fn pick(&self, seed: Seed) -> Option<FaceName> {
        let total: u64 = self.0.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut left = seed.below(total);
        self.0.iter().find_map(|(face, weight)| {
            let weight = u64::from(*weight);
            if left < weight {
                return Some(*face);
            }
            left -= weight;
            None
        })
    }
}

/// Why a text is no mix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MixError {
    /// A name that is no simulated firmware.
    #[error(transparent)]
    UnknownFace(#[from] UnknownFace),
    /// A weight that is no whole number.
    #[error("the weight of {face} must be a whole number")]
    Weight {
        /// The firmware.
        face: FaceName,
        /// What is wrong with the number.
        #[source]
        source: ParseIntError,
    },
    /// Nothing to choose from.
    #[error("a mix needs at least one firmware")]
    Empty,
}

impl FromStr for Mix {
    type Err = MixError;

    /// `antminer=3,whatsminer,cgminer=1`: names with optional weights. `all` is [every one](Self::everything).
    fn from_str(text: &str) -> Result<Self, MixError> {
        let mut weights = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if item == "all" {
                weights.extend(Self::everything().0);
                continue;
            }
            let (name, weight) = item.split_once('=').unwrap_or((item, "1"));
            let face: FaceName = name.parse()?;
            let weight = weight.trim().parse().map_err(|source| MixError::Weight { face, source })?;
            weights.push((face, weight));
        }
        if weights.iter().all(|(_, weight)| *weight == 0) { Err(MixError::Empty) } else { Ok(Self(weights)) }
    }
}

/// Why a fleet cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// More miners than addresses.
    #[error("there are not {miners} addresses from {first} on")]
    NoRoom {
        /// Where the fleet should begin.
        first: Ipv4Addr,
        /// How many miners it should have.
        miners: usize,
    },
    /// The mix has no firmware with a weight.
    #[error("the mix of firmwares is empty")]
    EmptyMix,
}

/// A fleet of simulated miners by address.
#[derive(Debug, Clone)]
pub struct SimFleet {
    clock: SimClock,
    hosts: BTreeMap<IpAddr, Arc<SimHost>>,
}

impl SimFleet {
    /// A fleet of given miners, each at the address of its specification.
    pub fn of(miners: impl IntoIterator<Item = MinerSpec>, clock: &SimClock) -> Self {
        let hosts = miners
            .into_iter()
            .map(|spec| (spec.address, Arc::new(SimHost::new(SimMiner::new(spec), clock.clone()))))
            .collect();
        Self { clock: clock.clone(), hosts }
    }

    /// The clock all miners share.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// Addresses and miners, by address.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = (IpAddr, &Arc<SimHost>)> {
        self.hosts.iter().map(|(address, host)| (*address, host))
    }

    /// The miner at an address.
    pub fn host(&self, address: IpAddr) -> Option<&Arc<SimHost>> {
        self.hosts.get(&address)
    }

    /// How many miners there are.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Serves the fleet on real sockets. Must be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`ServeError`] when the port of the API cannot be taken on every address.
    pub fn serve(&self, options: &ServeOptions) -> Result<FleetServer, ServeError> {
        FleetServer::start(self.hosts().map(|(address, host)| (address, Arc::clone(host))), options)
    }

    /// What is true of every miner now, by address.
    pub fn truths(&self) -> Vec<Truth> {
        self.hosts.values().map(|host| host.truth()).collect()
    }
}
