//! How miners that show themselves are heard: where, by which interfaces, and what of it a scan makes candidates of.

use bitlink_miner_manager::{Call, CallKind, CandidateSource, HeardCalls, HeardReports, ListenConfig};
use clap::{Args, ValueEnum};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

/// Where to hear.
#[derive(Debug, Args)]
#[command(next_help_heading = "Miners that show themselves")]
pub(crate) struct Hearing {
    /// UDP port of IP reports; may be given more than once [default: that of each make]
    #[arg(long, value_name = "PORT")]
    udp_port: Vec<u16>,
    /// Address of this machine at which reports are heard [default: all, which broadcast needs]
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::UNSPECIFIED, hide_default_value = true)]
    udp_address: Ipv4Addr,
    /// Interface by which everybody is asked, by this machine's address on it; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) interface: Vec<Ipv4Addr>,
    /// Group of the API's multicast
    #[arg(long, value_name = "ADDRESS:PORT", hide_short_help = true)]
    mcast_group: Option<SocketAddrV4>,
    /// Group of mDNS
    #[arg(long, value_name = "ADDRESS:PORT", hide_short_help = true)]
    mdns_group: Option<SocketAddrV4>,
}

/// Questions to everybody on a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Asked {
    /// The multicast of the CGMiner API, where it is switched on
    Mcast,
    /// mDNS, which Bitaxes and their kin answer
    Mdns,
}

impl Asked {
    fn kind(self) -> CallKind {
        match self {
            Self::Mcast => CallKind::Multicast,
            Self::Mdns => CallKind::Mdns,
        }
    }
}

/// What names candidates to a scan beside its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum With {
    /// Miners that report their address while the scan runs, by the press of a button
    Listen,
    /// Miners that answer the multicast of the CGMiner API
    Mcast,
    /// Bitaxes and their kin, which answer mDNS
    Mdns,
    /// Targets that this machine has met already, by its table of neighbours
    Arp,
}

impl Hearing {
    fn group(&self, asked: Asked) -> Option<SocketAddrV4> {
        match asked {
            Asked::Mcast => self.mcast_group,
            Asked::Mdns => self.mdns_group,
        }
    }

    /// Hears reports, and asks everybody.
    pub(crate) fn config(&self, asked: &[Asked]) -> ListenConfig {
        let mut calls = Vec::new();
        for &asked in asked {
            for &interface in &self.interface {
                let call = Call::new(asked.kind(), interface);
                calls.push(self.group(asked).map_or(call, |group| call.to(group)));
            }
        }
        let config = ListenConfig::default().with_address(self.udp_address).with_calls(calls);
        if self.udp_port.is_empty() { config } else { config.with_ports(self.udp_port.clone()) }
    }

    /// The sources of a scan that have to be heard.
    pub(crate) fn sources(&self, with: &[With], window: Duration) -> Vec<Arc<dyn CandidateSource>> {
        let calls = |asked: Asked| {
            let calls = HeardCalls::new(asked.kind()).by(self.interface.clone()).to(self.group(asked));
            Arc::new(calls) as Arc<dyn CandidateSource>
        };
        let mut sources = Vec::new();
        for source in [With::Listen, With::Mcast, With::Mdns] {
            if with.contains(&source) {
                sources.push(match source {
                    With::Mcast => calls(Asked::Mcast),
                    With::Mdns => calls(Asked::Mdns),
                    _ => Arc::new(HeardReports::new(self.config(&[]), window)),
                });
            }
        }
        sources
    }
}

#[cfg(test)]
mod tests {
    //! What is asked, and by whom.
    use super::*;

    #[test]
    fn everybody_is_asked_by_each_interface_in_each_way() {
        let hearing = Hearing {
            udp_port: vec![14_235],
            udp_address: Ipv4Addr::LOCALHOST,
            interface: vec![[127, 0, 0, 1].into(), [127, 0, 0, 2].into()],
            mcast_group: Some("127.0.0.9:4028".parse().unwrap()),
            mdns_group: None,
        };
        assert_eq!(hearing.config(&[]).calls, [], "listening sends nothing");
        let config = hearing.config(&[Asked::Mcast, Asked::Mdns]);
        assert_eq!(config.calls.len(), 4);
        assert_eq!(config.calls[0].group, "127.0.0.9:4028".parse().unwrap());
        assert_eq!(config.calls[3].group, "224.0.0.251:5353".parse().unwrap());
        assert_eq!(config.ports, [14_235]);
        let names = |with: &[With]| {
            hearing
                .sources(with, Duration::from_secs(1))
                .iter()
                .map(|source| source.name())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&[With::Mdns, With::Listen, With::Arp, With::Mdns]), ["listen", "mdns"]);
    }
}
