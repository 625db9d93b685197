//! Starting the program, simulated miners and other servers, and waiting for them without sleeping.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// The program, with nothing of this machine's settings in its way.
pub(crate) fn bitlink(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bitlink"));
    command.args(args.split_whitespace()).stdin(Stdio::null());
    for name in [
        "NO_COLOR",
        "CLICOLOR_FORCE",
        "CLICOLOR",
        "RUST_LOG",
        "COLUMNS",
        "BITLINK_DATA",
        "BITLINK_CONFIG",
        "BITLINK_PASSPHRASE",
        "BITLINK_POOL_PASSWORD",
    ] {
        command.env_remove(name);
    }
    command
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program to its end, which must come within a minute.
pub(crate) fn run(args: &str) -> Ran {
    let child = bitlink(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (pid, (ended, end)) = (child.id(), mpsc::channel::<()>());
    let watchdog = thread::spawn(move || {
        if end.recv_timeout(Duration::from_mins(1)) == Err(RecvTimeoutError::Timeout) {
            signal(pid, "KILL");
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watchdog.join().unwrap();
    output.into()
}

/// Sends a signal by name.
fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

impl Ran {
    /// The same run, which must have ended with this code.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The one document on the standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The documents on the standard output, one a line.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(parse).collect()
    }
}

/// A program that runs on, and ends with the test.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    err: BufReader<std::process::ChildStderr>,
}

impl Running {
    pub(crate) fn start(args: &str) -> Self {
        Self::start_with(args, &[])
    }

    /// The same with something in its environment.
    pub(crate) fn start_with(args: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = bitlink(args);
        command.envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let err = BufReader::new(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// Reads its messages on to one that holds this.
    #[track_caller]
    pub(crate) fn wait_for_err(&mut self, wanted: &str) -> String {
        let mut read = String::new();
        loop {
            let mut line = String::new();
            self.err.read_line(&mut line).unwrap();
            assert!(!line.is_empty(), "it ended before it wrote {wanted:?}: {read}");
            if line.contains(wanted) {
                return line;
            }
            read.push_str(&line);
        }
    }

    /// The next line that it writes; empty when it writes no more.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    /// Reads on to a line that holds this.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, wanted: &str) -> String {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "it ended before it wrote {wanted:?}: {}", self.rest_of_err());
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Closes our end of its standard output.
    pub(crate) fn stop_reading(self) -> (ExitStatus, String) {
        let Self { mut child, out, err: mut errors } = self;
        drop(out);
        let status = child.wait().unwrap();
        let mut err = String::new();
        errors.read_to_string(&mut err).unwrap();
        (status, err)
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ran {
        let mut out = String::new();
        self.out.read_to_string(&mut out).unwrap();
        let status = self.child.wait().unwrap();
        let err = self.rest_of_err();
        Ran { code: status.code(), out, err }
    }

    fn rest_of_err(&mut self) -> String {
        let mut err = String::new();
        self.err.read_to_string(&mut err).unwrap();
        err
    }
}

/// Simulated miners that end with the test, or by themselves if the test is killed.
#[derive(Debug)]
pub(crate) struct Simulation {
    child: Child,
    /// The document that lists the miners.
    pub(crate) document: Value,
    pub(crate) port: u16,
}

impl Simulation {
    /// Miners from the first host of a network on, without their web servers.
    pub(crate) fn start(net: &str, options: &str) -> Self {
        Self::start_at(net, &format!("--http-port off {options}"))
    }

    /// The same, their web servers at a free port.
    pub(crate) fn start_with_web(net: &str, options: &str) -> Self {
        Self::start_at(net, &format!("--http-port 0 {options}"))
    }

    fn start_at(net: &str, options: &str) -> Self {
        let args =
            format!("simulate --bind {net} --port 0 --https-port off --format json --for 120s {options}");
        let mut child = bitlink(&args).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut documents = serde_json::Deserializer::from_reader(out).into_iter::<Value>();
        let document = documents.next().expect("the list of miners").unwrap();
        let port = u16::try_from(document["ready"]["port"].as_u64().unwrap()).unwrap();
        Self { child, document, port }
    }

    /// Where its web servers are.
    pub(crate) fn http_port(&self) -> u64 {
        self.document["ready"]["http_port"].as_u64().unwrap()
    }

    pub(crate) fn miners(&self) -> &[Value] {
        self.document["miners"].as_array().unwrap()
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A server that says the same to everybody, until the test program ends.
pub(crate) fn serve(address: [u8; 4], says: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::from(address), 0)).unwrap();
    let endpoint = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away early is not this server's business.
            let _ = talk(stream, &says);
        }
    });
    endpoint
}

fn talk(mut stream: TcpStream, says: &dyn Fn(&str) -> Option<Vec<u8>>) -> std::io::Result<()> {
    let mut question = [0; 1024];
    let read = stream.read(&mut question)?;
    if let Some(answer) = says(&String::from_utf8_lossy(&question[..read])) {
        stream.write_all(&answer)?;
    }
    stream.shutdown(std::net::Shutdown::Both)
}

/// A directory of a test's own, gone afterwards.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
