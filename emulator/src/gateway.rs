//! The gateway in front of every platform service: credentials, organization, content type, rate. What
//! passes has a known caller; the sandbox is the service's own business.

use http::Method;

use crate::call::Call;
use crate::rate::Bucket;
use crate::refusal::{Refusal, flow};
use crate::world::{Caller, Rights, World};

/// Which service a call is for: each has its own way of refusing a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Flow,
    DataPrep,
    Registry,
    Catalog,
}

/// Checks a call in the order in which the gateway documents its errors.
pub(crate) fn admit(
    world: &mut World,
    call: &Call<'_>,
    service: Service,
) -> Result<Caller, Refusal> {
    let bearer = call
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim);
    let Some(bearer) = bearer.filter(|token| !token.is_empty()) else {
        return Err(Refusal::Gateway(403, "403010", "Oauth token is missing"));
    };
    let Some(key) = call.header("x-api-key") else {
        return Err(Refusal::Gateway(403, "403000", "Api Key is required"));
    };
    let Some(client) = world.clients.get(key) else {
        return Err(Refusal::Gateway(403, "403003", "Api Key is invalid"));
    };
    let valid = world
        .tokens
        .get(bearer)
        .is_some_and(|token| token.client == key && token.expires > call.now);
    if !valid {
        return Err(Refusal::Gateway(401, "401013", "Oauth token is not valid"));
    }
    let Some(org) = call.header("x-gw-ims-org-id") else {
        return Err(Refusal::Gateway(400, "400003", "Missing header"));
    };
    if org != world.options.seed.org || client.revoked {
        return Err(Refusal::Gateway(403, "403025", "Profile is not valid"));
    }
    let rights = client.rights;
    let writes = matches!(*call.method, Method::POST | Method::PUT | Method::PATCH);
    // An action is a POST without a body, and clients leave the content type out on it.
    let bodiless = call.path.ends_with("/action");
    if writes && !bodiless && !call.content_type().is_some_and(json_type) {
        return Err(Refusal::BadRequest(
            "A valid content-type must be specified".to_owned(),
        ));
    }
    if let Some(limit) = world.options.rate_limit {
        let bucket = format!(
            "{org} {}",
            call.header("x-sandbox-name").unwrap_or_default()
        );
        if !world
            .buckets
            .entry(bucket)
            .or_insert_with(|| Bucket::new(limit, call.now))
            .take(limit, call.now)
        {
            return Err(Refusal::Gateway(429, "429050", "Too many requests"));
        }
    }
    let caller = Caller {
        client: key.to_owned(),
        user: world.options.seed.user.clone(),
        org: org.to_owned(),
        sandbox: sandbox(world, call, service)?,
        rights,
    };
    permit(&caller, call, service)?;
    Ok(caller)
}

fn json_type(media: &str) -> bool {
    media.eq_ignore_ascii_case("application/json") || media.to_ascii_lowercase().ends_with("+json")
}

/// The sandbox header, in the service's own words when it is missing or wrong.
fn sandbox(world: &World, call: &Call<'_>, service: Service) -> Result<String, Refusal> {
    let Some(name) = call.header("x-sandbox-name") else {
        let message = "The header x-sandbox-name is missing in the request. Please add the header in the request and try again.";
        return Err(match service {
            Service::Flow => flow("2105-400", message),
            // Assumed for the others: only Flow Service documents its answer.
            Service::DataPrep => Refusal::DataPrep(400, message.to_owned()),
            Service::Registry => {
                Refusal::Registry("XDM-1400-400", "Header is missing", message.to_owned())
            }
            Service::Catalog => Refusal::Catalog(400, "BadRequest", message.to_owned()),
        });
    };
    if world.sandboxes.contains_key(name) {
        return Ok(name.to_owned());
    }
    let message = format!(
        "The sandbox with the name '{name}' could not be found. Please ensure that the sandbox name is correct and try again."
    );
    Err(match service {
        Service::Flow => flow("2100-404", message),
        Service::DataPrep => Refusal::DataPrep(404, message),
        Service::Registry => Refusal::Registry("XDM-1404-404", "Sandbox not found", message),
        Service::Catalog => Refusal::Catalog(404, "NotFound", message),
    })
}

/// The rights of the credential's role.
fn permit(caller: &Caller, call: &Call<'_>, service: Service) -> Result<(), Refusal> {
    let allowed = match caller.rights {
        Rights::All => true,
        Rights::ReadOnly => *call.method == Method::GET,
        Rights::None => false,
    };
    if allowed {
        return Ok(());
    }
    let message = "You do not have sufficient permissions to perform the operation. Please contact your administrator to resolve permissions and try again.";
    Err(match service {
        Service::Flow => flow("2120-403", message),
        Service::DataPrep => Refusal::DataPrep(403, message.to_owned()),
        Service::Registry => Refusal::Registry("XDM-1403-403", "Forbidden", message.to_owned()),
        Service::Catalog => Refusal::Catalog(403, "Forbidden", message.to_owned()),
    })
}
