//! Simulated miners that show themselves: each sends the report of its make now and again, and answers questions to everybody
//! as if that were switched on. On addresses of the loopback interface and nowhere else, whatever is asked for.
//!
//! What is sent is written here from the documented shapes, and read by the protocol crate from its own knowledge of them.

#[cfg(test)]
mod tests;

use crate::face::FaceName;
use crate::fleet::SimFleet;
use crate::host::SimHost;
use crate::miner::{Condition, Truth};
use simple_dns::rdata::{A, PTR, RData, SRV, TXT};
use simple_dns::{CLASS, Name, Packet, ResourceRecord};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// How miners show themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnounceOptions {
    /// Where reports go: an address of the loopback interface. Default 127.0.0.1.
    pub to: Ipv4Addr,
    /// The port that they go to. Default the one that each make has.
    pub port: Option<u16>,
    /// How often each miner sends its report. Default 10 s.
    pub every: Duration,
    /// The port of the API that is told by those who answer its multicast. Default 4028.
    pub api_port: u16,
    /// The group of the API's multicast, joined on the loopback interface, or an address of that interface which stands for
    /// it. Default 224.0.0.75:4028; none to keep silent.
    pub multicast: Option<SocketAddrV4>,
    /// The same for mDNS, which those answer that have AxeOS. Default 224.0.0.251:5353.
    pub mdns: Option<SocketAddrV4>,
}

impl Default for AnnounceOptions {
    fn default() -> Self {
        Self {
            to: Ipv4Addr::LOCALHOST,
            port: None,
            every: Duration::from_secs(10),
            api_port: SimHost::API_PORT,
            multicast: Some(SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 75), 4028)),
            mdns: Some(SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5353)),
        }
    }
}

impl AnnounceOptions {
    /// With reports to another address, and to one port instead of that of each make.
    #[must_use]
    pub fn with_to(mut self, to: Ipv4Addr, port: Option<u16>) -> Self {
        (self.to, self.port) = (to, port);
        self
    }

    /// With another time between reports.
    #[must_use]
    pub fn with_every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// With another port of the API to be told.
    #[must_use]
    pub fn with_api_port(mut self, port: u16) -> Self {
        self.api_port = port;
        self
    }

    /// With another group of the API's multicast, or none.
    #[must_use]
    pub fn with_multicast(mut self, group: Option<SocketAddrV4>) -> Self {
        self.multicast = group;
        self
    }

    /// With another group of mDNS, or none.
    #[must_use]
    pub fn with_mdns(mut self, group: Option<SocketAddrV4>) -> Self {
        self.mdns = group;
        self
    }
}

/// Why miners cannot show themselves.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// Simulated miners are seen on the loopback interface only: reports to, or miners at, another address.
    #[error("{0} is no address of the loopback interface, and simulated miners show themselves nowhere else")]
    Elsewhere(IpAddr),
    /// A group cannot be listened to.
    #[error("cannot listen for questions to {group}")]
    Group {
        /// Which.
        group: SocketAddrV4,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Miners that show themselves, until it is dropped.
#[derive(Debug)]
pub struct Announcer {
    trouble: Vec<AnnounceError>,
    _tasks: JoinSet<()>,
}

impl Announcer {
    /// Groups that cannot be listened to; the rest goes on.
    pub fn trouble(&self) -> &[AnnounceError] {
        &self.trouble
    }
}

impl SimFleet {
    /// Lets the miners show themselves. Must be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`AnnounceError::Elsewhere`], before anything is sent.
    pub fn announce(&self, options: &AnnounceOptions) -> Result<Announcer, AnnounceError> {
        let groups = [options.multicast, options.mdns].into_iter().flatten().map(|group| *group.ip());
        let stand_ins = groups.filter(|group| !group.is_multicast()).map(IpAddr::V4);
        let mut all = self.hosts().map(|(ip, _)| ip).chain([IpAddr::V4(options.to)]).chain(stand_ins);
        if let Some(elsewhere) = all.find(|ip| !ip.is_loopback()) {
            return Err(AnnounceError::Elsewhere(elsewhere));
        }
        let hosts: Vec<Arc<SimHost>> = self.hosts().map(|(_, host)| Arc::clone(host)).collect();
        let mut tasks = JoinSet::new();
        let mut trouble = Vec::new();
        let mut join = |group: Option<SocketAddrV4>, answer: Answer| {
            let Some(group) = group else { return };
            match member_of(group) {
                Ok(socket) => {
                    tasks.spawn(answer_everybody(socket, hosts.clone(), answer));
                }
                Err(source) => trouble.push(AnnounceError::Group { group, source }),
            }
        };
        join(options.multicast, Answer::Multicast { api_port: options.api_port });
        join(options.mdns, Answer::Mdns);
        tasks.spawn(report(hosts, *options));
        Ok(Announcer { trouble, _tasks: tasks })
    }
}

/// Hears what is sent to a group on the loopback interface, or to the address that stands for it.
fn member_of(group: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // Others on this machine may be members too.
    socket.set_reuse_address(group.ip().is_multicast())?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::V4(group).into())?;
    if group.ip().is_multicast() {
        socket.join_multicast_v4(group.ip(), &Ipv4Addr::LOCALHOST)?;
    }
    UdpSocket::from_std(socket.into())
}

