//! Results in the forms that people and programs read: cards and tables, JSON, CSV.

pub(crate) mod card;
pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod report;
pub(crate) mod story;
