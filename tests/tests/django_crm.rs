//! A real CRM: django-crm on PostgreSQL, fed by the real receiver with the manifest of `examples/crms`. `make test-crm`
//! runs it; `tests/django_crm/serve` installs and starts the CRM, and says what is missing.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::wire::{exchange, request};
use leadgate_tests::{manifests, signing};
use serde_json::{Value, json};

const HMAC: &str = "website-s3cret";

/// The running CRM. It ends when its standard input does.
struct DjangoCrm {
    process: Child,
    url: String,
    token: String,
}

impl Drop for DjangoCrm {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

impl DjangoCrm {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("django_crm/serve");
        let mut process = Command::new(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["ready", url, token] = words.as_slice() else {
            panic!(
                "django-crm did not start; its reason stands above ({:?})",
                process.wait()
            );
        };
        Self {
            url: (*url).to_owned(),
            token: (*token).to_owned(),
            process,
        }
    }

    /// The leads whose address contains this.
    async fn leads(&self, email: &str) -> Vec<Value> {
        let answer = reqwest::Client::new()
            .get(format!("{}/api/leads/?limit=100&email={email}", self.url))
            .bearer_auth(&self.token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        body["open_leads"]["open_leads"].as_array().unwrap().clone()
    }
}

struct Rig {
    crm: DjangoCrm,
    receiver: Receiver,
}

impl Rig {
    async fn start(crm: DjangoCrm, token: Option<&str>, webhooks: usize) -> Self {
        Self::start_with(crm, token, webhooks, "delivery: {}").await
    }

    /// With more of the CrmSink's `spec`, a line.
    async fn start_with(crm: DjangoCrm, token: Option<&str>, webhooks: usize, more: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/crms/django-crm.yaml");
        let manifest = std::fs::read_to_string(path).unwrap();
        let manifest = manifest
            .replacen("https://crm.example.com", &crm.url, 1)
            .replacen("spec:\n", &format!("spec:\n  {more}\n"), 1)
            .replacen("replace-me", token.unwrap_or(&crm.token), 1);
        let mut options = Options::new(manifest);
        for n in 0..webhooks {
            let webhook = manifests::mapped_webhook(&format!("form-{n}"), HMAC);
            let webhook = webhook
                .replacen("{name: hubspot}", "{name: django-crm}", 1)
                .replacen("  payload:\n", "  payload:\n    maxLengths: {lastName: 300}\n", 1);
            options.manifests.push((format!("form-{n}.yaml"), webhook));
        }
        let receiver = Receiver::start(options).await.unwrap();
        Self { crm, receiver }
    }

    async fn post(&self, form: usize, submission: &str, email: &str, last_name: &str) -> String {
        let body =
            json!({"submissionId": submission, "email": email, "firstName": "Ada", "lastName": last_name})
                .to_string();
        let headers = signing::generic(HMAC, body.as_bytes());
        let mut all = vec![("Content-Type", "application/json")];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        let post = request(
            "POST",
            &format!("/webhooks/default/form-{form}"),
            &all,
            body.as_bytes(),
        );
        let answer = exchange(self.receiver.address(), post).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["status"].as_str().unwrap().to_owned()
    }

    async fn figures(&self) -> Value {
        self.receiver.status().await.unwrap()["sinks"][0].clone()
    }

