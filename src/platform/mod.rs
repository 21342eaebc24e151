//! Adobe's APIs: Identity Management, Flow Service, Data Prep, Catalog, Schema Registry. Knows nothing of Kubernetes.
//!
//! | file | holds |
//! |---|---|
//! | `endpoints` | the hosts, the credentials |
//! | `http_client` | the HTTP client of production |
//! | `sandbox` | every call's way: token, headers, one repetition when the token is refused |
//! | `call` | a request in the making: path, query, body |
//! | `transport` | one exchange: time limit, outcome, trace |
//! | `auth` | access tokens |
//! | `budget` | how many calls may be made, and whose turn it is |
//! | `error`, `classify` | failures by what the caller does next |
//! | `redact` | takes secrets out of a service's words |
//! | `list` | filters and paging |
//! | `flow_service` | etags, patches, deletions; `connections`, `flows`, `runs` and `specs` hold the calls |
//! | `schema_registry` | lists, reads, changes, deletions; `schemas` and `field_groups` hold the calls |
//! | `data_prep`, `catalog` | one service each, models beside their calls; `mapping_check` asks before a change |
//!
//! A [`Platform`] is made once from any [`HttpService`]. [`Platform::sandbox`] gives the view of one credential on
//! one sandbox, and every call is a method of that [`Sandbox`].
//!
//! # Guarantees
//!
//! - Nothing is sent twice, but for a request whose token was refused before it reached a service: once more; and a page of
//!   a listing of the Flow Service that was one call too many, in its turn.
//! - Every exchange ends within [`Options::request_timeout`].
//! - No call is made before the end of a pause (429, `Retry-After`) of its organization and sandbox.
//! - A listing is complete or an error; that of runs, which have no end, says which.
//! - An [`ApiError`] says whether the request may have been carried out.
//! - No token, secret or inlet address is in an error, a trace or a `Debug`.
//!
//! # Caveats
//!
//! Repetition is the caller's. A call without a ticket ([`Sandbox::ticket`]) waits for its turn, for half a minute at
//! most, one with a ticket for as long as the calls need that have begun before; it then fails as
//! [`Class::Throttled`] without having been sent.

mod auth;
mod budget;
mod call;
mod catalog;
mod classify;
mod connections;
mod data_prep;
mod endpoints;
mod error;
mod field_groups;
mod flow_service;
mod flows;
mod http_client;
mod json;
mod list;
mod mapping_check;
mod redact;
mod runs;
mod sandbox;
mod schema_registry;
mod schemas;
mod specs;
mod transport;

pub use budget::{BudgetObserver, BudgetRecord, Later, Urgency, Wake};
pub use catalog::{Dataset, NewDataset};
pub use classify::{RETRY_AFTER_MAX, classify};
pub use connections::{
    CUSTOMER_IO_CONNECTION_SPEC, DATA_LAKE_CONNECTION_SPEC, DataFormat, NewSourceConnection,
    NewTargetConnection, STREAMING_PROVIDER, SourceConnection, TargetConnection, TargetData,
    TargetParams, TargetSchema,
};
pub use data_prep::{MappingRef, MappingRow, MappingSet, NewMappingSet, OutputSchema, SourceType};
pub use endpoints::{Credentials, EndpointError, Endpoints, Fingerprint, base_address};
pub use error::{ApiError, Class, DETAIL_CHARS};
pub use field_groups::{FieldConflict, FieldGroup, FieldType, Fields, NewFieldGroup};
pub use flow_service::{Created, Deleted, Etag, PatchOperation, SpecRef};
pub use flows::{
    Flow, FlowAction, FlowState, LastOperation, NewFlow, SOURCE_SPEC_PROPERTY, STREAMING_FLOW_SPEC,
    Transformation,
};
pub use http_client::{ANSWER_BYTES_MAX, ClientError, NeverSent, Roots, RootsError, production};
pub use list::{Filter, PAGE_SIZE};
pub use mapping_check::MappingProblem;
pub use runs::{
    RUN_FLOW_PROPERTY, RUN_STARTED_PROPERTY, Run, RunError, RunRecords, RunStatus, Runs,
};
pub use sandbox::{Platform, Sandbox};
pub use schema_registry::{
    EXPERIENCE_EVENT_CLASS, PROFILE_CLASS, SchemaRef, major_version_in, schema_content_type,
};
pub use schemas::{NewSchema, Schema};
pub use specs::{ConnectionSpec, FlowSpec, Visibility};
pub use transport::{CallRecord, HttpService, Observer, Options};

/// What the client of another API, such as Customer.io's, is made of too.
pub(crate) mod parts {
    pub(crate) use super::budget::{Budgets, Pace, Turn};
    pub(crate) use super::call::{Call, address, encode};
    pub(crate) use super::classify::{Dialect, Said};
    pub(crate) use super::error::one_line;
    pub(crate) use super::json::{nullable, required_integer};
    pub(crate) use super::transport::{Reply, Wire};
}

#[cfg(test)]
mod model_tests;
