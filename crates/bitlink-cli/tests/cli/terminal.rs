//! A terminal for tests: tmux holds the program's other end, shows what stands on the screen, and says when that changes. Nothing waits
//! for a time that somebody thought would do.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// A terminal with a program in it. Gone with the test, and so is the program.
#[derive(Debug)]
pub(crate) struct Terminal {
    socket: String,
    /// Follows the terminal.
    control: Child,
    changes: Receiver<()>,
}

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

impl Terminal {
    /// Runs a line of a shell on a terminal of a size; `None` where there is no tmux, which is told.
    pub(crate) fn start(name: &str, columns: u16, rows: u16, line: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("SKIPPED: no tmux here; install tmux to test what is drawn on a terminal");
            return None;
        }
        // The path of a socket may not be long.
        let socket = std::env::temp_dir().join(format!("bitlink-{name}-{}", std::process::id()));
        let socket = socket.to_string_lossy().into_owned();
        let size = [columns.to_string(), rows.to_string()];
        let new = ["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1], "cat"];
        tmux(&socket, &new);
        // It keeps its size whoever looks.
        tmux(&socket, &["set-option", "-g", "window-size", "manual"]);
        let mut control = Command::new("tmux")
            .args(["-S", &socket, "-C", "attach"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(control.stdout.take().unwrap());
        let (tell, changes) = mpsc::channel();
        thread::spawn(move || {
            for _line in out.lines().map_while(Result::ok) {
                if tell.send(()).is_err() {
                    break;
                }
            }
        });
        let terminal = Self { socket, control, changes };
        // The shell around it has the last word: the code, when the terminal is given back.
        let around =
            format!("sh -c 'echo $$ > {0}.pid; {line}'; echo \"ended with $?.\"; exec cat", terminal.socket);
        terminal.tmux(&["respawn-pane", "-k", &around]);
        Some(terminal)
    }

    fn tmux(&self, args: &[&str]) -> String {
        tmux(&self.socket, args)
    }

    /// What stands on it.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// What tmux knows of it.
    fn about(&self, what: &str) -> String {
        self.tmux(&["display-message", "-p", &format!("#{{{what}}}")]).trim().to_owned()
    }

    /// Whether a program has the whole screen for itself.
    pub(crate) fn is_taken(&self) -> bool {
        self.about("alternate_on") == "1"
    }

    /// Waits until something is so.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} on\n{}", self.screen());
            // Whatever stands in the queue is looked at once. Not every change is told.
            let _ = self.changes.recv_timeout(left.min(Duration::from_millis(500)));
            while self.changes.try_recv().is_ok() {}
        }
    }

    /// Waits until this stands on it.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(text, |terminal| terminal.screen().contains(text));
    }

    /// The line that holds this.
    #[track_caller]
    pub(crate) fn line(&self, text: &str) -> String {
        let screen = self.screen();
        let line = screen.lines().find(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("no {text} on\n{screen}")).to_owned()
    }

    /// Presses keys, by the names that tmux has for them.
    pub(crate) fn press(&self, keys: &[&str]) {
        let mut args = vec!["send-keys"];
        args.extend(keys);
        self.tmux(&args);
    }

    pub(crate) fn type_in(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Sends a signal by name to what was started in it.
    pub(crate) fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(format!("{}.pid", self.socket)).unwrap();
        assert!(Command::new("kill").args([&format!("-{name}"), pid.trim()]).status().unwrap().success());
    }

    /// Waits for the program's end, which gives the terminal back, and for its code.
    #[track_caller]
    pub(crate) fn end(&self) -> i32 {
        self.wait_for("ended with ");
        assert!(!self.is_taken(), "the terminal was not given back:\n{}", self.screen());
        let line = self.line("ended with ");
        line.trim().trim_start_matches("ended with ").trim_end_matches('.').parse().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-S", &self.socket, "kill-server"]).output();
        let _ = self.control.kill();
        let _ = self.control.wait();
        let _ = std::fs::remove_file(&self.socket);
        let _ = std::fs::remove_file(format!("{}.pid", self.socket));
    }
}

fn tmux(socket: &str, args: &[&str]) -> String {
    let mut command = Command::new("tmux");
    command.args(["-S", socket]).args(args);
    for name in ["NO_COLOR", "RUST_LOG", "TMUX", "BITLINK_DATA", "BITLINK_PASSPHRASE", "BITLINK_CONFIG"] {
        command.env_remove(name);
    }
    // Signs beyond ASCII, whatever language is spoken here.
    command.env("LC_ALL", "C.UTF-8");
    let output = command.output().unwrap();
    assert!(output.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
