//! Simulated miners at every address of the namespace: one listener for each port on all addresses, so that a whole /16 of
//! them takes neither a descriptor nor memory for each. Who answers is told by the address that was connected to.
//!
//! The machines are the simulator's, standing still in time and answering at once. What they answer over the API is the same
//! every time and is remembered, so that a machine with two cores can measure a scanner and not the simulator.
//!
//! Unlike a real miner, one address serves more than one client at a time.

use anyhow::{Context, Result, ensure};
use bitlink_simulator::{FleetSpec, Mix, SimClock, SimFleet, SimHost};
use bitlink_transport::{Ending, Host as _, Script, play};
use clap::Args;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::timeout;

/// A client that says nothing for so long is dropped.
const IDLE: Duration = Duration::from_secs(10);
/// A tarpit lets go after this, or the run would never end.
const LONGEST: Duration = Duration::from_mins(5);
/// How long to wait when there are no descriptors.
const BREATH: Duration = Duration::from_millis(5);
/// How many may wait to be accepted: all machines share one queue, so it holds what theirs would hold together.
const BACKLOG: i32 = 65_535;
/// Answers that one machine remembers.
const REMEMBERED: usize = 64;
/// The longest request.
const REQUEST_BYTES: usize = 64 * 1024;

/// Who answers.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// How many different machines there are; the addresses are shared out among them
    #[arg(long, default_value_t = 4_096)]
    machines: usize,
    /// Which firmwares
    #[arg(long, default_value = "antminer")]
    mix: Mix,
    /// Port of the API
    #[arg(long, default_value_t = SimHost::API_PORT)]
    api_port: u16,
    /// No web servers
    #[arg(long)]
    no_web: bool,
    /// Addresses that take connections and say nothing
    #[arg(long, value_delimiter = ',')]
    mute: Vec<Ipv4Addr>,
    /// Addresses that answer for ever, a byte at a time
    #[arg(long, value_delimiter = ',')]
    drip: Vec<Ipv4Addr>,
}

/// Serves until the standard input ends.
pub(crate) fn run(args: &ServeArgs) -> Result<()> {
    ensure!(args.machines > 0, "no machines");
    let input = crate::when_input_ends();
    let street = Rc::new(Street::build(args)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let api = listen(args.api_port)?;
        tokio::task::spawn_local(accept(api, SimHost::API_PORT, Rc::clone(&street)));
        if !args.no_web {
            let web = listen(SimHost::WEB_PORT)?;
            tokio::task::spawn_local(accept(web, SimHost::WEB_PORT, street));
        }
        println!("ready");
        io::stdout().flush()?;
        tokio::task::spawn_blocking(move || input.recv()).await?.context("the standard input was lost")
    })
}

fn listen(port: u16) -> Result<TcpListener> {
    let open = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().with_context(|| format!("cannot listen on port {port}"))
}

/// The machines, by number.
struct Street {
    machines: Vec<Machine>,
    mute: HashSet<Ipv4Addr>,
    drip: HashSet<Ipv4Addr>,
}

struct Machine {
    host: Arc<SimHost>,
    remembered: RefCell<HashMap<Vec<u8>, Script>>,
}

impl Street {
    fn build(args: &ServeArgs) -> Result<Self> {
        let spec = FleetSpec::new(args.machines)
            .with_first(Ipv4Addr::new(10, 0, 0, 1))
            .with_mix(args.mix.clone())
            .with_sick(0.0)
            .with_instant(true);
        let fleet: SimFleet = spec.build(&SimClock::manual())?;
        let machines = fleet
            .hosts()
            .map(|(_, host)| Machine { host: Arc::clone(host), remembered: RefCell::default() })
            .collect();
        let (mute, drip) = (args.mute.iter().copied().collect(), args.drip.iter().copied().collect());
        Ok(Self { machines, mute, drip })
    }

    fn machine(&self, ip: Ipv4Addr) -> Option<&Machine> {
        let number = u64::from(u32::from(ip)) % (self.machines.len() as u64);
        self.machines.get(usize::try_from(number).ok()?)
    }
}

impl Machine {
    fn respond(&self, port: u16, request: &[u8]) -> Script {
        // A login differs from time to time; the API has none.
        if port != SimHost::API_PORT {
            return self.host.respond(port, request);
        }
        let mut remembered = self.remembered.borrow_mut();
        if let Some(script) = remembered.get(request) {
            return script.clone();
        }
        let script = self.host.respond(port, request);
        if remembered.len() < REMEMBERED {
            remembered.insert(request.to_vec(), script.clone());
        }
        script
    }
}

async fn accept(listener: TcpListener, port: u16, street: Rc<Street>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(serve(stream, port, Rc::clone(&street)));
            }
            // Mostly for want of descriptors; whoever waits is served when others have gone.
            Err(_) => tokio::time::sleep(BREATH).await,
        }
    }
}

async fn serve(mut stream: TcpStream, port: u16, street: Rc<Street>) {
    // Without it a reply in two parts is slower, and nothing worse.
    let _ = stream.set_nodelay(true);
    let Ok(SocketAddr::V4(local)) = stream.local_addr() else { return };
    let ip = *local.ip();
    let Ok(Ok(request)) = timeout(IDLE, read(&mut stream)).await else { return };
    if request.is_empty() {
        return;
    }
    if street.mute.contains(&ip) {
        wait_for_end(&mut stream).await;
    } else if street.drip.contains(&ip) {
        // How it ends is the client's choice.
        let _ = timeout(LONGEST, drip(&mut stream)).await;
    } else if let Some(machine) = street.machine(ip) {
        match timeout(LONGEST, play(machine.respond(port, &request), &mut stream)).await {
            Ok(Ok(Ending::HoldOpen)) => wait_for_end(&mut stream).await,
            Ok(Ok(Ending::Reset)) => {
                // Closed in good order instead.
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            _ => {}
        }
    }
}

async fn wait_for_end(stream: &mut TcpStream) {
    let mut bytes = [0; 256];
    let end = async { while matches!(stream.read(&mut bytes).await, Ok(n) if n > 0) {} };
    // Either way it is over.
    let _ = timeout(LONGEST, end).await;
}

async fn drip(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(br#"{"STATUS":[{"STATUS":"S","Msg":""#).await?;
    loop {
        stream.write_all(b"a").await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The API takes what one read gives, as cgminer does; a web server reads until it has the whole request.
async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::with_capacity(1024);
    while stream.read_buf(&mut request).await? > 0 && is_begun(&request) && request.len() < REQUEST_BYTES {}
    Ok(request)
}

/// Whether it is a request to a web server of which more must come.
fn is_begun(request: &[u8]) -> bool {
    let is_http = [&b"GET "[..], b"POST ", b"PUT "].iter().any(|method| request.starts_with(method));
    let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return is_http };
    let head = String::from_utf8_lossy(request.get(..end).unwrap_or_default()).to_ascii_lowercase();
    let body: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0);
    is_http && request.len() < end + 4 + body
}
