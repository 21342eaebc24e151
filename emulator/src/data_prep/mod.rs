//! Data Prep: mapping sets with their versions, validation, preview, and the expression language. Its error
//! bodies are not documented: a JSON object with a `message` is assumed.

mod draft;
mod language;
mod rows;
mod sets;
mod store;

pub(crate) use draft::{destinations_exist, rewrite};
pub(crate) use store::MappingSets;

use crate::call::Call;
use crate::refusal::{Answer, Refusal};
use crate::world::{Caller, World};

/// Routes a call that the gateway let through.
pub(crate) fn serve(world: &mut World, caller: &Caller, call: &Call<'_>, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", ["mappingSets"]) => sets::list(world, caller, call),
        ("POST", ["mappingSets"]) => sets::create(world, caller, call),
        ("POST", ["mappingSets", "validate"]) => sets::validate(world, caller, call),
        ("POST", ["mappingSets", "preview"]) => sets::preview(world, caller, call),
        ("GET", ["mappingSets", id]) => sets::get(world, caller, call, id),
        ("PUT", ["mappingSets", id]) => sets::update(world, caller, call, id),
        ("DELETE", ["mappingSets", id]) => sets::delete(world, caller, id),
        ("GET", ["mappingSets", id, "mappings"]) => sets::mappings(world, caller, id, None),
        ("GET", ["mappingSets", id, "mappings", row]) => {
            sets::mappings(world, caller, id, Some(row))
        }
        ("POST", ["languages", "el", "validate"]) => {
            language::validate(world.options.bad_mapping, call)
        }
        ("GET", ["languages", "el", "functions"]) => Ok(language::functions()),
        ("GET", ["languages", "el", "operators"]) => Ok(language::operators()),
        (_, ["mappingSets", ..] | ["languages", "el", ..]) => Err(Refusal::NoRoute(405)),
        _ => Err(Refusal::NoRoute(404)),
    }
}

/// A malformed call.
fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::DataPrep(400, message.into())
}
