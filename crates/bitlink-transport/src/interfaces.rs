//! The networks that this machine is part of. Looks at its own settings and sends nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

/// An interface by its IPv4 address. One that has several addresses comes several times.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// Its name ("eth0").
    pub name: String,
    /// This machine's address on it.
    pub address: Ipv4Addr,
    /// The first address of its network.
    pub first: Ipv4Addr,
    /// The last one.
    pub last: Ipv4Addr,
}

impl Interface {
    /// One with this address and so many bits of network.
    pub fn new(name: impl Into<String>, address: Ipv4Addr, netmask: Ipv4Addr) -> Self {
        let (ip, mask) = (u32::from(address), u32::from(netmask));
        let (first, last) = (Ipv4Addr::from(ip & mask), Ipv4Addr::from(ip | !mask));
        Self { name: name.into(), address, first, last }
    }
}

/// The interfaces of this machine, the loopback included.
///
/// # Errors
/// What the system says.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let v4 = |found: if_addrs::Interface| match (found.ip(), found.addr) {
        (IpAddr::V4(address), if_addrs::IfAddr::V4(v4)) => {
            Some(Interface::new(found.name, address, v4.netmask))
        }
        _ => None,
    };
    Ok(if_addrs::get_if_addrs()?.into_iter().filter_map(v4).collect())
}

#[cfg(test)]
mod tests {
    //! Bits of networks.
    use super::*;

    #[test]
    fn a_network_goes_from_its_first_to_its_last_address() {
        let interface = Interface::new("eth0", [192, 0, 2, 77].into(), [255, 255, 255, 192].into());
        assert_eq!((interface.first, interface.last), ([192, 0, 2, 64].into(), [192, 0, 2, 127].into()));
    }

    #[test]
    fn the_loopback_is_an_interface() {
        let all = interfaces().unwrap();
        assert!(all.iter().any(|interface| interface.first == Ipv4Addr::new(127, 0, 0, 0)), "{all:?}");
    }
}
