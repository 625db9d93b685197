//! The CGMiner API family without I/O: bytes in, typed replies out.
//!
//! Nothing here opens a socket, looks at a clock or starts a task. An application that depends on this crate alone
//! compiles no async runtime.

pub use bitlink_model as model;

mod command;
mod conversation;
mod decode;
mod dialect;
pub mod dialects;
mod error;
mod exchange;
mod framing;
mod reading;
mod record;
pub mod replies;

pub use command::{Command, CommandError, MAX_REQUEST_BYTES, escape};
pub use conversation::{Conversation, Step};
pub use decode::{Document, Status, StatusLetter, decode};
pub use dialect::{Answers, Dialect, Evidence, Question, registry};
pub use error::{Excerpt, ProtocolError, Service};
pub use exchange::{ApiReply, ApiRequest, Completion, ExchangeFailure, Reply, Request};
pub use framing::{Framer, Framing};
pub use reading::{Identified, Identify, ReadMiner, ReadSnapshot, Reading};
pub use record::{Oddities, Record};
