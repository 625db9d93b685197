//! What the rules remember of machines over a restart: boards and chips that were there today, restarts, running times. Kept from time to
//! time beside the alerts, one text for each machine.

use crate::handed_in::handed_in;
use bitlink_model::MinerId;
use bitlink_monitor::JudgeMemory;
use bitlink_store::{Store, StoreError};
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the keys of these texts begin with, among all that are kept under keys.
const PREFIX: &str = "judge/";

/// Where it is kept.
#[derive(Debug)]
pub(super) struct Memories {
    store: Arc<Store>,
    /// Of whom.
    kept: BTreeSet<MinerId>,
}

impl Memories {
    /// Reads what was kept. What cannot be read is as good as never known: it is said, and the rules begin anew.
    pub(super) fn open(store: Arc<Store>) -> (Self, Vec<(MinerId, JudgeMemory)>) {
        let items = store.reader().and_then(|reader| reader.items_under(PREFIX)).unwrap_or_else(|error| {
            tracing::warn!(%error, "what the rules remembered of miners is not known; they begin anew");
            BTreeMap::new()
        });
        let (mut kept, mut known) = (BTreeSet::new(), Vec::new());
        for (key, text) in items {
            let id = key.strip_prefix(PREFIX).and_then(|id| u64::from_str_radix(id, 16).ok());
            let Some(id) = id.map(MinerId::from_u64) else { continue };
            // It is written over or removed, whatever it is.
            kept.insert(id);
            match serde_json::from_str(&text) {
                Ok(memory) => known.push((id, memory)),
                Err(error) => {
                    tracing::warn!(miner = %id, %error, "what the rules remembered of a miner makes no sense");
                }
            }
        }
        (Self { store, kept }, known)
    }

    /// Keeps it, and removes what is of nobody any more. The future ends when it is on the disk.
    pub(super) fn keep(
        &mut self,
        memories: &[(MinerId, JudgeMemory)],
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        let mut items: BTreeMap<MinerId, Option<String>> = self.kept.iter().map(|id| (*id, None)).collect();
        // Numbers and times can always be written.
        items.extend(memories.iter().map(|(id, memory)| (*id, serde_json::to_string(memory).ok())));
        self.kept = memories.iter().map(|(id, _)| *id).collect();
        let items = items.into_iter().map(|(id, text)| (format!("{PREFIX}{id}"), text)).collect();
        handed_in(|done| self.store.submit_items(items, done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::tests::Place;
    use bitlink_model::{MinerSnapshot, Timestamp};
    use bitlink_monitor::{Judge, Rules};
    use std::time::Duration;

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
        let place = Place::new("memories");
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
            handed_in(|done| store.submit_items(foreign, done)).await.unwrap();
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
