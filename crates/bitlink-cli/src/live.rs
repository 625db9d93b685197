//! The live table: a monitor on a whole terminal. Holds the terminal and brings events, keys and time together; what is
//! shown is kept in `view` and drawn in `draw`.

mod draw;
#[cfg(test)]
mod tests;
mod view;

use crate::console::{self, Console, Interruption};
use crate::failure::{Exit, Failure};
use crate::screen::{Keys, Screen};
use bitlink_miner_manager::{MonitorEvent, MonitorStream};
use ratatui::DefaultTerminal;
use std::io;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, MissedTickBehavior, interval};
use view::{Reaction, View};

/// How the watching ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Somebody pressed the key for it.
    Quit,
    /// Ctrl-C, or a signal.
    Interrupted,
    /// The time was over, or the monitor was.
    Over,
}

/// The shortest time between two pictures: as often as an eye can follow numbers.
const FRAME: Duration = Duration::from_millis(100);

/// The longest time between two pictures: ages are told in seconds.
const IDLE: Duration = Duration::from_secs(1);

/// Shows a monitor, those that pass a filter, until somebody leaves it. The terminal is as it was before when this returns.
pub(crate) async fn watch(
    events: MonitorStream,
    title: String,
    filter: &str,
    lasting: Option<Duration>,
    console: Console,
) -> Result<Ended, Failure> {
    let mut screen = Screen::open()
        .map_err(|error| Failure::new(Exit::SomeFailed, "cannot draw on this terminal").because(&error))?;
    let mut view = View::new(title, console.is_colored()).filtered_by(filter);
    let ended = run(&mut screen.terminal, &mut view, events, lasting).await;
    drop(screen);
    ended.map_err(Failure::from)
}

async fn run(
    terminal: &mut DefaultTerminal,
    view: &mut View,
    mut events: MonitorStream,
    lasting: Option<Duration>,
) -> io::Result<Ended> {
    let mut stop = Interruption::new();
    let mut keys = Keys::listen()?;
    let over = console::over(lasting);
    tokio::pin!(over);
    let mut tick = interval(FRAME);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut drawn: Option<Instant> = None;
    let mut stale = true;
    loop {
        tokio::select! {
            biased;
            () = stop.come() => return Ok(Ended::Interrupted),
            () = &mut over => return Ok(Ended::Over),
            key = keys.next() => match key.map(|key| view.react(&key)) {
                Some(Reaction::Quit) => return Ok(Ended::Quit),
                Some(Reaction::Redraw) => stale = true,
                Some(Reaction::None) => {}
                // Without a key: nobody can press one any more, the terminal has gone.
                Some(Reaction::Interrupt) | None => return Ok(Ended::Interrupted),
            },
            _ = tick.tick() => {
                if stale || drawn.is_none_or(|drawn| drawn.elapsed() >= IDLE) {
                    let fleet = events.state();
                    view.update(&fleet.miners, &fleet.coverage, SystemTime::now().into());
                    terminal.draw(|frame| draw::draw(frame, view))?;
                    drawn = Some(Instant::now());
                    stale = false;
                }
            }
            event = events.recv() => match event {
                Some(event) => {
                    stale = true;
                    if let MonitorEvent::StatusChanged { miner, from, to } = &event {
                        view.changed(miner, *from, *to, SystemTime::now().into());
                    } else if let MonitorEvent::Rejected { target, reason } = &event {
                        view.rejected(target, reason, SystemTime::now().into());
                    }
                }
                None => return Ok(Ended::Over),
            },
        }
    }
}
