//! Ids, etags and token strings: a seeded generator, so that the same calls always give the same answers.

/// A small deterministic generator (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    state: u64,
    etags: u32,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed,
            etags: 0x10,
        }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..1`.
    pub(crate) fn fraction(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// Lower-case hexadecimal digits.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            let sixteen = format!("{:016x}", self.next());
            text.push_str(&sixteen);
        }
        text.truncate(digits);
        text
    }

    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// An etag as Flow Service writes it: the quotes are part of the value.
    pub(crate) fn etag(&mut self, now: u64) -> String {
        self.etags = self.etags.wrapping_add(1);
        let seconds = (now / 1000) & 0xffff_ffff;
        format!(
            "\"4c01{:04x}-{:04x}-0200-0000-{seconds:08x}0000\"",
            self.etags & 0xffff,
            self.etags >> 16
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Ids;

    #[test]
    fn the_same_seed_gives_the_same_ids_and_etags_carry_their_quotes() {
        let (mut one, mut two) = (Ids::new(7), Ids::new(7));
        assert_eq!(one.uuid(), two.uuid());
        assert_eq!(one.uuid().len(), 36);
        assert_eq!(one.hex(48).len(), 48);
        let (first, second) = (one.etag(1), one.etag(1));
        assert_ne!(first, second);
        assert!(first.starts_with('"') && first.ends_with('"'));
    }
}
