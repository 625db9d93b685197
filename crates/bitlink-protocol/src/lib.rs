//! The CGMiner API family without I/O: bytes in, typed replies out.
//!
//! Nothing here opens a socket, looks at a clock or starts a task. An application that depends on this crate alone
//! compiles no async runtime.
//!
//! * [`Command`] puts a question into bytes; [`decode`] turns the bytes that come back into a [`Document`], mending what
//!   real firmware is known to break; [`replies`] reads documents into typed replies.
//! * A [`Conversation`] is several questions with one purpose: [`Identify`] finds out who answers, [`ReadSnapshot`] takes
//!   a full reading, [`ReadMiner`] does both. [`Act`] carries out one action. Whoever owns the socket drives it.
//! * A [`Dialect`] is one firmware family; [`registry`] lists them.
//! * [`reports`] reads what miners send without being asked.
//! * [`catalogue`] knows what each model is sold as, for what a miner does not say itself.
//!
//! # One question
//! ```
//! use bitlink_protocol::{decode, replies::Summary, ApiReply, Command, Oddities};
//!
//! let question = Command::new("summary").to_json()?;
//! assert_eq!(question.bytes, br#"{"command":"summary"}"#.as_slice());
//!
//! // … send it, read until the miner closes, and:
//! let reply = ApiReply::terminated(r#"{"STATUS":[{"STATUS":"S","Code":11}],"SUMMARY":[{"Elapsed":77,"GHS av":110100.0}]}"#);
//! let document = decode("summary", &reply)?.value;
//! let summary = Summary::of(&document, &Oddities::default()).expect("a summary");
//! assert_eq!(summary.hashrate.average.unwrap().as_ths(), 110.1);
//! assert_eq!(summary.hashrate.realtime, None, "absent is never zero");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A whole miner
//! ```
//! use bitlink_protocol::{ApiReply, Conversation, ReadMiner, Reply, Request, Step};
//!
//! # fn ask_over_your_socket(_: &Request) -> Result<Reply, bitlink_protocol::ExchangeFailure> {
//! #     Ok(Reply::Api(ApiReply::terminated(r#"{"STATUS":[{"STATUS":"S","Code":22,"Description":"cgminer 4.12.0"}],
//! #         "VERSION":[{"CGMiner":"4.12.0","API":"3.7"}],"SUMMARY":[{"MHS 5s":90000000.0}]}"#)))
//! # }
//! let mut conversation = ReadMiner::new();
//! let mut step = conversation.step(None);
//! let reading = loop {
//!     match step {
//!         Step::Ask(request) => step = conversation.step(Some(ask_over_your_socket(&request))),
//!         Step::Done(result) => break result?,
//!     }
//! };
//! assert_eq!(reading.identified.family().as_str(), "cgminer");
//! println!("{:?}", reading.snapshot.hashrate.current());
//! # Ok::<(), bitlink_protocol::ProtocolError>(())
//! ```

pub use bitlink_model as model;

mod acting;
mod asking;
mod auth;
pub mod catalogue;
mod command;
mod conversation;
mod decode;
mod dialect;
pub mod dialects;
mod error;
mod exchange;
mod faults;
mod framing;
mod http;
mod reading;
mod record;
pub mod replies;
pub mod reports;

pub use acting::{Act, ActError, Acted, Effect, Order, Plan, Proof, capabilities, proof};
pub use asking::{Auth, Login, Pass, Refusal, Session};
pub use auth::{Credentials, Digest, basic};
pub use command::{Command, CommandError, MAX_REQUEST_BYTES, escape};
pub use conversation::{Conversation, Step};
pub use decode::{Document, LIST, Status, StatusLetter, TEXT, decode, decode_page};
pub use dialect::{
    Answers, Ask, DEFAULT_API_PORT, Dialect, Door, Evidence, Page, Question, doors_of, registry,
};
pub use error::{Excerpt, ProtocolError, Service};
pub use exchange::{
    API_DOOR, ApiReply, ApiRequest, Completion, ExchangeFailure, FrameRequest, Reply, Request,
};
pub use faults::FaultTable;
pub use framing::{Boundary, FrameFramer, Framer, Framing, unframe};
pub use http::{HttpFramer, HttpReply, HttpRequest, TLS_PORT, WEB_PORT, form};
pub use reading::{Doors, Identified, Identify, ReadMiner, ReadSnapshot, Reading, bound};
pub use record::{Oddities, Record};
