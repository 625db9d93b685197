//! The queue: order, bounds, what is left out first, and that it is told.
