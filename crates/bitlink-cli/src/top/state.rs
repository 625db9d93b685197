//! Everything that is shown, and how it answers what happens: `update(state, input) -> effects`. Pure: no terminal, no clock, no socket. What
//! is to be done outside is an effect for whoever runs this.

use super::list::{List, Miners};
use super::totals::{Totals, Trail, Trails};
use crate::columns;
use crate::table::Tone;
use crate::text::{clean, so_many};
use bitlink_miner_manager::{Coverage, Miner, MinerStatus, Timestamp};
use ratatui::crossterm::event::KeyEvent;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Input {
    Key(KeyEvent),
    /// The fleet as it is now.
    Fleet(Miners, Box<Coverage>),
    /// Everybody had a turn: time for a point in the plots.
    Round,
    StatusChanged {
        miner: Arc<Miner>,
        from: MinerStatus,
        to: MinerStatus,
    },
    /// Another machine answers at an address.
    IdentityChanged(Arc<Miner>),
    Rejected {
        target: String,
        reason: String,
    },
    Scan(ScanNews),
    /// What a plan for a light comes to.
    Proposed(Proposal),
    /// A command is on its way.
    Commanding(String),
    /// What became of it.
    Commanded {
        good: bool,
        words: String,
    },
    /// There is no shell that could wake this program.
    NobodyWouldWakeUs,
}

/// How a scan goes.
#[derive(Debug, Clone)]
pub(super) enum ScanNews {
    Began {
        what: String,
    },
    /// What was typed cannot be scanned.
    Refused(String),
    Progress {
        done: u64,
        total: u64,
        found: u64,
        eta: Option<Duration>,
    },
    /// In words, and whether all went well.
    Ended {
        words: String,
        good: bool,
    },
}

/// What would be done, before somebody says yes to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) lines: Vec<String>,
    /// Whether there is anything to say yes to.
    pub(super) possible: bool,
}

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Quit,
    Interrupt,
    /// Give the terminal back and sleep until woken.
    Sleep,
    /// Draw everything anew, whatever stands on the terminal.
    Repaint,
    /// Ask this one now, out of turn.
    Poll(SocketAddr),
    Scan(String),
    StopScan,
    /// Make a plan that switches a light. Sends nothing.
    Propose {
        at: SocketAddr,
        on: bool,
    },
    /// Carry out what was proposed.
    CarryOut,
    /// Forget what was proposed, or is about to be.
    Decline,
    /// Send no more commands, and wait for those that are out.
    StopCommand,
}

/// What fills the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    List,
    Miner,
    Help,
}

/// What is asked just now, over whatever is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Which miners to show.
    Filter(Line),
    /// Where to look for miners.
    Range(Line),
    /// Whether to switch a light. Without a proposal, that is still being made.
    Light { at: SocketAddr, on: bool, proposal: Option<Proposal> },
}

/// A line that is being typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) error: Option<String>,
}

/// Something that happened, told on a line.
#[derive(Debug, Clone)]
pub(super) struct Happened {
    pub(super) at: Timestamp,
    pub(super) tone: Tone,
    pub(super) who: String,
    pub(super) what: String,
}

/// How many happenings are kept: as many as fit on any screen.
const HAPPENINGS: usize = 64;

/// A word to whoever sits there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) at: Timestamp,
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// How long a note is shown.
const NOTE: Duration = Duration::from_secs(20);

/// A scan that runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Scan {
    pub(super) what: String,
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) found: u64,
    pub(super) eta: Option<Duration>,
}

/// Values of a plot of the whole fleet: two hours at the usual interval.
const ROUNDS: usize = 720;

#[derive(Debug)]
pub(super) struct State {
    /// What is watched, in a few words.
    pub(super) title: String,
    pub(super) colored: bool,
    /// How old a reading may be to be one of now.
    pub(super) fresh_for: Duration,
    pub(super) now: Timestamp,
    pub(super) coverage: Coverage,
    pub(super) totals: Totals,
    /// When that was added up.
    added_up: Timestamp,
    pub(super) rates: Trail,
    pub(super) trails: Trails,
    pub(super) list: List,
    pub(super) view: View,
    /// Where help goes back to.
    behind_help: View,
    /// The first line of a long page in sight.
    pub(super) scroll: usize,
    pub(super) question: Option<Question>,
    pub(super) scan: Option<Scan>,
    /// What is being done to a miner.
    pub(super) commanding: Option<String>,
    /// Somebody wants to leave, and a command is still out.
    leaving: bool,
    note: Option<Note>,
    pub(super) happened: VecDeque<Happened>,
}

impl State {
    pub(super) fn new(title: String, interval: Duration, colored: bool) -> Self {
        Self {
            title,
            colored,
            // A turn may be missed; and a short interval is no promise that every miner is quick.
            fresh_for: (interval * 2).max(Duration::from_secs(10)),
            now: Timestamp::from_unix_millis(0),
            coverage: Coverage::default(),
            totals: Totals::default(),
            added_up: Timestamp::from_unix_millis(0),
            rates: Trail::default(),
            trails: Trails::default(),
            list: List::new(),
            view: View::List,
            behind_help: View::List,
            scroll: 0,
            question: None,
            scan: None,
            commanding: None,
            leaving: false,
            note: None,
            happened: VecDeque::new(),
        }
    }

    /// The note, as long as it is worth a line.
    pub(super) fn note(&self) -> Option<&Note> {
        self.note.as_ref().filter(|note| self.now.since(note.at) < NOTE)
    }

