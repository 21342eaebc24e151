//! Randomness out of one seed: everything that could have gone either way is a hash of the seed and of what it is
//! about, so that the order in which things are asked cannot matter.

use std::hash::{DefaultHasher, Hash, Hasher as _};

/// A well-mixed number from any number (splitmix64).
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number that depends on nothing but `about`. `DefaultHasher` has fixed keys.
pub fn hash(about: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    about.hash(&mut hasher);
    mix(hasher.finish())
}

/// Dice for one decision or a row of them.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that depend on nothing but `about`.
    pub fn about(about: impl Hash) -> Self {
        Self(hash(about))
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = mix(self.0);
        self.0
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high - low + 1)
    }

    /// True in `permille` of a thousand cases.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.roll() % 1000 < permille
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let place = usize::try_from(self.roll()).unwrap_or(usize::MAX);
        from.get(place.checked_rem(from.len())?)
    }
}
