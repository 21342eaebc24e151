//! A change made in AEP by somebody else, once it is found: which fields, who, and what is done.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::platform::PatchOperation;
use crate::resources::lifecycle::{DriftAction, LastDrift};

use super::RemoteKind;

/// A change made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The object it was made to.
    pub kind: RemoteKind,
    /// Its id.
    pub id: String,
    /// The fields that differed, as `status.lastDrift` names them.
    pub fields: Vec<String>,
    /// Account of the last change; empty where AEP does not say.
    pub by: String,
    /// Client id of the last change; empty where AEP does not say.
    pub client: String,
    /// What is done about it.
    pub action: DriftAction,
}

impl Drift {
    /// The change that `operations` take back.
    pub fn repaired(
        kind: RemoteKind,
        id: &str,
        operations: &[PatchOperation],
        by: &str,
        client: &str,
    ) -> Self {
        let field = |operation: &PatchOperation| {
            let path = operation.path.trim_start_matches('/');
            let name = match path.split('/').next().unwrap_or(path) {
                "transformations" => "mapping",
                name => name,
            };
            field(kind, name)
        };
        Self {
            kind,
            id: id.to_owned(),
            fields: operations.iter().map(field).collect(),
            by: by.to_owned(),
            client: client.to_owned(),
            action: DriftAction::Repaired,
        }
    }

    /// The state of a flow that is set again.
    pub fn state(id: &str, by: &str, client: &str) -> Self {
        let kind = RemoteKind::Flow;
        Self {
            kind,
            id: id.to_owned(),
            fields: vec![field(kind, "state")],
            by: by.to_owned(),
            client: client.to_owned(),
            action: DriftAction::Repaired,
        }
    }

    /// Fields of a webhook, by Customer.io's names, that are written again. It does not say who changed them.
    pub fn webhook(id: &str, fields: &[&str]) -> Self {
        let kind = RemoteKind::Subscription;
        Self {
            kind,
            id: id.to_owned(),
            fields: fields.iter().map(|name| field(kind, name)).collect(),
            by: String::new(),
            client: String::new(),
            action: DriftAction::Repaired,
        }
    }

    /// An object that was gone and is made again.
    pub fn recreated(kind: RemoteKind, id: &str) -> Self {
        Self {
            kind,
            id: id.to_owned(),
            fields: vec![field(kind, "id")],
            by: String::new(),
            client: String::new(),
            action: DriftAction::Recreated,
        }
    }

    /// The same change, left as it is.
    #[must_use]
    pub fn reported(self) -> Self {
        Self {
            action: DriftAction::Reported,
            ..self
        }
    }

    /// Who made the change, to be put behind what was done; empty where AEP does not say.
    pub fn author(&self) -> String {
        match (self.by.as_str(), self.client.as_str()) {
            ("", "") => String::new(),
            (by, "") => format!(" by {by}"),
            ("", client) => format!(" by client {client}"),
            (by, client) => format!(" by {by} (client {client})"),
        }
    }

    /// The Event's words.
    pub fn told(&self) -> String {
        let (title, id) = (self.kind.title(), &self.id);
        let fields = self.fields.join(", ");
        let who = self.author();
        match self.action {
            DriftAction::Repaired => format!(
                "{title} {id} was changed outside this operator{who}: {fields}. It is as the spec says again."
            ),
            DriftAction::Reported => {
                format!("{title} {id} was changed outside this operator{who}: {fields}.")
            }
            DriftAction::Recreated => format!(
                "{title} {id} was deleted outside this operator; it was created again, as spec.onRemoteMissing says."
            ),
        }
    }

    /// Whether this is what status remembers.
    pub fn is(&self, last: &LastDrift) -> bool {
        let at = last.at.clone();
        *last
            == LastDrift {
                at,
                ..self.recorded(Timestamp::UNIX_EPOCH)
            }
    }

    /// What status remembers of it.
    pub fn recorded(&self, now: Timestamp) -> LastDrift {
        let some = |text: &String| {
            Some(text.chars().take(256).collect::<String>()).filter(|text| !text.is_empty())
        };
        LastDrift {
            at: Some(Time(now)),
            fields: self.fields.iter().take(32).cloned().collect(),
            by: some(&self.by),
            client: some(&self.client),
            action: self.action,
        }
    }
}

/// A field's name in `status.lastDrift`: `flow.name`.
pub fn field(kind: RemoteKind, name: &str) -> String {
    format!("{}.{name}", kind.field())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::MappingRef;

    #[test]
    fn fields_are_named_as_users_know_them_and_each_once() {
        let mapping = MappingRef {
            id: "m".into(),
            version: 2,
        };
        let operations = [
            PatchOperation::replace("/name", "n"),
            PatchOperation::replace_mapping(0, &mapping),
        ];
        let drift = Drift::repaired(RemoteKind::Flow, "f", &operations, "a@b", "web");
        assert_eq!(drift.fields, ["flow.name", "flow.mapping"]);
        let told = drift.told();
        assert!(
            told.contains("flow f") && told.contains("a@b (client web)"),
            "{told}"
        );
    }
}
