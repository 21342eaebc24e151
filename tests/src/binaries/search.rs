//! Where a program is looked for before it is built: pure decisions over what the caller found on disk.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::catalog::{Module, Tool};

/// The oldest Kubernetes minor the operator supports: an older control plane in setup-envtest's store is passed over.
const OLDEST_MINOR: (u32, u32) = (1, 33);

/// The folders in which programs are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// `KUBEBUILDER_ASSETS`, when set.
    pub(crate) assets: Option<PathBuf>,
    /// The store of setup-envtest, when the machine says where home is.
    pub(crate) envtest: Option<PathBuf>,
    /// The project's cache.
    pub(crate) cache: Option<PathBuf>,
}

impl Places {
    /// Reads the environment through `var`; `os` is `std::env::consts::OS`.
    pub(crate) fn new(var: impl Fn(&str) -> Option<OsString>, os: &str) -> Self {
        let path = |name: &str| {
            var(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        // The XDG specification: a relative path is to be ignored.
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        let home = path("HOME");
        let under_home = |rest: &str| home.as_ref().map(|home| home.join(rest));
        let envtest = if os == "macos" {
            under_home("Library/Application Support/io.kubebuilder.envtest")
        } else {
            absolute("XDG_DATA_HOME")
                .or_else(|| under_home(".local/share"))
                .map(|data| data.join("kubebuilder-envtest"))
        };
        let cache = absolute("XDG_CACHE_HOME")
            .or_else(|| under_home(".cache"))
            .map(|cache| cache.join("aep-operator"));
        Self {
            assets: path("KUBEBUILDER_ASSETS"),
            envtest,
            cache,
        }
    }

    /// Where `tool` may be, best first. `envtest_names` are the folder names in the store's `k8s`.
    pub(crate) fn candidates(&self, tool: Tool, envtest_names: &[String]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        found.extend(self.assets.as_ref().map(|dir| dir.join(tool.name())));
        if let Some(store) = &self.envtest {
            let ours = parse_version(Tool::KubeApiserver.version());
            found.extend(
                fitting_versions(envtest_names, ours, &go_platform())
                    .into_iter()
                    .map(|name| store.join("k8s").join(name).join(tool.name())),
            );
        }
        found.extend(self.cached(tool));
        found
    }

    /// Where a build of `tool` is kept.
    pub(crate) fn cached(&self, tool: Tool) -> Option<PathBuf> {
        let cache = self.cache.as_ref()?;
        Some(cache.join(cache_folder(tool.module())).join(tool.name()))
    }

    /// One line per place, for the message that says a program is nowhere.
    pub(crate) fn describe(&self) -> String {
        let show = |path: Option<&Path>, unset: &str| {
            path.map_or_else(|| unset.to_owned(), |path| path.display().to_string())
        };
        format!(
            "  KUBEBUILDER_ASSETS      {}\n  setup-envtest's store   {}\n  the project's cache     {}",
            show(self.assets.as_deref(), "(not set)"),
            show(
                self.envtest.as_deref(),
                "(neither XDG_DATA_HOME nor HOME is set)"
            ),
            show(
                self.cache.as_deref(),
                "(neither XDG_CACHE_HOME nor HOME is set)"
            ),
        )
    }
}

/// The folder in the cache that belongs to this very `go.mod`: another pin, another folder, so a version bump builds anew
/// and two checkouts do not overwrite each other.
fn cache_folder(module: &Module) -> String {
    let mut hash = Sha256::new();
    let pins = module.go_mod.lines().filter(|line| !line.starts_with("//"));
    for part in pins.chain([module.go_sum, &go_platform()]) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let short = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    format!("{}-{}-{short:08x}", module.name, module.version())
}

/// This machine as Go names it, such as `linux-amd64`.
fn go_platform() -> String {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        arch => arch,
    };
    format!("{os}-{arch}")
}

type Version = (u32, u32, u32);

fn parse_version(text: &str) -> Option<Version> {
    let mut parts = text
        .trim_start_matches('v')
        .splitn(3, '.')
        .map(str::parse::<u32>);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Some((major, minor, patch)),
        _ => None,
    }
}

