//! One simulated miner: what it is, and what it answers at any moment. Pure: no clock, no socket.

use crate::access::Access;
use crate::defect::{self, Defect};
use crate::dynamics;
use crate::face::{Doorway, Face, FaceName, Moment, Speaks};
use crate::fault::{Episode, Fault, FaultKind};
use crate::frame;
use crate::http;
use crate::number::{count, index, millis, real};
use crate::orders::{Desk, Obedience, Settings};
use crate::seed::Seed;
use crate::state::{MinerState, Phase};
use bitlink_model::{Family, HashRate, Mac, Make, MinerStatus, Power};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// A kind of machine: geometry and nominal figures (vendors' data sheets).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Model {
    /// Whose it is; `None` where the firmware does not tell.
    pub make: Option<&'static str>,
    /// Normalised name without the make ("S19 Pro"); `None` where the firmware does not tell.
    pub name: Option<&'static str>,
    /// The name as the firmware prints it, or the driver's name.
    pub printed: &'static str,
    /// Hash boards.
    pub boards: u8,
    /// Chips on each board.
    pub chips: u16,
    /// Fans of the machine, the power supply's own aside.
    pub fans: u8,
    /// Nominal hash rate in TH/s.
    pub ths: f64,
    /// Nominal power in W.
    pub watts: f64,
    /// Chip frequency in MHz.
    pub frequency_mhz: f64,
    /// Board supply in V.
    pub voltage: f64,
    /// Fan speed at full duty in rpm.
    pub fan_rpm: f64,
}

/// A pool a miner is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSpec {
    /// Address; empty for an unused slot.
    pub url: String,
    /// Worker.
    pub user: String,
}

/// What a simulated miner is. Made by [`MinerSpec::new`] and changed by its setters.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MinerSpec {
    /// The firmware it runs.
    pub face: FaceName,
    /// The machine.
    pub model: &'static Model,
    /// Where all its chance comes from.
    pub seed: u64,
    /// Its address, as it tells it.
    pub address: IpAddr,
    /// Its hardware address.
    pub mac: Mac,
    /// Its serial number.
    pub serial: String,
    /// Its name on the network.
    pub hostname: String,
    /// Nominal hash rate in TH/s.
    pub nominal_ths: f64,
    /// Nominal power in W.
    pub nominal_w: f64,
    /// Pools in order of priority.
    pub pools: Vec<PoolSpec>,
    /// Difficulty of a share.
    pub difficulty: u64,
    /// How long it has been running when the simulation begins.
    pub uptime: Duration,
    /// What is wrong with it, and when.
    pub episodes: Vec<Episode>,
    /// How it answers wrongly.
    pub defects: Vec<Defect>,
    /// How it lets people in.
    pub access: Access,
    /// What has been set by orders.
    pub settings: Settings,
    /// How it obeys.
    pub obedience: Obedience,
}

impl MinerSpec {
    /// A healthy machine of a firmware's first model that has been running for some days.
    pub fn new(face: FaceName, seed: u64) -> Self {
        Self::of_model(face, face.face().default_model(), seed)
    }

    /// A healthy machine of a given model, by its printed or normalised name ("Antminer S19 Pro", "S19 Pro").
    ///
    /// `None` when the firmware does not run on such a machine.
    pub fn with_model_name(face: FaceName, model: &str, seed: u64) -> Option<Self> {
        let model = face.models().iter().find(|m| {
            m.printed.eq_ignore_ascii_case(model) || m.name.is_some_and(|n| n.eq_ignore_ascii_case(model))
        })?;
        Some(Self::of_model(face, model, seed))
    }

