//! The emulated platform inside this process.

use std::{net::TcpListener, thread, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::http;

/// How long open connections may hold up the end.
const GRACE: Duration = Duration::from_millis(500);

/// The emulator on its own thread with its own runtime: it serves on when the test that started it, and that test's
/// runtime, have ended. Dropping it ends it.
#[derive(Debug)]
pub struct EmulatorServer {
    url: String,
    client: reqwest::Client,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl EmulatorServer {
    /// Serves on a free port of loopback.
    pub fn start(options: aep_emulator::Options) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot make a runtime for the emulator")?;
        let (shutdown, end) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("emulator".to_owned())
            .spawn(move || {
                runtime.block_on(serve(listener, options, end));
                runtime.shutdown_background();
            })
            .context("cannot start a thread")?;
        Ok(Self {
            url,
            client: http::client()?,
            shutdown: Some(shutdown),
            thread: Some(thread),
        })
    }

    /// Its base URL, for the platform, the identity service and Customer.io alike.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// GET, for the control interface and for reading what a user could read.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let request = self.client.get(format!("{}{path}", self.url));
        answer("GET", path, request).await
    }

    /// POST of a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        answer("POST", path, request).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Value> {
        let request = self.client.delete(format!("{}{path}", self.url));
        answer("DELETE", path, request).await
    }

    /// GET of the platform's own API in a sandbox, as a user with the demo's credential.
    pub async fn platform(&self, path: &str, sandbox: &str) -> Result<Value> {
        let request = self.as_user(reqwest::Method::GET, path, sandbox).await?;
        answer("GET", path, request).await
    }

    /// PATCH of the same: what the platform would refuse a user, it refuses here.
    pub async fn patch_platform(&self, path: &str, sandbox: &str, body: &Value) -> Result<Value> {
        let request = self.as_user(reqwest::Method::PATCH, path, sandbox).await?;
        answer("PATCH", path, request.json(body)).await
    }

    async fn as_user(
        &self,
        method: reqwest::Method,
        path: &str,
        sandbox: &str,
    ) -> Result<reqwest::RequestBuilder> {
        const TOKEN: &str = "/ims/token/v3?grant_type=client_credentials&client_id=demo-client&client_secret=demo-secret&scope=openid";
        let request = self.client.post(format!("{}{TOKEN}", self.url));
        let token = answer("POST", "/ims/token/v3", request).await?;
        let token = token["access_token"].as_str().context("no token came")?;
        Ok(self
            .client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(token)
            .header("x-api-key", "demo-client")
            .header("x-gw-ims-org-id", "1234567890ABCDEF12345678@AdobeOrg")
            .header("x-sandbox-name", sandbox))
    }

    /// A call of Customer.io's App API, as whoever holds `key`.
    pub async fn app_api(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let method: reqwest::Method = method.parse().context("not an HTTP method")?;
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.url))
            .bearer_auth(key);
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(method.as_str(), path, request).await
    }
}

impl Drop for EmulatorServer {
    fn drop(&mut self) {
        self.shutdown.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// `end` resolves when the handle is dropped.
async fn serve(
    listener: TcpListener,
    options: aep_emulator::Options,
    mut end: oneshot::Receiver<()>,
) {
    let (closing, closed) = oneshot::channel::<()>();
    let served = async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let shutdown = async move {
            let _ = closed.await;
        };
        aep_emulator::server::serve(listener, options, shutdown).await
    };
    tokio::pin!(served);
    tokio::select! {
        result = &mut served => {
            if let Err(error) = result {
                crate::say::line(&format!("the emulator ended: {error}"));
            }
            return;
        }
        _ = &mut end => drop(closing),
    }
    let _ = tokio::time::timeout(GRACE, served).await;
}

/// The JSON of a good answer; an empty one is `null`.
async fn answer(method: &str, path: &str, request: reqwest::RequestBuilder) -> Result<Value> {
    let reply = request
        .send()
        .await
        .with_context(|| format!("{method} {path} got no answer from the emulator"))?;
    let status = reply.status();
    let body = reply
        .text()
        .await
        .with_context(|| format!("{method} {path} was cut off"))?;
    if !status.is_success() {
        bail!("the emulator answers {method} {path} with {status}: {body}");
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&body)
        .with_context(|| format!("{method} {path} is not answered with JSON: {body}"))
}
