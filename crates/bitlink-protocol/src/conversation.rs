//! Several questions and answers with one purpose, as a state machine without I/O.

use crate::error::ProtocolError;
use crate::exchange::{ExchangeFailure, Reply, Request};

/// A conversation with one miner. Whoever drives it calls [`step`](Conversation::step) with `None` first, then with
/// the outcome of every question it asks, until it is done. Nothing is asked twice and no time is looked at: deadlines
/// are the driver's.
pub trait Conversation {
    /// What the conversation is for.
    type Output;

    /// Takes the outcome of the last question and says what to do next. Stepping on after [`Step::Done`] is a mistake
    /// of the driver; it is answered with [`ProtocolError::Finished`].
    fn step(&mut self, outcome: Option<Result<Reply, ExchangeFailure>>) -> Step<Self::Output>;
}

/// What to do next.
#[derive(Debug)]
#[must_use]
pub enum Step<T> {
    /// Ask this and bring the outcome back.
    Ask(Request),
    /// The conversation is over.
    Done(Result<T, ProtocolError>),
}

impl<T> Step<T> {
    /// The same step of a conversation with another purpose.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Self::Ask(request) => Step::Ask(request),
            Self::Done(result) => Step::Done(result.map(f)),
        }
    }
}

impl<C: Conversation + ?Sized> Conversation for Box<C> {
    type Output = C::Output;

    fn step(&mut self, outcome: Option<Result<Reply, ExchangeFailure>>) -> Step<Self::Output> {
        (**self).step(outcome)
    }
}

impl<C: Conversation + ?Sized> Conversation for &mut C {
    type Output = C::Output;

    fn step(&mut self, outcome: Option<Result<Reply, ExchangeFailure>>) -> Step<Self::Output> {
        (**self).step(outcome)
    }
}
