//! IMS: an access token for a client id and secret. The one call that carries a secret in its body.

use serde_json::json;

use crate::call::Call;
use crate::refusal::{Answer, Refusal, json_reply};
use crate::world::{Token, World};

/// `POST /ims/token/v3` with a form; the query string is taken too, as the real service does.
pub(crate) fn token(world: &mut World, call: &Call<'_>) -> Answer {
    let form: Vec<(String, String)> = if call.body.is_empty() {
        Vec::new()
    } else if call.content_type() == Some("application/x-www-form-urlencoded") {
        url::form_urlencoded::parse(call.body)
            .into_owned()
            .collect()
    } else {
        return Err(Refusal::Ims(
            400,
            "invalid_request",
            "the body must be a form",
        ));
    };
    let field = |name: &str| {
        let mut fields = form.iter().chain(&call.query);
        fields
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    };
    match field("grant_type") {
        None => {
            return Err(Refusal::Ims(
                400,
                "invalid_request",
                "missing grant_type parameter",
            ));
        }
        Some("client_credentials") => {}
        Some(_) => {
            return Err(Refusal::Ims(
                400,
                "unsupported_grant_type",
                "unsupported grant_type parameter",
            ));
        }
    }
    let status = world.options.ims_error_status;
    let Some(client_id) = field("client_id") else {
        return Err(Refusal::Ims(
            400,
            "invalid_request",
            "missing client_id parameter",
        ));
    };
    let Some(client) = world.clients.get(client_id) else {
        return Err(Refusal::Ims(
            status,
            "invalid_client",
            "invalid client_id parameter",
        ));
    };
    let known = field("client_secret")
        .is_some_and(|secret| client.secrets.iter().any(|valid| valid == secret));
    if !known {
        return Err(Refusal::Ims(
            status,
            "invalid_client",
            "invalid client_secret parameter",
        ));
    }
    // Assumed: the documented calls all send a scope.
    if field("scope").is_none() {
        return Err(Refusal::Ims(
            400,
            "invalid_scope",
            "missing scope parameter",
        ));
    }
    let client = client_id.to_owned();
    let begin = &world.options.seed.token;
    let access_token = format!("{begin}.{}.{}", world.ids.hex(32), world.ids.hex(43));
    let life = world.options.token_ttl_s;
    world.tokens.retain(|_, token| token.expires > call.now);
    world.tokens.insert(
        access_token.clone(),
        Token {
            client,
            expires: call.now + life * 1000,
        },
    );
    let expires_in = if world.options.token_ttl_in_ms {
        life * 1000
    } else {
        life
    };
    Ok(json_reply(
        200,
        &json!({"access_token": access_token, "token_type": "bearer", "expires_in": expires_in}),
    ))
}
