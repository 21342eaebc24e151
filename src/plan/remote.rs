//! The kinds of remote object, and how much is known of one.

use std::fmt;

/// A kind of object the operator keeps in AEP or in Customer.io.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RemoteKind {
    /// `POST /sourceConnections` of the Flow Service.
    SourceConnection,
    /// `POST /targetConnections` of the Flow Service.
    TargetConnection,
    /// `POST /mappingSets` of Data Prep.
    MappingSet,
    /// `POST /flows` of the Flow Service.
    Flow,
    /// `POST /tenant/fieldgroups` of the Schema Registry.
    FieldGroup,
    /// `POST /tenant/schemas` of the Schema Registry.
    Schema,
    /// `POST /dataSets` of the Catalog.
    Dataset,
    /// `POST /reporting_webhooks` of Customer.io's App API.
    Subscription,
}

/// Whose object it is: each has credentials and a budget of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Adobe Experience Platform.
    Aep,
    /// Customer.io's App API.
    CustomerIo,
}

impl Service {
    /// Its word in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aep => "aep",
            Self::CustomerIo => "customerio",
        }
    }
}

impl RemoteKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::SourceConnection,
        Self::TargetConnection,
        Self::MappingSet,
        Self::Flow,
        Self::FieldGroup,
        Self::Schema,
        Self::Dataset,
        Self::Subscription,
    ];

    /// Whose object it is.
    pub fn service(self) -> Service {
        match self {
            Self::Subscription => Service::CustomerIo,
            _ => Service::Aep,
        }
    }

    /// The word in markers and in `status.pending`; it outlives versions, so it never changes.
    pub fn word(self) -> &'static str {
        match self {
            Self::SourceConnection => "source-connection",
            Self::TargetConnection => "target-connection",
            Self::MappingSet => "mapping-set",
            Self::Flow => "flow",
            Self::FieldGroup => "field-group",
            Self::Schema => "schema",
            Self::Dataset => "dataset",
            Self::Subscription => "subscription",
        }
    }

    /// The kind that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether the sandbox's shared listing shows objects of this kind with their marker. The others are looked
    /// for one at a time: mapping sets by their name, what is in the registry and the Catalog by its marker,
    /// subscriptions by where they send to.
    pub fn is_listed(self) -> bool {
        match self {
            Self::SourceConnection | Self::TargetConnection | Self::Flow => true,
            Self::MappingSet
            | Self::FieldGroup
            | Self::Schema
            | Self::Dataset
            | Self::Subscription => false,
        }
    }

    /// The field of `status` that it is recorded in.
    pub fn field(self) -> &'static str {
        match self {
            Self::SourceConnection => "sourceConnection",
            Self::TargetConnection => "targetConnection",
            Self::MappingSet => "mappingSet",
            Self::Flow => "flow",
            Self::FieldGroup => "fieldGroup",
            Self::Schema => "schema",
            Self::Dataset => "dataset",
            Self::Subscription => "subscription",
        }
    }

    /// The name in messages to users.
    pub fn title(self) -> &'static str {
        match self {
            Self::SourceConnection => "source connection",
            Self::TargetConnection => "target connection",
            Self::MappingSet => "mapping set",
            Self::Flow => "flow",
            Self::FieldGroup => "field group",
            Self::Schema => "schema",
            Self::Dataset => "dataset",
            Self::Subscription => "subscription",
        }
    }
}

impl fmt::Display for RemoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How much is known of one remote object: `R` refers to it, `T` is its content.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Known<R, T> {
    /// None was made as far as status tells.
    #[default]
    Absent,
    /// A creation was intended; whether it happened has to be looked up.
    Pending {
        /// The attempt whose marker to look for.
        attempt: i64,
    },
    /// It stands in status and has to be read.
    Recorded(R),
    /// It stands as last written by us; nothing needs to be read.
    Trusted(R),
    /// It was read just now.
    Read(T),
    /// It stands in status, and the platform answers that there is none.
    Missing(R),
}

/// What became of an object whose content no answer brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stands as status records it; its content is not known (any more).
    Unread,
    /// It is not there; creating it would be attempt `next`.
    Absent {
        /// Number of the next attempt.
        next: i64,
    },
    /// Whether this attempt created it is not known.
    Unsettled {
        /// The attempt.
        attempt: i64,
    },
    /// Status records it, and the platform says that it does not exist.
    Missing,
}

impl<R, T> Known<R, T> {
    /// Turns to what `fate` says; `recorded` is what status refers to.
    pub fn meet(&mut self, fate: Fate, recorded: Option<R>) {
        match (fate, recorded) {
            (Fate::Unread, Some(recorded)) => *self = Self::Recorded(recorded),
            (Fate::Missing, Some(recorded)) => *self = Self::Missing(recorded),
            (Fate::Unread | Fate::Missing, None) => {}
            (Fate::Absent { .. }, _) => *self = Self::Absent,
            (Fate::Unsettled { attempt }, _) => *self = Self::Pending { attempt },
        }
    }

    /// What status refers to, where the platform answers that there is none.
    pub fn missing(&self) -> Option<&R> {
        match self {
            Self::Missing(reference) => Some(reference),
            _ => None,
        }
    }

    /// A reference to the object, where it is known to stand.
    pub fn standing<'a>(&'a self, of: impl FnOnce(&'a T) -> R) -> Option<R>
    where
        R: Clone,
    {
        match self {
            Self::Trusted(reference) => Some(reference.clone()),
            Self::Read(content) => Some(of(content)),
            _ => None,
        }
    }
}
