//! `AepDataset`: field group, schema and dataset of our own, which dataflows may share.

#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a private copy of each struct for its rules"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::{self, SecretReference};
use super::lifecycle::{DeletionPolicy, LastDrift, OnRemoteMissing};
use super::status::{self, Pending};

/// In a field's path: the tenant id of the organization.
pub const TENANT: &str = "{tenant}";

/// What a dataset should be, with the schema of its records.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema,
)]
#[expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has keys of its own"
)]
#[kube(
    group = "aep-operator.dev",
    version = "v1alpha1",
    kind = "AepDataset",
    plural = "aepdatasets",
    singular = "aepdataset",
    shortname = "aepds",
    category = "aep",
    namespaced,
    status = "AepDatasetStatus",
    selectable = ".spec.credentialsRef.name",
    doc = "A dataset in one sandbox of Adobe Experience Platform, with its schema and the field group of that schema. Dataflows may share it.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Sandbox", type_ = "string", json_path = ".spec.sandbox"),
    printcolumn(name = "Dataset", type_ = "string", json_path = ".status.dataset.id"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Schema",
        type_ = "string",
        json_path = ".status.schema.id",
        priority = 1
    ),
    printcolumn(
        name = "Field Group",
        type_ = "string",
        json_path = ".status.fieldGroup.id",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[cfg_attr(test, kube(cel))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.sandbox == oldSelf.sandbox").message("sandbox cannot be changed: a dataset stays in its sandbox. Create another AepDataset for the other sandbox.").field_path(".sandbox"))]
#[x_kube(validation = Rule::new("has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name)").message("name cannot be changed: it is how people find the dataset. Create another AepDataset for a dataset of the other name.").field_path(".name"))]
#[x_kube(validation = Rule::new("self.schema.title == oldSelf.schema.title").message("schema.title cannot be changed: AEP knows the schema by it. Create another AepDataset for a schema of the other title.").field_path(".schema.title"))]
#[x_kube(validation = Rule::new("self.schema.class == oldSelf.schema.class").message("schema.class cannot be changed: AEP does not let a schema change its class. Create another AepDataset for a schema of the other class.").field_path(".schema.class"))]
#[x_kube(validation = Rule::new("oldSelf.schema.fields.all(before, self.schema.fields.exists(now, now.path == before.path && now.type == before.type))").message("schema.fields may only grow: AEP lets no field be removed, renamed or given another type. Put the field back as it was; for another one add a field of another path.").field_path(".schema.fields"))]
#[x_kube(validation = Rule::new("self.schema.fields.all(field, !self.schema.fields.exists(other, other.path.startsWith(field.path + '.')))").message("schema.fields: no field can lie below another one of the list, because a field has either a value or fields below it. Give one of the two another path.").field_path(".schema.fields"))]
pub struct AepDatasetSpec {
    /// Name of the AEP sandbox, lower case, as in the `x-sandbox-name` header. Cannot be changed.
    #[schemars(schema_with = "fields::sandbox")]
    pub sandbox: String,
    /// Secret with the Adobe credentials: keys `clientId`, `clientSecret`, `orgId` and, optionally,
    /// `scopes` (comma list) of an OAuth server-to-server credential.
    pub credentials_ref: SecretReference,
    /// IMS organization id (`...@AdobeOrg`) that the Secret must be for. Left out: whatever the Secret says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::organization_id")]
    pub organization_id: Option<String>,
    /// Name of the dataset in AEP: one line without `[aep-operator/`. Default: `<namespace>.<name>` of this resource.
    /// Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::display_name")]
    pub name: Option<String>,
    /// Description of the dataset in AEP: one line without `[aep-operator/`, with which the ownership marker starts
    /// that the operator adds at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::description")]
    pub description: Option<String>,
    /// The schema of the dataset's records.
    pub schema: DatasetSchema,
    /// What deleting this resource does to its objects in AEP: `Retain` leaves them and takes this resource's ownership
    /// marker off, `Delete` deletes the dataset with all its data, the schema and the field group.
    #[serde(default = "retain")]
    pub deletion_policy: DeletionPolicy,
    /// What happens when an object of this resource is gone from AEP: `Stall` reports it, `Recreate` makes it again (a
    /// new dataset is empty).
    #[serde(default)]
    pub on_remote_missing: OnRemoteMissing,
    /// Stops all writes to AEP for this resource. The last Ready condition stays; deletion still works.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// A dataset's deletion deletes its data, so it has to be asked for.
fn retain() -> DeletionPolicy {
    DeletionPolicy::Retain
}

/// The schema of a dataset: a class of Adobe's, and fields of the organization's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetSchema {
    /// Title of the schema in AEP: one line without `[aep-operator/`. AEP lets no two schemas, field groups, classes or
    /// data types have the same; the field group is called the same with ` fields` at the end. Cannot be changed.
    #[schemars(schema_with = "fields::display_name")]
    pub title: String,
    /// Description of the schema and its field group in AEP: one line without `[aep-operator/`, with which the ownership
    /// marker starts that the operator adds at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::description")]
    pub description: Option<String>,
    /// Class of the schema. Cannot be changed.
    #[serde(default)]
    pub class: SchemaClass,
    /// The organization's own fields in the schema, beside those of the class. Fields may be added; none may be removed
    /// or given another type.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub fields: Vec<SchemaField>,
}

/// What the records of a schema are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SchemaClass {
    /// XDM ExperienceEvent: something that happened. AEP needs `_id` and `timestamp` in every record.
    #[default]
    ExperienceEvent,
    /// XDM Individual Profile: attributes of a person.
    Profile,
}

/// A field of the organization's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaField {
    /// Path of the field, as mapping destinations spell it: below `_{tenant}`, names of letters, digits, `_`, `-` and
    /// `:`, joined by dots, such as `_{tenant}.email`. The operator puts the organization's tenant id in the place of
    /// `{tenant}`; the id itself may stand there too.
    #[schemars(
        length(min = 1, max = 200),
        regex(
            pattern = r"^_(\{tenant\}|[A-Za-z0-9][A-Za-z0-9_-]*)(\.[A-Za-z0-9_][A-Za-z0-9_:-]*)+$"
        )
    )]
    pub path: String,
    /// Type of the field's values.
    #[serde(rename = "type")]
    pub kind: FieldKind,
}

