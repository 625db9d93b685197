//! UDP sockets as listening needs them: ports that other programs may listen at too, and multicast that leaves by one
//! interface only.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use tokio::net::UdpSocket;

/// Hears reports at a port. Vendors' tools listen at the same ones; where they allow it, both are heard.
pub(super) fn report_socket(place: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    finish(socket, place)
}

/// Asks a group, from one interface, and hears the answers at a port of its own. What is asked on the loopback interface
/// does not leave this machine, and what is asked elsewhere passes no router.
pub(super) fn call_socket(interface: Ipv4Addr, group: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    if group.ip().is_multicast() {
        socket.set_multicast_if_v4(&interface)?;
        socket.set_multicast_ttl_v4(u32::from(!interface.is_loopback()))?;
        socket.set_multicast_loop_v4(true)?;
    }
    finish(socket, SocketAddrV4::new(interface, 0))
}

fn finish(socket: Socket, place: SocketAddrV4) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::V4(place).into())?;
    UdpSocket::from_std(socket.into())
}
