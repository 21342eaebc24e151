//! What can go wrong with a call, by what the caller does next.

use std::fmt;
use std::time::Duration;

/// What the caller does next. The name of a class is a metric label and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The client id, its secret or its token, or an App API key, is refused: wait for the user to change the Secret.
    Credentials,
    /// The credential is known but may not do this: wait for an administrator. A token may carry the
    /// rights it was minted with, so [renew](super::Platform::renew_rights) it before looking again.
    Permission,
    /// The sandbox does not exist, or is not visible to this credential: wait for the user.
    SandboxNotFound,
    /// The object is not there, or not visible: a labelled flow answers a read like a missing one (Adobe,
    /// "Attribute-based access control in the Flow Service API"), so this alone does not prove a deletion.
    NotFound,
    /// What we last read is out of date: read again, decide again.
    Stale,
    /// The object is between two states or still in use: wait, then repeat the same step.
    Busy,
    /// Too many calls: wait as long as told, and send fewer.
    Throttled {
        /// How long the platform asks to wait, when it says so.
        retry_after: Option<Duration>,
    },
    /// The platform, or the way to it, is failing: repeat later.
    Unavailable {
        /// How long the platform asks to wait, when it says so (a 503 may).
        retry_after: Option<Duration>,
    },
    /// The request is understood and refused for good: repeating it cannot help until something else changes.
    Rejected,
    /// The answer makes no sense: a success we cannot read, a redirect, a page of some proxy, a defect of
    /// ours. Look again slowly, and tell somebody.
    Unexpected,
}

impl Class {
    /// A fixed word for metric labels and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Permission => "permission",
            Self::SandboxNotFound => "sandbox_not_found",
            Self::NotFound => "not_found",
            Self::Stale => "stale",
            Self::Busy => "busy",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Rejected => "rejected",
            Self::Unexpected => "unexpected",
        }
    }
}

/// A call that failed. Safe to show: it never holds a token, a secret or a header of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ApiError {
    /// The call, e.g. `create_flow`: a fixed word.
    pub operation: &'static str,
    /// What to do next.
    pub class: Class,
    /// The HTTP status, if there was an answer at all.
    pub status: Option<u16>,
    /// The platform's own code, e.g. `FLOW-1425-400` or `403025`.
    pub code: Option<String>,
    /// The platform's own words on one line, or ours when it said none; at most [`DETAIL_CHARS`] characters.
    pub detail: String,
    /// The platform's id of the request, for its support. Changes with every call: keep it out of conditions.
    pub request_id: Option<String>,
    /// The request may have been carried out all the same. Never true for reads, for definite refusals,
    /// nor for a request that was never sent. After a create: look the object up before creating it again.
    pub outcome_unknown: bool,
}

/// The longest [`ApiError::detail`], in characters.
pub const DETAIL_CHARS: usize = 500;

impl ApiError {
    /// An error of our own making, before or instead of an answer.
    pub(crate) fn local(operation: &'static str, class: Class, detail: impl fmt::Display) -> Self {
        Self {
            operation,
            class,
            status: None,
            code: None,
            detail: one_line(&detail.to_string(), DETAIL_CHARS),
            request_id: None,
            outcome_unknown: false,
        }
    }

    /// How long the platform asks to wait before the next call.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.class {
            Class::Throttled { retry_after } | Class::Unavailable { retry_after } => retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for ApiError {
    /// `create_flow: 400 FLOW-1425-400: the words`. Without the request id, so that equal failures read equal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.operation)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if self.status.is_some() || self.code.is_some() {
            f.write_str(":")?;
        }
        write!(f, " {}", self.detail)
    }
}

/// Text from outside as one line: control characters and runs of blanks become one blank, the rest is cut.
pub(crate) fn one_line(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut blank = false;
    let mut length = 0;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() || is_invisible(c) {
            blank = length > 0;
            continue;
        }
        if length + 1 + usize::from(blank) > max_chars {
            // The last character makes way, so that the bound holds with the mark.
            line.pop();
            line.push('\u{2026}');
            break;
        }
        if blank {
            line.push(' ');
            length += 1;
            blank = false;
        }
        line.push(c);
        length += 1;
    }
    line
}

/// Characters that reorder or hide text in a terminal without being "control" to Unicode.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_becomes_one_bounded_line() {
        assert_eq!(one_line("  a\r\n\tb\u{1b}[31mc\u{202e} ", 500), "a b [31mc");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde\u{2026}");
        assert!(one_line(&"x y ".repeat(1000), 500).chars().count() <= 500);
        assert_eq!(one_line("", 5), "");
    }

    #[test]
    fn a_message_names_operation_status_and_code_but_no_request_id() {
        let mut error = ApiError::local("create_flow", Class::Rejected, "no such dataset");
        assert_eq!(error.to_string(), "create_flow: no such dataset");
        error.status = Some(400);
        error.code = Some("FLOW-1327-400".into());
        error.request_id = Some("req-1".into());
        assert_eq!(
            error.to_string(),
            "create_flow: 400 FLOW-1327-400: no such dataset"
        );
    }
}
