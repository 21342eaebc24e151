//! Connection specs and flow specs: fixed data, the same for everybody.

use serde_json::{Value, json};

use super::filter::Filter;
use super::{CUSTOMER_IO_SPEC, DATA_LAKE_SPEC, FLOW_SPEC, PROVIDER, no_params};
use crate::call::Call;
use crate::options::{Options, SpecSight};
use crate::refusal::{Answer, Refusal, flow, json_reply};

/// `GET /connectionSpecs[/{id}]`.
pub(super) fn connection_specs(options: &Options, call: &Call<'_>, id: &[&str]) -> Answer {
    let permission = |right: &str| json!([{"@type": "lowLevel", "name": "StreamingSource", "permissions": [right]}]);
    let customer_io = json!({
        "id": CUSTOMER_IO_SPEC, "name": "customerio", "providerId": PROVIDER, "version": "1.0", "authSpec": [],
        "sourceSpec": {"type": "StreamingSource", "attributes": {"category": "Marketing automation", "isSource": true,
            "documentationLink": "https://experienceleague.adobe.com/"}},
        "permissionsInfo": {"view": permission("read"), "manage": permission("write")}
    });
    let data_lake = json!({
        "id": DATA_LAKE_SPEC, "name": "datalake", "providerId": "feae26d7-0e4c-4c6c-b2f4-2c1d2a9cf0d6", "version": "1.0",
        "authSpec": [], "attributes": {"isSource": false}
    });
    match options.customer_io_spec {
        SpecSight::Visible => answer(call, id, vec![customer_io, data_lake]),
        SpecSight::NotEntitled if id == [CUSTOMER_IO_SPEC] => Err(not_entitled()),
        SpecSight::NotFound | SpecSight::NotEntitled => answer(call, id, vec![data_lake]),
    }
}

/// Whether something may be made of the spec `id`, which has to be `wanted`.
pub(super) fn check_spec(id: &str, wanted: &str, sight: SpecSight) -> Result<(), Refusal> {
    match sight {
        SpecSight::NotEntitled if id == wanted => Err(not_entitled()),
        SpecSight::Visible if id == wanted => Ok(()),
        _ => Err(flow(
            "1413-400",
            "The spec ID provided is invalid. Please provide a valid spec ID and try again.",
        )),
    }
}

/// The catalogue's words for a spec that the organization does not have.
fn not_entitled() -> Refusal {
    flow(
        "1100-400",
        "The organization is not entitled to the requested spec.",
    )
}

/// `GET /flowSpecs[/{id}]`.
pub(super) fn flow_specs(options: &Options, call: &Call<'_>, id: &[&str]) -> Answer {
    let spec = json!({
        "id": FLOW_SPEC, "name": "GenericStreamingAEP", "providerId": PROVIDER, "version": "1.0",
        "sourceConnectionSpecIds": [CUSTOMER_IO_SPEC], "targetConnectionSpecIds": [DATA_LAKE_SPEC],
        "optionSpec": {"name": "OptionSpec", "spec": {"type": "object", "properties": {
            "errorDiagnosticsEnabled": {"type": "boolean", "default": false},
            "partialIngestionPercent": {"type": "number", "exclusiveMinimum": 0},
            "inletUrl": {"type": "string"}}}},
        "transformationSpec": [{"name": "Mapping", "spec": {"type": "object", "properties": {
            "mappingId": {"type": "string"}, "mappingVersion": {"type": "string"}}}}],
        "attributes": {"isSourceFlow": true, "flacValidationSupported": true, "frequency": "streaming",
            "notification": {"category": "sources", "flowRun": {"enabled": true}}},
        "runSpec": null
    });
    match options.flow_spec {
        SpecSight::Visible => answer(call, id, vec![spec]),
        SpecSight::NotEntitled if id == [FLOW_SPEC] => Err(not_entitled()),
        SpecSight::NotFound | SpecSight::NotEntitled => answer(call, id, Vec::new()),
    }
}

fn answer(call: &Call<'_>, id: &[&str], specs: Vec<Value>) -> Answer {
    match id {
        [] => {
            no_params(
                call,
                &["property", "limit", "orderby", "continuationToken", "count"],
            )?;
            let filters = call
                .params("property")
                .map(Filter::parse)
                .collect::<Result<Vec<_>, _>>()?;
            let wanted = |spec: &Value| {
                spec.as_object()
                    .is_some_and(|spec| filters.iter().all(|filter| filter.accepts(spec)))
            };
            let items: Vec<Value> = specs.into_iter().filter(wanted).collect();
            Ok(json_reply(200, &json!({"items": items, "_links": {}})))
        }
        [id] => match specs.into_iter().find(|spec| spec["id"] == **id) {
            Some(spec) => Ok(json_reply(200, &json!({"items": [spec]}))),
            None => Err(flow(
                "1439-404",
                format!(
                    "The requested spec {id} is not found. Verify the resource ID before trying again."
                ),
            )),
        },
        _ => Err(Refusal::NoRoute(404)),
    }
}
