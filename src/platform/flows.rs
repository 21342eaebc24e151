//! Flows of the Flow Service.
//!
//! Facts: Adobe, "Create a streaming source connection for Customer.io" (body, `inletUrl`), "Update dataflows
//! using the Flow Service API" (patches), "Update destination dataflows" (actions), "Flow Service error messages"
//! (the names of states).

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;
use super::data_prep::MappingRef;
use super::error::{ApiError, Class, one_line};
use super::flow_service::{BASE, Created, Deleted, Etag, PatchOperation, SpecRef};
use super::json::{integer, lenient, nullable};
use super::list::Filter;
use super::sandbox::Sandbox;

/// The specification of a generic streaming flow (`GenericStreamingAEP`), version 1.0.
pub const STREAMING_FLOW_SPEC: &str = "e77fde5a-22a8-11ed-861d-0242ac120002";

/// The property to filter flows by the connection specification of their source.
pub const SOURCE_SPEC_PROPERTY: &str = "inheritedAttributes.sourceConnections[].connectionSpec.id";

/// The name of the transformation that maps; the service knows it literally.
pub(super) const MAPPING: &str = "Mapping";

const FLOWS: &str = "flows";

/// Body of a flow's creation. Never holds a state: the service refuses one (FLOW-1410-400).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewFlow {
    /// Shown to people. Not known to be unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// [`STREAMING_FLOW_SPEC`].
    pub flow_spec: SpecRef,
    /// Exactly one.
    pub source_connection_ids: Vec<String>,
    /// Exactly one.
    pub target_connection_ids: Vec<String>,
    /// The mapping.
    pub transformations: Vec<Transformation>,
}

impl NewFlow {
    /// A streaming flow from a source to a target through a mapping set.
    pub fn streaming(
        name: &str,
        description: &str,
        source_id: &str,
        target_id: &str,
        mapping: &MappingRef,
    ) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            flow_spec: SpecRef::v1(STREAMING_FLOW_SPEC),
            source_connection_ids: vec![source_id.to_owned()],
            target_connection_ids: vec![target_id.to_owned()],
            transformations: vec![Transformation {
                name: MAPPING.to_owned(),
                params: mapping.params(),
            }],
        }
    }
}

/// A step of a flow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Transformation {
    /// `Mapping` for the one we know.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Depends on the name.
    #[serde(default)]
    pub params: Value,
}

/// The state of a flow. Adobe gives no closed list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FlowState {
    /// Takes events.
    Enabled,
    /// Takes none.
    Disabled,
    /// On its way, draft, or unknown to us: the service's own word, in lower case.
    Other(String),
}

impl FlowState {
    /// The service's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Other(word) => word,
        }
    }

    /// Whether the flow is being deleted; the error catalogue calls it `delete-finalizing`.
    pub fn is_going(&self) -> bool {
        matches!(self, Self::Other(word) if word.starts_with("delet"))
    }
}

impl Default for FlowState {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl fmt::Display for FlowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for FlowState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?.to_lowercase();
        Ok(match word.as_str() {
            "enabled" => Self::Enabled,
            "disabled" => Self::Disabled,
            _ => Self::Other(word),
        })
    }
}

/// A flow as read. Absent text is empty, absent times are 0. Its `Debug` hides the inlet's address.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// The id.
    pub id: String,
    /// Shown to people.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Free text.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// Whether it takes events.
    #[serde(default, deserialize_with = "nullable")]
    pub state: FlowState,
    /// The version.
    #[serde(default, deserialize_with = "lenient")]
    pub etag: Etag,
    /// What kind of flow this is.
    #[serde(default, deserialize_with = "nullable")]
    pub flow_spec: SpecRef,
    /// Its sources: one for ours.
    #[serde(default, deserialize_with = "nullable")]
    pub source_connection_ids: Vec<String>,
    /// Its targets: one for ours.
    #[serde(default, deserialize_with = "nullable")]
    pub target_connection_ids: Vec<String>,
    /// Its steps.
    #[serde(default, deserialize_with = "nullable")]
    pub transformations: Vec<Transformation>,
    #[serde(default, deserialize_with = "lenient")]
    options: FlowOptions,
    /// How the last asynchronous operation went.
    #[serde(default, deserialize_with = "lenient")]
    pub last_operation: Option<LastOperation>,
    /// Milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: u64,
    /// Milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_at: u64,
    /// The account of the last change.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_by: String,
    /// The client id of the last change.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_client: String,
}

#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FlowOptions {
    #[serde(default, deserialize_with = "lenient")]
    inlet_url: String,
}

/// Whoever has an inlet's address can post events to it.
impl fmt::Debug for FlowOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowOptions")
            .field("has_inlet_url", &!self.inlet_url.is_empty())
            .finish()
    }
}

