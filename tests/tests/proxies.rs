//! Proxies on the way to a CRM, as the environment names them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leadgate_tests::authority::Authority;
use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::signing;
use leadgate_tests::wire::{exchange, request};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const SECRET: &str = "proxies-s3cret";
const PATIENCE: Duration = Duration::from_mins(1);
/// Nobody resolves this name: only a proxy that knows where it leads gets there.
const NAME: &str = "crm.leadgate.invalid";

/// How a proxy treats its clients.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Open,
    /// Asks for the user name and password `ann:p@ss-s3cret`.
    Guarded,
    /// Lets nothing through.
    Closed,
}

/// A proxy that leads everything to one address, and keeps the first lines of requests.
struct Proxy {
    address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    async fn start(listen: SocketAddr, to: SocketAddr, mood: Mood) -> Self {
        // The one before may still be ending.
        let began = Instant::now();
        let listener = loop {
            match TcpListener::bind(listen).await {
                Ok(listener) => break listener,
                Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let (address, lines) = (
            listener.local_addr().unwrap(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let seen = Arc::clone(&lines);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, to, mood, Arc::clone(&seen)));
            }
        });
        Self {
            address,
            lines,
            accepting,
        }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    to: SocketAddr,
    mood: Mood,
    lines: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let line = text.lines().next().unwrap_or_default().to_owned();
    let tunnel = line.starts_with("CONNECT ");
    lines.lock().unwrap().push(line);
    let proof = format!("basic {}", STANDARD.encode("ann:p@ss-s3cret"));
    let given = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization")
            .then(|| value.replacen("Basic", "basic", 1))
    });
    let refusal = match mood {
        Mood::Closed => Some("403 Forbidden"),
        Mood::Guarded if given.as_deref() != Some(&proof) => Some("407 Proxy Authentication Required"),
        _ => None,
    };
    if let Some(status) = refusal {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return client.write_all(answer.as_bytes()).await;
    }
    let mut server = TcpStream::connect(to).await?;
    if tunnel {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    } else {
        server.write_all(&head).await?;
    }
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// A CRM, and the folder with the certificate of its authority.
struct Scene {
    hubspot: HubSpot,
    crm: SocketAddr,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn start(tls: bool) -> Self {
        let authority = Authority::new("private").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.certificate()).unwrap();
        let leaf = authority.server(NAME).unwrap();
        let config = Config {
            tls: tls.then(|| leaf.server_config().unwrap()),
            ..Config::default()
        };
        let hubspot = HubSpot::start(config).await.unwrap();
        let url = hubspot.base_url();
        let crm = url.rsplit('/').next().unwrap().parse().unwrap();
        Self { hubspot, crm, folder }
    }

    /// Where the CRM is for others: with TLS by a name, else by its address, as sinks allow it on this machine only.
    fn url(&self) -> String {
        match self.hubspot.base_url() {
            url if url.starts_with("https:") => format!("https://{NAME}"),
            url => url,
        }
    }

    /// A receiver that delivers to it, in this environment.
    async fn receiver(&self, environment: &[(&str, &str)]) -> Receiver {
        let sink = HubSpotSink::new(self.url(), self.hubspot.token()).yaml();
        let mut options = Options::new(format!("{sink}---\n{}", mapped_webhook("web", SECRET)));
        let ca = self.folder.path().join("ca.pem").display().to_string();
        options.arguments = vec!["--outbound-ca".into(), ca];
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        options.environment = environment.iter().map(owned).collect();
        let receiver = Receiver::start(options).await.unwrap();
        post(receiver.address()).await;
        receiver
    }

    async fn arrives(&self, receiver: &Receiver) {
        let there = async || self.hubspot.contact("ann@example.com").is_some();
        receiver.until("the lead is in the CRM", PATIENCE, there).await;
    }
}

async fn post(receiver: SocketAddr) {
    let body = json!({"email": "ann@example.com", "submissionId": "ann"}).to_string();
    let signature = signing::generic(SECRET, body.as_bytes())[0].1.clone();
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Webhook-Signature", signature.as_str()),
    ];
    let bytes = request("POST", "/webhooks/default/web", &headers, body.as_bytes());
    assert_eq!(exchange(receiver, bytes).await.unwrap().status, 200);
}

async fn sink(receiver: &Receiver) -> Value {
    receiver.status().await.unwrap()["sinks"][0].clone()
}

/// The lead waits, and both the delivery and the check of the CRM say this.
async fn waits(receiver: &Receiver, told: &[&str]) {
    let is_told = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        told.iter().all(|part| text.contains(part))
    };
    let fails = async || {
        let sink = sink(receiver).await;
        is_told(&sink["lastError"]["message"]) && is_told(&sink["preflight"]["reachable"]["message"])
    };
    receiver.until(&told.join(", "), PATIENCE, fails).await;
    let leads = sink(receiver).await["leads"].clone();
    assert_eq!(
        (&leads["pending"], &leads["dead"]),
        (&json!(1), &json!(0)),
        "{leads}"
    );
    let status = receiver.status().await.unwrap().to_string();
    assert!(!status.contains("s3cret") && !receiver.log().contains("ss-s3cret"));
}

