//! `aep-emulator`.
fn main() {}