    /// Somebody has read it, or does not want to.
    pub(super) fn dismiss(&mut self) {
        self.note = None;
    }

    pub(super) fn tell(&mut self, tone: Tone, text: impl Into<String>) {
        self.note = Some(Note { at: self.now, tone, text: text.into() });
    }

    /// Opens a page.
    pub(super) fn show(&mut self, view: View) {
        if view == View::Help {
            self.behind_help = self.view;
        }
        self.view = view;
        self.scroll = 0;
    }

    pub(super) fn leave_help(&mut self) {
        self.show(self.behind_help);
    }

    fn happens(&mut self, tone: Tone, who: String, what: String) {
        self.happened.push_front(Happened { at: self.now, tone, who, what });
        self.happened.truncate(HAPPENINGS);
    }

    /// Somebody wants to leave. A command that is out is waited for once.
    pub(super) fn quit(&mut self) -> Vec<Effect> {
        if self.commanding.is_none() || self.leaving {
            return vec![Effect::Quit];
        }
        self.leaving = true;
        self.tell(Tone::Warning, "a command is out; leaving when its outcome is known (q again: at once)");
        vec![Effect::StopCommand]
    }
}

/// Answers what happens at a time.
pub(super) fn update(state: &mut State, input: Input, now: Timestamp) -> Vec<Effect> {
    state.now = now;
    match input {
        Input::Key(key) => return super::keys::press(state, key),
        Input::Fleet(fleet, coverage) => {
            state.coverage = *coverage;
            let is_new = !Arc::ptr_eq(state.list.fleet(), &fleet);
            if is_new {
                state.list.update(&fleet, now);
                state.trails.follow(&fleet);
            }
            // What is known gets older by itself, though not with every key that is pressed.
            if is_new || now.since(state.added_up) >= Duration::from_secs(1) {
                state.totals = Totals::of(&fleet, now, state.fresh_for);
                state.added_up = now;
            }
        }
        Input::Round => state.rates.push(state.totals.rate.known().unwrap_or(f64::NAN), ROUNDS),
        Input::StatusChanged { miner, from, to } => changed(state, &miner, from, to),
        Input::IdentityChanged(miner) => {
            let what = format!("another machine answers: {}", clean(&miner.model));
            state.happens(Tone::Warning, place(&miner), what);
        }
        Input::Rejected { target, reason } => {
            let what = format!("cannot be watched: {}", clean(&reason));
            state.happens(Tone::Bad, clean(&target).into_owned(), what);
        }
        Input::Scan(news) => scanned(state, news),
        Input::Proposed(made) => {
            if let Some(Question::Light { proposal, .. }) = &mut state.question {
                *proposal = Some(made);
            }
        }
        Input::Commanding(words) => state.commanding = Some(words),
        Input::Commanded { good, words } => {
            state.commanding = None;
            let tone = if good { Tone::Good } else { Tone::Bad };
            state.tell(tone, words.clone());
            state.happens(tone, "light".to_owned(), words);
            if state.leaving {
                return vec![Effect::Quit];
            }
        }
        Input::NobodyWouldWakeUs => {
            state.tell(Tone::Warning, "there is no shell here that could wake this program again");
        }
    }
    Vec::new()
}

fn place(miner: &Miner) -> String {
    columns::address(miner.ip, miner.port)
}

fn changed(state: &mut State, miner: &Miner, from: MinerStatus, to: MinerStatus) {
    // What was found at the beginning is in the list; news is what changes after it.
    if from == MinerStatus::Scanning {
        return;
    }
    let what = match columns::findings_by_weight(miner).first() {
        Some(worst) => format!("{from} → {to}: {}", clean(&worst.message)),
        None => format!("{from} → {to}"),
    };
    state.happens(columns::status_tone(to), place(miner), what);
}

fn scanned(state: &mut State, news: ScanNews) {
    match news {
        ScanNews::Began { what } => {
            state.scan = Some(Scan { what, ..Scan::default() });
            if matches!(state.question, Some(Question::Range(_))) {
                state.question = None;
            }
        }
        ScanNews::Refused(why) => match &mut state.question {
            Some(Question::Range(line)) => line.error = Some(why),
            _ => state.tell(Tone::Bad, why),
        },
        ScanNews::Progress { done, total, found, eta } => {
            if let Some(scan) = &mut state.scan {
                (scan.done, scan.total, scan.found, scan.eta) = (done, total, found, eta);
            }
        }
        ScanNews::Ended { words, good } => {
            let what = state.scan.take().map_or_else(String::new, |scan| scan.what);
            let tone = if good { Tone::Good } else { Tone::Warning };
            state.happens(tone, what, words.clone());
            state.tell(tone, words);
        }
    }
}

/// How complete the picture is.
pub(super) fn coverage(state: &State) -> (String, Tone) {
    let (all, fresh) = (state.list.fleet().len(), state.totals.fresh);
    let count = |n: usize| crate::text::count(u64::try_from(n).unwrap_or(u64::MAX));
    let within = crate::text::duration(state.fresh_for);
    let tone = if fresh == all {
        Tone::Plain
    } else if fresh == 0 {
        Tone::Bad
    } else {
        Tone::Warning
    };
    match all {
        0 => ("no miner is watched yet".to_owned(), Tone::Dim),
        1 => {
            let word = if fresh == 1 { "heard" } else { "NOT heard" };
            (format!("{} {word} from within {within}", so_many(1, "miner", "miners")), tone)
        }
        _ => (format!("{} of {} heard from within {within}", count(fresh), count(all)), tone),
    }
}
