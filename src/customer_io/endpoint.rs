//! Where a webhook sends its events: made of a flow's inlet, and compared by what it means.
//!
//! Whether Customer.io keeps an endpoint byte for byte is not documented, so what was written and what is read
//! are the same endpoint when a server that is sent to would take them for the same:
//!
//! - case of scheme and host, a default port, `.` and `..` in the path, and a fragment (never sent) do not count;
//! - percent-encoding does not count: paths are compared segment by segment, decoded, so that `%2F` is no `/`;
//! - the order of query parameters does not count (an inlet reads them by name), but among those of one name;
//!   `+` is a space there, `a` is `a=`, empty parameters are none;
//! - all else counts: user, case and trailing slash of the path, every further parameter.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::platform::parts::encode;

/// The parameter that tells an inlet which flow an event is for (Adobe, "Create a Customer.io source connection in
/// the UI").
pub const FLOW_PARAMETER: &str = "x-adobe-flow-id";

/// A webhook's address, as text. Equal when it means the same. A capability: who knows it can write into a dataset,
/// so it is not printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoint(String);

/// An inlet and a flow of which no endpoint can be made. Shows neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InletError {
    /// The inlet's URL is none.
    #[error("the inlet URL is no web address")]
    NoAddress,
    /// Without its id the inlet cannot find the flow.
    #[error("the flow has no id")]
    NoFlow,
}

impl Endpoint {
    /// `{inletUrl}?x-adobe-flow-id={flowId}`. A query that the inlet's URL has already is kept before it, but for
    /// a flow's id; a fragment is not.
    ///
    /// # Errors
    /// The URL is not one of http or https, or the id is blank.
    pub fn of_flow(inlet_url: &str, flow_id: &str) -> Result<Self, InletError> {
        let mut url = Url::parse(inlet_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or(InletError::NoAddress)?;
        let flow_id = Some(flow_id.trim())
            .filter(|id| !id.is_empty())
            .ok_or(InletError::NoFlow)?;
        let named = format!("{FLOW_PARAMETER}={}", encode(flow_id));
        let query = url.query().unwrap_or_default();
        let query: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.is_empty() && parameter(pair).0 != FLOW_PARAMETER.as_bytes())
            .chain([named.as_str()])
            .collect();
        let query = query.join("&");
        url.set_query(Some(&query));
        url.set_fragment(None);
        Ok(Self(url.into()))
    }

    /// The text, to be kept out of logs and messages.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A hash of what it means: equal for equal endpoints, and the same in every process.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.meaning().hash(&mut hasher);
        hasher.finish()
    }

    /// The forms in which a refusal may quote it, the longest first; the path alone for one in other words.
    pub(super) fn spellings(&self) -> Vec<String> {
        let whole = self.0.as_str();
        let bare = whole.split_once("://").map_or(whole, |(_, rest)| rest);
        let before_query = |text: &str| text.split('?').next().unwrap_or_default().to_owned();
        let mut forms = vec![
            whole.to_owned(),
            bare.to_owned(),
            before_query(whole),
            before_query(bare),
        ];
        if let Ok(url) = Url::parse(whole)
            && url.path() != "/"
        {
            forms.push(url.path().to_owned());
        }
        forms
    }

    fn meaning(&self) -> Meaning<'_> {
        let Ok(url) = Url::parse(&self.0) else {
            return Meaning::Text(&self.0);
        };
        let Some(segments) = url.path_segments() else {
            return Meaning::Text(&self.0);
        };
        let path = segments
            .map(|segment| percent_decode_str(segment).collect())
            .collect();
        let mut query: Vec<Parameter> = url
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(parameter)
            .collect();
        // Stable: those of one name stay in order.
        query.sort_by(|(one, _), (other, _)| one.cmp(other));
        Meaning::Url {
            user: (url.username().to_owned(), url.password().map(str::to_owned)),
            host: url.host_str().map(str::to_owned),
            port: url.port_or_known_default(),
            scheme: url.scheme().to_owned(),
            path,
            query,
        }
    }
}

type Parameter = (Vec<u8>, Vec<u8>);

