//! The CGMiner API family without I/O: bytes in, typed replies out.
//!
//! Nothing here opens a socket, looks at a clock or starts a task. An application that depends on this crate alone
//! compiles no async runtime.

pub use bitlink_model as model;

mod conversation;
mod error;
mod exchange;
mod framing;

pub use conversation::{Conversation, Step};
pub use error::{Excerpt, ProtocolError, Service};
pub use exchange::{ApiReply, ApiRequest, Completion, ExchangeFailure, Reply, Request};
pub use framing::{Framer, Framing};
