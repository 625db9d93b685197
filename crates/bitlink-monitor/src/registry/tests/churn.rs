//! A simulated farm under churn: addresses from DHCP, control boards and hash boards swapped, machines off and on, scans and
//! polls in any order. No two machines may ever share an id, and no machine may get a second one.

use super::*;
use bitlink_model::Text;
use proptest::prelude::*;
use proptest::sample::Index as Pick;
use std::collections::BTreeSet;

/// What a machine tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is told or not, whatever the others")]
struct Tells {
    mac: bool,
    serial: bool,
    control: bool,
    boards: bool,
}

#[derive(Debug, Clone)]
struct Machine {
    tells: Tells,
    mac: u32,
    serial: u32,
    control: u32,
    boards: Vec<u32>,
    address: usize,
    on: bool,
}

#[derive(Debug, Clone)]
enum Event {
    /// The addresses of some machines are dealt out anew.
    Dhcp(Vec<Pick>, usize),
    /// A machine gets a control board from the shelf.
    NewControlBoard(Pick),
    /// Two machines exchange their control boards.
    ExchangeControlBoards(Pick, Pick),
    /// Two machines exchange a hash board.
    ExchangeHashBoard(Pick, Pick, Pick, Pick),
    Off(Pick),
    On(Pick),
    /// The registry is kept and read again.
    Reload,
}

fn events() -> impl Strategy<Value = Event> {
    let pick = any::<Pick>;
    prop_oneof![
        4 => (proptest::collection::vec(pick(), 2..8), 1_usize..7).prop_map(|(who, by)| Event::Dhcp(who, by)),
        2 => pick().prop_map(Event::NewControlBoard),
        2 => (pick(), pick()).prop_map(|(a, b)| Event::ExchangeControlBoards(a, b)),
        2 => (pick(), pick(), pick(), pick()).prop_map(|(a, b, c, d)| Event::ExchangeHashBoard(a, b, c, d)),
        1 => pick().prop_map(Event::Off),
        2 => pick().prop_map(Event::On),
        1 => Just(Event::Reload),
    ]
}

const KINDS: [Tells; 7] = [
    Tells { mac: true, serial: false, control: false, boards: false },
    Tells { mac: true, serial: true, control: false, boards: false },
    Tells { mac: true, serial: true, control: false, boards: true },
    Tells { mac: true, serial: false, control: false, boards: true },
    Tells { mac: false, serial: true, control: false, boards: false },
    Tells { mac: true, serial: true, control: true, boards: true },
    // By its address only: its lease is fixed.
    Tells { mac: false, serial: false, control: false, boards: false },
];

#[derive(Debug)]
struct Farm {
    machines: Vec<Machine>,
    ids: Vec<Option<MinerId>>,
    registry: Registry,
    now: i64,
    next_part: u32,
}

impl Farm {
    fn new(kinds: &[usize]) -> Self {
        let mut next_part = 1;
        let mut part = || {
            next_part += 1;
            next_part
        };
        let machine = |(address, kind): (usize, &usize)| Machine {
            tells: KINDS[*kind % KINDS.len()],
            mac: part(),
            serial: part(),
            control: part(),
            boards: vec![part(), part(), part()],
            address,
            on: true,
        };
        let machines: Vec<Machine> = kinds.iter().enumerate().map(machine).collect();
        let ids = vec![None; machines.len()];
        Self { machines, ids, registry: Registry::new(), now: START, next_part }
    }

    /// A machine that is on and for which this can be done.
    fn choose(&self, pick: Pick, can: impl Fn(&Machine) -> bool) -> Option<usize> {
        let can: Vec<usize> =
            (0..self.machines.len()).filter(|n| self.machines[*n].on && can(&self.machines[*n])).collect();
        (!can.is_empty()).then(|| can[pick.index(can.len())])
    }

