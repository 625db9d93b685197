//! Serves one healthy machine of every simulated model, standing still in time, until its standard input ends.
//!
//! Prints one JSON document per machine and line, and an empty line at the end: where it is and what is true of it.
//! Other programs can be held against it: whatever they ask, and whenever, they get the same numbers.
//!
//! ```text
//! cargo run -p bitlink-simulator --example serve -- antminer whatsminer < /dev/tty
//! ```
//!
//! With `--open PASSWORD` before the names, the machines have been made ready to be commanded: their password is this one, what firmware
//! keeps shut as it is delivered is open, and time passes, since what is set takes effect after a restart.

use bitlink_simulator::{Access, FaceName, MinerSpec, ServeOptions, SimClock, SimFleet};
use bitlink_transport::Host as _;
use serde_json::json;
use std::error::Error;
use std::io::Read;
use std::net::Ipv4Addr;
use std::time::Duration;

/// The first machine's address; the others follow.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 77, 1);
const SEED: u64 = 7;
/// Long enough for every window and counter to have something to show.
const UPTIME: Duration = Duration::from_hours(27);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1).peekable();
    let (mut access, mut clock) = (Access::default(), SimClock::manual());
    if words.next_if(|word| word == "--open").is_some() {
        let password = words.next().ok_or("--open takes a password")?;
        access = access.with_password(password).with_privileged(true);
        clock = SimClock::real();
    }
    let mut faces = words.map(|name| name.parse()).collect::<Result<Vec<FaceName>, _>>()?;
    if faces.is_empty() {
        faces = FaceName::ALL.to_vec();
    }
    let models = faces.iter().flat_map(|face| face.models().iter().map(|model| (*face, model)));
    let specs: Vec<MinerSpec> = (0..)
        .zip(models)
        .filter_map(|(n, (face, model))| {
            let address = Ipv4Addr::from(u32::from(FIRST) + n);
            let spec = MinerSpec::with_model_name(face, model.printed, SEED + u64::from(n))?;
            Some(spec.with_address(address.into()).with_uptime(UPTIME).with_access(access.clone()))
        })
        .collect();
    let fleet = SimFleet::of(specs, &clock);
    let server = fleet.serve(&ServeOptions::default())?;
    if let Some(error) = server.web_error() {
        eprintln!("no web servers: {error}");
    }
    for (address, host) in fleet.hosts() {
        let truth = host.truth();
        let line = json!({
            "address": address,
            "api_port": server.api_port(),
            "has_web": server.web_port().is_some() && server.web_error().is_none(),
            "doors": host.ports(),
            "face": truth.face.name(),
            "family": truth.family.as_str(),
            "make": truth.make.map(|make| make.to_string()),
            "model": truth.model,
            "mac": truth.mac.to_string(),
        });
        println!("{line}");
    }
    println!();
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    server.shutdown().await;
    Ok(())
}
