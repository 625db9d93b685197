//! A simulated farm and a service that watches it, as programs on the loopback network, for checks against other people's programs.
//!
//! Each check has a network of its own in 127.94.0.0/16. Everything that is started ends with the value that started it.

#![allow(clippy::indexing_slicing, reason = "what a document does not have is null")]

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// How long is waited for anything at all, on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at a program that cannot be waited for.
const PAUSE: Duration = Duration::from_millis(200);

/// A program that ends with this.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self(child))
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// What it writes to its standard output, which was asked for when it was started.
    pub(crate) fn output(&mut self) -> Result<ChildStdout> {
        self.0.stdout.take().context("nobody asked for its output")
    }

    /// What it writes to its standard error, which was asked for when it was started.
    pub(crate) fn errors(&mut self) -> Result<ChildStderr> {
        self.0.stderr.take().context("nobody asked for its messages")
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A directory that is gone with this.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("bitlink-xtask-{name}-{}", std::process::id()));
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
        }
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left is in the system's directory for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Lines that a program writes, gathered while it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<VecDeque<String>>>);

impl Lines {
    pub(crate) fn of(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let gathered = lines.clone();
        // Ends with the program that writes.
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                gathered.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(line);
            }
        });
        lines
    }

    /// Takes what is there.
    pub(crate) fn drain(&self, mut take: impl FnMut(&str)) {
        for line in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            take(&line);
        }
    }

    /// Takes lines away up to the first one that is looked for.
    pub(crate) fn wait<T>(&self, what: &str, mut look: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let mut passed = Vec::new();
        let found = until(|| {
            while let Some(line) = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
                if let Some(found) = look(&line) {
                    return Some(found);
                }
                passed.push(line);
            }
            None
        });
        let last = passed.len().saturating_sub(20);
        let tail = passed.get(last..).unwrap_or_default().join("\n");
        found.with_context(|| format!("waited in vain for {what}; the last lines were:\n{tail}"))
    }
}

/// Looks again and again, until something is there or patience is at its end.
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// A port of an address that nobody has.
pub(crate) fn free_port(ip: Ipv4Addr) -> Result<u16> {
    let listener = TcpListener::bind((ip, 0)).with_context(|| format!("cannot listen on {ip}"))?;
    Ok(listener.local_addr()?.port())
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    // Whoever does not know the word says so and ends.
    process::starts(Command::new(program).arg("--version"))
}

/// A page of a server here.
pub(crate) fn get(at: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    // In this version an answer ends where the connection does.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {at}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer).context("the answer is other than UTF-8")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a head")?;
    let status =
        head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("an answer without a status")?;
    Ok((status, body.to_owned()))
}

/// Simulated miners.
#[derive(Debug)]
pub(crate) struct Miners {
    pub(crate) running: Running,
    pub(crate) targets: String,
    pub(crate) port: u64,
}

impl Miners {
    /// So many, from the first address of 127.94.`net`.0/24 on.
    pub(crate) fn start(bitlink: &Path, net: u8, number: u8) -> Result<Self> {
        let mut command = Command::new(bitlink);
        command.args(["simulate", "--bind", &format!("127.94.{net}.0/24"), "--miners", &number.to_string()]);
        command.args(["--mix", "antminer,whatsminer", "--sick", "0", "--port", "0", "--http-port", "off"]);
        command.args(["--https-port", "off", "--format", "json", "--for", "600s"]);
        let mut running = Running::start(command.stdout(Stdio::piped()))?;
        let out = running.output()?;
        let document = serde_json::Deserializer::from_reader(out).into_iter::<Value>().next();
        let document = document.context("the simulator says nothing")??;
        let port = document["ready"]["port"].as_u64().context("the simulator does not say its port")?;
        Ok(Self { running, targets: format!("127.94.{net}.1-{number}"), port })
    }
}

/// A service that watches them.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) running: Running,
    pub(crate) http: SocketAddr,
}

impl Service {
    /// Starts it with its data in `place`; `more` is added to its configuration.
    pub(crate) fn start(
        bitlink: &Path,
        place: &Place,
        miners: &Miners,
        ip: Ipv4Addr,
        more: &str,
    ) -> Result<Self> {
        let (port, targets) = (miners.port, &miners.targets);
        let text = format!(
            "networks = [\"{targets}\"]\n[scan]\nports = [{port}]\n[monitor]\ninterval = \"1s\"\nport = {port}\n\
             [rules]\ndead_after = \"2s\"\ndead_after_failures = 2\n[http]\nlisten = \"{ip}:0\"\n{more}"
        );
        let config = place.write("bitlink.toml", &text)?;
        let mut command = Command::new(bitlink);
        command.arg("serve").arg("--config").arg(config).arg("--data").arg(place.path().join("data"));
        command.args(["--log-format", "json"]).stderr(Stdio::piped());
        for name in ["BITLINK_DATA", "BITLINK_CONFIG", "NOTIFY_SOCKET", "RUST_LOG"] {
            command.env_remove(name);
        }
        let mut running = Running::start(&mut command)?;
        let lines = Lines::of(running.errors()?);
        let http = lines.wait("the service to show metrics", |line| {
            let message: Value = serde_json::from_str(line).ok()?;
            if !message["message"].as_str().is_some_and(|said| said.ends_with("metrics are shown")) {
                return None;
            }
            message["address"].as_str()?.parse().ok()
        })?;
        Ok(Self { running, http })
    }

    /// Waits until so many miners are read.
    pub(crate) fn wait_for_live(&mut self, number: u8) -> Result<()> {
        let wanted = format!("bitlink_devices_live {number}");
        let live = until(|| {
            let (_, page) = get(self.http, "/metrics").ok()?;
            page.lines().any(|line| line == wanted).then_some(())
        });
        if live.is_none() && self.running.has_ended() {
            bail!("the service has ended by itself");
        }
        live.with_context(|| format!("the service never read {number} miners"))
    }
}

/// An address for servers of a check.
pub(crate) const fn server(net: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 94, net, 250)
}

/// The same with a port.
pub(crate) fn at(ip: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(ip), port)
}
