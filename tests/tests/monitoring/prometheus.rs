//! A real Prometheus of one's own, which scrapes a receiver and a stand-in for the operator; gone when dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::{Router, http::header, routing::get};
use serde_json::Value;
use tempfile::TempDir;

/// How long Prometheus may take to have scraped twice; generous, for busy machines.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Prometheus {
    address: SocketAddr,
    process: Child,
    client: reqwest::Client,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one. `operator` is what the operator reports.
    pub(crate) async fn start(receiver: SocketAddr, operator: String) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let operator_address = listener.local_addr().unwrap();
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let answer = move || async move { ([(header::CONTENT_TYPE, kind)], operator) };
        let router = Router::new().route("/metrics", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("prometheus.yml");
        let yaml = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: leadgate\n    static_configs:\n      \
             - {{targets: [\"{receiver}\"], labels: {{namespace: default}}}}\n      \
             - {{targets: [\"{operator_address}\"], labels: {{namespace: leadgate-system}}}}\n"
        );
        std::fs::write(&configuration, yaml).unwrap();
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|free| free.local_addr())
            .unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--enable-feature=exemplar-storage")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("prometheus: {error}. Install it, e.g. apt-get install prometheus")
            });
        Self {
            address,
            process,
            client: reqwest::Client::new(),
            _folder: folder,
        }
    }

    /// Waits until an expression has a result.
    pub(crate) async fn has(&self, expression: &str) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self
                .answer(expression)
                .await
                .is_ok_and(|results| !results.is_empty())
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("Prometheus has no result after {PATIENCE:?}: {expression}");
    }

    /// The results of an expression, which must be valid.
    pub(crate) async fn ask(&self, expression: &str) -> Vec<Value> {
        let answer = self.answer(expression).await;
        answer.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until a metric has an exemplar; gives the traces that they name.
    pub(crate) async fn traces(&self, metric: &str) -> Vec<String> {
        let url = format!(
            "http://{}/api/v1/query_exemplars?query={metric}&start=0&end=4102444800",
            self.address
        );
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Ok(answer) = self.client.get(&url).send().await {
                let answer: Value = answer.json().await.unwrap();
                let series = answer["data"].as_array().into_iter().flatten();
                let found =
                    series.flat_map(|series| series["exemplars"].as_array().cloned().unwrap_or_default());
                let traces = found.filter_map(|one| Some(one["labels"]["trace_id"].as_str()?.to_owned()));
                let traces: Vec<String> = traces.collect();
                if !traces.is_empty() {
                    return traces;
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("Prometheus has no exemplar of {metric} after {PATIENCE:?}");
    }

    async fn answer(&self, expression: &str) -> Result<Vec<Value>, String> {
        let url = format!("http://{}/api/v1/query", self.address);
        let request = self.client.post(url).form(&[("query", expression)]);
        let response = request.send().await.map_err(|error| error.to_string())?;
        let answer: Value = response.json().await.map_err(|error| error.to_string())?;
        match answer["data"]["result"].as_array() {
            Some(results) => Ok(results.clone()),
            None => Err(answer["error"].to_string()),
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