    /// Waits until every lead is delivered, dead or held.
    async fn settled(&self) {
        let began = Instant::now();
        while self.figures().await["leads"]["pending"] != 0 {
            assert!(
                began.elapsed() < Duration::from_mins(2),
                "leads wait for ever:\n{}",
                self.receiver.log_tail(20)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts django-crm on PostgreSQL: make test-crm"]
async fn leads_arrive_in_a_real_crm_once_each() {
    let rig = Rig::start(DjangoCrm::start(), None, 6).await;

    // Create; a resend does nothing; another case of the address updates.
    assert_eq!(rig.post(0, "1", "ada@example.com", "Lovelace").await, "accepted");
    assert_eq!(rig.post(0, "1", "ada@example.com", "Lovelace").await, "duplicate");
    rig.settled().await;
    let created = rig.crm.leads("ada@example.com").await;
    assert_eq!(created.len(), 1, "{created:?}\n{}", rig.receiver.log_tail(20));
    assert_eq!(created[0]["last_name"], "Lovelace");
    rig.post(0, "2", "ADA@Example.com", "King").await;
    rig.settled().await;
    let updated = rig.crm.leads("ada@example.com").await;
    assert_eq!(updated.len(), 1, "{updated:?}");
    assert_eq!(
        (&updated[0]["last_name"], &updated[0]["id"]),
        (&json!("King"), &created[0]["id"])
    );

    // Its search finds parts of addresses: other people keep their own records.
    rig.post(0, "3", "da@example.com", "Dalton").await;
    rig.settled().await;
    assert_eq!(rig.crm.leads("da@example.com").await.len(), 2);
    assert_eq!(rig.crm.leads("ada@example.com").await[0]["last_name"], "King");

    // A name longer than its column costs the name, not the lead.
    rig.post(0, "4", "eve@example.com", &"E".repeat(300)).await;
    rig.settled().await;
    let eve = rig.crm.leads("eve@example.com").await;
    assert_eq!(eve.len(), 1, "{eve:?}\n{}", rig.receiver.log_tail(10));
    assert_eq!(eve[0]["first_name"], "Ada", "{eve:?}");
    let without = rig.figures().await["deliveredWithoutProperties"].clone();
    assert_eq!(without[0]["property"], "last_name", "{without}");

    // Six forms name one new person at once.
    let racing: Vec<String> = (0..6).map(|n| format!("race-{n}")).collect();
    let posts = racing
        .iter()
        .enumerate()
        .map(|(form, submission)| rig.post(form, submission, "race@example.com", "Racer"));
    let answers = futures::future::join_all(posts).await;
    assert!(answers.iter().all(|answer| answer == "accepted"), "{answers:?}");
    rig.settled().await;
    assert_eq!(rig.crm.leads("race@example.com").await.len(), 1);
    let figures = rig.figures().await;
    assert_eq!(
        (&figures["leads"]["delivered"], &figures["leads"]["dead"]),
        (&json!(10), &json!(0)),
        "{figures}"
    );

    // A lead that the CRM has from elsewhere is found and updated by a receiver that does not know it.
    let stranger = Rig::start_with(rig.crm, None, 1, "delivery: {onRefusedProperty: Dead}").await;
    stranger.post(0, "1", "race@example.com", "Winner").await;
    stranger.settled().await;
    let leads = stranger.crm.leads("race@example.com").await;
    assert_eq!((leads.len(), &leads[0]["last_name"]), (1, &json!("Winner")));

    // What it refuses is dead where the sink says so, with its own words.
    stranger.post(0, "2", "zoe@example.com", &"Z".repeat(300)).await;
    stranger.settled().await;
    let (_, text) = stranger.receiver.admin("/deadletters?set=dead").await.unwrap();
    let dead: Value = serde_json::from_str(&text).unwrap();
    let id = dead["items"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{text}\n{}", stranger.receiver.log_tail(10)));
    let (_, text) = stranger
        .receiver
        .admin(&format!("/deadletters/{id}"))
        .await
        .unwrap();
    let dead: Value = serde_json::from_str(&text).unwrap();
    let message = dead["items"][0]["message"].as_str().unwrap();
    assert!(message.contains("last_name"), "{text}");
    assert!(
        dead["items"][0]["answer"]
            .as_str()
            .unwrap()
            .contains("no more than"),
        "{text}"
    );

    // A wrong token stops the sink; the lead waits.
    let refused = Rig::start(stranger.crm, Some("bcrm_pat_wrong"), 1).await;
    refused.post(0, "1", "waits@example.com", "Patient").await;
    let began = Instant::now();
    while refused.figures().await["pausedUntil"].is_null() {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{}",
            refused.receiver.log_tail(20)
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(refused.figures().await["leads"]["pending"], 1);
    assert!(refused.crm.leads("waits@example.com").await.is_empty());
    assert!(refused.receiver.log().contains("InvalidCredentials"));
}