    pub(crate) fn of_model(face: FaceName, model: &'static Model, seed: u64) -> Self {
        let chance = Seed::new(seed);
        // A share about every six seconds, at a difficulty that is a power of two as pools set it.
        let difficulty = (model.ths * 1e12 * 6.0 / 4_294_967_296.0).max(1.0);
        let worker = chance.of("worker").below(1000);
        let pool = |host: &str| PoolSpec {
            url: format!("stratum+tcp://{host}:3333"),
            user: format!("bitlink.{worker:03}"),
        };
        let mac = chance.of("mac").bits().to_be_bytes();
        let [first, rest @ .., _, _] = mac;
        let [second, third, fourth, fifth, sixth] = rest;
        // Locally administered, never a group address: these are nobody's cards.
        let mac = Mac::new([(first & 0xf0) | 0x02, second, third, fourth, fifth, sixth]);
        Self {
            face,
            model,
            seed,
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            mac,
            serial: format!("SIM{:013X}", chance.of("serial").bits() >> 12),
            hostname: format!("{}-{:04x}", face.face().host_prefix(), chance.of("host").below(0x1_0000)),
            nominal_ths: model.ths,
            nominal_w: model.watts,
            pools: vec![pool("pool.example.com"), pool("backup.example.com")],
            difficulty: 1_u64 << count(difficulty).max(1).ilog2(),
            uptime: Duration::from_secs(3600 + chance.of("uptime").below(20 * 86_400)),
            episodes: Vec::new(),
            defects: Vec::new(),
            access: Access::default(),
            settings: Settings::default(),
            obedience: Obedience::default(),
        }
    }

    /// With another address.
    #[must_use]
    pub fn with_address(mut self, address: IpAddr) -> Self {
        self.address = address;
        self
    }

    /// With another hardware address.
    #[must_use]
    pub fn with_mac(mut self, mac: Mac) -> Self {
        self.mac = mac;
        self
    }

    /// Having run for so long when the simulation begins; zero is a machine that has just been switched on.
    #[must_use]
    pub fn with_uptime(mut self, uptime: Duration) -> Self {
        self.uptime = uptime;
        self
    }

    /// With one more fault.
    #[must_use]
    pub fn with_episode(mut self, episode: Episode) -> Self {
        self.episodes.push(episode);
        self
    }

    /// With a fault that is always there.
    #[must_use]
    pub fn with_fault(self, fault: Fault) -> Self {
        self.with_episode(Episode::always(fault))
    }

    /// Answering wrongly in one more way.
    #[must_use]
    pub fn with_defect(mut self, defect: Defect) -> Self {
        self.defects.push(defect);
        self
    }

    /// Letting people in otherwise.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Obeying otherwise.
    #[must_use]
    pub fn with_obedience(mut self, obedience: Obedience) -> Self {
        self.obedience = obedience;
        self
    }

    /// With other pools.
    #[must_use]
    pub fn with_pools(mut self, pools: Vec<PoolSpec>) -> Self {
        self.pools = pools;
        self
    }
}

/// A simulated miner: the same specification at the same moment always answers the same bytes.
#[derive(Debug, Clone)]
pub struct SimMiner {
    pub(crate) spec: MinerSpec,
}

impl SimMiner {
    /// A miner from its specification.
    pub fn new(spec: MinerSpec) -> Self {
        Self { spec }
    }

    /// What it is.
    pub fn spec(&self) -> &MinerSpec {
        &self.spec
    }

    /// Its state after the simulation has run for some time, on a calendar that began at
    /// [`SimClock::EPOCH_S`](crate::SimClock::EPOCH_S).
    pub fn state_at(&self, elapsed: Duration) -> MinerState {
        dynamics::state(self, millis(elapsed), crate::SimClock::EPOCH_S)
    }

    /// As [`state_at`](Self::state_at), with another calendar second for the beginning.
    pub fn state_on(&self, elapsed: Duration, epoch_s: u64) -> MinerState {
        dynamics::state(self, millis(elapsed), epoch_s)
    }

    /// What it does at a moment; cheaper than the whole state.
    pub fn phase_at(&self, elapsed: Duration) -> Phase {
        dynamics::phase(self, millis(elapsed))
    }

    /// The bytes with which its API answers a request, terminator included, and with those of its defects that are in
    /// the bytes. How they are sent is the [`SimHost`](crate::SimHost)'s business.
    pub fn reply_at(&self, elapsed: Duration, request: &[u8]) -> Vec<u8> {
        self.reply_on(elapsed, crate::SimClock::EPOCH_S, request)
    }