/// Of the folder names in setup-envtest's store (`1.37.0-linux-amd64`) those of this platform that are not newer than our
/// minor and not older than the operator supports, newest first.
fn fitting_versions<'a>(
    names: &'a [String],
    ours: Option<Version>,
    platform: &str,
) -> Vec<&'a str> {
    let Some((major, minor, _)) = ours else {
        return Vec::new();
    };
    let mut fitting: Vec<(Version, &str)> = names
        .iter()
        .filter_map(|name| {
            let version = name.strip_suffix(platform)?.strip_suffix('-')?;
            Some((parse_version(version)?, name.as_str()))
        })
        .filter(|(version, _)| {
            let theirs = (version.0, version.1);
            theirs <= (major, minor) && theirs >= OLDEST_MINOR
        })
        .collect();
    fitting.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    fitting.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(vars: &[(&str, &str)], os: &str) -> Places {
        let vars: Vec<(String, OsString)> = vars
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        Places::new(
            |name| {
                vars.iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| value.clone())
            },
            os,
        )
    }

    #[test]
    fn assets_come_first_then_the_store_then_the_cache() {
        let places = places(
            &[
                ("HOME", "/home/a"),
                ("KUBEBUILDER_ASSETS", "/assets"),
                ("XDG_DATA_HOME", "/data"),
                ("XDG_CACHE_HOME", "/cache"),
            ],
            "linux",
        );
        let name = format!("1.36.1-{}", go_platform());
        let found = places.candidates(Tool::Kubectl, std::slice::from_ref(&name));
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], Path::new("/assets/kubectl"));
        assert_eq!(
            found[1],
            Path::new("/data/kubebuilder-envtest/k8s")
                .join(name)
                .join("kubectl")
        );
        assert!(found[2].starts_with("/cache/aep-operator"));
        assert!(found[2].ends_with("kubectl"));
    }

    #[test]
    fn empty_and_relative_variables_fall_back_to_home() {
        let places = places(
            &[
                ("HOME", "/home/a"),
                ("KUBEBUILDER_ASSETS", ""),
                ("XDG_DATA_HOME", "relative"),
            ],
            "linux",
        );
        assert_eq!(places.assets, None);
        assert_eq!(
            places.envtest.as_deref(),
            Some(Path::new("/home/a/.local/share/kubebuilder-envtest"))
        );
        assert_eq!(
            places.cache.as_deref(),
            Some(Path::new("/home/a/.cache/aep-operator"))
        );
    }

    #[test]
    fn macos_keeps_the_store_elsewhere() {
        let places = places(&[("HOME", "/Users/a"), ("XDG_DATA_HOME", "/data")], "macos");
        assert_eq!(
            places.envtest.as_deref(),
            Some(Path::new(
                "/Users/a/Library/Application Support/io.kubebuilder.envtest"
            ))
        );
    }

    #[test]
    fn without_home_there_is_no_place_and_no_panic() {
        let places = places(&[], "linux");
        assert!(places.candidates(Tool::Etcd, &[]).is_empty());
        assert!(places.describe().contains("(not set)"));
    }

    #[test]
    fn the_newest_version_that_is_not_newer_than_ours_wins() {
        let names: Vec<String> = [
            "1.36.0-linux-amd64",
            "1.37.0-linux-amd64",
            "1.37.9-linux-amd64",
            "1.38.0-linux-amd64",
            "1.9.9-linux-amd64",
            "1.37.5-darwin-arm64",
            "1.35.2-linux-arm64",
            "notes.txt",
            "1.37-linux-amd64",
        ]
        .map(str::to_owned)
        .to_vec();
        assert_eq!(
            fitting_versions(&names, Some((1, 37, 2)), "linux-amd64"),
            [
                "1.37.9-linux-amd64",
                "1.37.0-linux-amd64",
                "1.36.0-linux-amd64"
            ]
        );
    }

    #[test]
    fn the_cache_folder_names_version_and_pins() {
        let folder = cache_folder(Tool::Etcd.module());
        assert!(
            folder.starts_with(&format!("etcd-{}-", Tool::Etcd.version())),
            "{folder}"
        );
        let other = Module {
            name: "etcd",
            path: "go.etcd.io/etcd/server/v3",
            go_mod: Tool::Etcd.module().go_mod,
            go_sum: "changed",
        };
        assert_ne!(folder, cache_folder(&other));
        assert_eq!(
            cache_folder(Tool::Kubectl.module()),
            cache_folder(Tool::KubeApiserver.module())
        );
    }
}
