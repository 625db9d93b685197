//! A few simulated miners on loopback, for examples that were given nothing to talk to.

use bitlink_simulator::{FleetServer, FleetSpec, ServeOptions, SimClock};
use std::net::{IpAddr, Ipv4Addr};

/// Running simulated miners: keep it as long as they are needed.
pub(crate) struct Simulated {
    server: FleetServer,
    #[allow(dead_code)] // see `addresses`
    addresses: Vec<IpAddr>,
}

impl Simulated {
    /// Starts twelve miners of several makes, some of them sick, at 127.0.20.1 and on, at a free port.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let clock = SimClock::real();
        let fleet = FleetSpec::new(12)
            .with_first(Ipv4Addr::new(127, 0, 20, 1))
            .with_seed(42)
            .with_sick(0.25)
            .build(&clock)?;
        let addresses = fleet.hosts().map(|(address, _)| address).collect();
        let machines: Vec<_> = fleet.hosts().map(|(address, host)| (address, host.clone())).collect();
        let options = ServeOptions::default().with_api_port(0).with_web_port(None).with_tls_port(None);
        let server = FleetServer::start(machines, &options)?;
        println!("No address given: talking to {} simulated miners instead.\n", server.endpoints().len());
        Ok(Self { server, addresses })
    }

    /// Their API port.
    pub(crate) fn port(&self) -> u16 {
        self.server.api_port()
    }

    /// Their addresses.
    #[allow(dead_code)] // an example that scans finds them itself
    pub(crate) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Stops them and waits until they are gone.
    pub(crate) async fn stop(self) {
        self.server.shutdown().await;
    }
}
