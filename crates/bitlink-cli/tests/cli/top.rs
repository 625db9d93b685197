//! `bitlink top` on a terminal, against simulated miners.

use crate::support::{Place, Simulation, run};
use crate::terminal::Terminal;

/// The line that starts the program in a terminal, with a data directory of its own.
fn line(args: &str, data: &Place) -> String {
    format!("exec {} top {args} --data {}", env!("CARGO_BIN_EXE_bitlink"), data.path().display())
}

#[test]
fn without_a_terminal_it_says_so() {
    let ran = run("top --demo").ended_with(2);
    assert!(ran.err.contains("needs a terminal") && ran.err.contains("bitlink monitor"), "{}", ran.err);
    run("top --filter colour>5").ended_with(2);
}

#[test]
fn a_range_is_scanned_watched_sorted_filtered_and_looked_at() {
    let fleet = Simulation::start("127.91.61.0/24", "--miners 6 --sick 0 --mix antminer");
    let data = Place::new("top-look");
    let args = format!("127.91.61.0/29 --port {} --interval 1s", fleet.port);
    let Some(terminal) = Terminal::start("top-look", 80, 24, &line(&args, &data)) else { return };
    terminal.wait_for("6 of 6 heard from");
    terminal.wait_for("● 6 active");
    terminal.press(&["A", "A"]);
    terminal.wait_until("the last address first", |terminal| {
        let screen = terminal.screen();
        screen.find("127.91.61.6") < screen.find("127.91.61.1:") && screen.contains("address▴")
    });
    terminal.type_in("/ip:127.91.61.3 status:active");
    terminal.press(&["Enter"]);
    terminal.wait_for("1 of 6 pass");
    terminal.press(&["Enter"]);
    terminal.wait_for("nothing is wrong, by any rule");
    terminal.wait_for("Boards");
    terminal.resize(160, 60);
    terminal.wait_for("Who it is");
    terminal.resize(20, 6);
    terminal.resize(80, 24);
    terminal.wait_for("Esc list");
    terminal.press(&["q"]);
    terminal.wait_for("1 of 6 pass");
    terminal.press(&["q"]);
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_light_is_switched_through_a_plan_and_written_down() {
    let fleet = Simulation::start_with_web("127.91.62.0/24", "--miners 1 --sick 0 --mix luxos --privileged");
    let data = Place::new("top-light");
    let args = format!("127.91.62.1:{} --interval 1s --http-port {}", fleet.port, fleet.http_port());
    let Some(terminal) = Terminal::start("top-light", 100, 30, &line(&args, &data)) else { return };
    terminal.wait_for("1 active");
    terminal.press(&["Down", "l"]);
    terminal.wait_for("y  send it");
    assert!(!data.path().join("audit.ndjson").exists(), "nothing was sent yet");
    terminal.press(&["n"]);
    terminal.wait_for("nothing was sent");
    terminal.press(&["l"]);
    terminal.wait_for("y  send it");
    terminal.press(&["y"]);
    terminal.wait_for("light: verified");
    terminal.press(&["Enter"]);
    terminal.wait_for("light on");
    terminal.press(&["Escape"]);
    terminal.wait_for("? help");
    terminal.press(&["q"]);
    assert_eq!(terminal.end(), 0);
    let audit = run(&format!("audit show --data {}", data.path().display())).ended_with(0);
    assert!(audit.out.contains("locate") || audit.out.contains("light"), "{}", audit.out);
}

#[test]
fn known_miners_are_watched_and_a_scan_from_inside_adds_others() {
    let fleet = Simulation::start("127.91.63.0/24", "--miners 4 --sick 0 --mix antminer");
    let (data, port) = (Place::new("top-known"), fleet.port);
    run(&format!("scan 127.91.63.1-2 --port {port} --save --data {}", data.path().display())).ended_with(0);
    let args = format!("--interval 1s --port {port}");
    let Some(terminal) = Terminal::start("top-known", 100, 30, &line(&args, &data)) else { return };
    terminal.wait_for("the 2 miners known");
    terminal.wait_for("2 of 2 heard from");
    terminal.press(&["s"]);
    terminal.type_in("127.91.63.9-1");
    terminal.press(&["Enter"]);
    terminal.wait_for("ends before it begins");
    terminal.press(&["C-u"]);
    terminal.type_in("127.91.63.1-8");
    terminal.press(&["Enter"]);
    terminal.wait_for("4 of 4 heard from");
    terminal.wait_for("Scanned 8 addresses");
    terminal.press(&["C-c"]);
    assert_eq!(terminal.end(), 130);
}

#[test]
fn nothing_known_is_a_place_to_begin() {
    let data = Place::new("top-empty");
    let Some(terminal) = Terminal::start("top-empty", 80, 24, &line("", &data)) else { return };
    terminal.wait_for("press s and say where to look");
    terminal.press(&["?"]);
    terminal.wait_for("Moving");
    terminal.signal("TERM");
    assert_eq!(terminal.end(), 130);
}

#[test]
fn it_sleeps_and_wakes_as_a_job_of_a_shell_and_gives_the_terminal_back_meanwhile() {
    let data = Place::new("top-job");
    // A shell with jobs, that says when it has the terminal.
    let shell = "PS1=ready\\> exec bash --norc --noprofile -i";
    let Some(terminal) = Terminal::start("top-job", 80, 24, shell) else { return };
    terminal.wait_for("ready>");
    terminal.type_in(&line("", &data).replacen("exec ", "", 1));
    terminal.press(&["Enter"]);
    terminal.wait_until("screen", Terminal::is_taken);
    terminal.wait_for("press s");
    terminal.press(&["C-z"]);
    terminal.wait_for("Stopped");
    assert!(!terminal.is_taken());
    terminal.type_in("fg");
    terminal.press(&["Enter"]);
    terminal.wait_until("screen", Terminal::is_taken);
    terminal.wait_for("press s");
    terminal.press(&["q"]);
    terminal.wait_until("shell", |terminal| !terminal.is_taken());
    terminal.type_in("echo code=$?; stty -a");
    terminal.press(&["Enter"]);
    terminal.wait_for("code=0");
    terminal.wait_for(" echo ");
    assert!(terminal.line("icanon").contains(" icanon"), "keys are lines again");
}

#[test]
fn where_nobody_could_wake_it_it_does_not_sleep() {
    let data = Place::new("top-orphan");
    let Some(terminal) = Terminal::start("top-orphan", 80, 24, &line("", &data)) else { return };
    terminal.wait_for("press s");
    terminal.press(&["C-z"]);
    terminal.wait_for("no shell here that could wake");
    terminal.press(&["q"]);
    assert_eq!(terminal.end(), 0);
}