impl Flow {
    /// Where events go; absent until the service has written it, some time after the creation. A capability:
    /// keep it out of logs and events.
    pub fn inlet_url(&self) -> Option<&str> {
        Some(self.options.inlet_url.as_str()).filter(|url| !url.is_empty())
    }

    /// The place of the mapping among the transformations.
    pub fn mapping_index(&self) -> Option<usize> {
        self.transformations.iter().position(|t| t.name == MAPPING)
    }

    /// The mapping set this flow uses. Its version is a number in Adobe's examples and text in its flow spec.
    pub fn mapping(&self) -> Option<MappingRef> {
        let params = &self.transformations.get(self.mapping_index()?)?.params;
        Some(MappingRef {
            id: params.get("mappingId")?.as_str()?.to_owned(),
            version: integer(params.get("mappingVersion")?)?,
        })
    }
}

/// The outcome of an asynchronous operation on a flow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct LastOperation {
    /// `create`, `update`, `enable`, `disable`.
    #[serde(default, deserialize_with = "lenient")]
    pub operation: String,
    /// Milliseconds since 1970; 0 when the service keeps none.
    #[serde(default, deserialize_with = "lenient")]
    pub started: u64,
    /// Milliseconds since 1970; 0 when the service keeps none.
    #[serde(default, deserialize_with = "lenient")]
    pub updated: u64,
    #[serde(default, deserialize_with = "lenient")]
    status: OperationStatus,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct OperationStatus {
    #[serde(default, deserialize_with = "lenient")]
    value: String,
    #[serde(default, deserialize_with = "lenient")]
    errors: Vec<Value>,
}

impl LastOperation {
    /// `completed` and others; empty when the service says nothing.
    pub fn status(&self) -> &str {
        &self.status.value
    }

    /// What went wrong, one bounded line each.
    pub fn errors(&self) -> Vec<String> {
        let text = |error: &Value| {
            let part = |name: &str| error.get(name).and_then(Value::as_str);
            match (part("code"), part("message"), error.as_str()) {
                (Some(code), Some(message), _) => format!("{code}: {message}"),
                (_, Some(text), _) | (.., Some(text)) => text.to_owned(),
                _ => error.to_string(),
            }
        };
        self.status
            .errors
            .iter()
            .map(|e| one_line(&text(e), super::error::DETAIL_CHARS))
            .collect()
    }
}

/// What can be asked of a flow as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlowAction {
    /// Take events.
    Enable,
    /// Take none.
    Disable,
}

/// Errors of all calls: see [`ApiError`].
impl Sandbox {
    /// Creates a flow. It is built asynchronously: read it for its state and its inlet.
    pub async fn create_flow(&self, new: &NewFlow) -> Result<Created, ApiError> {
        self.create("create_flow", FLOWS, new).await
    }

    /// Reads a flow.
    pub async fn get_flow(&self, id: &str) -> Result<Flow, ApiError> {
        self.get_one("get_flow", FLOWS, id).await
    }

    /// Changes a flow: `/name`, `/description` and `/transformations/{index}` are known to be patchable.
    pub async fn patch_flow(
        &self,
        id: &str,
        etag: &Etag,
        patch: &[PatchOperation],
    ) -> Result<Created, ApiError> {
        self.patch("patch_flow", FLOWS, id, etag, patch).await
    }

    /// Deletes a flow.
    pub async fn delete_flow(&self, id: &str) -> Result<Deleted, ApiError> {
        self.delete("delete_flow", FLOWS, id).await
    }

    /// Lists flows, and returns what `keep` makes of them. Check the results: see [`Filter`].
    pub async fn list_flows<U>(
        &self,
        filter: &Filter,
        keep: impl FnMut(Flow) -> Option<U>,
    ) -> Result<Vec<U>, ApiError> {
        self.list("list_flows", (BASE, FLOWS), filter, keep).await
    }

    /// Enables or disables a flow. Busy (FLOW-1422-400) when its state does not allow it now.
    pub async fn act_on_flow(&self, id: &str, action: FlowAction) -> Result<Created, ApiError> {
        let (operation, query) = match action {
            FlowAction::Enable => ("enable_flow", "op=enable"),
            FlowAction::Disable => ("disable_flow", "op=disable"),
        };
        let act = |query: &str| {
            let call = Call::new(operation, Method::POST, BASE, &[FLOWS, id, "action"]);
            self.fetch(call.query(query))
        };
        match act(query).await {
            // Adobe's prose asks with `op` alone, its specification wants `subOp` too: whoever refuses the one
            // is asked the other way. A refusal says that nothing was done.
            Err(refusal) if refusal.class == Class::Rejected => {
                act(&format!("{query}&subOp=APPLY"))
                    .await
                    .map_err(|_| refusal)
            }
            answer => answer,
        }
    }
}
