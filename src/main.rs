//! `aep-operator`.
fn main() {}
