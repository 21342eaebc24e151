//! The resources this API server knows. Ours come from our own CRDs, schema and all.

use std::sync::OnceLock;

use aep_operator::resources;
use serde_json::{Value, json};

/// One kind of resource.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) kind: String,
    pub(crate) namespaced: bool,
    /// Defined by a CustomResourceDefinition.
    pub(crate) custom: bool,
    /// `status` is written on its own.
    pub(crate) status: bool,
    /// A PUT has to say which version it replaces.
    pub(crate) versioned: bool,
    /// Field selectors besides name and namespace: label and JSON pointer.
    pub(crate) selectable: Vec<(String, String)>,
    /// OpenAPI schema of the whole object, for defaults and pruning.
    pub(crate) schema: Option<Value>,
}

impl Kind {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// As messages name it: `leases.coordination.k8s.io`.
    pub(crate) fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

/// Every kind there is; a kind's place here is part of its objects' keys.
pub(crate) fn all() -> &'static [Kind] {
    static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let built_in = [
            ("", "v1", "namespaces", "Namespace", false, false),
            ("", "v1", "secrets", "Secret", true, false),
            ("events.k8s.io", "v1", "events", "Event", true, false),
            ("coordination.k8s.io", "v1", "leases", "Lease", true, true),
            (
                "apiextensions.k8s.io",
                "v1",
                "customresourcedefinitions",
                "CustomResourceDefinition",
                false,
                true,
            ),
        ];
        let built_in =
            built_in
                .into_iter()
                .map(
                    |(group, version, plural, kind, namespaced, versioned)| Kind {
                        group: group.to_owned(),
                        version: version.to_owned(),
                        plural: plural.to_owned(),
                        kind: kind.to_owned(),
                        namespaced,
                        custom: false,
                        status: false,
                        versioned,
                        selectable: Vec::new(),
                        schema: None,
                    },
                );
        built_in.chain(definitions().iter().map(defined)).collect()
    })
}

/// Our CustomResourceDefinitions as they are installed.
pub(crate) fn definitions() -> &'static [Value] {
    static DEFINITIONS: OnceLock<Vec<Value>> = OnceLock::new();
    DEFINITIONS.get_or_init(|| {
        resources::definitions()
            .iter()
            .map(|definition| json!(definition))
            .collect()
    })
}

fn defined(definition: &Value) -> Kind {
    let text = |pointer: &str| {
        let value = definition.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let version = &definition["spec"]["versions"][0];
    let selectable = version["selectableFields"].as_array();
    Kind {
        group: text("/spec/group"),
        version: version["name"].as_str().unwrap_or_default().to_owned(),
        plural: text("/spec/names/plural"),
        kind: text("/spec/names/kind"),
        namespaced: definition["spec"]["scope"] == "Namespaced",
        custom: true,
        status: !version["subresources"]["status"].is_null(),
        versioned: true,
        selectable: selectable
            .into_iter()
            .flatten()
            .filter_map(|field| field["jsonPath"].as_str())
            .map(|path| (path[1..].to_owned(), path.replace('.', "/")))
            .collect(),
        schema: version.pointer("/schema/openAPIV3Schema").cloned(),
    }
}
