//! What systemd wants to know of a service, where there is systemd. Elsewhere nothing happens.

use std::time::Duration;

/// How often there is something to say, where no watchdog asks for more.
const USUAL_BEAT: Duration = Duration::from_secs(10);

/// What is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum News<'a> {
    /// It does its work, and how.
    Ready(&'a str),
    /// It reads its configuration anew.
    Reloading,
    /// It is alive, and how it does.
    Alive(&'a str),
    /// It ends.
    Stopping,
}

/// How often [`News::Alive`] is to be told: at least twice in the time of the watchdog.
#[cfg(unix)]
pub(super) fn beat() -> Duration {
    const LEAST: Duration = Duration::from_millis(50);
    sd_notify::watchdog_enabled().map_or(USUAL_BEAT, |time| (time / 3).clamp(LEAST, USUAL_BEAT))
}

/// What cannot be told is not worth an error: the service does its work.
#[cfg(unix)]
pub(super) fn tell(news: News<'_>) {
    use sd_notify::NotifyState;
    let told = match news {
        News::Ready(status) => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)]),
        News::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        News::Alive(status) => sd_notify::notify(&[NotifyState::Watchdog, NotifyState::Status(status)]),
        News::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
    if let Err(error) = told {
        tracing::debug!(%error, ?news, "systemd was not told");
    }
}

#[cfg(not(unix))]
pub(super) fn beat() -> Duration {
    USUAL_BEAT
}

#[cfg(not(unix))]
pub(super) fn tell(_: News<'_>) {}