    fn happens(&mut self, event: Event) {
        let is_chassis =
            |machine: &Machine| machine.tells.serial && machine.tells.mac || machine.tells.boards;
        match event {
            Event::Dhcp(who, by) => {
                let leased = |machine: &Machine| machine.tells != KINDS[6];
                let who: BTreeSet<usize> =
                    who.into_iter().filter_map(|pick| self.choose(pick, leased)).collect();
                let who: Vec<usize> = who.into_iter().collect();
                let addresses: Vec<usize> = who.iter().map(|n| self.machines[*n].address).collect();
                for (n, machine) in who.iter().enumerate() {
                    self.machines[*machine].address = addresses[(n + by) % addresses.len()];
                }
            }
            Event::NewControlBoard(pick) => {
                if let Some(n) = self.choose(pick, is_chassis) {
                    self.next_part += 2;
                    self.machines[n].mac = self.next_part;
                    self.machines[n].control = self.next_part + 1;
                    self.next_part += 1;
                }
            }
            Event::ExchangeControlBoards(a, b) => {
                if let (Some(a), Some(b)) = (self.choose(a, is_chassis), self.choose(b, is_chassis)) {
                    let (mac, control) = (self.machines[a].mac, self.machines[a].control);
                    self.machines[a].mac = self.machines[b].mac;
                    self.machines[a].control = self.machines[b].control;
                    self.machines[b].mac = mac;
                    self.machines[b].control = control;
                }
            }
            Event::ExchangeHashBoard(a, b, slot, other) => {
                if let (Some(a), Some(b)) = (self.choose(a, |_| true), self.choose(b, |_| true)) {
                    let (slot, other) = (slot.index(3), other.index(3));
                    let board = self.machines[a].boards[slot];
                    self.machines[a].boards[slot] = self.machines[b].boards[other];
                    self.machines[b].boards[other] = board;
                }
            }
            Event::Off(pick) => {
                if let Some(n) = self.choose(pick, |_| true) {
                    self.machines[n].on = false;
                }
            }
            Event::On(pick) => {
                let n = pick.index(self.machines.len());
                self.machines[n].on = true;
            }
            Event::Reload => {
                self.registry =
                    Registry::from_records(self.registry.all_records().map(|record| (**record).clone()));
            }
        }
    }

    /// Everything that is on is met once, in any order: by a scan, or one after the other.
    fn look(&mut self, scan: bool, from: Pick) {
        let sweep = scan.then(|| self.registry.begin_sweep());
        let count = self.machines.len();
        for step in 0..count {
            let n = (from.index(count) + step * 7) % count;
            if !self.machines[n].on {
                continue;
            }
            self.now += if scan { 5 } else { 9_000 };
            let machine = self.machines[n].clone();
            let [_, a, b, c] = machine.mac.to_be_bytes();
            let mut identity = Identity::default();
            identity.mac = machine.tells.mac.then(|| Mac::new([2, 0xdb, 1, a, b, c]));
            identity.serial =
                machine.tells.serial.then(|| format!("SIM-M{}", machine.serial + 10_000)).map(Text::from);
            if machine.tells.control {
                identity.control_board_serial = Some(format!("SIM-C{}", machine.control + 10_000).into());
            }
            let boards: Vec<String> =
                machine.boards.iter().map(|board| format!("SIM-B{}", board + 10_000)).collect();
            let boards = boards.iter().map(String::as_str).filter(|_| machine.tells.boards);
            let place: SocketAddr = format!("10.0.0.{}:4028", machine.address + 1).parse().unwrap();
            let mut sighting =
                Sighting::new(place, &identity, Timestamp::from_unix_millis(self.now)).with_boards(boards);
            sighting.sweep = sweep;
            let observed = self.registry.observe(&sighting);
            assert_eq!(observed.conflicts, [], "machine {n}: {machine:?}: {observed:?}");
            let known = self.ids[n].get_or_insert(observed.id);
            assert_eq!(*known, observed.id, "machine {n} was split: {machine:?}: {observed:?}");
            assert_eq!(self.registry.at(place).unwrap().id, observed.id);
        }
        let ids: Vec<MinerId> = self.ids.iter().flatten().copied().collect();
        let distinct: BTreeSet<MinerId> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "two machines share an id: {:?}", self.ids);
        assert_eq!(self.registry.len(), ids.len(), "as many records as machines that were met");
    }
}

proptest! {
    #[test]
    fn no_machine_is_ever_mixed_up_or_split(
        kinds in proptest::collection::vec(0_usize..7, 8..24)
            .prop_filter("a step of seven must reach all", |kinds| kinds.len() % 7 != 0),
        story in proptest::collection::vec((events(), any::<bool>(), any::<Pick>()), 1..40),
    ) {
        let mut farm = Farm::new(&kinds);
        farm.look(true, Pick::default_first());
        for (event, scan, from) in story {
            // Whatever people do to machines takes longer than the registry takes for impossible.
            farm.now += 180_000;
            farm.happens(event);
            farm.look(scan, from);
        }
    }
}

/// A pick that begins with the first.
trait First {
    fn default_first() -> Pick;
}

impl First for Pick {
    fn default_first() -> Pick {
        use proptest::strategy::ValueTree;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        any::<Pick>().new_tree(&mut runner).unwrap().current()
    }
}
