//! What is asked of the platform before something is made or changed. An answer is knowledge, not an object of a
//! resource: nothing comes of asking again.

use std::fmt;

use crate::platform::{Dataset, MappingProblem, NewMappingSet, Schema};
use crate::resources::aep_dataflow::SchemaReference;

use super::RemoteKind;

/// A question to the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which datasets have this name?
    DatasetsNamed(String),
    /// What is this dataset?
    Dataset(String),
    /// What is this schema?
    Schema(SchemaReference),
    /// What is the organization's tenant id?
    Tenant,
    /// Would these rows be taken?
    Mapping(NewMappingSet),
}

/// What the platform said.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The datasets of the name.
    DatasetsNamed(Vec<Dataset>),
    /// The dataset; `None`: there is none.
    Dataset(Option<Box<Dataset>>),
    /// The schema; `None`: there is none, or it is not for this credential to see.
    Schema(Option<Box<Schema>>),
    /// The tenant id.
    Tenant(String),
    /// What is wrong with the rows; nothing, if they are good.
    Mapping(Checked),
}

/// A mapping that the platform has judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What was asked about.
    pub body: NewMappingSet,
    /// What is wrong with it.
    pub problems: Vec<MappingProblem>,
}

impl Question {
    /// Whether it is about the rows of a mapping.
    pub fn is_about_rows(&self) -> bool {
        matches!(self, Self::Mapping(_))
    }

    /// The kind of object it is about.
    pub fn kind(&self) -> RemoteKind {
        match self {
            Self::DatasetsNamed(_) | Self::Dataset(_) => RemoteKind::Dataset,
            Self::Schema(_) | Self::Tenant => RemoteKind::Schema,
            Self::Mapping(_) => RemoteKind::MappingSet,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DatasetsNamed(name) => write!(f, "look up dataset \"{name}\""),
            Self::Dataset(id) => write!(f, "read dataset {id}"),
            Self::Schema(schema) => write!(f, "read schema {}", schema.id),
            Self::Tenant => f.write_str("read the organization's tenant id"),
            Self::Mapping(_) => f.write_str("check the rows of the mapping"),
        }
    }
}
