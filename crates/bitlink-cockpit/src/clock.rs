//! What time it is.

use bitlink_miner_manager::Timestamp;
use std::time::SystemTime;

pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

pub(crate) fn now_ms() -> i64 {
    now().as_unix_millis()
}
