//! `cargo playground`.
fn main() {}