/// Sends the report of each miner, again and again.
async fn report(hosts: Vec<Arc<SimHost>>, options: AnnounceOptions) {
    let mut ticks = interval(options.every.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for truth in hosts.iter().map(|host| host.truth()) {
            let Some((port, bytes)) = report_of(&truth) else { continue };
            send_from(&truth, &bytes, SocketAddrV4::new(options.to, options.port.unwrap_or(port))).await;
        }
    }
}

/// A machine that is down sends nothing.
async fn send_from(truth: &Truth, bytes: &[u8], to: SocketAddrV4) {
    if truth.condition == Condition::Gone || !to.ip().is_loopback() {
        return;
    }
    let sent = async { UdpSocket::bind((truth.address, 0)).await?.send_to(bytes, to).await };
    if let Err(error) = sent.await {
        tracing::debug!(from = %truth.address, %to, %error, "a miner could not show itself");
    }
}

/// How questions to everybody are answered.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Multicast { api_port: u16 },
    Mdns,
}

async fn answer_everybody(socket: UdpSocket, hosts: Vec<Arc<SimHost>>, answer: Answer) {
    let mut bytes = [0; 1_024];
    loop {
        let Ok((length, SocketAddr::V4(from))) = socket.recv_from(&mut bytes).await else { continue };
        let question = bytes.get(..length).unwrap_or_default();
        for truth in hosts.iter().map(|host| host.truth()) {
            let answer = match answer {
                Answer::Multicast { api_port } => multicast_answer(&truth, question, api_port)
                    .map(|(port, bytes)| (SocketAddrV4::new(*from.ip(), port), bytes)),
                Answer::Mdns => mdns_answer(&truth, question).map(|bytes| (from, bytes)),
            };
            if let Some((to, bytes)) = answer {
                send_from(&truth, &bytes, to).await;
            }
        }
    }
}

/// What a machine answers to the multicast of its API, and at which port: `cgminer-FTW-4027` is asked, `cgm-FTW-4028-name`
/// answered (`api.c`, `mcast`).
fn multicast_answer(truth: &Truth, question: &[u8], api_port: u16) -> Option<(u16, Vec<u8>)> {
    let question = std::str::from_utf8(question).ok()?.trim_end();
    let port = question.strip_prefix("cgminer-FTW-")?.parse().ok()?;
    let answer = format!("cgm-FTW-{api_port}-{}\0", truth.hostname);
    truth.face.has_api().then(|| (port, answer.into_bytes()))
}

