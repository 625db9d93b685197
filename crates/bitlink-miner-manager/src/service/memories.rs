//! What the rules remember of machines over a restart: boards and chips that were there today, restarts, running times. Kept from time to
//! time beside the alerts, one text for each machine, and only where it is another.

use bitlink_model::MinerId;
use bitlink_monitor::JudgeMemory;
use bitlink_store::{Store, StoreError};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What the keys of these texts begin with, among all that are kept under keys.
const PREFIX: &str = "judge/";

/// What is kept of it, as digests.
#[derive(Debug)]
pub(super) struct Memories {
    store: Arc<Store>,
    kept: BTreeMap<MinerId, u64>,
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn key(id: MinerId) -> String {
    format!("{PREFIX}{id}")
}

impl Memories {
    /// Reads what was kept. What cannot be read is as good as never known: it is said, and the rules begin anew.
    pub(super) fn open(store: Arc<Store>) -> (Self, Vec<(MinerId, JudgeMemory)>) {
        let items = store.reader().and_then(|reader| reader.items_under(PREFIX)).unwrap_or_else(|error| {
            tracing::warn!(%error, "what the rules remembered of miners is not known; they begin anew");
            BTreeMap::new()
        });
        let (mut kept, mut known) = (BTreeMap::new(), Vec::new());
        for (key, text) in items {
            let id = key.strip_prefix(PREFIX).and_then(|id| u64::from_str_radix(id, 16).ok());
            let Some(id) = id.map(MinerId::from_u64) else { continue };
            match serde_json::from_str(&text) {
                Ok(memory) => {
                    kept.insert(id, digest(&text));
                    known.push((id, memory));
                }
                Err(error) => {
                    tracing::warn!(miner = %id, %error, "what the rules remembered of a miner makes no sense");
                    // Nobody has this digest, so it is written over or removed.
                    kept.insert(id, 0);
                }
            }
        }
        (Self { store, kept }, known)
    }

    /// Keeps what is another than before, and removes what is of nobody any more. The future ends when it is on the disk.
    pub(super) fn keep(
        &mut self,
        memories: &[(MinerId, JudgeMemory)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        let mut changed: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut kept = BTreeMap::new();
        for (id, memory) in memories {
            // Numbers and times are always written.
            let Ok(text) = serde_json::to_string(memory) else { continue };
            let digest = digest(&text);
            kept.insert(*id, digest);
            if self.kept.get(id) != Some(&digest) {
                changed.insert(key(*id), Some(text));
            }
        }
        for gone in self.kept.keys().filter(|id| !kept.contains_key(id)) {
            changed.insert(key(*gone), None);
        }
        // What is not kept this time is not tried again before it is another: it is never more than a while old.
        self.kept = kept;
        let (told, outcome) = oneshot::channel();
        let submitted = if changed.is_empty() {
            let _ = told.send(Ok(()));
            Ok(())
        } else {
            self.store.submit_items(changed, move |result| {
                // Whoever asked has gone away.
                let _ = told.send(result);
            })
        };
        async move {
            submitted?;
            outcome.await.unwrap_or(Err(StoreError::Closed))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitlink_model::{MinerSnapshot, Timestamp};
    use bitlink_monitor::{Judge, Rules};
    use std::time::Duration;

    struct Place(std::path::PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// What is remembered of a machine whose mining program has run for so long.
    fn memory(seconds: u64) -> JudgeMemory {
        let mut snapshot = MinerSnapshot::default();
        snapshot.elapsed = Some(Duration::from_secs(seconds).into());
        let mut judge = Judge::new(Arc::new(Rules::default()));
        judge.observe(Timestamp::from_unix_millis(1_800_000_000_000), &snapshot);
        judge.memory()
    }

    #[tokio::test]
    async fn it_is_there_after_a_restart_and_what_is_of_nobody_is_not() {
        let place = Place(std::env::temp_dir().join(format!("bitlink-memories-{}", std::process::id())));
        std::fs::create_dir_all(&place.0).unwrap();
        let [one, two] = [1, 0xfedc_ba98_7654_3210].map(MinerId::from_u64);
        {
            let store = Arc::new(Store::open(&place.0).unwrap());
            let (mut memories, known) = Memories::open(Arc::clone(&store));
            assert!(known.is_empty());
            memories.keep(&[(one, memory(100)), (two, memory(200))]).await.unwrap();
            let mut foreign = BTreeMap::new();
            foreign.insert("judge/not an id".to_owned(), Some("{}".to_owned()));
            foreign.insert("judge/00000000000000ff".to_owned(), Some("no JSON".to_owned()));
            foreign.insert("other".to_owned(), Some("theirs".to_owned()));
            let (told, done) = oneshot::channel();
            store.submit_items(foreign, move |result| told.send(result).unwrap()).unwrap();
            done.await.unwrap().unwrap();
        }
        let store = Arc::new(Store::open(&place.0).unwrap());
        let (mut memories, known) = Memories::open(Arc::clone(&store));
        assert_eq!(known, [(one, memory(100)), (two, memory(200))]);
        memories.keep(&[(two, memory(300))]).await.unwrap();
        let items = store.reader().unwrap().items().unwrap();
        let keys: Vec<&str> = items.keys().map(String::as_str).collect();
        assert_eq!(keys, ["judge/fedcba9876543210", "judge/not an id", "other"]);
        assert_eq!(Memories::open(store).1, [(two, memory(300))]);
    }
}
