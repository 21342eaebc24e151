//! A careless service: the error repeats the call that it is about, credential and all.

use bytes::Bytes;
use http::{Request, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::refusal::Reply;

/// The fields that hold words for people, in whichever service's shape.
const WORDS: [&str; 6] = [
    "detail",
    "detailed-message",
    "errorDetails",
    "errorMessage",
    "error_description",
    "message",
];

/// The reply, with the call in its words: of JSON in every field that has some, of a page in its title.
pub(crate) fn quoting(mut reply: Reply, request: &Request<Bytes>) -> Reply {
    let call = words_of(request);
    let body = if let Ok(mut json) = serde_json::from_slice::<Value>(reply.body()) {
        add(&mut json, &call);
        json.to_string()
    } else {
        let page = String::from_utf8_lossy(reply.body());
        page.replace("</title>", &format!(": {call}</title>"))
    };
    *reply.body_mut() = body.into();
    reply
}

/// The call as a debugging aid would print it. The credential comes first: long words are cut.
fn words_of(request: &Request<Bytes>) -> String {
    let credential = request.headers().get(header::AUTHORIZATION);
    let credential = credential.and_then(|it| it.to_str().ok()).unwrap_or("none");
    let body = String::from_utf8_lossy(request.body());
    let plain = percent_decode_str(&body).decode_utf8_lossy();
    format!(
        "authorization {credential}, body {body}, decoded {plain}, {} {}",
        request.method(),
        request.uri()
    )
}

fn add(json: &mut Value, call: &str) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if WORDS.contains(&name.as_str()) => {
                        *text = format!("{text}: {call}");
                    }
                    value => add(value, call),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| add(item, call)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Emulator, FaultRule, Options};

    #[test]
    fn a_quoting_error_repeats_credential_and_body_in_every_shape() {
        let mut emulator = Emulator::new(Options::default());
        for (path, html) in [
            ("/ims/token/v3", false),
            ("/data/foundation/flowservice/flows", false),
            ("/data/foundation/schemaregistry/tenant/schemas", false),
            ("/v1/reporting_webhooks", false),
            ("/v1/reporting_webhooks", true),
        ] {
            let rule = FaultRule {
                quote: true,
                html,
                status: Some(500),
                ..FaultRule::default()
            };
            emulator.faults.arm(vec![rule]).unwrap();
            let request = Request::builder()
                .method("POST")
                .uri(path)
                .header("authorization", "Bearer a-token")
                .body(Bytes::from_static(b"client_secret=a%2Fsecret"))
                .unwrap();
            let reply = emulator.handle(1, &request);
            assert_eq!(reply.status(), 500);
            let words = String::from_utf8_lossy(reply.body());
            for part in ["Bearer a-token", "a%2Fsecret", "a/secret"] {
                assert!(words.contains(part), "{path}: {part} is not in {words}");
            }
        }
    }
}