    /// What it was told has no effect here: see [`SimHost`](crate::SimHost).
    fn moment<'a>(&'a self, state: &'a MinerState, session: u64, desk: &'a Desk) -> Moment<'a> {
        Moment { spec: &self.spec, state, session, desk }
    }

    /// As [`reply_at`](Self::reply_at), with another calendar second for the beginning.
    pub fn reply_on(&self, elapsed: Duration, epoch_s: u64, request: &[u8]) -> Vec<u8> {
        self.api_reply(elapsed, epoch_s, request, &Desk::default())
    }

    fn api_reply(&self, elapsed: Duration, epoch_s: u64, request: &[u8], desk: &Desk) -> Vec<u8> {
        let state = self.state_on(elapsed, epoch_s);
        let moment = self.moment(&state, self.session(elapsed, 0), desk);
        let mut document = self.face().answer(&moment, request);
        for defect in &self.spec.defects {
            defect::spoil(&mut document, *defect);
        }
        let chance = self.seed().of("garbage").nth(millis(elapsed).unsigned_abs());
        self.spec
            .defects
            .iter()
            .fold(document.to_bytes(), |bytes, defect| defect::spoil_bytes(bytes, *defect, chance))
    }

    /// The bytes with which a port of it answers a request, whatever is spoken there; none where nobody listens. With
    /// those of its defects that are in the bytes, where it is the API that answers.
    pub fn reply_at_port(&self, port: u16, elapsed: Duration, epoch_s: u64, request: &[u8]) -> Vec<u8> {
        let session = self.session(elapsed, 0);
        self.reply_in_session(port, elapsed, epoch_s, request, session, &Desk::default())
    }

    /// The session that counts at a moment, when so many were used up before their time.
    pub(crate) fn session(&self, elapsed: Duration, ended: u64) -> u64 {
        let by_time =
            self.spec.access.session_time.map_or(0, |time| {
                elapsed.as_millis().checked_div(time.as_millis().max(1)).unwrap_or_default()
            });
        u64::try_from(by_time).unwrap_or(u64::MAX).wrapping_shl(32).wrapping_add(ended)
    }

    pub(crate) fn reply_in_session(
        &self,
        port: u16,
        elapsed: Duration,
        epoch_s: u64,
        request: &[u8],
        session: u64,
        desk: &Desk,
    ) -> Vec<u8> {
        let Some(door) = self.doors().iter().find(|door| door.port == port) else { return Vec::new() };
        if door.speaks == Speaks::Api {
            return self.api_reply(elapsed, epoch_s, request, desk);
        }
        let state = self.state_on(elapsed, epoch_s);
        let moment = self.moment(&state, session, desk);
        if door.speaks == Speaks::Frames {
            return frame::answer(request, |message| self.face().frame(&moment, message));
        }
        if door.speaks == Speaks::Words {
            let word = String::from_utf8_lossy(request);
            let mut reply = self.face().word(&moment, word.trim()).into_bytes();
            reply.push(0);
            return reply;
        }
        let response = http::Request::parse(request).map_or_else(
            || http::Response::html(400, "<html><body><h1>400 - Bad Request</h1></body></html>"),
            |request| self.face().web(&moment, &request.at(port)),
        );
        response.to_bytes()
    }

    /// What is spoken at a port.
    pub(crate) fn speaks_at(&self, port: u16) -> Option<Speaks> {
        self.doors().iter().find(|door| door.port == port).map(|door| door.speaks)
    }

    /// Where it listens, and for what.
    pub(crate) fn doors(&self) -> &'static [Doorway] {
        self.face().doors_of(self.spec.model)
    }

    /// Ends every fault of a kind at a moment.
    pub(crate) fn mend(&mut self, kind: FaultKind, now: Duration) {
        self.spec.episodes = self
            .spec
            .episodes
            .iter()
            .flat_map(
                |episode| if episode.fault.kind() == kind { episode.until(now) } else { vec![*episode] },
            )
            .collect();
    }

    /// What is true of it at a moment.
    pub fn truth_at(&self, elapsed: Duration) -> Truth {
        let phase = self.phase_at(elapsed);
        let at_ms = millis(elapsed);
        let faults: Vec<Fault> =
            self.spec.episodes.iter().filter(|e| e.covers(at_ms)).map(|e| e.fault).collect();
        let condition = match phase {
            Phase::Down | Phase::Hung => Condition::Gone,
            Phase::Asleep => Condition::Idle,
            Phase::Starting => Condition::Starting,
            Phase::Mining if faults.is_empty() => Condition::Healthy,
            Phase::Mining | Phase::Stopped => Condition::Sick,
        };
        let model = self.spec.model;
        let hidden = faults.iter().copied().filter(|fault| !self.face().reveals(model, fault.kind()));
        let hidden_faults = hidden.collect();
        Truth {
            address: self.spec.address,
            face: self.spec.face,
            family: self.face().family(),
            make: model.make.map(Make::new),
            model: model.name.map(str::to_owned),
            mac: self.spec.mac,
            serial: self.spec.serial.clone(),
            hostname: self.spec.hostname.clone(),
            boards: model.boards,
            chips_per_board: model.chips,
            fans: model.fans,
            nominal_hashrate: HashRate::from_ths(self.spec.nominal_ths).ok(),
            nominal_power: Power::from_watts(self.spec.nominal_w).ok(),
            condition,
            faults,
            defects: self.spec.defects.clone(),
            hidden_faults,
            access: self.spec.access.clone(),
        }
    }

    pub(crate) fn face(&self) -> &'static dyn Face {
        self.spec.face.face()
    }

    pub(crate) fn seed(&self) -> Seed {
        Seed::new(self.spec.seed)
    }

    /// What a board should do: its part of the whole, a little more or less than its neighbours.
    pub(crate) fn board_ideal(&self, board: usize) -> f64 {
        let boards = usize::from(self.spec.model.boards.max(1));
        let weight = |b: usize| 1.0 + self.seed().of("share").nth(index(b)).between(-0.01, 0.01);
        let sum: f64 = (0..boards).map(weight).sum();
        self.spec.nominal_ths * weight(board) / sum.max(1e-9)
    }

    pub(crate) fn board_serial(&self, board: usize) -> String {
        format!("SIMB{:012X}", self.seed().of("board serial").nth(index(board)).bits() >> 16)
    }

    /// How long it takes to answer: small, and different from machine to machine and from moment to moment.
    pub(crate) fn think_time(&self, elapsed: Duration) -> Duration {
        let seed = self.seed().of("latency");
        let own = seed.between(3.0, 25.0);
        let now = seed.of("now").nth(count(real(millis(elapsed).unsigned_abs()) / 100.0)).between(0.7, 1.6);
        Duration::from_micros(count(own * now * 1000.0))
    }

    /// How long the way to it takes.
    pub(crate) fn way(&self) -> Duration {
        Duration::from_micros(count(self.seed().of("way").between(200.0, 2500.0)))
    }
}

