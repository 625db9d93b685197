//! Scans of networks in memory.
