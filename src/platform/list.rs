//! Listings of the Flow Service: property filters and paging.
//!
//! Facts: Adobe, "Filter and sort data using the Flow Service API". An unknown query parameter or field is an
//! error there. How `=`, `,` and quotes inside a value are told from syntax is not documented: callers check
//! the results against what they asked for.

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::{Call, encode};
use super::error::ApiError;
use super::sandbox::Sandbox;

/// Objects per page. The default and the maximum are not documented; the public client asks for 100.
pub const PAGE_SIZE: usize = 100;

/// How many pages of a listing are asked for again that were one call too many: a check of ten thousand dataflows reads four hundred
/// pages, and where one call in a hundred is refused it would hardly ever come to its end.
const AGAIN: usize = 3;

/// Which objects to list: all conditions must hold. Empty: all objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    conditions: Vec<String>,
}

impl Filter {
    /// All objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// The property, e.g. `name` or `inheritedAttributes.sourceConnections[].connectionSpec.id`, has this value.
    #[must_use]
    pub fn eq(self, property: &str, value: &str) -> Self {
        self.any_of(property, &[value])
    }

    /// The property has one of these values (a comma list, the service's "or"). Mind the length of an address:
    /// some fifty ids at a time.
    #[must_use]
    pub fn any_of(mut self, property: &str, values: &[&str]) -> Self {
        let values: Vec<String> = values.iter().map(|v| encode(v)).collect();
        self.conditions.push(format!(
            "property={}=={}",
            encode(property),
            values.join(",")
        ));
        self
    }

    /// The property is a number above this one, e.g. a time in milliseconds.
    #[must_use]
    pub fn above(mut self, property: &str, number: u64) -> Self {
        self.conditions
            .push(format!("property={}%3E{number}", encode(property)));
        self
    }

    /// The query of the first page.
    pub(super) fn query(&self) -> String {
        let mut query = self.conditions.join("&");
        if !query.is_empty() {
            query.push('&');
        }
        query + &format!("limit={PAGE_SIZE}")
    }
}

#[derive(Deserialize)]
struct Page {
    /// Required: an answer without it is no empty list, and taking it for one would create twins.
    items: Vec<Value>,
    #[serde(default, rename = "_links")]
    links: Value,
}

impl Sandbox {
    /// Reads a listing to its end, and keeps what `keep` makes of its objects: of ten thousand, few fields are wanted, and
    /// only a page of them is ever whole in memory. An incomplete listing is an error, never a short list.
    pub(super) async fn list<T: DeserializeOwned, U>(
        &self,
        operation: &'static str,
        (base, collection): (&str, &str),
        filter: &Filter,
        keep: impl FnMut(T) -> Option<U>,
    ) -> Result<Vec<U>, ApiError> {
        let bound = self.page_bound();
        let first = filter.query();
        let (found, is_complete) = self
            .pages(operation, (base, collection), first, bound, keep)
            .await?;
        if is_complete {
            return Ok(found);
        }
        Err(ApiError::local(
            operation,
            super::Class::Unexpected,
            format!("the list has more than {bound} pages"),
        ))
    }

    /// Reads some pages of a listing, and whether those are all.
    pub(super) async fn pages<T: DeserializeOwned, U>(
        &self,
        operation: &'static str,
        (base, collection): (&str, &str),
        first: String,
        bound: usize,
        mut keep: impl FnMut(T) -> Option<U>,
    ) -> Result<(Vec<U>, bool), ApiError> {
        let mut query = first.clone();
        let mut found = Vec::new();
        let mut again = AGAIN;
        for _ in 0..bound {
            let call = || Call::new(operation, Method::GET, base, &[collection]).query(&query);
            let reply = loop {
                match self.send(call()).await {
                    Err(error)
                        if again > 0
                            && error.operation == operation
                            && error.status == Some(429) =>
                    {
                        again -= 1;
                    }
                    answered => break answered?,
                }
            };
            let broken = |detail: String| reply.unreadable(operation, &Method::GET, detail);
            let page: Page = reply.json(operation, &Method::GET)?;
            for item in page.items {
                let item = serde_json::from_value(item)
                    .map_err(|_| broken("an object in the list cannot be read".into()))?;
                found.extend(keep(item));
            }
            match page.links.pointer("/next/href") {
                None | Some(Value::Null) => return Ok((found, true)),
                Some(href) => {
                    let next = href
                        .as_str()
                        .and_then(|href| next_query(href, &first))
                        .ok_or_else(|| {
                            broken("the link to the next page cannot be followed".into())
                        })?;
                    if next == query {
                        return Err(broken("the list's next page is the same page".into()));
                    }
                    query = next;
                }
            }
        }
        Ok((found, false))
    }
}

/// The query of the next page: that of the link, plus what it leaves out of the first one's (the link names
/// nothing but a token in some answers; the public client repeats its own parameters beside it). Only the query
/// is taken: a link never chooses the host or the path.
pub(super) fn next_query(href: &str, first: &str) -> Option<String> {
    let (_, query) = href.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    if query.is_empty() || !query.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let key = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let named: Vec<String> = query.split('&').map(key).collect();
    let kept = first.split('&').filter(|pair| !named.contains(&key(pair)));
    Some(kept.chain([query]).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_and_conditions_joined() {
        assert_eq!(Filter::new().query(), "limit=100");
        assert_eq!(
            Filter::new()
                .eq("name", "a b&limit=1,\u{e9}==\"")
                .eq("flowSpec.id", "e77f-1")
                .query(),
            "property=name==a%20b%26limit%3D1%2C%C3%A9%3D%3D%22&property=flowSpec.id==e77f-1&limit=100"
        );
        assert_eq!(
            Filter::new()
                .any_of("sourceConnectionIds[]", &["a", "b"])
                .query(),
            "property=sourceConnectionIds%5B%5D==a,b&limit=100"
        );
        assert_eq!(
            Filter::new().above("metrics.x", 12).query(),
            "property=metrics.x%3E12&limit=100"
        );
    }

    #[test]
    fn the_next_page_keeps_what_its_link_leaves_out() {
        let first = "property=name==x&limit=100";
        assert_eq!(
            next_query("/flows?continuationToken=abc%3D%3D", first).as_deref(),
            Some("property=name==x&limit=100&continuationToken=abc%3D%3D")
        );
        assert_eq!(
            next_query("/flows?limit=1&continuationToken=t", first).as_deref(),
            Some("property=name==x&limit=1&continuationToken=t")
        );
    }

    #[test]
    fn a_link_gives_a_query_and_never_a_host() {
        assert_eq!(
            next_query("https://evil.example/x?start=1", "limit=100").as_deref(),
            Some("limit=100&start=1")
        );
        assert_eq!(next_query("/flows", "limit=100"), None);
        assert_eq!(next_query("/flows?", "limit=100"), None);
        assert_eq!(next_query("/flows?a=b c", "limit=100"), None);
    }
}
