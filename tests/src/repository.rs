//! Files of this repository that the playground uses as they are: what users install is what is tried.

use std::path::{Path, PathBuf};

/// The top of the repository. Known when the playground is compiled: it is always run from its own checkout.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// The CRDs that `aep-operator crds` wrote.
pub(crate) fn crds() -> PathBuf {
    root().join("crds")
}

/// The chart.
pub(crate) fn chart() -> PathBuf {
    root().join("deploy/helm/aep-operator")
}

/// The manifests of the whole road, from dataset to webhook, in the order of their names.
pub fn complete() -> PathBuf {
    root().join("deploy/samples/complete")
}
