//! An `AepDataset`'s spec to remote objects: field group, schema and dataset as they should stand in AEP.
//!
//! All three carry the marker at the end of their description; the dataset has a tag besides, because datasets
//! can be listed by tag and not by what a description ends with.

use std::collections::BTreeMap;

use crate::platform::{
    Dataset, EXPERIENCE_EVENT_CLASS, FieldConflict, FieldType, Fields, NewDataset, NewFieldGroup,
    NewSchema, PROFILE_CLASS, SchemaRef,
};
use crate::resources::AepDatasetSpec;
use crate::resources::aep_dataset::{FieldKind, SchemaClass, SchemaField, SchemaStatus, TENANT};
use crate::resources::conditions::Reason;

use super::desired::{Label, hash};
use super::marker::{Identity, Marker};
use super::{Failure, RemoteKind};

/// The tag that says whose dataset it is. No key of ours starts with `adobe`: those are Adobe's.
pub const OWNER_TAG: &str = "aep-operator";
/// The tag's value on a dataset that its resource let go of.
pub const RELEASED_TAG: &str = "released";

/// The tag's value on datasets of the resource `identity`: neither commas nor colons, which are syntax in Catalog's
/// filters, can be part of it.
pub fn owner_tag(identity: &Identity) -> String {
    let Identity {
        owner,
        namespace,
        name,
        uid: _,
    } = identity;
    format!("{owner}/{namespace}/{name}")
}

/// Whether the tag says that the dataset is of the resource `identity`.
pub fn is_tagged(dataset: &Dataset, identity: &Identity) -> bool {
    dataset.has_tag(OWNER_TAG, &owner_tag(identity))
}

/// What an `AepDataset` should be in AEP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredDataset {
    /// The resource it is for.
    pub identity: Identity,
    /// Title and description of the field group.
    pub group: Label,
    /// Title and description of the schema.
    pub schema: Label,
    /// Name and description of the dataset.
    pub dataset: Label,
    class: SchemaClass,
    fields: Vec<SchemaField>,
}

impl DesiredDataset {
    /// From the resource's spec.
    pub fn new(identity: Identity, spec: &AepDatasetSpec) -> Self {
        let schema = &spec.schema;
        let text = schema.description.as_deref();
        let mut fields = schema.fields.clone();
        fields.sort_by(|one, other| one.path.cmp(&other.path));
        Self {
            group: Label::new(Some(&group_title(&schema.title)), text, &identity),
            schema: Label::new(Some(&schema.title), text, &identity),
            dataset: Label::new(spec.name.as_deref(), spec.description.as_deref(), &identity),
            class: schema.class,
            fields,
            identity,
        }
    }

    /// The `$id` of the schema's class.
    pub fn class(&self) -> &'static str {
        match self.class {
            SchemaClass::ExperienceEvent => EXPERIENCE_EVENT_CLASS,
            SchemaClass::Profile => PROFILE_CLASS,
        }
    }

    /// The label of an object.
    pub(super) fn label(&self, kind: RemoteKind) -> &Label {
        match kind {
            RemoteKind::FieldGroup => &self.group,
            RemoteKind::Schema => &self.schema,
            _ => &self.dataset,
        }
    }

    /// The title of the field group or schema.
    pub fn title(&self, kind: RemoteKind) -> &str {
        self.label(kind).name()
    }

    /// The fields by path, in an organization with this tenant id.
    ///
    /// # Errors
    /// The spec can never be: a field of another tenant, two types for one path, a field below another one.
    pub fn fields(&self, tenant: &str) -> Result<Fields, Failure> {
        let namespace = format!("_{tenant}");
        let mut fields: Fields = BTreeMap::new();
        for SchemaField { path, kind } in &self.fields {
            let filled = path.replacen(TENANT, tenant, 1);
            let inside = filled
                .strip_prefix(&namespace)
                .is_some_and(|rest| rest.starts_with('.'));
            if !inside {
                return Err(Failure::stalled(
                    Reason::InvalidSpec,
                    format!(
                        "spec.schema.fields: {path} is not under _{tenant}, where this organization's own fields are. Begin \
                         the path with _{TENANT}."
                    ),
                ));
            }
            let kind = field_type(*kind);
            if fields.insert(filled, kind).is_some_and(|it| it != kind) {
                return Err(Failure::stalled(
                    Reason::InvalidSpec,
                    format!(
                        "spec.schema.fields: {path} is there twice with different types, once with the tenant id and once \
                         with {TENANT}. Remove one of them from a new AepDataset."
                    ),
                ));
            }
        }
        // Whether they fit together does not depend on whose field group it is.
        NewFieldGroup::new("", "", self.class(), &fields).map_err(|conflict| nested(&conflict))?;
        Ok(fields)
    }

    /// The body that creates the field group.
    ///
    /// # Errors
    /// As [`DesiredDataset::fields`].
    pub fn field_group(&self, attempt: i64, fields: &Fields) -> Result<NewFieldGroup, Failure> {
        let text = self.text(RemoteKind::FieldGroup, attempt);
        NewFieldGroup::new(self.group.name(), &text, self.class(), fields)
            .map_err(|conflict| nested(&conflict))
    }

    /// The body that creates the schema with the field group.
    pub fn schema(&self, attempt: i64, group: &str) -> NewSchema {
        let text = self.text(RemoteKind::Schema, attempt);
        NewSchema::new(self.schema.name(), &text, self.class(), &[group])
    }

    /// The body that creates the dataset for the schema.
    pub fn dataset(&self, attempt: i64, schema: &SchemaStatus) -> NewDataset {
        let text = self.text(RemoteKind::Dataset, attempt);
        let major = u32::try_from(schema.major_version).unwrap_or(1);
        let schema = SchemaRef::new(&schema.id, major);
        NewDataset::new(self.dataset.name(), &text, schema)
            .tag(OWNER_TAG, &owner_tag(&self.identity))
    }

    fn text(&self, kind: RemoteKind, attempt: i64) -> String {
        let marker: Marker = self.identity.marker(kind, attempt);
        self.label(kind).description(&marker)
    }

    /// Changes with the fields.
    pub fn fields_hash(&self) -> String {
        let parts: Vec<String> = self
            .fields
            .iter()
            .map(|field| format!("{} {:?}", field.path, field.kind))
            .collect();
        hash(&parts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Changes with anything that would be written.
    pub fn hash(&self) -> String {
        let kinds = [
            RemoteKind::FieldGroup,
            RemoteKind::Schema,
            RemoteKind::Dataset,
        ];
        let labels = kinds.map(|kind| format!("{} {}", self.title(kind), self.text(kind, 1)));
        let [group, schema, dataset] = &labels;
        hash(&[
            group,
            schema,
            dataset,
            self.class(),
            &owner_tag(&self.identity),
            &self.fields_hash(),
        ])
    }
}

/// The title of the field group of a schema. Titles are unique in all of the registry, so it needs one of its own.
fn group_title(schema: &str) -> String {
    format!("{schema} fields")
}

fn nested(conflict: &FieldConflict) -> Failure {
    Failure::stalled(
        Reason::InvalidSpec,
        format!(
            "spec.schema.fields: {} lies below another field of the list, and a field has either a value or fields below \
             it. Create the AepDataset anew with another path for one of them.",
            conflict.path
        ),
    )
}

const fn field_type(kind: FieldKind) -> FieldType {
    match kind {
        FieldKind::String => FieldType::String,
        FieldKind::Integer => FieldType::Integer,
        FieldKind::Number => FieldType::Number,
        FieldKind::Boolean => FieldType::Boolean,
        FieldKind::DateTime => FieldType::DateTime,
    }
}
