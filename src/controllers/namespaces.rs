//! Which namespaces are looked after.
//!
//! With a list, nothing of the whole cluster is asked for: rights in those namespaces are enough. Resources in others are
//! neither read nor written.

use std::collections::BTreeSet;
use std::str::FromStr;

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};

/// The namespaces whose resources are looked after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Namespaces {
    /// Every one, by rights in the whole cluster.
    #[default]
    All,
    /// These, by rights in each.
    These(BTreeSet<String>),
}

impl Namespaces {
    /// Whether resources of `namespace` are looked after.
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(namespace),
        }
    }

    /// Ways to all objects of a kind: one for the whole cluster, or one for each namespace, with its name.
    pub fn apis<K>(&self, client: &Client) -> Vec<(Option<String>, Api<K>)>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match self {
            Self::All => vec![(None, Api::all(client.clone()))],
            Self::These(names) => names
                .iter()
                .map(|name| (Some(name.clone()), Api::namespaced(client.clone(), name)))
                .collect(),
        }
    }
}

/// `a,b`. An empty list is refused: what renders to nothing by mistake would mean the whole cluster.
impl FromStr for Namespaces {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: BTreeSet<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        match names.iter().find(|name| !is_label(name)) {
            Some(name) => Err(format!(
                "\"{name}\" is no name of a namespace; write them like marketing,sales, or leave the option out for all"
            )),
            None => Ok(Self::These(names)),
        }
    }
}

/// What Kubernetes takes as the name of a namespace (RFC 1123).
fn is_label(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.chars().all(|c| plain(c) || c == '-')
        && name.starts_with(plain)
        && name.ends_with(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_what_it_names_and_nothing_else() {
        let two: Namespaces = "marketing, sales,marketing".parse().unwrap();
        assert!(two.contains("marketing") && two.contains("sales"));
        assert!(!two.contains("market") && !two.contains(""));
        assert!(Namespaces::All.contains("market"));
    }

    #[test]
    fn what_names_no_namespace_is_refused_with_the_word_that_is_wrong() {
        for (list, word) in [
            ("", "\"\""),
            ("a,", "\"\""),
            ("a,B", "\"B\""),
            ("a b", "\"a b\""),
            ("a,-b", "\"-b\""),
            ("*", "\"*\""),
        ] {
            let refused = list.parse::<Namespaces>().unwrap_err();
            assert!(refused.contains(word), "{list}: {refused}");
        }
    }
}
