//! The door in a data directory by which another process of the same user hands a running service what people have changed: a
//! Unix socket, one line of JSON each way. Only whoever may write the directory can open it.

use super::{AmendError, ServiceHandle};
use bitlink_alerts::AlertOrder;
use bitlink_model::{MinerId, RecordEdit};
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A sheet of 100,000 machines fits.
const LONGEST: u64 = 1 << 26;
const PATIENCE: Duration = Duration::from_mins(1);
/// Conversations at the same time.
const MOST: usize = 8;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    edits: Vec<(MinerId, RecordEdit)>,
    forget: Vec<MinerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert: Option<AlertOrder>,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// So many machines are different, and that is kept.
    Changed(usize),
    /// Nothing is different, and why.
    Refused(String),
}

fn socket_in(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

/// An open door. It is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Door {
    listener: UnixListener,
    _path: Remove,
}

#[derive(Debug)]
struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        // Whoever takes the place makes it new.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Door {
    /// Opens it. The caller is the one process that may write the directory, so whatever is there is left from an earlier one.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let path = socket_in(dir);
        // Nobody may come in before it is known who may.
        let unready = dir.join("control.sock.new");
        match std::fs::remove_file(&unready) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&unready)?;
        std::fs::set_permissions(&unready, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&unready, &path)?;
        Ok(Self { listener, _path: Remove(path) })
    }

    /// Serves until it is dropped.
    pub(super) async fn serve(self, service: ServiceHandle) {
        let mut guests = JoinSet::new();
        loop {
            tokio::select! {
                guest = self.listener.accept(), if guests.len() < MOST => match guest {
                    Ok((stream, _)) => {
                        let service = service.clone();
                        // owned by this set, which ends it with the door
                        guests.spawn(async move {
                            if let Err(error) = receive(stream, &service).await {
                                tracing::debug!(%error, "a conversation at the control socket broke off");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the control socket is of no use");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
                Some(_) = guests.join_next(), if !guests.is_empty() => {}
            }
        }
    }
}

async fn receive(mut stream: UnixStream, service: &ServiceHandle) -> io::Result<()> {
    let mut text = Vec::new();
    timeout(PATIENCE, (&mut stream).take(LONGEST).read_to_end(&mut text)).await??;
    let reply = match serde_json::from_slice::<Request>(&text) {
        Ok(Request { alert: Some(order), .. }) => match service.alert(order).await {
            Ok(()) => Reply::Changed(1),
            Err(error) => Reply::Refused(error.to_string()),
        },
        Ok(Request { edits, forget, alert: None }) => match service.amend(edits, forget).await {
            Ok(changed) => Reply::Changed(changed),
            Err(AmendError::NotKept(cause)) => {
                Reply::Refused(format!("{}: {cause}", AmendError::NotKept(cause.clone())))
            }
            Err(error) => Reply::Refused(error.to_string()),
        },
        Err(error) => Reply::Refused(format!("not understood: {error}")),
    };
    let reply = serde_json::to_vec(&reply).map_err(io::Error::other)?;
    timeout(PATIENCE, stream.write_all(&reply)).await?
}

/// Whether a service has its door open there.
pub(crate) fn is_open(dir: &Path) -> bool {
    Blocking::connect(socket_in(dir)).is_ok()
}

/// Hands changes to the service of a data directory, and waits until they are kept. Says how many machines are different. Blocks.
pub(crate) fn amend(
    dir: &Path,
    edits: Vec<(MinerId, RecordEdit)>,
    forget: Vec<MinerId>,
) -> Result<usize, Refusal> {
    ask(dir, &Request { edits, forget, alert: None })
}

/// Asks the service of a data directory something about alerts, and waits until it is done. Blocks.
///
/// # Errors
/// [`Refusal`].
pub fn order_alert(dir: &Path, order: AlertOrder) -> Result<(), Refusal> {
    ask(dir, &Request { edits: Vec::new(), forget: Vec::new(), alert: Some(order) }).map(|_one| ())
}

fn ask(dir: &Path, request: &Request) -> Result<usize, Refusal> {
    let mut stream = Blocking::connect(socket_in(dir))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&serde_json::to_vec(request).map_err(io::Error::other)?)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut text = Vec::new();
    stream.take(LONGEST).read_to_end(&mut text)?;
    match serde_json::from_slice(&text).map_err(io::Error::other)? {
        Reply::Changed(changed) => Ok(changed),
        Reply::Refused(why) => Err(Refusal::Said(why)),
    }
}

/// Why a service did not take changes.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be reached, or did not answer.
    #[error("the service that has the data does not answer")]
    Gone(#[from] io::Error),
    /// It said so.
    #[error("the service that has the data refuses: {0}")]
    Said(String),
}
