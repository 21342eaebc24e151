//! Which resource: its namespace and name.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

/// Neither namespaces nor names have it in them.
const BETWEEN: char = '/';

/// Namespace and name. Ten thousand of them stand in many places at all times: a clone shares the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// A key from its parts.
    pub fn new(namespace: impl AsRef<str>, name: impl AsRef<str>) -> Self {
        let (namespace, name) = (namespace.as_ref(), name.as_ref());
        Self(format!("{namespace}{BETWEEN}{name}").into())
    }

    /// Before all others: where those of a pair begin.
    pub fn least() -> Self {
        Self("".into())
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.parts().0
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.parts().1
    }

    /// Both.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once(BETWEEN).unwrap_or(("", &self.0))
    }

    /// The same in eight bytes.
    pub fn id(&self) -> Id {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        Id(hasher.finish())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A [`Key`] as a hash, for places where only "the same one?" is asked. That two of ten thousand resources share one has
/// a chance of 3 in 10^12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_parts() {
        let key = Key::new("team-a", "orders.v2");
        assert_eq!((key.namespace(), key.name()), ("team-a", "orders.v2"));
        assert_ne!(key.id(), Key::new("team", "a-orders.v2").id());
    }
}
