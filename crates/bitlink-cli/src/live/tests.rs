//! Pictures of the live table.