/// What a machine with AxeOS answers to whoever asks for web servers.
fn mdns_answer(truth: &Truth, question: &[u8]) -> Option<Vec<u8>> {
    const AXEOS: &str = "_axeos._sub._http._tcp.local";
    const HTTP: &str = "_http._tcp.local";
    let (FaceName::AxeOs | FaceName::NerdAxe, IpAddr::V4(ip)) = (truth.face, truth.address) else {
        return None;
    };
    let asked = Packet::parse(question).ok()?;
    let is_for_us = |name: String| [AXEOS, HTTP].iter().any(|known| name.eq_ignore_ascii_case(known));
    if !asked.questions.iter().any(|question| is_for_us(question.qname.to_string())) {
        return None;
    }
    let model = truth.model.as_deref().unwrap_or("unknown");
    let instance = match truth.face {
        FaceName::NerdAxe => format!("{}.{HTTP}", truth.hostname),
        _ => format!("Bitaxe {model}.{HTTP}"),
    };
    let host = format!("{}.local", truth.hostname);
    let (instance, host) = (Name::new(&instance).ok()?, Name::new(&host).ok()?);
    let record = |name: &Name<'_>, data| ResourceRecord::new(name.clone().into_owned(), CLASS::IN, 120, data);
    let mut packet = Packet::new_reply(0);
    for service in [HTTP, AXEOS] {
        packet.answers.push(record(&Name::new_unchecked(service), RData::PTR(PTR(instance.clone()))));
    }
    let service = SRV { priority: 0, weight: 0, port: SimHost::WEB_PORT, target: host.clone() };
    let text = TXT::new().with_attribute("family", Some(model.as_bytes())).ok()?;
    let text = text.with_attribute("fw_version", Some(b"v2.12.0")).ok()?;
    packet.additional_records.extend([
        record(&instance, RData::SRV(service)),
        record(&instance, RData::TXT(text)),
        record(&host, RData::A(A { address: ip.into() })),
    ]);
    packet.build_bytes_vec_compressed().ok()
}

/// The report of a machine, and the port that its make sends it to; `None` for firmware of which none is known.
fn report_of(truth: &Truth) -> Option<(u16, Vec<u8>)> {
    let (ip, mac) = (truth.address, truth.mac);
    let text = |port, text: String| Some((port, text.into_bytes()));
    let name = |make: &str| format!("{make}{}", truth.model.as_deref().unwrap_or("unknown"));
    match truth.face {
        FaceName::Antminer
        | FaceName::AntminerOld
        | FaceName::Vnish
        | FaceName::LuxOs
        | FaceName::Blackminer => text(14_235, format!("{ip},{mac}")),
        FaceName::Whatsminer | FaceName::WhatsminerV1 | FaceName::WhatsminerV3 => {
            text(8_888, format!("IP:{ip}MAC:{mac}\0"))
        }
        FaceName::IceRiver => text(11_503, format!("addr:{ip}")),
        FaceName::Elphapex => text(9_999, "DG_IPREPORT_ONLY".to_owned()),
        FaceName::Goldshell => {
            let report = serde_json::json!({
                "version": "2.2.7", "ip": ip, "dhcp": "enable", "model": name("Goldshell-"), "ctrlsn": truth.serial,
                "mac": mac, "mask": "255.0.0.0", "gateway": "127.0.0.1", "cpbsn": ["", null], "dns": null,
                "boxsn": "", "time": "2026-01-02 03:04:05", "ledstatus": false,
            });
            text(1_314, report.to_string())
        }
        FaceName::Auradine => {
            let report = serde_json::json!({
                "command": "ipreport", "SerialNo": truth.serial, "ip": ip, "mac": mac, "model": name(""),
                "version": "1.0", "hostname": truth.hostname, "InternalType": "",
            });
            text(12_345, report.to_string())
        }
        FaceName::Sealminer => Some((18_650, sealminer(truth))),
        _ => None,
    }
}

/// Objects written one after another with NULs between, packed behind some bytes.
fn sealminer(truth: &Truth) -> Vec<u8> {
    let machine = serde_json::json!({
        "MAC": truth.mac, "Type": truth.model, "Firmware": "20250101", "CtrlBoardVersion": "C1",
        "NetInterfaceCnt": 1, "UpgradeStatus": 0, "MainBoardSN": truth.serial, "BoardSnArray": [],
    });
    let interface = serde_json::json!({
        "Interface": "eth0", "Active": true, "DHCP": true, "IPV4": truth.address, "Netmask": "255.0.0.0",
        "Gateway": "127.0.0.1", "DNS1": "", "DNS2": "", "AutoReboot": false,
    });
    let objects = [serde_json::json!({ "State": 0 }), machine, interface];
    let text = objects.map(|object| object.to_string()).join("\0");
    let mut report = vec![0, 1, 0, 1];
    report.extend(packed(text.as_bytes()));
    report
}

/// A zlib stream that packs nothing: one stored block (RFC 1950, RFC 1951). A report is far shorter than a block may be.
fn packed(text: &[u8]) -> Vec<u8> {
    const LONGEST: usize = 0xffff;
    let text = text.get(..LONGEST).unwrap_or(text);
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let mut stream = vec![0x78, 0x9c, 1];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(text);
    let (a, b) = text.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}