/// How a machine really is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// Hashing as it should.
    Healthy,
    /// Answers, and a fault is there.
    Sick,
    /// Asleep because somebody wanted it.
    Idle,
    /// Booted lately, not at its full rate yet.
    Starting,
    /// Refuses or does not answer.
    Gone,
}

/// What is really true of a simulated miner: what a client should find out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Truth {
    /// Where it answers.
    pub address: IpAddr,
    /// The simulated firmware.
    pub face: FaceName,
    /// The family a client should recognise.
    pub family: Family,
    /// Whose machine it is, where its firmware tells.
    pub make: Option<Make>,
    /// Normalised model, where its firmware tells.
    pub model: Option<String>,
    /// Hardware address.
    pub mac: Mac,
    /// Serial number of the machine.
    pub serial: String,
    /// Name on the network.
    pub hostname: String,
    /// Hash boards it should have.
    pub boards: u8,
    /// Chips on each.
    pub chips_per_board: u16,
    /// Fans it should have.
    pub fans: u8,
    /// Nominal hash rate.
    pub nominal_hashrate: Option<HashRate>,
    /// Nominal power.
    pub nominal_power: Option<Power>,
    /// How it is.
    pub condition: Condition,
    /// What is wrong with it just now.
    pub faults: Vec<Fault>,
    /// How it answers wrongly.
    pub defects: Vec<Defect>,
    /// Those faults of which its firmware lets a client know nothing.
    pub hidden_faults: Vec<Fault>,
    /// How it lets people in.
    pub access: Access,
}

impl Truth {
    /// The status a monitor should come to. A machine that is starting is slow, hence a warning; a sleeping one is
    /// paused where its firmware lets a client know that it sleeps; a fault that cannot be known raises nothing. A
    /// machine that [answers wrongly](Self::defects) may be judged otherwise.
    pub fn expected_status(&self) -> MinerStatus {
        match self.condition {
            Condition::Healthy => MinerStatus::Active,
            Condition::Idle if !self.hidden_faults.contains(&Fault::Asleep) => MinerStatus::Paused,
            Condition::Sick if self.faults.iter().all(|fault| self.hidden_faults.contains(fault)) => {
                MinerStatus::Active
            }
            Condition::Idle | Condition::Sick | Condition::Starting => MinerStatus::Warning,
            Condition::Gone => MinerStatus::Dead,
        }
    }
}
