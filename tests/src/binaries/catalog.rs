//! What the playground runs, and the pinned Go modules it can be built from.

/// A program the playground starts or calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// The store behind kube-apiserver.
    Etcd,
    /// The Kubernetes API.
    KubeApiserver,
    /// Runs namespace deletion, garbage collection and service accounts.
    KubeControllerManager,
    /// The command line client.
    Kubectl,
    /// Renders the chart.
    Helm,
    /// Judges the chart's alerts.
    Promtool,
}

/// A Go module of `tests/go`: a `go.mod` that requires one release, and its `go.sum`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Module {
    /// Folder under `tests/go`, and the first part of the cache folder's name.
    pub(crate) name: &'static str,
    /// The Go module whose release is pinned.
    pub(crate) path: &'static str,
    pub(crate) go_mod: &'static str,
    pub(crate) go_sum: &'static str,
}

static KUBERNETES: Module = Module {
    name: "kubernetes",
    path: "k8s.io/kubernetes",
    go_mod: include_str!("../../go/kubernetes/go.mod"),
    go_sum: include_str!("../../go/kubernetes/go.sum"),
};

static ETCD: Module = Module {
    name: "etcd",
    path: "go.etcd.io/etcd/server/v3",
    go_mod: include_str!("../../go/etcd/go.mod"),
    go_sum: include_str!("../../go/etcd/go.sum"),
};

static HELM: Module = Module {
    name: "helm",
    path: "helm.sh/helm/v4",
    go_mod: include_str!("../../go/helm/go.mod"),
    go_sum: include_str!("../../go/helm/go.sum"),
};

static PROMTOOL: Module = Module {
    name: "promtool",
    path: "github.com/prometheus/prometheus",
    go_mod: include_str!("../../go/promtool/go.mod"),
    go_sum: include_str!("../../go/promtool/go.sum"),
};

impl Tool {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
        Self::Helm,
        Self::Promtool,
    ];

    /// The file name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
            Self::Promtool => "promtool",
        }
    }

    /// The release the playground builds, with its `v`.
    pub fn version(self) -> &'static str {
        self.module().version()
    }

    /// The Go package of its `main`.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Helm => "helm.sh/helm/v4/cmd/helm",
            Self::Promtool => "github.com/prometheus/prometheus/cmd/promtool",
        }
    }

    pub(crate) fn module(self) -> &'static Module {
        match self {
            Self::Etcd => &ETCD,
            Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl => &KUBERNETES,
            Self::Helm => &HELM,
            Self::Promtool => &PROMTOOL,
        }
    }

    /// Build tags. Rules need none of the clouds that Prometheus can look for targets in, which are a fifth of it.
    pub(crate) fn tags(self) -> &'static str {
        match self {
            Self::Promtool => "remove_all_sd",
            _ => "",
        }
    }

    /// Flags for the linker. Kubernetes binaries learn their version here: one that does not know it calls
    /// itself v0.0.0-master, and then answers version checks and API emulation as such.
    pub(crate) fn ldflags(self) -> String {
        let version = self.version();
        match self {
            Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl => {
                let mut parts = version.trim_start_matches('v').split('.');
                let major = parts.next().unwrap_or_default();
                let minor = parts.next().unwrap_or_default();
                let set = "-X k8s.io/component-base/version";
                format!(
                    "-s -w {set}.gitVersion={version} {set}.gitMajor={major} {set}.gitMinor={minor} \
                     {set}.gitTreeState=clean"
                )
            }
            Self::Helm => format!("-s -w -X helm.sh/helm/v4/internal/version.version={version}"),
            Self::Promtool => {
                let set = "-X github.com/prometheus/common/version.Version";
                format!("-s -w {set}={version}")
            }
            Self::Etcd => "-s -w".to_owned(),
        }
    }
}

impl Module {
    /// The pinned release, read from `go.mod` so that it is written in one place only.
    pub(crate) fn version(&self) -> &'static str {
        required_version(self.go_mod, self.path).unwrap_or("unknown")
    }

    /// The Go release that `go.mod` asks for.
    pub(crate) fn go_release(&self) -> &'static str {
        self.go_mod
            .lines()
            .find_map(|line| line.strip_prefix("go "))
            .unwrap_or("unknown")
    }
}

/// The version that a `go.mod` requires of `path`.
fn required_version<'a>(go_mod: &'a str, path: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("require ").unwrap_or(line);
        let version = line.strip_prefix(path)?.strip_prefix(' ')?;
        version
            .starts_with('v')
            .then(|| version.split_whitespace().next().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_pinned_release_and_is_declared_in_its_module() {
        for tool in Tool::ALL {
            assert!(
                tool.version().starts_with('v'),
                "{tool:?}: {}",
                tool.version()
            );
            assert!(
                tool.module().go_mod.lines().any(|line| {
                    line.trim().trim_start_matches("tool ").trim() == tool.package()
                }),
                "{tool:?} is not a tool of its go.mod"
            );
        }
    }

    #[test]
    fn the_staging_modules_match_the_release() {
        let wanted = KUBERNETES.version().replacen("v1.", "v0.", 1);
        let replaced: Vec<_> = KUBERNETES
            .go_mod
            .lines()
            .filter(|line| line.contains(" => "))
            .collect();
        assert!(replaced.len() > 20);
        for line in replaced {
            assert!(line.ends_with(&wanted), "{line} should end with {wanted}");
        }
    }

    #[test]
    fn versions_are_read_from_single_lines_and_blocks() {
        let text = "require a.b/c v1.2.3\nrequire (\n\ta.b/c/d v0.1.0 // indirect\n)\nreplace a.b/x => a.b/x v9.0.0\n";
        assert_eq!(required_version(text, "a.b/c"), Some("v1.2.3"));
        assert_eq!(required_version(text, "a.b/c/d"), Some("v0.1.0"));
        assert_eq!(required_version(text, "a.b/x"), None);
    }

    #[test]
    fn kubernetes_binaries_are_told_their_version() {
        let flags = Tool::KubeApiserver.ldflags();
        assert!(flags.contains(&format!("gitVersion={}", Tool::KubeApiserver.version())));
        assert!(flags.contains("gitMajor=1 "));
    }
}
