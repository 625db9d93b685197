//! Runs one program and says what it cost: time, processor, memory. It is a process of its own for each measurement
//! (`cargo xtask measure`, hidden), since what the kernel counts of children it counts of all of them together.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};

/// What is run, and where the figures go.
#[derive(Debug, Args)]
pub(crate) struct MeasureArgs {
    /// Where the figures are written
    #[arg(long)]
    result: PathBuf,
    /// Where the program's standard output goes
    #[arg(long)]
    output: PathBuf,
    /// How long it may take, in milliseconds
    #[arg(long)]
    limit: u64,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// What a program cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// From its start to its end.
    pub(crate) wall_s: f64,
    /// In the program itself.
    pub(crate) user_s: f64,
    /// In the kernel on its behalf.
    pub(crate) system_s: f64,
    /// The most memory that was resident at a time, in bytes.
    pub(crate) peak_bytes: u64,
    /// What was resident after a second, and when it was last looked at.
    pub(crate) early_bytes: Option<u64>,
    pub(crate) late_bytes: Option<u64>,
    /// When it wrote its first byte.
    pub(crate) first_output_s: Option<f64>,
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Whether it had to be interrupted.
    pub(crate) interrupted: bool,
}

#[cfg(not(unix))]
pub(crate) fn run(_args: &MeasureArgs) -> Result<()> {
    anyhow::bail!("this system does not count what a process costs as it is counted here")
}

/// Runs the program, at most as long as it may, and writes the figures.
///
/// # Errors
///
/// When it cannot be started, or the figures cannot be written.
#[cfg(unix)]
pub(crate) fn run(args: &MeasureArgs) -> Result<()> {
    use std::fs::{self, File};
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::time::{Duration, Instant};

    use anyhow::{Context, bail};
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::signal::{Signal, killpg};
    use nix::sys::time::{TimeVal, TimeValLike as _};
    use nix::unistd::Pid;

    /// How often it is looked at.
    const LOOK: Duration = Duration::from_millis(10);
    /// How long it may take to end once it was interrupted.
    const GRACE: Duration = Duration::from_secs(5);

    let [program, arguments @ ..] = args.command.as_slice() else { bail!("no program") };
    let output =
        File::create(&args.output).with_context(|| format!("cannot write {}", args.output.display()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(output).process_group(0);
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let pid = child.id();
    let group = Pid::from_raw(i32::try_from(pid)?);
    let (ended, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let status = child.wait();
        // Who measures is waiting.
        let _ = ended.send((status, Instant::now()));
    });

    let limit = Duration::from_millis(args.limit);
    let (mut first_output, mut early, mut late, mut interrupted) = (None, None, None, None);
    let (status, end) = loop {
        match wait.recv_timeout(LOOK) {
            Ok(end) => break end,
            Err(RecvTimeoutError::Disconnected) => bail!("the program was lost"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let elapsed = began.elapsed();
        if first_output.is_none() && fs::metadata(&args.output).is_ok_and(|file| file.len() > 0) {
            first_output = Some(elapsed);
        }
        if let Some(bytes) = resident(pid) {
            if elapsed >= Duration::from_secs(1) {
                early.get_or_insert(bytes);
            }
            late = Some(bytes);
        }
        let signal = match interrupted {
            None if elapsed >= limit => {
                interrupted = Some(elapsed);
                Some(Signal::SIGINT)
            }
            Some(when) if elapsed >= when + GRACE => Some(Signal::SIGKILL),
            _ => None,
        };
        if let Some(signal) = signal {
            // It may have ended just now.
            let _ = killpg(group, signal);
        }
    };
    // What it may have left behind.
    let _ = killpg(group, Signal::SIGKILL);
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| Duration::from_micros(time.num_microseconds().unsigned_abs()).as_secs_f64();
    let measured = Measured {
        wall_s: end.duration_since(began).as_secs_f64(),
        user_s: seconds(usage.user_time()),
        system_s: seconds(usage.system_time()),
        peak_bytes: u64::try_from(usage.max_rss())? * 1024,
        early_bytes: early,
        late_bytes: late,
        first_output_s: first_output.map(|time: Duration| time.as_secs_f64()),
        code: status?.code(),
        interrupted: interrupted.is_some(),
    };
    fs::write(&args.result, serde_json::to_string(&measured)?)
        .with_context(|| format!("cannot write {}", args.result.display()))
}

/// What of a process is in memory now.
#[cfg(unix)]
fn resident(pid: u32) -> Option<u64> {
    resident_in(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// `VmRSS:     1234 kB`
fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    //! The figures of small programs.
    use super::*;
    use crate::workspace::Workspace;

    fn measured(name: &str, limit: u64, script: &str) -> Measured {
        let folder = Workspace::locate().unwrap().metadata().unwrap().target_directory.join("tmp");
        std::fs::create_dir_all(&folder).unwrap();
        let (result, output) = (folder.join(format!("{name}.json")), folder.join(format!("{name}.out")));
        let command = ["sh", "-c", script].map(OsString::from).to_vec();
        run(&MeasureArgs { result: result.clone(), output: output.clone(), limit, command }).unwrap();
        let measured = serde_json::from_str(&std::fs::read_to_string(&result).unwrap()).unwrap();
        std::fs::remove_file(result).unwrap();
        std::fs::remove_file(output).unwrap();
        measured
    }

    #[test]
    fn a_program_that_ends_is_left_alone() {
        let measured = measured("measure-ends", 60_000, "echo x; exit 3");
        assert_eq!((measured.code, measured.interrupted), (Some(3), false));
        assert!(measured.peak_bytes > 100_000, "{measured:?}");
    }

    #[test]
    fn one_that_takes_too_long_is_interrupted_and_can_say_so() {
        let script = "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done";
        let measured = measured("measure-long", 1_500, script);
        assert_eq!((measured.code, measured.interrupted), (Some(9), true));
        assert!(measured.first_output_s.is_some(), "{measured:?}");
        assert!(measured.late_bytes.is_some(), "{measured:?}");
    }

    #[test]
    fn resident_memory_is_told_in_kilobytes() {
        assert_eq!(resident_in("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1234 * 1024));
        assert_eq!(resident_in("Name:\tx\n"), None);
    }
}
