//! The farm of a demonstration: simulated miners in this process, what is wrong with which of them and since when, and where they
//! stand. All of it comes from a number and a place in the row: the same farm every time.

use bitlink_miner_manager::transport::{Host, MemoryTransport};
use bitlink_simulator::{Fault, FaultKind, FleetError, FleetSpec, PoolSpec, SimClock, SimHost, SimMiner};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Pools of the farm. Who mines for another one is wrong.
pub(super) const POOLS: [&str; 2] = ["pool.example.com", "backup.example.com"];
/// Where machines stand that nobody has added to the fleet yet.
pub(super) const STRANGERS: &str = "127.1.0.0/28";
const STRANGERS_FROM: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
const STRANGERS_COUNT: usize = 12;
/// More have no past of their own and answer at once: it would be too much for a demonstration.
pub(super) const MOST_WITH_PAST: usize = 2_000;

/// What has happened to a machine in the last day, in seconds before now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Story {
    /// It was down from … until ….
    pub(super) down: Option<(u32, u32)>,
    /// Since when it is as it is now; before, it was well.
    pub(super) ill_since: Option<u32>,
    /// It falls silent when the demonstration begins, and has been silent for so long.
    pub(super) dead_since: Option<u32>,
    /// Somebody has set it to a pool that is not the farm's.
    pub(super) wrong_pool: bool,
}

const HOUR: u32 = 3_600;
/// A rack was without power: from … until ….
const OUTAGE: (u32, u32) = (6 * HOUR + 1_200, 6 * HOUR + 540);
/// Machines of one rack: eight shelves of six.
const RACK: usize = 48;

/// A number that depends on nothing but these two.
pub(super) fn chance(n: u64, of: u64) -> u64 {
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ of.wrapping_mul(0xd1b5_4a32_d192_ed03);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn between(n: usize, of: u64, low: u32, high: u32) -> u32 {
    low + u32::try_from(chance(n as u64, of) % u64::from(high - low)).unwrap_or(0)
}

impl Story {
    /// That of the `n`-th machine of so many. `is_ill`: something is wrong with it from the beginning.
    pub(super) fn of(n: usize, miners: usize, is_ill: bool) -> Self {
        let mut story = Self::default();
        if is_ill {
            story.ill_since = Some(between(n, 1, 25 * 60, 20 * HOUR));
        } else if n % 71 == 13 {
            story.dead_since = Some(between(n, 2, 20 * 60, 5 * HOUR));
        } else if n % 83 == 21 {
            story.wrong_pool = true;
            story.ill_since = Some(between(n, 3, 30 * 60, 3 * HOUR));
        }
        let (from, until) = OUTAGE;
        if is_in_outage(n, miners) {
            story.down = Some((from, until - between(n, 4, 0, 200)));
        } else if story == Self::default() && chance(n as u64, 5).is_multiple_of(8) {
            let began = between(n, 6, HOUR / 2, 23 * HOUR);
            story.down = Some((began, began - between(n, 7, 70, 260)));
        }
        story
    }
}

/// Whether it stands in the rack that was without power: the last one.
fn is_in_outage(n: usize, miners: usize) -> bool {
    n / RACK == miners.saturating_sub(1) / RACK
}

/// Where a machine stands and what people wrote about it, as a line of a sheet has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) site: &'static str,
    pub(super) building: &'static str,
    pub(super) rack: String,
    pub(super) shelf: usize,
    pub(super) slot: usize,
    pub(super) labels: Vec<&'static str>,
    pub(super) notes: &'static str,
}

impl Place {
    /// That of the `n`-th machine of so many.
    pub(super) fn of(n: usize, miners: usize) -> Self {
        let racks = miners.div_ceil(RACK);
        let (rack, within) = (n / RACK, n % RACK);
        // Three of five racks stand in the north.
        let north = racks - racks * 2 / 5;
        let (site, building, number) = if rack < north {
            ("North", "Hall 1", rack + 1)
        } else {
            ("South", "Container 1", rack - north + 1)
        };
        let mut labels = vec![if rack % 3 == 2 { "customer-b" } else { "customer-a" }];
        if n % 40 == 7 {
            labels.push("watch");
        }
        let notes = match n % 97 {
            11 => "new fan ordered",
            45 => "back from repair, board 2 exchanged",
            _ => "",
        };
        Self {
            site,
            building,
            rack: format!("R{number:02}"),
            shelf: within / 6 + 1,
            slot: within % 6 + 1,
            labels,
            notes,
        }
    }

    /// The groups of machines that it belongs to, as history names them.
    pub(super) fn groups(&self) -> Vec<String> {
        let mut groups = vec![
            "fleet".to_owned(),
            format!("site/{}", self.site),
            format!("rack/{}/{}/{}", self.site, self.building, self.rack),
        ];
        groups.extend(self.labels.iter().map(|label| format!("label/{label}")));
        groups
    }
}

