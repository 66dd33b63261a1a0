//! The Salesforce simulator, checked against what Salesforce documents.

mod calls;
mod collections;
mod sessions;

use leadgate_tests::salesforce::{Config, Salesforce};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const DATA: &str = "/services/data/v62.0";

/// A simulator with a session.
struct Sim {
    salesforce: Salesforce,
    client: reqwest::Client,
    token: String,
}

impl Sim {
    async fn new(config: Config) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let salesforce = Salesforce::start(config).await.unwrap();
        let mut sim = Self {
            salesforce,
            client: reqwest::Client::new(),
            token: String::new(),
        };
        let (status, body) = sim.sign_in(&[("grant_type", "client_credentials")]).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().clone_into(&mut sim.token);
        sim
    }

    /// POST to the token endpoint, as the configured app unless the form says otherwise.
    async fn sign_in(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let config = self.salesforce.config();
        let mut all = form.to_vec();
        for (name, value) in [
            ("client_id", &config.client_id),
            ("client_secret", &config.client_secret),
        ] {
            if !all.iter().any(|(known, _)| *known == name) {
                all.push((name, value));
            }
        }
        let url = format!("{}/services/oauth2/token", self.salesforce.base_url());
        parts(self.client.post(url).form(&all).send().await.unwrap()).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{DATA}{path}", self.salesforce.base_url());
        self.client.request(method, url).bearer_auth(&self.token)
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.request(method.clone(), path);
        let request = if method == Method::GET || method == Method::DELETE {
            request
        } else {
            request.json(&body)
        };
        parts(request.send().await.unwrap()).await
    }

    async fn create(&self, fields: Value) -> String {
        let (status, body) = self.send(Method::POST, "/sobjects/Lead", fields).await;
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    async fn query(&self, query: &str) -> (u16, Value) {
        parts(
            self.request(Method::GET, "/query")
                .query(&[("q", query)])
                .send()
                .await
                .unwrap(),
        )
        .await
    }
}

async fn parts(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn code(body: &Value) -> &str {
    body[0]["errorCode"].as_str().unwrap_or_default()
}

fn lead(email: &str) -> Value {
    json!({"LastName": "Lovelace", "Company": "Engines", "Email": email})
}