/// Type of a field's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// Text.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// A time as RFC 3339 writes it, such as `2025-01-31T12:00:00Z`.
    DateTime,
}

/// What stands in AEP for an AepDataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AepDatasetStatus {
    /// Generation of the spec that this status is about.
    #[serde(
        default,
        deserialize_with = "status::observed",
        skip_serializing_if = "Option::is_none"
    )]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Reconciling` or `Stalled` while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "status::conditions")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Last value of the annotation `reconcile.fluxcd.io/requestedAt` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "status::annotation_value")]
    pub last_handled_reconcile_at: Option<String>,
    /// The field group that holds the organization's own fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_group: Option<FieldGroupStatus>,
    /// The schema, of the class and the field group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaStatus>,
    /// The dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetStatus>,
    /// Tenant id of the organization: what `{tenant}` stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub tenant_id: Option<String>,
    /// When fields were last added to the schema while it stood. AEP may take records by the schema without them for
    /// some minutes after that, so dataflows map onto new fields only then. Not set by the first creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields_changed_at: Option<Time>,
    /// IMS organization the remote objects were made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub organization_id: Option<String>,
    /// Sandbox the remote objects were made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub sandbox: Option<String>,
    /// The last change made in AEP by somebody else, and what was done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drift: Option<LastDrift>,
    /// Creations under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["object".into()]))]
    pub pending: Vec<Pending>,
    /// Hash of the remote objects as last written; while it stands, nothing needs to be read from AEP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub applied_hash: Option<String>,
}

/// A field group as the Schema Registry knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldGroupStatus {
    /// Its `$id`.
    #[schemars(length(max = 256))]
    pub id: String,
    /// Hash of the fields it is known to have: another one after a change says that fields were added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub fields: Option<String>,
}

/// A schema as the Schema Registry knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaStatus {
    /// Its `$id`, which target connections and mapping sets name.
    #[schemars(length(max = 256))]
    pub id: String,
    /// Major version of the schema.
    #[schemars(range(min = 1))]
    pub major_version: i64,
}

/// A dataset as the Catalog knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetStatus {
    /// Id given by the Catalog.
    #[schemars(length(max = 256))]
    pub id: String,
    /// The attempt that made it, where it was not the first: those before may have left others behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub attempt: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: &str, kind: FieldKind) -> SchemaField {
        SchemaField {
            path: path.into(),
            kind,
        }
    }

    fn dataset() -> AepDataset {
        let spec = AepDatasetSpec {
            sandbox: "prod".into(),
            credentials_ref: SecretReference {
                name: "adobe-credentials".into(),
            },
            schema: DatasetSchema {
                title: "Customer.io events".into(),
                fields: vec![
                    field("_{tenant}.email", FieldKind::String),
                    field("_{tenant}.sent", FieldKind::DateTime),
                ],
                ..DatasetSchema::default()
            },
            deletion_policy: DeletionPolicy::Retain,
            ..AepDatasetSpec::default()
        };
        AepDataset::new("events", spec)
    }

    fn changed(change: impl FnOnce(&mut AepDatasetSpec)) -> AepDataset {
        let mut dataset = dataset();
        change(&mut dataset.spec);
        dataset
    }

    #[test]
    fn what_cannot_change_says_what_to_do() {
        type Change = fn(&mut AepDatasetSpec);
        let changes: [(Change, &str, &str); 8] = [
            (
                |spec| spec.sandbox = "dev".into(),
                "sandbox cannot be changed",
                "Create another",
            ),
            (
                |spec| spec.name = Some("other".into()),
                "name cannot be changed",
                "Create another",
            ),
            (
                |spec| spec.schema.title = "Other".into(),
                "schema.title cannot be changed",
                "Create another",
            ),
            (
                |spec| spec.schema.class = SchemaClass::Profile,
                "schema.class cannot be changed",
                "Create another",
            ),
            (
                |spec| drop(spec.schema.fields.pop()),
                "may only grow",
                "Put the field back",
            ),
            (
                |spec| spec.schema.fields[0].path = "_{tenant}.mail".into(),
                "may only grow",
                "add a field",
            ),
            (
                |spec| spec.schema.fields[1].kind = FieldKind::String,
                "may only grow",
                "another type",
            ),
            (
                |spec| {
                    spec.schema
                        .fields
                        .push(field("_{tenant}.more", FieldKind::String));
                    spec.schema.fields.remove(0);
                },
                "may only grow",
                "Put the field back",
            ),
        ];
        for (change, says, remedy) in changes {
            let errors = changed(change)
                .validate_cel_update(&dataset())
                .expect_err(says);
            let text = errors.to_string();
            assert!(text.contains(says) && text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn a_field_has_a_value_or_fields_below_it() {
        let below = changed(|spec| {
            spec.schema
                .fields
                .push(field("_{tenant}.email.domain", FieldKind::String));
        });
        let text = below.validate_cel().unwrap_err().to_string();
        assert!(text.contains("below another one"), "{text}");
        let beside = changed(|spec| {
            spec.schema
                .fields
                .push(field("_{tenant}.email2", FieldKind::String));
        });
        beside.validate_cel().unwrap();
    }

    #[test]
    fn everything_else_may_change() {
        let other = changed(|spec| {
            spec.description = Some("d".into());
            spec.schema.description = Some("d".into());
            spec.schema
                .fields
                .insert(0, field("_{tenant}.id", FieldKind::Integer));
            spec.organization_id = Some("1@AdobeOrg".into());
            spec.credentials_ref.name = "other".into();
            spec.deletion_policy = DeletionPolicy::Delete;
            spec.on_remote_missing = OnRemoteMissing::Recreate;
            spec.suspend = true;
        });
        other.validate_cel_update(&dataset()).unwrap();
    }

    #[test]
    fn what_may_be_left_out_reads_as_the_defaults_of_the_schema() {
        let text = r#"{
            "sandbox": "prod",
            "credentialsRef": {"name": "adobe-credentials"},
            "schema": {"title": "Customer.io events", "fields": [
                {"path": "_{tenant}.email", "type": "string"},
                {"path": "_{tenant}.sent", "type": "date-time"}
            ]}
        }"#;
        let spec: AepDatasetSpec = serde_json::from_str(text).unwrap();
        assert_eq!(spec, dataset().spec);
    }
}
