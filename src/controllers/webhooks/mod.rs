//! The webhooks of each Customer.io workspace, as listed: one listing for everybody who asks at the same time, and
//! one every drift interval for all dataflows that have a webhook there.
//!
//! [`Board`] is the counterpart of [`super::inventory`], [`watch`] that of [`super::drift`]. What this process
//! writes meanwhile is noted, so that a listing stays true.

mod board;
pub mod watch;

pub use board::{Board, Listing};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::customer_io::Workspace;
use crate::plan::webhook_failure::AppApi;

/// How to call Customer.io, with what messages and retries need to know of where the key came from.
#[derive(Clone, Debug)]
pub struct WorkspaceAccess {
    /// The workspace.
    pub workspace: Workspace,
    /// What is listed of it.
    pub board: Arc<Board>,
    /// For messages.
    pub app_api: AppApi,
    /// Region and a hash of the key: what status tells workspaces apart by.
    pub mark: String,
    /// What its Secret holds, as a hash.
    pub content: String,
    /// Whether the Secret carries our finalizer.
    pub held: bool,
}

/// The workspaces that this process knows, by region and key.
#[derive(Debug, Default)]
pub struct Webhooks {
    boards: Mutex<BTreeMap<String, Arc<Board>>>,
    /// What is watched for changes made elsewhere.
    pub watch: watch::Watch,
}

impl Webhooks {
    /// What is listed of the workspace `mark`.
    pub fn board(&self, mark: &str) -> Arc<Board> {
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(boards.entry(mark.to_owned()).or_default())
    }
}
