//! The chart on a control plane: what it renders is applied as a user would, and the operator's Pod, which no kubelet starts
//! here, is read out of its Deployment.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::time::sleep;

use crate::{control_plane::ControlPlane, repository};

/// Where the operator lives.
pub(crate) const NAMESPACE: &str = "aep-system";
/// The release's name, and so that of the ServiceAccount and of the Lease.
pub(crate) const RELEASE: &str = "aep-operator";
/// The longest RBAC may take until it is in force.
const IN_FORCE_LIMIT: Duration = Duration::from_mins(1);

/// What differs from the chart's default values.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// Arguments of helm, such as `--set=secrets.protect=false`.
    pub values: Vec<String>,
    /// Its `watchNamespaces`; they are made before.
    pub watch_namespaces: Vec<String>,
}

impl Chart {
    /// All arguments of helm.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = self.values.clone();
        if !self.watch_namespaces.is_empty() {
            let names = self.watch_namespaces.join(",");
            arguments.push(format!("--set=watchNamespaces={{{names}}}"));
        }
        arguments
    }
}

/// What the operator of the chart is run with.
#[derive(Debug)]
pub(crate) struct Installed {
    /// That of the chart's ServiceAccount: its rights and no others.
    pub(crate) kubeconfig: PathBuf,
    container: Container,
}

#[derive(Debug, Deserialize)]
struct Container {
    args: Vec<String>,
    env: Vec<Variable>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    name: String,
    value: Option<String>,
    #[serde(rename = "valueFrom")]
    value_from: Option<serde_json::Value>,
}

impl Installed {
    /// The arguments of the chart, but for the address: several operators listen on one machine here.
    pub(crate) fn args(&self, listen: &str) -> Vec<String> {
        let args = self.container.args.iter();
        let mut args: Vec<String> = args
            .filter(|arg| !arg.starts_with("--listen="))
            .cloned()
            .collect();
        args.push(format!("--listen={listen}"));
        args
    }

    /// The variables that the Pod `pod` would have.
    pub(crate) fn env(&self, pod: &str) -> Result<Vec<(String, String)>> {
        let value = |variable: &Variable| match &variable.value {
            Some(value) => Ok(value.clone()),
            None => match variable
                .value_from
                .as_ref()
                .and_then(|from| from["fieldRef"]["fieldPath"].as_str())
            {
                Some("metadata.name") => Ok(pod.to_owned()),
                Some("metadata.namespace") => Ok(NAMESPACE.to_owned()),
                _ => bail!(
                    "the chart takes {} from where the playground cannot",
                    variable.name
                ),
            },
        };
        let env = self.container.env.iter();
        env.map(|variable| Ok((variable.name.clone(), value(variable)?)))
            .collect()
    }
}

/// Another chart than this checkout's, for upgrades.
#[derive(Clone, Debug)]
pub struct Release {
    /// The chart, which has no definitions of its own.
    pub chart: PathBuf,
    /// The definitions, which are applied by hand before.
    pub definitions: String,
}

/// Installs the chart; returns once definitions and rights are in force.
pub(crate) async fn install(plane: &ControlPlane, values: &Chart) -> Result<Installed> {
    let chart = repository::chart();
    let chart = utf8(&chart)?;
    let mut template = vec![
        "template",
        RELEASE,
        chart,
        "--namespace",
        NAMESPACE,
        "--skip-tests",
    ];
    let more = values.arguments();
    template.extend(more.iter().map(String::as_str));
    let rendered = plane.helm(&template, None).await?.success()?;
    // The controllers that would make Pods of the Deployment do not run here.
    let names = values.watch_namespaces.iter().map(String::as_str);
    let namespaces: Vec<String> = std::iter::once(NAMESPACE)
        .chain(names)
        .map(|name| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n"))
        .collect();
    let manifests = namespaces.concat() + &rendered;
    plane
        .kubectl(
            &["apply", "--server-side", "--filename=-"],
            Some(&manifests),
        )
        .await?
        .success()
        .context("cannot install the chart")?;
    in_force(plane, &values.watch_namespaces).await
}

/// Has helm install another chart.
pub(crate) async fn install_release(plane: &ControlPlane, release: &Release) -> Result<Installed> {
    plane
        .kubectl(
            &["apply", "--server-side", "--filename=-"],
            Some(&release.definitions),
        )
        .await?
        .success()
        .context("cannot apply the definitions")?;
    let chart = utf8(&release.chart)?;
    let helm = [
        "install",
        RELEASE,
        chart,
        "--namespace",
        NAMESPACE,
        "--create-namespace",
    ];
    plane.helm(&helm, None).await?.success()?;
    in_force(plane, &[]).await
}

/// Waits until definitions and rights are in force; what the operator is run with.
async fn in_force(plane: &ControlPlane, namespaces: &[String]) -> Result<Installed> {
    let (kubeconfig, (), container) = tokio::try_join!(
        rights(plane, namespaces),
        definitions_served(plane),
        operator_container(plane)
    )?;
    Ok(Installed {
        kubeconfig,
        container,
    })
}

async fn definitions_served(plane: &ControlPlane) -> Result<()> {
    let folder = repository::crds();
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "--filename",
        utf8(&folder)?,
    ];
    plane.kubectl(&wait, None).await?.success()?;
    Ok(())
}

async fn operator_container(plane: &ControlPlane) -> Result<Container> {
    let get = [
        "get",
        "deployment",
        RELEASE,
        "--namespace",
        NAMESPACE,
        "--output=jsonpath={.spec.template.spec.containers[0]}",
    ];
    let container = plane.kubectl(&get, None).await?.success()?;
    serde_json::from_str(&container).context("the chart's Deployment is not as expected")
}

/// The kubeconfig of the chart's ServiceAccount, once it may do what the chart grants: in these namespaces, or everywhere.
async fn rights(plane: &ControlPlane, namespaces: &[String]) -> Result<PathBuf> {
    let kubeconfig = plane.service_account_kubeconfig(NAMESPACE, RELEASE).await?;
    // The authorizer learns of a binding by watch; an operator started before would meet a 403.
    let watch = ["watch", "customeriosources.aep-operator.dev"];
    if namespaces.is_empty() {
        let everywhere = [&watch[..], &["--all-namespaces"]].concat();
        may(plane, &kubeconfig, &everywhere).await?;
    }
    for namespace in namespaces {
        let there = [&watch[..], &["--namespace", namespace]].concat();
        may(plane, &kubeconfig, &there).await?;
    }
    let lease = format!("leases.coordination.k8s.io/{RELEASE}");
    may(
        plane,
        &kubeconfig,
        &["update", &lease, "--namespace", NAMESPACE],
    )
    .await?;
    Ok(kubeconfig)
}

/// Waits until the ServiceAccount has a right.
async fn may(plane: &ControlPlane, kubeconfig: &Path, what: &[&str]) -> Result<()> {
    let ask: Vec<&str> = ["auth", "can-i"].iter().chain(what).copied().collect();
    let deadline = Instant::now() + IN_FORCE_LIMIT;
    loop {
        let may = plane.kubectl_as(kubeconfig, &ask, None).await?;
        if may.status.success() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "the operator's ServiceAccount may not {}: {}{}",
                what.join(" "),
                may.stdout,
                may.stderr
            );
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}
