//! The simulator itself: each documented answer, each fault, each book.

mod calls;
mod faults;

use std::time::Duration;

use leadgate_tests::hubspot::{Config, HubSpot, PropertySpec};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

const V3: &str = "/crm/v3/objects/contacts";
const DATED: &str = "/crm/objects/2026-03/contacts";

fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

fn config() -> Config {
    Config {
        custom: vec![
            PropertySpec::text("note"),
            PropertySpec::unique_text("webhook_submission_id"),
        ],
        read_only_token: Some("reader".into()),
        expired_token: Some("old".into()),
        ..Config::default()
    }
}

struct Sim {
    hubspot: HubSpot,
    client: Client,
}

impl Sim {
    async fn new(config: Config) -> Self {
        Self {
            hubspot: HubSpot::start(config).await.unwrap(),
            client: client(),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.hubspot.base_url()))
            .bearer_auth(self.hubspot.token())
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.request(method, path);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        parts(request.send().await.unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::POST, path, body).await
    }

    async fn patch(&self, path: &str, properties: Value) -> (u16, Value) {
        self.send(Method::PATCH, path, json!({ "properties": properties }))
            .await
    }

    async fn create(&self, properties: Value) -> String {
        let (status, body) = self.post(V3, json!({ "properties": properties })).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }
}

async fn parts(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}
