//! What the store's own thread does, for those who wait for it without a thread of theirs.

use bitlink_store::StoreError;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// What the store calls when it is done.
pub(crate) type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Hands work to the store, at once; the future ends when it is on the disk. Whoever drops the future does not want to know: the work is
/// done all the same.
pub(crate) fn handed_in(
    hand_in: impl FnOnce(Done) -> Result<(), StoreError>,
) -> BoxFuture<'static, Result<(), StoreError>> {
    let (told, outcome) = oneshot::channel();
    let submitted = hand_in(Box::new(move |result| drop(told.send(result))));
    async move {
        submitted?;
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }
    .boxed()
}
