//! The `Accept` header drives the shape of a read: short or full, with or without a version.

use crate::call::Call;
use crate::refusal::Refusal;

/// Shape of a single read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// References stay references.
    Raw,
    /// References are resolved.
    Full,
}

const TITLE: &str = "Accept header error";

fn error(code: &'static str, detail: &str) -> Refusal {
    Refusal::Registry(code, TITLE, detail.to_owned())
}

/// A single read needs `xed` or `xed-full` and a version.
pub(super) fn single(call: &Call<'_>) -> Result<(Shape, u64), Refusal> {
    let Some(accept) = call.header("accept") else {
        return Err(error(
            "XDM-1006-400",
            "The Accept header of a lookup needs a version",
        ));
    };
    let (media, parameters) = accept.split_once(';').unwrap_or((accept, ""));
    let shape = match media.trim() {
        "application/vnd.adobe.xed+json" | "application/vnd.adobe.xed-notext+json" => Shape::Raw,
        "application/vnd.adobe.xed-full+json"
        | "application/vnd.adobe.xed-full-notext+json"
        | "application/vnd.adobe.xed-full-desc+json" => Shape::Full,
        other => {
            return Err(error(
                "XDM-1008-400",
                &format!("The Accept header {other} is not supported for a lookup"),
            ));
        }
    };
    let version = parameters
        .split(';')
        .find_map(|parameter| parameter.trim().strip_prefix("version="));
    let Some(version) = version else {
        return Err(error(
            "XDM-1006-400",
            "The Accept header of a lookup needs a version",
        ));
    };
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.trim().parse().ok());
    major.map(|major| (shape, major)).ok_or_else(|| {
        error(
            "XDM-1007-400",
            "The version in the Accept header is not a number",
        )
    })
}

/// A list needs `xed-id` or `xed`, and no version. True: ids only.
pub(super) fn list(call: &Call<'_>) -> Result<bool, Refusal> {
    match call.header("accept").map(str::trim) {
        Some("application/vnd.adobe.xed-id+json") => Ok(true),
        Some("application/vnd.adobe.xed+json") => Ok(false),
        Some(accept) if accept.contains("version=") => Err(error(
            "XDM-1009-400",
            "The Accept header of a list takes no version",
        )),
        _ => Err(error(
            "XDM-1008-400",
            "The Accept header of a list must be xed-id or xed",
        )),
    }
}
