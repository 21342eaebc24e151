//! Logs, to stderr, as text or JSON; and traces, where the program is built with the feature `otel`.
//!
//! | file | holds |
//! |---|---|
//! | `filter` | which log lines are written, changed while the process runs |
//! | `traces` | spans to an OpenTelemetry collector |
//!
//! A line within a reconcile carries the resource (`kind`, `namespace`, `resource`: its name), the `step`, and of a call to the
//! platform its `operation`, `status` and `request_id`: those are fields of spans, which are there whatever the filter
//! lets through. No token, secret or inlet address is ever a field.

mod filter;
#[cfg(feature = "otel")]
mod traces;

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::config::LogFormat;

pub use filter::{FilterError, LogFilter};

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// What goes on while the process does.
#[derive(Debug)]
#[must_use = "traces that are under way are sent when it ends"]
pub struct Telemetry {
    /// Which log lines are written.
    pub filter: LogFilter,
    #[cfg(feature = "otel")]
    traces: Option<traces::Traces>,
}

impl Telemetry {
    /// Sends what is left to send. Not to be called within a runtime: it may wait.
    pub fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.end();
        }
    }
}

/// Starts logging, and tracing if the environment asks for it; `filter` is a level or a tracing filter. A TLS provider
/// must be installed in the process before.
///
/// # Errors
///
/// The filter or the environment cannot be read, or logging was started before.
pub fn start(format: LogFormat, filter: &str) -> anyhow::Result<Telemetry> {
    let (lines, filter) = lines(format, filter, std::io::stderr)
        .map_err(|error| anyhow::anyhow!("--log: {error}"))?;
    #[cfg(feature = "otel")]
    let traces = traces::Traces::from_environment()?;
    let layers = vec![lines];
    #[cfg(feature = "otel")]
    let layers: Vec<Boxed> = layers
        .into_iter()
        .chain(traces.as_ref().map(traces::Traces::layer))
        .collect();
    tracing_subscriber::registry()
        .with(layers)
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging: {error}"))?;
    Ok(Telemetry {
        filter,
        #[cfg(feature = "otel")]
        traces,
    })
}

/// Log lines to `writer`, and what changes which.
fn lines<W>(format: LogFormat, filter: &str, writer: W) -> Result<(Boxed, LogFilter), FilterError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (layer, filter) = LogFilter::new(filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(false).boxed(),
    };
    Ok((lines.with_filter(layer).boxed(), filter))
}

/// A subscriber of its own, for tests and for whoever writes elsewhere than to stderr.
///
/// # Errors
///
/// The filter cannot be read.
pub fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync, LogFilter), FilterError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (lines, filter) = lines(format, filter, writer)?;
    Ok((tracing_subscriber::registry().with(lines), filter))
}

#[cfg(test)]
mod lines_tests;