/// Name and value, decoded.
fn parameter(pair: &str) -> Parameter {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let decoded = |text: &str| -> Vec<u8> {
        // A plus that is meant is `%2B`.
        let text = text.replace('+', " ");
        percent_decode_str(&text).collect()
    };
    (decoded(name), decoded(value))
}

#[derive(PartialEq, Eq, Hash)]
enum Meaning<'a> {
    Url {
        scheme: String,
        user: (String, Option<String>),
        host: Option<String>,
        port: Option<u16>,
        path: Vec<Vec<u8>>,
        query: Vec<Parameter>,
    },
    /// No address: it means itself.
    Text(&'a str),
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.meaning() == other.meaning()
    }
}

impl Eq for Endpoint {}

impl From<&str> for Endpoint {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Endpoint {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INLET: &str = "https://dcs.adobedc.net/collection/5e3a";
    const FLOW: &str = "ab12-cd34";

    fn made(inlet: &str) -> String {
        Endpoint::of_flow(inlet, FLOW).unwrap().as_str().to_owned()
    }

    #[test]
    fn an_endpoint_is_the_inlet_with_the_flow_s_id_at_the_end_of_its_query() {
        for (inlet, endpoint) in [
            (
                INLET,
                "https://dcs.adobedc.net/collection/5e3a?x-adobe-flow-id=ab12-cd34",
            ),
            (
                "https://h/c?region=va7&a=%20",
                "https://h/c?region=va7&a=%20&x-adobe-flow-id=ab12-cd34",
            ),
            ("https://h/c?", "https://h/c?x-adobe-flow-id=ab12-cd34"),
            (
                "https://h/c?&a=1&",
                "https://h/c?a=1&x-adobe-flow-id=ab12-cd34",
            ),
            ("https://h/c#part", "https://h/c?x-adobe-flow-id=ab12-cd34"),
            // Some other flow's, or this one's already.
            (
                "https://h/c?x-adobe-flow-id=old&a=1",
                "https://h/c?a=1&x-adobe-flow-id=ab12-cd34",
            ),
            (
                "https://h/c?x%2Dadobe%2Dflow%2Did=old",
                "https://h/c?x-adobe-flow-id=ab12-cd34",
            ),
            (
                "http://127.0.0.1:8080/c",
                "http://127.0.0.1:8080/c?x-adobe-flow-id=ab12-cd34",
            ),
        ] {
            assert_eq!(made(inlet), endpoint, "{inlet}");
        }
        let odd = Endpoint::of_flow(INLET, "a&b=c#d").unwrap();
        assert_eq!(
            odd.as_str(),
            format!("{INLET}?x-adobe-flow-id=a%26b%3Dc%23d")
        );
    }

    #[test]
    fn what_is_no_inlet_or_no_flow_is_said_without_showing_it() {
        for bad in ["", "collection/5e3a", "ftp://h/c", "mailto:a@b", "https://"] {
            let error = Endpoint::of_flow(bad, FLOW).unwrap_err();
            assert_eq!(error, InletError::NoAddress, "{bad}");
        }
        assert_eq!(
            Endpoint::of_flow(INLET, " ").unwrap_err(),
            InletError::NoFlow
        );
    }

