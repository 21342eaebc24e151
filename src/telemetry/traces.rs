//! Spans to an OpenTelemetry collector, over HTTP: a reconcile with what called for it, its steps, the calls they make.
//!
//! Only with the feature `otel`, and only when `OTEL_EXPORTER_OTLP_ENDPOINT` (or its `_TRACES_` form) is set and neither
//! `OTEL_SDK_DISABLED=true` nor `OTEL_TRACES_EXPORTER=none` says otherwise. The other `OTEL_*` variables mean what they
//! mean everywhere: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`,
//! `OTEL_BSP_*`.
//!
//! # Guarantees
//!
//! - Spans are those of log lines: no token, secret or inlet address is in an attribute.
//! - Adobe and Customer.io are sent no `traceparent`: who looks after what is nobody's business there, and neither
//!   documents what it would do with it.
//! - Which spans there are does not depend on the log filter.

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, TracerProviderBuilder};
use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};

use super::Boxed;

/// Spans under way to a collector.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Traces as the environment asks for them, if it does.
    pub(super) fn from_environment() -> anyhow::Result<Option<Self>> {
        if !is_wanted(|name| std::env::var(name).ok()) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .build()
            .context("OpenTelemetry, as OTEL_EXPORTER_OTLP_* ask for it")?;
        let builder = SdkTracerProvider::builder().with_batch_exporter(exporter);
        Ok(Some(Self::with(builder)))
    }

    fn with(builder: TracerProviderBuilder) -> Self {
        let service = std::env::var("OTEL_SERVICE_NAME").is_err();
        let resource = Resource::builder();
        let resource = if service {
            resource.with_service_name("aep-operator")
        } else {
            resource
        };
        Self {
            provider: builder.with_resource(resource.build()).build(),
        }
    }

    /// What makes spans of what the operator does.
    pub(super) fn layer(&self) -> Boxed {
        let ours = Targets::new().with_target("aep_operator", LevelFilter::INFO);
        tracing_opentelemetry::layer::<Registry>()
            .with_tracer(self.provider.tracer("aep-operator"))
            // Files, lines and threads of ours tell an operator nothing.
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(ours)
            .boxed()
    }

    /// Sends what is left, and waits for it for five seconds at most.
    pub(super) fn end(self) {
        if let Err(error) = self.provider.shutdown() {
            warn!(%error, "the last traces were not sent");
        }
    }
}

/// Whether `variable`s ask for traces.
fn is_wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, value: &str| {
        variable(name).is_some_and(|it| it.trim().eq_ignore_ascii_case(value))
    };
    let endpoints = [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ];
    let somewhere = endpoints
        .iter()
        .any(|name| variable(name).is_some_and(|it| !it.trim().is_empty()));
    somewhere && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use http::{Request, Response};
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::SpanData;
    use tracing::{Instrument as _, debug, error_span, info};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::controllers::execute::execute;
    use crate::controllers::inventory::Scope;
    use crate::controllers::remotes::Remotes;
    use crate::plan::marker::Identity;
    use crate::plan::{RemoteKind, Step};
    use crate::platform::{HttpService, Sandbox};

    const SECRETS: [&str; 3] = ["canary-secret", "canary-token", "canary-inlet"];

    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl opentelemetry_sdk::trace::SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    /// Adobe, whose answers hold a token and an inlet; every request it gets is kept.
    fn adobe(requests: &Arc<Mutex<Vec<Request<Bytes>>>>) -> HttpService {
        let requests = Arc::clone(requests);
        HttpService::new(tower::service_fn(move |request: Request<Bytes>| {
            let body = if request.uri().path().starts_with("/ims") {
                r#"{"access_token": "canary-token", "expires_in": 86399}"#
            } else {
                r#"{"items": [{"id": "f", "inletUrl": "https://dcs.example/canary-inlet"}]}"#
            };
            requests.lock().unwrap().push(request);
            let answer = Response::builder()
                .header("x-request-id", "req-1")
                .body(Bytes::from(body));
            async { Ok(answer?) }
        }))
    }

    fn remotes(service: HttpService) -> Remotes {
        Remotes {
            sandbox: Sandbox::of_tests(service),
            workspace: None,
            board: None,
        }
    }

    fn attribute(span: &SpanData, name: &str) -> Option<String> {
        let attributes = &span.attributes;
        let found = attributes.iter().find(|it| it.key.as_str() == name);
        found.map(|it| it.value.to_string())
    }

    #[tokio::test]
    async fn a_trace_goes_from_the_resource_down_to_the_call_and_holds_no_secret() {
        let kept = Kept::default();
        let traces = Traces::with(SdkTracerProvider::builder().with_simple_exporter(kept.clone()));
        let subscriber = tracing_subscriber::registry().with(traces.layer());
        let _guard = tracing::subscriber::set_default(subscriber);
        let requests = Arc::default();
        let remotes = remotes(adobe(&requests));
        let identity = Identity {
            owner: "o".into(),
            namespace: "n".into(),
            name: "a".into(),
            uid: "u".into(),
        };
        let step = Step::Read {
            kind: RemoteKind::Flow,
            id: "f".into(),
        };
        let reconcile = error_span!(
            "reconcile",
            kind = "AepDataflow",
            namespace = "n",
            resource = "a"
        );
        let scope = Scope::default();
        async {
            let _ = execute(&remotes, &scope, &identity, &step).await;
            info!("told");
            debug!("not told");
        }
        .instrument(reconcile)
        .await;
        traces.end();

        let spans = kept.0.lock().unwrap();
        let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let (reconcile, step) = (named("reconcile"), named("step"));
        let read = |span: &&SpanData| attribute(span, "operation").as_deref() == Some("get_flow");
        let call = spans.iter().find(read).unwrap();
        assert_eq!(attribute(reconcile, "kind").as_deref(), Some("AepDataflow"));
        assert_eq!(step.parent_span_id, reconcile.span_context.span_id());
        assert_eq!(call.parent_span_id, step.span_context.span_id());
        assert_eq!(attribute(call, "request_id").as_deref(), Some("req-1"));
        assert_eq!(attribute(call, "status").as_deref(), Some("200"));
        assert_eq!(reconcile.events.events.len(), 1, "{:?}", reconcile.events);

        let all = format!("{spans:?}");
        for secret in SECRETS {
            assert!(!all.contains(secret), "{all}");
        }
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 2);
        for request in &*requests {
            assert!(!request.headers().contains_key("traceparent"));
        }
    }

    #[test]
    fn traces_are_sent_only_where_the_environment_says_where_to() {
        let wanted = |set: &[(&str, &str)]| {
            is_wanted(|name| {
                let found = set.iter().find(|(it, _)| *it == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert!(!wanted(&[]));
        assert!(wanted(&[endpoint]));
        assert!(wanted(&[(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://c"
        )]));
        assert!(!wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]));
        assert!(!wanted(&[endpoint, ("OTEL_SDK_DISABLED", "true")]));
        assert!(!wanted(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }
}
