//! The command line, mirrored by environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::controllers::context::Settings;
use crate::controllers::namespaces::Namespaces;
use crate::customer_io::Addresses;
use crate::leader::TermsError;
use crate::plan::pace::Bounds;
use crate::platform::{EndpointError, Endpoints};

mod leader;

pub use leader::LeaderArgs;

/// Reconciles of one controller at the same time: each waits for calls nearly all of its time.
const CONCURRENCY: u16 = 32;

/// A Kubernetes operator that lands Customer.io events in Adobe Experience Platform.
#[derive(Debug, Parser)]
#[command(name = "aep-operator", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controllers until SIGTERM or SIGINT.
    Run(Box<RunArgs>),
    /// Print the CustomResourceDefinitions as YAML.
    Crds,
}

/// Options of `aep-operator run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Base URL of Adobe Experience Platform; https, but for loopback.
    #[arg(long, env = "AEP_OPERATOR_PLATFORM_URL", default_value = Endpoints::PLATFORM)]
    pub platform_url: String,
    /// Base URL of Adobe's identity service (IMS); https, but for loopback.
    #[arg(long, env = "AEP_OPERATOR_IMS_URL", default_value = Endpoints::IMS)]
    pub ims_url: String,
    /// Base URL of Customer.io's App API for workspaces in the United States; https, but for loopback.
    #[arg(long, env = "AEP_OPERATOR_CUSTOMER_IO_US_URL", default_value = Addresses::US)]
    pub customer_io_us_url: String,
    /// Base URL of Customer.io's App API for workspaces in the European Union; https, but for loopback.
    #[arg(long, env = "AEP_OPERATOR_CUSTOMER_IO_EU_URL", default_value = Addresses::EU)]
    pub customer_io_eu_url: String,
    /// PEM file of certificate authorities that are trusted beside those of the system when Adobe and Customer.io are
    /// called, such as that of a proxy that looks into TLS. Read once, at the start.
    #[arg(long, env = "AEP_OPERATOR_CA_BUNDLE", value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
    /// Address of /livez, /readyz and /metrics, and, for the Pod itself, of /log-filter.
    #[arg(long, env = "AEP_OPERATOR_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Owner in the markers of remote objects. Default: the uid of the namespace kube-system.
    #[arg(long, env = "AEP_OPERATOR_OWNER_ID", value_parser = owner_id)]
    pub owner_id: Option<String>,
    /// Namespaces whose resources are looked after, such as marketing,sales: rights in these are enough then, and
    /// --owner-id is needed where kube-system cannot be read. Default: all, by rights in the whole cluster.
    #[arg(long, env = "AEP_OPERATOR_WATCH_NAMESPACES", value_name = "NAMES")]
    pub watch_namespaces: Option<Namespaces>,
    /// Limit of one call to Adobe or Customer.io.
    #[arg(long, env = "AEP_OPERATOR_REQUEST_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,
    /// How long a creation without an answer may still appear before it is tried again; not less than
    /// the request timeout and the lease together.
    #[arg(long, env = "AEP_OPERATOR_CREATE_SETTLE", default_value = "2m", value_parser = duration)]
    pub create_settle: Duration,
    /// How often AEP is looked at for changes made elsewhere, give or take a tenth.
    #[arg(long, env = "AEP_OPERATOR_DRIFT_INTERVAL", default_value = "10m", value_parser = duration)]
    pub drift_interval: Duration,
    /// How often AEP is asked for new runs of flows, for the condition Ingesting, give or take a tenth.
    #[arg(long, env = "AEP_OPERATOR_RUNS_INTERVAL", default_value = "5m", value_parser = duration)]
    pub runs_interval: Duration,
    /// How long a flow gets no events from a new subscription after it was made or changed; Adobe asks for five
    /// minutes.
    #[arg(long, env = "AEP_OPERATOR_SUBSCRIPTION_PAUSE", default_value = "5m", value_parser = duration)]
    pub subscription_pause: Duration,
    /// How long AEP may still take records by a schema without the fields that were just added to it: no mapping uses
    /// them before.
    #[arg(long, env = "AEP_OPERATOR_SCHEMA_SETTLE", default_value = "15m", value_parser = duration)]
    pub schema_settle: Duration,
    /// Shortest wait before a failed call is tried again.
    #[arg(long, env = "AEP_OPERATOR_RETRY_MIN", default_value = "1s", value_parser = duration)]
    pub retry_min: Duration,
    /// Longest wait before a failed call is tried again.
    #[arg(long, env = "AEP_OPERATOR_RETRY_MAX", default_value = "2m", value_parser = duration)]
    pub retry_max: Duration,
    /// Wait between two looks at something that somebody has to mend.
    #[arg(long, env = "AEP_OPERATOR_STALLED_RETRY", default_value = "5m", value_parser = duration)]
    pub stalled_retry: Duration,
    /// Keep a Secret that resources use from going before they do: with the finalizer
    /// `aep-operator.dev/in-use`. `false` takes it off everywhere.
    #[arg(
        long,
        env = "AEP_OPERATOR_PROTECT_SECRETS",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub protect_secrets: bool,
    /// See at once that a Secret changes, by a watch. `false`: Secrets are only read by name, when a resource is looked at
    /// and every drift interval.
    #[arg(
        long,
        env = "AEP_OPERATOR_WATCH_SECRETS",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub watch_secrets: bool,
    /// Form of log lines.
    #[arg(long, env = "AEP_OPERATOR_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Which log lines: a level, or a filter such as `info,aep_operator=debug`. Changed while it runs by PUT of another one
    /// to /log-filter, through kubectl port-forward.
    #[arg(long, env = "AEP_OPERATOR_LOG", default_value = "info")]
    pub log: String,
    /// Of several replicas one acts.
    #[command(flatten)]
    pub leader: LeaderArgs,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Options that contradict each other or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A URL is none, or is not https.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The settling time is too short.
    #[error(
        "--create-settle ({settle:?}) is shorter than --request-timeout ({timeout:?}) and --lease-duration ({lease:?}) \
         together: a creation still under way would be made twice. Make it longer."
    )]
    Settle {
        /// `--create-settle`.
        settle: Duration,
        /// `--request-timeout`.
        timeout: Duration,
        /// `--lease-duration`; nothing without an election.
        lease: Duration,
    },
    /// The times of the election contradict each other.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The retry bounds are upside down.
    #[error("--retry-min ({min:?}) is longer than --retry-max ({max:?})")]
    Retry {
        /// `--retry-min`.
        min: Duration,
        /// `--retry-max`.
        max: Duration,
    },
}

