//! `bitlink top`: the farm on a whole terminal. Holds the terminal and brings keys, readings, scans, commands and time together; what is
//! shown and what a key does is decided in `state` and `keys`, which do nothing but think, and drawn in `draw`.

mod draw;
mod hands;
mod keys;
mod list;
mod state;
#[cfg(test)]
mod tests;
mod totals;

use crate::console::{self, Console, Interruption};
use crate::failure::{Exit, Failure};
use crate::live::Ended;
use crate::screen::{Job, JobWish, Keys, Screen, Slept};
use bitlink_miner_manager::control::Commander;
use bitlink_miner_manager::{Fleet, MonitorEvent, MonitorStream, ScanTargets, Timestamp};
use hands::Hands;
use ratatui::crossterm::event::{Event, KeyEventKind};
use state::{Effect, Input, State, update};
use std::io;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The shortest time between two pictures: as often as an eye can follow numbers.
const FRAME: Duration = Duration::from_millis(100);

/// The longest time between two pictures: ages are told in seconds.
const IDLE: Duration = Duration::from_secs(1);

/// What is watched, and how.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) title: String,
    /// How scans are made.
    pub(crate) fleet: Fleet,
    /// How a text that is typed becomes targets.
    pub(crate) events: MonitorStream,
    pub(crate) interval: Duration,
    /// Who commands.
    pub(crate) commander: Commander,
    /// Where to look for miners from the beginning.
    pub(crate) scan: Option<ScanTargets>,
    /// Which miners to show from the beginning.
    pub(crate) filter: String,
    pub(crate) lasting: Option<Duration>,
}

/// Shows it until somebody leaves. The terminal is as it was before when this returns.
pub(crate) async fn watch(watch: Watch, console: Console) -> Result<Ended, Failure> {
    let mut state = State::new(watch.title, watch.interval, console.is_colored());
    // It was read before.
    let _ = state.list.filter_by(&watch.filter, now());
    let mut screen = Screen::open()
        .map_err(|error| Failure::new(Exit::SomeFailed, "cannot draw on this terminal").because(&error))?;
    let mut hands = Hands::new(watch.fleet, watch.events.handle(), watch.commander);
    if let Some(targets) = watch.scan {
        for input in hands.scan_targets(targets) {
            update(&mut state, input, now());
        }
    }
    let ended = run(&mut screen, &mut state, &mut hands, watch.events, watch.lasting).await;
    drop(screen);
    ended.map_err(Failure::from)
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

async fn run(
    screen: &mut Screen,
    state: &mut State,
    hands: &mut Hands,
    mut events: MonitorStream,
    lasting: Option<Duration>,
) -> io::Result<Ended> {
    let mut stop = Interruption::new();
    let mut job = Job::new();
    let mut keys = Keys::listen()?;
    let over = console::over(lasting);
    tokio::pin!(over);
    let mut tick = interval(FRAME);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut drawn: Option<Instant> = None;
    let mut changed = true;
    loop {
        let input = tokio::select! {
            biased;
            () = stop.come() => return Ok(Ended::Interrupted),
            () = &mut over => return Ok(Ended::Over),
            wish = job.next() => {
                let slept = match wish {
                    JobWish::Sleep => screen.sleep()?,
                    JobWish::Woken => {
                        screen.reopen()?;
                        Slept::Woken
                    }
                };
                (drawn, changed) = (None, true);
                (slept == Slept::NobodyWouldWakeUs).then_some(Input::NobodyWouldWakeUs)
            }
            event = keys.next() => match event {
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => Some(Input::Key(key)),
                Some(Event::Resize(..)) => {
                    changed = true;
                    None
                }
                Some(_) => None,
                // Nobody can press a key any more: the terminal has gone.
                None => return Ok(Ended::Interrupted),
            },
            _ = tick.tick() => {
                if changed || drawn.is_none_or(|drawn| drawn.elapsed() >= IDLE) {
                    let fleet = events.state();
                    let input = Input::Fleet(fleet.miners.clone(), Box::new(fleet.coverage.clone()));
                    update(state, input, now());
                    screen.terminal.draw(|frame| draw::draw(frame, state))?;
                    drawn = Some(Instant::now());
                    changed = false;
                }
                None
            }
            next = hands.next() => hands.take(next).await,
            event = events.recv() => match event {
                Some(event) => told(event),
                None => return Ok(Ended::Over),
            },
        };
        let Some(input) = input else { continue };
        changed = true;
        for effect in update(state, input, now()) {
            match effect {
                Effect::Quit => return Ok(Ended::Quit),
                Effect::Interrupt => return Ok(Ended::Interrupted),
                Effect::Sleep => Job::ask_to_sleep(),
                Effect::Repaint => screen.terminal.clear()?,
                effect => {
                    for input in hands.act(effect).await {
                        update(state, input, now());
                    }
                }
            }
        }
    }
}

/// An event as an input. Numbers are read from the state of the fleet, whenever there is a picture.
fn told(event: MonitorEvent) -> Option<Input> {
    Some(match event {
        MonitorEvent::StatusChanged { miner, from, to } => Input::StatusChanged { miner, from, to },
        MonitorEvent::IdentityChanged { miner, .. } => Input::IdentityChanged(miner),
        MonitorEvent::Rejected { target, reason } => Input::Rejected { target, reason },
        MonitorEvent::FullSnapshot(_) => Input::Round,
        _ => return None,
    })
}
