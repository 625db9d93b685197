//! What this machine reaches without a router, and who is there. The kernel keeps a small table of such neighbours (1,024 on
//! Linux unless it is told otherwise). A sweep of a large flat network that does not mind it fills the table with addresses
//! where nobody is, and then hardly a connection gets through to those where somebody is.

#[cfg(target_os = "linux")]
mod arp;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod netlink;
mod routes;
#[cfg(target_os = "linux")]
mod table;

use async_trait::async_trait;
use bitlink_protocol::model::Mac;
use std::collections::HashSet;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

pub use routes::Routes;

/// The neighbours of this machine.
#[async_trait]
pub trait Neighbours: Debug + Send + Sync + 'static {
    /// Whether an address is reached without a router, so that asking for it takes a place in the table.
    fn is_on_link(&self, ip: IpAddr) -> bool;

    /// How many places a scan may take in the table. Neighbours of before that nobody has spoken to for some seconds make
    /// room for new ones, so they do not count.
    fn room(&self) -> usize;

    /// How often the table has been full so far, when somebody wanted a place in it; zero where that is not told.
    fn overflows(&self) -> u64;

    /// Whose places the kernel would give to nobody else now: those it is asking for, has just heard or has just given up.
    fn held(&self) -> HashSet<Ipv4Addr>;

    /// Has the kernel forget neighbours, so that their places are free. Takes the right to; returns whether it went well.
    fn forget(&self, ips: &[Ipv4Addr]) -> bool;

    /// Whether the kernel has found out who has an address, as of a moment ago.
    fn knows(&self, ip: Ipv4Addr) -> bool;

    /// Who has an address, as the kernel has found out; `None` where it has not, or there is a router between.
    fn mac_of(&self, ip: Ipv4Addr) -> Option<Mac>;

    /// Everybody whom the kernel has found out about, and where.
    fn table(&self) -> Vec<(Ipv4Addr, Mac)>;

    /// Whether this process may ask for neighbours itself, beside the table.
    fn can_ask(&self) -> bool;

    /// Asks once who has an address, and waits until somebody says so. Whoever does not want to wait any longer drops the
    /// future. Never ends where nobody answers.
    async fn ask(&self, ip: Ipv4Addr) -> Mac;
}

/// The neighbours that this system knows of; `None` where that cannot be found out.
pub fn system_neighbours() -> Option<Arc<dyn Neighbours>> {
    #[cfg(target_os = "linux")]
    return linux::SystemNeighbours::new().map(|neighbours| Arc::new(neighbours) as Arc<dyn Neighbours>);
    #[cfg(not(target_os = "linux"))]
    None
}