/// One machine of the farm.
#[derive(Debug, Clone)]
pub(super) struct Resident {
    pub(super) host: Arc<SimHost>,
    pub(super) address: IpAddr,
    pub(super) story: Story,
    pub(super) place: Place,
}

/// The whole farm, and strangers beside it.
#[derive(Debug)]
pub(super) struct Farm {
    pub(super) residents: Vec<Resident>,
    pub(super) network: MemoryTransport,
}

impl Farm {
    /// So many machines. `hostile`: some of them call themselves what attacks pages and terminals.
    pub(super) fn build(miners: usize, hostile: bool) -> Result<Self, FleetError> {
        let clock = SimClock::real();
        let faults = vec![
            FaultKind::BoardMissing,
            FaultKind::ChipsLost,
            FaultKind::Overheating,
            FaultKind::FanFailed,
            FaultKind::Slow,
            FaultKind::AllPoolsDead,
            FaultKind::PsuFault,
            FaultKind::Asleep,
        ];
        let mut spec = FleetSpec::new(miners).with_seed(7).with_sick(0.09).with_faults(faults);
        // What can be commanded is there to be tried.
        spec.access.privileged = true;
        let instant = miners > MOST_WITH_PAST;
        let made = spec.build(&clock)?;
        let network = MemoryTransport::new();
        let mut residents = Vec::with_capacity(miners);
        for (n, (address, host)) in made.hosts().enumerate() {
            let mut spec = host.spec();
            let story = Story::of(n, miners, !spec.episodes.is_empty());
            if let Some((_, until)) = story.down {
                spec.uptime = Duration::from_secs(until.into());
            }
            if story.wrong_pool
                && let Some(first) = spec.pools.first_mut()
            {
                *first = PoolSpec {
                    url: "stratum+tcp://pool.elsewhere.example:3333".to_owned(),
                    user: "stranger.1".to_owned(),
                };
            }
            if hostile {
                attack(n, &mut spec.hostname, &mut spec.pools);
            }
            let host = SimHost::new(SimMiner::new(spec), clock.clone());
            let host = Arc::new(if instant { host.without_latency() } else { host });
            network.insert(address, Arc::clone(&host) as Arc<dyn Host>);
            residents.push(Resident { host, address, story, place: Place::of(n, miners) });
        }
        let strangers =
            FleetSpec::new(STRANGERS_COUNT).with_seed(8).with_sick(0.0).with_first(STRANGERS_FROM);
        for (address, host) in strangers.build(&clock)?.hosts() {
            network.insert(address, Arc::clone(host) as Arc<dyn Host>);
        }
        Ok(Self { residents, network })
    }

    /// Where all machines of the farm answer.
    pub(super) fn endpoints(&self) -> Vec<SocketAddr> {
        self.residents.iter().map(|resident| SocketAddr::new(resident.address, SimHost::API_PORT)).collect()
    }

    /// Lets those fall silent that are to be dead: once they have been read.
    pub(super) fn silence(&self) {
        for resident in self.residents.iter().filter(|resident| resident.story.dead_since.is_some()) {
            resident.host.break_with(Fault::Unresponsive);
        }
    }

    /// Healthy machines to which things may happen while somebody looks: those of the last rack of all.
    pub(super) fn may_fall_ill(&self) -> Vec<Arc<SimHost>> {
        let last = self.residents.len().saturating_sub(1) / RACK * RACK;
        let well =
            |resident: &&Resident| resident.story.ill_since.is_none() && resident.story.dead_since.is_none();
        self.residents.iter().skip(last).filter(well).map(|resident| Arc::clone(&resident.host)).collect()
    }
}

/// Names that would do harm where a page or a terminal took them for more than text.
fn attack(n: usize, hostname: &mut String, pools: &mut [PoolSpec]) {
    let text = match n {
        0 => "<script>window.hacked=1</script>".to_owned(),
        1 => "\"><img src=x onerror=\"window.hacked=1\">".to_owned(),
        2 => "\u{202e}gnp.exe\u{2066}<b>bold</b>".to_owned(),
        3 => "\u{1b}[31mred\u{1b}]0;title\u{7}".to_owned(),
        4 => "x".repeat(10_000),
        5 => "=cmd|' /C calc'!A0".to_owned(),
        6 => "${7*7}{{7*7}}javascript:window.hacked=1".to_owned(),
        _ => return,
    };
    for pool in pools {
        pool.user.clone_from(&text);
    }
    *hostname = text;
}

/// A healthy machine falls ill, another recovers, and so on for ever.
pub(super) const HAPPENINGS: [Fault; 5] = [
    Fault::Overheating,
    Fault::FanFailed { fan: 0 },
    Fault::Unresponsive,
    Fault::Slow { percent: 55 },
    Fault::AllPoolsDead,
];
