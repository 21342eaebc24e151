//! What a fresh state knows: who may call, which sandboxes exist, and the tutorial's schema and dataset.
//! Retyped from the public tutorial; replaced by tests that tell another story.

use serde_json::{Value, json};

/// The identities and objects of a fresh state.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The one organization, `...@AdobeOrg`.
    pub org: String,
    /// Tenant id: custom fields live under `_{tenant}`.
    pub tenant: String,
    /// Client id, which is also the API key.
    pub client_id: String,
    /// Client secret.
    pub client_secret: String,
    /// What every access token begins with.
    pub token: String,
    /// Technical account that shows up in `createdBy`.
    pub user: String,
    /// Names of the sandboxes.
    pub sandboxes: Vec<String>,
    /// Customer.io App API key.
    pub app_api_key: String,
    /// App API key of another workspace, which sees none of the first one's webhooks.
    pub other_app_api_key: String,
    /// Key that signs webhook deliveries.
    pub signing_key: String,
    /// Objects of a fresh state; left out by `Options::empty`.
    pub objects: Vec<SeedObject>,
}

/// One object of a fresh state.
#[derive(Debug, Clone)]
pub enum SeedObject {
    /// A field group: sandbox, `$id`, and the body that would create it.
    FieldGroup(String, String, Value),
    /// A schema: sandbox, `$id`, and the body that would create it.
    Schema(String, String, Value),
    /// A dataset: sandbox, id, and the body that would create it.
    Dataset(String, String, Value),
}

impl Default for Seed {
    fn default() -> Self {
        Self {
            org: "1234567890ABCDEF12345678@AdobeOrg".to_owned(),
            tenant: "extconndev".to_owned(),
            client_id: "demo-client".to_owned(),
            client_secret: "demo-secret".to_owned(),
            token: "emulated".to_owned(),
            user: "1A2B3C4D5E6F708192A3B4C5@techacct.adobe.com".to_owned(),
            sandboxes: vec!["prod".to_owned(), "dev".to_owned()],
            app_api_key: "demo-app-key".to_owned(),
            other_app_api_key: "other-app-key".to_owned(),
            signing_key: "demo-signing-key".to_owned(),
            objects: tutorial(),
        }
    }
}

const SCHEMA: &str =
    "https://ns.adobe.com/extconndev/schemas/945546112b746524bfd9f1264b26c2b7d8e7f5b7fadb953a";
const FIELD_GROUP: &str =
    "https://ns.adobe.com/extconndev/mixins/57d2e6d14bbf0b1b8f9d0a5ce6f1c3a28e4b7d9063c5f12e";
const DATASET: &str = "63ec807d3f5ce91bd2d06c65";

/// The tutorial's schema and dataset: a record class without fields of its own, so that the tutorial's six
/// destinations are all there is and none is required.
fn tutorial() -> Vec<SeedObject> {
    let sandbox = || "prod".to_owned();
    vec![
        SeedObject::FieldGroup(
            sandbox(),
            FIELD_GROUP.to_owned(),
            json!({
                "title": "Customer.io fields",
                "description": "Fields of the Customer.io tutorial",
                "type": "object",
                "meta:intendedToExtend": ["https://ns.adobe.com/xdm/data/record"],
                "definitions": {"customFields": {"type": "object", "properties": {"_extconndev": {
                    "type": "object",
                    "properties": {
                        "cio_id": {"title": "cio_id", "type": "string"},
                        "email": {"title": "email", "type": "string"},
                        "event_id0": {"title": "event_id", "type": "string"},
                        "metricx": {"title": "metric", "type": "string"},
                        "object_type1": {"title": "object_type", "type": "string"},
                        "timestampx": {"title": "timestamp", "type": "integer"}
                    }
                }}}},
                "allOf": [{"$ref": "#/definitions/customFields"}]
            }),
        ),
        SeedObject::Schema(
            sandbox(),
            SCHEMA.to_owned(),
            json!({
                "title": "Customer.io tutorial",
                "description": "Target of the Customer.io tutorial",
                "type": "object",
                "allOf": [{"$ref": "https://ns.adobe.com/xdm/data/record"}, {"$ref": FIELD_GROUP}]
            }),
        ),
        SeedObject::Dataset(
            sandbox(),
            DATASET.to_owned(),
            json!({
                "name": "customer-io-tutorial",
                "description": "Target of the Customer.io tutorial",
                "schemaRef": {"id": SCHEMA, "contentType": "application/vnd.adobe.xed-full+json;version=1"}
            }),
        ),
    ]
}