    #[test]
    fn spellings_of_one_endpoint_are_equal() {
        let one =
            Endpoint::from("https://dcs.adobedc.net/collection/5e3a?a=b+c&x-adobe-flow-id=f%2D1");
        for same in [
            "HTTPS://DCS.AdobeDC.net/collection/5e3a?a=b+c&x-adobe-flow-id=f%2D1",
            "https://dcs.adobedc.net:443/collection/5e3a?a=b+c&x-adobe-flow-id=f-1",
            "https://dcs.adobedc.net/x/../collection/%35e3a?a=b+c&x-adobe-flow-id=f%2d1",
            "https://dcs.adobedc.net/collection/5e3a?x-adobe-flow-id=f-1&a=b%20c",
            "https://dcs.adobedc.net/collection/5e3a?&x-adobe-flow-id=f-1&&a=b+c#top",
        ] {
            assert!(one == Endpoint::from(same), "{same}");
        }
        for other in [
            "http://dcs.adobedc.net/collection/5e3a?a=b+c&x-adobe-flow-id=f-1",
            "https://dcs.adobedc.net:8443/collection/5e3a?a=b+c&x-adobe-flow-id=f-1",
            "https://dcs2.adobedc.net/collection/5e3a?a=b+c&x-adobe-flow-id=f-1",
            "https://u@dcs.adobedc.net/collection/5e3a?a=b+c&x-adobe-flow-id=f-1",
            "https://dcs.adobedc.net/collection/5E3A?a=b+c&x-adobe-flow-id=f-1",
            "https://dcs.adobedc.net/collection/5e3a/?a=b+c&x-adobe-flow-id=f-1",
            "https://dcs.adobedc.net/collection%2F5e3a?a=b+c&x-adobe-flow-id=f-1",
            "https://dcs.adobedc.net/collection/5e3a?a=b%2Bc&x-adobe-flow-id=f-1",
            "https://dcs.adobedc.net/collection/5e3a?a=b+c&x-adobe-flow-id=F-1",
            "https://dcs.adobedc.net/collection/5e3a?a=b+c&x-adobe-flow-id=f-1&z=1",
            "https://dcs.adobedc.net/collection/5e3a?x-adobe-flow-id=f-1",
            "https://dcs.adobedc.net/collection/5e3a",
            "",
            "not an address",
        ] {
            assert!(one != Endpoint::from(other), "{other}");
        }
    }

    #[test]
    fn parameters_of_one_name_keep_their_order_and_no_address_means_itself() {
        let of = |text: &str| Endpoint::from(text);
        assert!(of("https://h/?a=1&a=2&b=3") == of("https://h?b=3&a=1&a=2"));
        assert!(of("https://h/?a=1&a=2") != of("https://h/?a=2&a=1"));
        assert!(of("https://h/?a") == of("https://h/?a="));
        assert!(of("https://h/?%FF") != of("https://h/?%FE"));
        assert!(of("not an address") == of("not an address"));
        assert!(of("not an address") != of("Not an address"));
    }

    #[test]
    fn nothing_prints_an_endpoint() {
        assert_eq!(format!("{:?}", Endpoint::from(INLET)), "Endpoint(..)");
    }

    /// Every byte percent-encoded, in either case of digits.
    fn encoded(text: &str) -> String {
        let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        bytes.concat()
    }

    proptest! {
        /// Whatever an equivalent rewriting a service makes, the endpoint is found again.
        #[test]
        fn any_rewriting_is_the_same_endpoint(
            segments in prop::collection::vec("[a-zA-Z0-9 /?&=+%é]{1,6}", 0..4),
            pairs in prop::collection::btree_map("[a-z&=+ ]{1,5}", "[a-zA-Z0-9&=+%# é]{0,6}", 0..4),
            flow in "[0-9a-f-]{1,36}",
        ) {
            let path: Vec<String> = segments.iter().map(|segment| encode(segment)).collect();
            let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
            let inlet = format!("https://inlet.example/{}?{}", path.join("/"), query.join("&"));
            let wanted = Endpoint::of_flow(&inlet, &flow).unwrap();

            let path: Vec<String> = segments.iter().map(|segment| encoded(segment)).collect();
            let mut query: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
            query.insert(0, format!("{FLOW_PARAMETER}={}", encoded(&flow)));
            query.reverse();
            let read = Endpoint::from(format!("HTTPS://Inlet.Example:443/{}?{}", path.join("/"), query.join("&")));
            prop_assert!(wanted == read, "{} {}", wanted.as_str(), read.as_str());

            // And no other flow's is.
            let other = Endpoint::of_flow(&inlet, &format!("{flow}0")).unwrap();
            prop_assert!(wanted != other);
            // Making it again of itself changes nothing.
            let again = Endpoint::of_flow(wanted.as_str(), &flow).unwrap();
            prop_assert_eq!(again.as_str(), wanted.as_str());
        }

        #[test]
        fn no_text_is_too_odd_to_be_compared(one in ".*", other in ".*") {
            let (one, other) = (Endpoint::from(one), Endpoint::from(other));
            prop_assert!(one == one.clone());
            prop_assert_eq!(one == other, other == one);
            let _ = Endpoint::of_flow(one.as_str(), other.as_str());
        }
    }
}
