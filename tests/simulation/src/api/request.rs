//! What a request asks for: the kind and object that its path names, its parameters, and the form of the answer.

use bytes::Bytes;
use http::Request;

use super::answer::Refusal;
use super::kinds::{self, Kind};
use super::read::{Form, Selection};
use super::store::Key;
use super::write::Part;

/// Where a request goes.
pub(super) struct Route<'a> {
    pub(super) place: usize,
    pub(super) kind: &'static Kind,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) part: Part,
}

impl Route<'_> {
    pub(super) fn key(&self, name: &str) -> Key {
        Key {
            kind: self.place,
            namespace: self.namespace.unwrap_or_default().to_owned(),
            name: name.to_owned(),
        }
    }

    pub(super) fn selection(&self, query: &Query) -> Result<Selection, Refusal> {
        let text = |name: &str| query.get(name).unwrap_or_default();
        Selection::new(
            self.place,
            self.kind,
            self.namespace,
            text("fieldSelector"),
            text("labelSelector"),
        )
    }
}

/// What a path names.
pub(super) fn find(path: &str) -> Result<Route<'_>, Refusal> {
    let unknown = || Refusal::new(404, "", "404 page not found\n");
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let (group, rest) = match segments.as_slice() {
        ["api", "v1", rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return Err(unknown()),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, rest @ ..] => {
            (Some(*namespace), [&[*plural], rest].concat())
        }
        rest => (None, rest.to_vec()),
    };
    let (plural, name, part) = match rest.as_slice() {
        [plural] => (*plural, None, Part::Main),
        [plural, name] => (*plural, Some(*name), Part::Main),
        [plural, name, "status"] => (*plural, Some(*name), Part::Status),
        _ => return Err(unknown()),
    };
    let found = kinds::all()
        .iter()
        .enumerate()
        .find(|(_, kind)| kind.group == group && kind.plural == plural);
    let (place, kind) = found.ok_or_else(unknown)?;
    Ok(Route {
        place,
        kind,
        namespace,
        name,
        part,
    })
}

/// The parameters of a request.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(request: &Request<Bytes>) -> Self {
        let text = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced)
                .decode_utf8_lossy()
                .into_owned()
        };
        let pairs = request.uri().query().unwrap_or_default().split('&');
        Self(
            pairs
                .filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }
}

pub(super) fn form(request: &Request<Bytes>) -> Form {
    let accept = request.headers().get(http::header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("as=PartialObjectMetadata")) {
        Form::Metadata
    } else {
        Form::Whole
    }
}