impl RunArgs {
    /// Adobe's addresses.
    pub fn endpoints(&self) -> Result<Endpoints, ConfigError> {
        Ok(Endpoints::new(&self.ims_url, &self.platform_url)?)
    }

    /// Customer.io's addresses.
    pub fn customer_io(&self) -> Result<Addresses, ConfigError> {
        let (us, eu) = (&self.customer_io_us_url, &self.customer_io_eu_url);
        Ok(Addresses::new(us, eu)?)
    }

    /// Where resources are looked after.
    pub fn namespaces(&self) -> Namespaces {
        self.watch_namespaces.clone().unwrap_or_default()
    }

    /// What reconciles need to know.
    pub fn settings(&self) -> Settings {
        Settings {
            create_settle: self.create_settle,
            protect_secrets: self.protect_secrets,
            watch_secrets: self.watch_secrets,
            drift_interval: self.drift_interval,
            runs_interval: self.runs_interval,
            subscription_pause: self.subscription_pause,
            schema_settle: self.schema_settle,
            concurrency: CONCURRENCY,
        }
    }

    /// The retry bounds, and a check of what depends on each other.
    pub fn bounds(&self) -> Result<Bounds, ConfigError> {
        let (settle, timeout) = (self.create_settle, self.request_timeout);
        let lease = self.leader.handover();
        if settle < timeout + lease {
            return Err(ConfigError::Settle {
                settle,
                timeout,
                lease,
            });
        }
        let bounds = Bounds {
            min: self.retry_min,
            max: self.retry_max,
            slow: self.stalled_retry,
        };
        if bounds.min > bounds.max {
            return Err(ConfigError::Retry {
                min: bounds.min,
                max: bounds.max,
            });
        }
        Ok(bounds)
    }
}

