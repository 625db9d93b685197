//! Targets as text, and what they come to.
