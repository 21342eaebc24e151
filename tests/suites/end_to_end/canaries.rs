//! Words that nobody but the owner of a secret can know, and the search for them.
//!
//! A word is looked for in every form that a program may give it on its way out: as it is, in a form or an address, in
//! Debug's quotes, and in base64 wherever in a longer text it stood.

/// A secret, and where it may not be.
#[derive(Clone, Debug)]
pub struct Canary {
    /// What it is.
    pub name: &'static str,
    /// The whole of it.
    pub text: String,
    needles: Vec<Vec<u8>>,
}

impl Canary {
    /// A secret around `core`, which is to be letters and digits only: no spelling changes those.
    pub fn new(name: &'static str, core: &str) -> Self {
        assert!(core.len() >= 12 && core.chars().all(|it| it.is_ascii_alphanumeric()));
        // What a form, an address and base64 each write in their own way.
        Self::known(name, &format!("p8/{core}+%=~"), core)
    }

    /// A secret that somebody else made, and the part of it that is looked for.
    pub fn known(name: &'static str, text: &str, core: &str) -> Self {
        let mut needles = vec![core.as_bytes().to_vec()];
        needles.extend((0..3).map(|shift| base64_within(core.as_bytes(), shift)));
        Self {
            name,
            text: text.to_owned(),
            needles,
        }
    }

    /// Where it first is in a text, with what stands around it.
    pub fn find(&self, text: &[u8]) -> Option<String> {
        self.needles.iter().find_map(|needle| {
            let at = text.windows(needle.len()).position(|it| it == needle)?;
            let (from, to) = (at.saturating_sub(200), (at + 100).min(text.len()));
            Some(String::from_utf8_lossy(&text[from..to]).into_owned())
        })
    }
}

/// Base64 of a text that stands `shift` bytes after a multiple of three: the digits that are the same whatever is
/// before and behind it.
fn base64_within(text: &[u8], shift: usize) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = &text[(3 - shift) % 3..];
    let groups = whole.chunks_exact(3);
    groups
        .flat_map(|it| {
            let bits = it.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            [18, 12, 6, 0].map(|by| DIGITS[bits >> by & 63])
        })
        .collect()
}

#[test]
fn a_canary_is_found_in_every_form_and_nowhere_else() {
    let canary = Canary::new("a secret", "Canary5ecretWq7");
    let found = |text: &str| canary.find(text.as_bytes()).is_some();
    for text in [
        "secret: p8/Canary5ecretWq7+%=~".to_owned(),
        "client_secret=p8%2FCanary5ecretWq7%2B%25%3D%7E&x=1".to_owned(),
        format!("{:?}", b"Canary5ecretWq7".escape_ascii().to_string()),
        // printf '%s' 'p8/Canary5ecretWq7+%=~' | base64, the same after "a", and after "id:".
        "cDgvQ2FuYXJ5NWVjcmV0V3E3KyU9fg==".to_owned(),
        "YXA4L0NhbmFyeTVlY3JldFdxNyslPX4=".to_owned(),
        "aWQ6cDgvQ2FuYXJ5NWVjcmV0V3E3KyU9fg==".to_owned(),
        "YWFwOC9DYW5hcnk1ZWNyZXRXcTcrJT1+".to_owned(),
    ] {
        assert!(found(&text), "{text}");
    }
    assert!(!found("p8/[redacted]+%=~ Canary"));
    assert!(!found(""));
}
