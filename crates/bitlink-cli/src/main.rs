//! The program `bitlink`.
fn main() {}
