//! The command line of the simulation.

fn main() {}