fn anywhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crm_is_called_through_the_proxy_which_resolves_its_name() {
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let scene = Scene::start(true).await;
        let proxy = Proxy::start(anywhere(), scene.crm, Mood::Guarded).await;
        let url = format!("http://ann:p%40ss-s3cret@{}", proxy.address);
        let receiver = scene.receiver(&[(variable, &url)]).await;
        scene.arrives(&receiver).await;
        let lines = proxy.lines();
        assert!(
            lines
                .iter()
                .all(|line| *line == format!("CONNECT {NAME}:443 HTTP/1.1")),
            "{lines:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crm_without_tls_is_called_through_its_own_proxy() {
    for variable in ["HTTP_PROXY", "http_proxy"] {
        let scene = Scene::start(false).await;
        let proxy = Proxy::start(anywhere(), scene.crm, Mood::Guarded).await;
        let url = format!("http://ann:p%40ss-s3cret@{}", proxy.address);
        let receiver = scene.receiver(&[(variable, &url)]).await;
        scene.arrives(&receiver).await;
        assert!(
            proxy
                .lines()
                .iter()
                .all(|line| line.contains(&format!(" {}/", scene.url())))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_names_domains_and_ranges_that_are_called_directly() {
    let scene = Scene::start(false).await;
    let proxy = Proxy::start(anywhere(), scene.crm, Mood::Open).await;
    let url = format!("http://{}", proxy.address);
    for (variable, value) in [
        ("NO_PROXY", "127.0.0.0/8"),
        ("no_proxy", "example.com, 127.0.0.1"),
    ] {
        let environment = [("HTTP_PROXY", url.as_str()), (variable, value)];
        let receiver = scene.receiver(&environment).await;
        scene.arrives(&receiver).await;
    }
    let scene = Scene::start(true).await;
    for value in [".leadgate.invalid", "leadgate.invalid", "*"] {
        let environment = [("HTTPS_PROXY", url.as_str()), ("NO_PROXY", value)];
        let receiver = scene.receiver(&environment).await;
        // Nobody here knows the name.
        waits(&receiver, &["no connection to HubSpot; see hubspot.baseUrl"]).await;
    }
    assert_eq!(proxy.lines(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_wait_for_a_proxy_that_is_down_and_are_told_which() {
    let scene = Scene::start(true).await;
    let free = StdListener::bind(anywhere()).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let url = format!("http://ann:p%40ss-s3cret@{address}");
    let receiver = scene.receiver(&[("HTTPS_PROXY", &url)]).await;
    waits(&receiver, &[&format!("through the proxy {address}"), "NO_PROXY"]).await;
    let _proxy = Proxy::start(address, scene.crm, Mood::Guarded).await;
    scene.arrives(&receiver).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_wait_while_a_proxy_refuses() {
    for (tls, variable, mood, told) in [
        (
            true,
            "HTTPS_PROXY",
            Mood::Guarded,
            "refuses the user name or password",
        ),
        (
            false,
            "HTTP_PROXY",
            Mood::Guarded,
            "refuses the user name or password",
        ),
        (
            true,
            "HTTPS_PROXY",
            Mood::Closed,
            "makes no connection to HubSpot",
        ),
    ] {
        let scene = Scene::start(tls).await;
        let proxy = Proxy::start(anywhere(), scene.crm, mood).await;
        let address = proxy.address;
        let url = format!("http://ann:wrong-s3cret@{address}");
        let receiver = scene.receiver(&[(variable, &url)]).await;
        waits(&receiver, &[&format!("the proxy {address}"), told]).await;
        drop(proxy);
        let _open = Proxy::start(address, scene.crm, Mood::Open).await;
        scene.arrives(&receiver).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_cannot_be_used_is_an_error_at_the_start() {
    for (variable, value) in [
        ("HTTPS_PROXY", "http://ann:s3cret@"),
        ("http_proxy", "http://ann:s3 cret@proxy.example:3128"),
        ("ALL_PROXY", "socks5://ann:s3cret@proxy.example:1080"),
    ] {
        let mut options = Options::new("");
        options.environment = vec![(variable.into(), value.into())];
        let error = format!("{:#}", Receiver::start(options).await.err().unwrap());
        assert!(error.contains("exit status: 1"), "{error}");
        assert!(
            error.contains(&format!("{variable}: it is not the address")),
            "{error}"
        );
        assert!(!error.contains("cret"), "{error}");
    }
}
