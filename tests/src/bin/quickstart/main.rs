//! `make run`: the whole way of a lead on this machine, with a simulated HubSpot at its end.
//!
//! Starts both on `examples/quickstart`, posts a lead as each of three senders signs it, shows what the CRM has then,
//! and stays up for more. With standard input closed, or `ONCE=1`, it ends there: 0 if the leads arrived, else 1.

mod samples;
mod setup;
mod table;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use leadgate_receiver::shown;
use leadgate_tests::hubspot::{Contact, HubSpot};
use samples::Sample;
use serde_json::Value;
use setup::{Manifests, Ports, Receiver};
use table::say;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long three leads may take; it takes milliseconds.
const ARRIVAL: Duration = Duration::from_secs(30);

/// What is shown of a contact.
const COLUMNS: [&str; 6] = ["email", "firstname", "lastname", "phone", "company", "id"];

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = run() => outcome,
        () = told_to_stop() => {
            say("").map_err(Into::into)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shown::complain(&format!("quickstart: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    // It is there already if some other part was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let input = InputEnd::watch();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifests = Manifests::read(root.join("examples/quickstart"))?;
    let ports = Ports::from_environment()?;
    ports.check(manifests.crm)?;
    let state = fresh_state(&root)?;
    let binary = tokio::task::spawn_blocking(|| leadgate_tests::receiver::binary(false)).await??;

    let hubspot = setup::hubspot(&manifests).await?;
    let mut receiver = Receiver::start(&binary, &manifests.folder, &state, ports)?;
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    receiver.ready(&client).await?;
    say("\nThe receiver is running with examples/quickstart/*.yaml and a simulated HubSpot.\n")?;

    let outcome = deliver(&manifests, ports, &hubspot, &client).await;
    if outcome.is_err() {
        shown::complain(&format!(
            "The end of the receiver's log (.quickstart/receiver.log):\n{}\n",
            receiver.last_words()
        ));
    }
    outcome?;
    if !input.ended().await {
        invite(&manifests, ports, &hubspot)?;
        stay(&hubspot, &mut receiver, input).await?;
    }
    Ok(())
}

/// Posts the three leads and waits until the CRM has each of them once.
async fn deliver(
    manifests: &Manifests,
    ports: Ports,
    hubspot: &HubSpot,
    client: &reqwest::Client,
) -> Result<()> {
    let samples = [
        samples::typeform(manifests.secret("senders", "typeform")?, &fresh_id()),
        samples::shopify(manifests.secret("senders", "shopify")?, &fresh_id()),
        samples::website(manifests.secret("senders", "website")?, &fresh_id()),
    ];
    let began = Instant::now();
    let mut rows = Vec::new();
    for sample in &samples {
        let (status, answer) = post(client, ports, sample).await?;
        if (status, text(&answer, "status")) != (200, "accepted") {
            bail!("{} was answered {status} {answer}", sample.webhook);
        }
        rows.push([
            path(sample),
            format!("{status} accepted"),
            text(&answer, "id").to_owned(),
        ]);
    }
    arrived(hubspot, &samples).await?;
    let took = began.elapsed();

    say("Sent, each signed in its sender's scheme:")?;
    table::print(&["request", "answer", "id"], &rows)?;
    // A resend must not become a second contact, and a forged request must not become one at all.
    let [again, _, mut forged] = samples;
    let (status, answer) = post(client, ports, &again).await?;
    let resent = [
        format!("{}  (sent again)", path(&again)),
        format!("{status} {}", text(&answer, "status")),
        text(&answer, "id").to_owned(),
    ];
    forged.body = forged.body.replace("ada@", "eve@");
    let (status, answer) = post(client, ports, &forged).await?;
    let refused = [
        format!("{}  (modified in transit)", path(&forged)),
        status.to_string(),
        text(&answer, "detail").to_owned(),
    ];
    say("\nNot accepted as a new lead:")?;
    table::print(&["request", "answer", ""], &[resent, refused])?;

    say(&format!(
        "\nIn the CRM, {} ms after the first request was sent:",
        took.as_millis()
    ))?;
    show(&hubspot.contacts())?;
    Ok(())
}

async fn post(client: &reqwest::Client, ports: Ports, sample: &Sample) -> Result<(u16, Value)> {
    let mut request = client
        .post(format!("http://{}{}", ports.listen, path_of(sample.webhook)))
        .header("content-type", "application/json");
    for (name, value) in &sample.headers {
        request = request.header(*name, value);
    }
    let response = request.body(sample.body.clone()).send().await?;
    let status = response.status().as_u16();
    Ok((
        status,
        serde_json::from_str(&response.text().await?).unwrap_or_default(),
    ))
}

async fn arrived(hubspot: &HubSpot, posts: &[Sample]) -> Result<()> {
    let began = Instant::now();
    loop {
        let missing: Vec<&str> = posts
            .iter()
            .map(|sample| sample.email)
            .filter(|email| hubspot.contact(email).is_none())
            .collect();
        if missing.is_empty() {
            let doubled = hubspot
                .records_per_email()
                .into_iter()
                .find(|(_, records)| *records != 1);
            return doubled.map_or(Ok(()), |(email, records)| {
                bail!("{email} is in the CRM {records} times")
            });
        }
        if began.elapsed() > ARRIVAL {
            bail!("not in the CRM after {ARRIVAL:?}: {}", missing.join(", "));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What to try next.
fn invite(manifests: &Manifests, ports: Ports, hubspot: &HubSpot) -> Result<()> {
    let (admin, crm) = (ports.admin, hubspot.base_url());
    let url = format!("http://{}{}", ports.listen, path_of("website"));
    let curl = samples::curl(&url, manifests.secret("senders", "website")?, &fresh_id());
    say(&format!(
        "\nSend a lead from another terminal:\n\n{curl}\n\nInspect:"
    ))?;
    table::print_plain(&[
        ["console, in a browser", &format!("http://{admin}/console")],
        ["configuration and counts", &format!("curl http://{admin}/status")],
        ["Prometheus metrics", &format!("curl http://{admin}/metrics")],
        ["dead letters", &format!("curl http://{admin}/api/v1/leads")],
        ["contacts in the CRM", &format!("curl {crm}/_sim/contacts")],
        ["log of the receiver", ".quickstart/receiver.log"],
    ])?;
    say("\nChanges to examples/quickstart/*.yaml apply immediately. Press Ctrl-C to stop.")?;
    Ok(())
}

/// Shows what reaches the CRM, until the input ends.
async fn stay(hubspot: &HubSpot, receiver: &mut Receiver, mut input: InputEnd) -> Result<()> {
    let mut known = hubspot.write_count();
    let mut look = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            () = input.end() => return Ok(()),
            _ = look.tick() => {}
        }
        receiver.alive()?;
        let writes = hubspot.writes();
        let new = writes.get(known..).unwrap_or_default();
        if !new.is_empty() {
            say("\nIn the CRM:")?;
            let changed = |contact: &Contact| new.iter().any(|write| write.id == contact.id);
            show(&hubspot.contacts().into_iter().filter(changed).collect::<Vec<_>>())?;
        }
        known = writes.len();
    }
}

fn show(contacts: &[Contact]) -> std::io::Result<()> {
    let rows: Vec<[String; 6]> = contacts
        .iter()
        .map(|contact| {
            COLUMNS.map(|column| match column {
                "id" => contact.id.to_string(),
                property => contact.get(property).to_owned(),
            })
        })
        .collect();
    table::print(&COLUMNS, &rows)
}

fn path(sample: &Sample) -> String {
    format!("POST {}", path_of(sample.webhook))
}

fn path_of(webhook: &str) -> String {
    format!("/webhooks/default/{webhook}")
}

fn text<'a>(answer: &'a Value, field: &str) -> &'a str {
    answer.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// As senders' own ids: another one for each submission.
fn fresh_id() -> String {
    hex::encode(rand::random::<[u8; 8]>())
}

/// An empty folder for the queue and the log.
fn fresh_state(root: &Path) -> Result<PathBuf> {
    let folder = root.join(".quickstart");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("{} cannot be emptied", folder.display()))?;
    }
    std::fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// Whether nobody is there to read on: standard input has ended, or `ONCE` is set.
struct InputEnd(watch::Receiver<bool>);

impl InputEnd {
    fn watch() -> Self {
        let once = std::env::var("ONCE").is_ok_and(|value| !value.is_empty() && value != "0");
        let (sender, ended) = watch::channel(once);
        // A thread of its own: reading a terminal cannot be interrupted, and must not keep the process alive.
        std::thread::spawn(move || {
            let (mut input, mut bytes) = (std::io::stdin(), [0; 256]);
            while input.read(&mut bytes).is_ok_and(|read| read > 0) {}
            // Nobody listens any more when the process ends.
            let _ = sender.send(true);
        });
        Self(ended)
    }

    async fn ended(&self) -> bool {
        tokio::time::sleep(Duration::from_millis(20)).await;
        *self.0.borrow()
    }

    async fn end(&mut self) {
        // The thread sends before it drops its end, so an error means the same.
        let _ = self.0.wait_for(|ended| *ended).await;
    }
}

async fn told_to_stop() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
