//! Finds the programs of a control plane, or builds them.
//!
//! Each program is looked for on its own, in this order: the folder `KUBEBUILDER_ASSETS` names; the store of
//! setup-envtest (the newest version that is not newer than ours); the project's cache
//! (`$XDG_CACHE_HOME/aep-operator`); a build by the Go toolchain from the modules pinned in `tests/go` into that cache.

mod build;
mod catalog;
mod search;

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

pub use catalog::Tool;
use search::Places;

/// Programs that are there to be started.
#[derive(Clone, Debug, Default)]
pub struct Binaries {
    paths: HashMap<Tool, PathBuf>,
}

impl Binaries {
    /// Finds or builds every one of `tools`. A first build takes minutes and tells its progress on stderr; with neither
    /// the programs nor Go there is one error that names all that is missing.
    pub async fn find(tools: &[Tool]) -> Result<Self> {
        let tools = tools.to_vec();
        tokio::task::spawn_blocking(move || {
            let places = Places::new(|name| std::env::var_os(name), std::env::consts::OS);
            find_in(&places, &tools)
        })
        .await
        .context("the search for binaries panicked")?
    }

    /// The path of a tool that was asked for.
    pub fn path(&self, tool: Tool) -> Result<&Path> {
        self.paths
            .get(&tool)
            .map(PathBuf::as_path)
            .with_context(|| format!("{} was not looked for when this started", tool.name()))
    }
}

fn find_in(places: &Places, tools: &[Tool]) -> Result<Binaries> {
    let names = envtest_names(places);
    let mut binaries = Binaries::default();
    let mut missing = Vec::new();
    for &tool in tools {
        let found = places
            .candidates(tool, &names)
            .into_iter()
            .find(|path| is_program(path));
        match found {
            Some(path) => {
                binaries.paths.insert(tool, path);
            }
            None => missing.push(tool),
        }
    }
    if missing.is_empty() {
        return Ok(binaries);
    }
    if !build::go_is_installed() {
        bail!(what_to_do(&missing, places));
    }
    for tool in missing {
        let target = places
            .cached(tool)
            .context("set HOME or XDG_CACHE_HOME: there is no folder to build into")?;
        build::build_into(tool, &target)?;
        binaries.paths.insert(tool, target);
    }
    Ok(binaries)
}

/// The folder names in setup-envtest's store; no store, no names.
fn envtest_names(places: &Places) -> Vec<String> {
    let Some(store) = &places.envtest else {
        return Vec::new();
    };
    fs::read_dir(store.join("k8s"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The message for a machine with neither the programs nor Go.
fn what_to_do(missing: &[Tool], places: &Places) -> String {
    let names: Vec<&str> = missing.iter().map(|tool| tool.name()).collect();
    let go = missing
        .first()
        .map_or("", |tool| tool.module().go_release());
    format!(
        "not found on this machine: {}. Do one of these:\n\
         \x20 * install Go {go} or newer (https://go.dev/dl) and run this again: they are built once, in some minutes;\n\
         \x20 * set KUBEBUILDER_ASSETS to a folder that holds them.\n\
         Looked in:\n{}",
        names.join(", "),
        places.describe()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn each_tool_is_taken_from_the_first_place_that_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            assets: Some(dir.path().join("assets")),
            envtest: None,
            cache: Some(dir.path().join("cache")),
        };
        let etcd = dir.path().join("assets/etcd");
        program(&etcd);
        let kubectl = places.cached(Tool::Kubectl).unwrap();
        program(&kubectl);
        // Not executable, so not a program: a broken download must not shadow a good build.
        fs::write(dir.path().join("assets/kubectl"), "").unwrap();

        let found = find_in(&places, &[Tool::Etcd, Tool::Kubectl]).unwrap();
        assert_eq!(found.path(Tool::Etcd).unwrap(), etcd);
        assert_eq!(found.path(Tool::Kubectl).unwrap(), kubectl);
        assert!(found.path(Tool::Helm).is_err());
    }

    #[test]
    fn the_message_names_every_missing_program_and_both_remedies() {
        let places = Places {
            assets: None,
            envtest: None,
            cache: Some("/cache/aep-operator".into()),
        };
        let text = what_to_do(&[Tool::Etcd, Tool::Helm], &places);
        for part in [
            "etcd, helm",
            "install Go 1.",
            "KUBEBUILDER_ASSETS",
            "/cache/aep-operator",
        ] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }
}
