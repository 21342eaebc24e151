//! Free ports on loopback.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, TcpListener},
};

use anyhow::{Context, Result};

/// Below the range from which Linux, macOS and the BSDs take ports for outgoing connections (from 32768 or 49152): a port
/// of ours that is free for a moment, as while the operator restarts, is not taken by somebody's connection.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that nobody listens on right now. Somebody may the next moment: callers try again with another one.
pub(crate) fn free() -> Result<u16> {
    (0..100)
        .map(|_| random_port())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free port on 127.0.0.1 between 20000 and 32000")
}

/// The standard library's hasher is keyed at random for every value, which is all the chance needed here.
fn random_port() -> u16 {
    let random = RandomState::new().hash_one(()) % u64::from(COUNT);
    FIRST + u16::try_from(random).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_outside_the_ephemeral_range() {
        for _ in 0..50 {
            let port = free().unwrap();
            assert!((FIRST..FIRST + COUNT).contains(&port));
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn a_taken_port_is_not_offered() {
        let taken: Vec<_> = (0..20)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, free().unwrap())).unwrap())
            .collect();
        let port = free().unwrap();
        assert!(
            taken
                .iter()
                .all(|listener| listener.local_addr().unwrap().port() != port)
        );
    }
}
