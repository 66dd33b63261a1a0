//! A visitor with some rights only, as the cluster has them: the pages themselves, over the API of a real receiver.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response};
use leadgate_console::{Answer, Api, Call, Failure, Rights, serve};
use leadgate_tests::rig::Rig;

/// Who sees the place `default` with these rights.
pub(crate) struct Visitor<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) rights: Rights,
}

#[async_trait]
impl Api for Visitor<'_> {
    fn who(&self) -> &'static str {
        "vera"
    }

    fn has_session(&self) -> bool {
        true
    }

    async fn places(&self) -> Result<Vec<String>, Failure> {
        Ok(vec!["default".to_owned()])
    }

    async fn rights(&self, _: &str) -> Result<Rights, Failure> {
        Ok(self.rights)
    }

    async fn call(&self, _: &str, call: Call) -> Result<Answer, Failure> {
        let url = format!("http://{}{}", self.rig.receiver.admin_address(), call.path);
        let client = reqwest::Client::new();
        let mut request = client.request(call.method, url).header("leadgate-user", "vera");
        if let Some(body) = call.body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request
            .send()
            .await
            .map_err(|error| Failure::new(502, error.to_string()))?;
        let status = response.status().as_u16();
        let body = response
            .bytes()
            .await
            .map_err(|error| Failure::new(502, error.to_string()))?;
        Ok(Answer { status, body })
    }

    async fn address(&self, _: &str, _: &str, _: &str) -> Option<String> {
        None
    }
}

impl Visitor<'_> {
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.send(Method::GET, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> (u16, String) {
        self.send(Method::POST, path, form).await
    }

    async fn send(&self, method: Method, path: &str, form: &str) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("sec-fetch-site", "same-origin")
            .body(Bytes::from(form.to_owned()))
            .unwrap();
        let response: Response<Bytes> = serve(self, &request).await;
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        (response.status().as_u16(), text)
    }
}