/// `90s`, `2m`, `500ms`: a number and a unit, more than zero.
fn duration(text: &str) -> Result<Duration, String> {
    let signed: k8s_openapi::jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("\"{text}\" is no duration; write it like 500ms, 90s or 2m"))?;
    Duration::try_from(signed)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("\"{text}\" is not more than zero"))
}

/// An owner id is part of every marker, so it must not contain what separates its parts.
fn owner_id(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(good) {
        Ok(text.to_owned())
    } else {
        Err("1 to 64 letters, digits, '-', '_' or '.'".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> RunArgs {
        let words = ["aep-operator", "run"].iter().chain(args);
        let Command::Run(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("not run")
        };
        *args
    }

    #[test]
    fn durations_read_like_kubernetes_ones() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "5", "0s", "-1s", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_settling_time_below_request_timeout_and_lease_is_refused() {
        let error = parse(&["--create-settle=44s"]).bounds().unwrap_err();
        assert!(error.to_string().contains("--create-settle"), "{error}");
        assert!(parse(&["--create-settle=45s"]).bounds().is_ok());
        assert!(
            parse(&["--create-settle=31s", "--leader-elect=false"])
                .bounds()
                .is_ok()
        );
        assert!(
            parse(&["--create-settle=29s", "--leader-elect=false"])
                .bounds()
                .is_err()
        );
        assert!(parse(&[]).bounds().is_ok());
    }

    #[test]
    fn an_election_is_on_and_where_the_pod_is_unless_told_otherwise() {
        let election = parse(&[]).leader.election("here").unwrap().unwrap();
        assert_eq!(
            (&*election.namespace, &*election.name),
            ("here", "aep-operator")
        );
        assert_eq!(election.terms.renew, Duration::from_secs(10));
        let there = parse(&["--leader-elect-namespace=there", "--lease-duration=2s"]).leader;
        assert_eq!(there.election("here").unwrap().unwrap().namespace, "there");
        assert_eq!(
            parse(&["--leader-elect=false"]).leader.election("here"),
            Ok(None)
        );
        assert!(
            parse(&["--lease-duration=2s", "--renew-deadline=2s"])
                .leader
                .election("")
                .is_err()
        );
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert!(
            parse(&["--platform-url", "http://platform.example"])
                .endpoints()
                .is_err()
        );
        assert!(
            parse(&[
                "--platform-url",
                "http://127.0.0.1:1",
                "--ims-url",
                "http://127.0.0.1:1"
            ])
            .endpoints()
            .is_ok()
        );
        assert!(parse(&[]).endpoints().is_ok());
        assert!(
            parse(&["--customer-io-eu-url=http://api.example"])
                .customer_io()
                .is_err()
        );
        assert!(
            parse(&["--customer-io-us-url=http://localhost:1"])
                .customer_io()
                .is_ok()
        );
        let regions = parse(&[]).customer_io().unwrap();
        assert_eq!(
            regions,
            Addresses::new(Addresses::US, Addresses::EU).unwrap()
        );
    }

    #[test]
    fn all_namespaces_are_watched_unless_some_are_named() {
        assert_eq!(parse(&[]).namespaces(), Namespaces::All);
        let two = parse(&["--watch-namespaces=a,b"]).namespaces();
        assert!(two.contains("a") && two.contains("b") && !two.contains("c"));
        let empty = ["aep-operator", "run", "--watch-namespaces="];
        let refused = Cli::try_parse_from(empty).unwrap_err().to_string();
        assert!(
            refused.contains("leave the option out for all"),
            "{refused}"
        );
    }

    #[test]
    fn an_owner_id_cannot_break_a_marker() {
        assert!(owner_id("prod-eu.1").is_ok());
        for bad in ["", "a/b", "a b", "a]"] {
            assert!(owner_id(bad).is_err(), "{bad}");
        }
    }
}
