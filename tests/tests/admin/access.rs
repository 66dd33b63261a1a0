//! Who may ask what.

use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use leadgate_tests::receiver::{Options, Receiver, binary};
use leadgate_tests::wire::{Answer, exchange};

use leadgate_tests::rig::PATIENCE;

use super::Rig;

const OPEN: [&str; 3] = ["/livez", "/readyz", "/metrics"];
const GUARDED: [(&str, &str); 5] = [
    ("GET", "/status"),
    ("GET", "/deadletters"),
    ("GET", "/deadletters/x"),
    ("POST", "/deadletters/x/replay"),
    ("DELETE", "/deadletters/x"),
];

async fn call(address: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
    exchange(address, head).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_machine_itself_no_token_is_needed_unless_a_strange_name_was_asked() {
    let rig = Rig::start().await;
    let admin = rig.receiver.admin_address();
    for (host, let_in) in [
        ("Host: 127.0.0.1:9090\r\n", true),
        ("Host: localhost\r\n", true),
        ("Host: localhost:9090\r\n", true),
        ("Host: [::1]:9090\r\n", true),
        ("", true),
        ("Host: evil.example.com\r\n", false),
        ("Host: evil.example.com:9090\r\n", false),
        ("Host: 127.0.0.1.example.com\r\n", false),
        ("Host: localhost.example.com\r\n", false),
    ] {
        for path in OPEN {
            assert_eq!(call(admin, "GET", path, host).await.status, 200, "{path} {host}");
        }
        for (method, path) in GUARDED {
            let answer = call(admin, method, path, host).await;
            assert_eq!(answer.status != 401, let_in, "{method} {path} {host}: {answer:?}");
        }
    }
}

/// Whoever else calls from this machine, the receiver itself included, is not who holds the token.
#[tokio::test(flavor = "multi_thread")]
async fn where_a_token_is_set_the_machine_itself_needs_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "right-token\n").unwrap();
    let mut options = Options::new("");
    options.arguments = vec!["--admin-token-file".into(), token.display().to_string()];
    let receiver = Receiver::start(options).await.unwrap();
    let admin = receiver.admin_address();
    for path in OPEN {
        assert_eq!(call(admin, "GET", path, "").await.status, 200, "{path}");
    }
    for (headers, let_in) in [
        ("", false),
        ("Host: localhost:9090\r\n", false),
        ("Authorization: Bearer wrong\r\n", false),
        ("Authorization: Bearer right-token\r\n", true),
        ("Authorization: bearer right-token\r\n", true),
        ("Authorization: Basic right-token\r\n", false),
        ("Host: localhost\r\nAuthorization: Bearer right-token\r\n", true),
    ] {
        for (method, path) in GUARDED {
            let answer = call(admin, method, path, headers).await;
            assert_eq!(
                answer.status != 401,
                let_in,
                "{method} {path} {headers} {answer:?}"
            );
        }
    }
}

/// The new token counts at once, the old one no longer than some seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_changes_in_its_file_needs_no_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first-token\n").unwrap();
    let mut options = Options::new("");
    options.arguments = vec!["--admin-token-file".into(), file.display().to_string()];
    let receiver = Receiver::start(options).await.unwrap();
    let admin = receiver.admin_address();
    let ask = async |token: &str| {
        let header = format!("Authorization: Bearer {token}\r\n");
        call(admin, "GET", "/status", &header).await
    };
    let until = async |token: &str, status: u16| {
        let it = async || ask(token).await.status == status;
        receiver.until(&format!("{token}: {status}"), PATIENCE, it).await;
    };
    assert_eq!(ask("first-token").await.status, 200);
    std::fs::write(&file, "second-token").unwrap();
    until("second-token", 200).await;
    // Whoever finds the new one out has made the old one known.
    assert_eq!(ask("first-token").await.status, 401);
    // Nobody shows the new one: the old one ends by itself.
    std::fs::write(&file, "third-token").unwrap();
    until("second-token", 401).await;
    until("third-token", 200).await;
    for (content, told) in [(Some(""), "is empty"), (None, "cannot be read")] {
        match content {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let is_told = async || {
            ask("third-token").await.json()["problems"]
                .to_string()
                .contains(told)
        };
        receiver.until(told, PATIENCE, is_told).await;
        assert_eq!(receiver.log().matches(told).count(), 1, "{}", receiver.log());
    }
    std::fs::write(&file, "fourth-token").unwrap();
    until("fourth-token", 200).await;
    assert!(!receiver.log().contains("-token\""), "{}", receiver.log());
}

/// Browsers send a form of any page anywhere, and say where it comes from.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_changes_nothing() {
    let rig = Rig::start().await;
    let admin = rig.receiver.admin_address();
    let host = format!("Host: {admin}\r\n");
    for (headers, is_foreign) in [
        ("", false),
        ("Sec-Fetch-Site: none\r\n", false),
        ("Sec-Fetch-Site: same-origin\r\n", false),
        ("Sec-Fetch-Site: same-site\r\n", true),
        ("Sec-Fetch-Site: cross-site\r\n", true),
        ("Sec-Fetch-Site: Cross-Site\r\n", true),
        ("Origin: https://evil.example\r\n", true),
        ("Origin: null\r\n", true),
        ("Origin: \r\n", true),
        ("Origin: http://127.0.0.1\r\n", true),
        ("Origin: http://127.0.0.1:1\r\n", true),
        (
            "Origin: https://evil.example\r\nSec-Fetch-Site: same-origin\r\n",
            true,
        ),
        (
            "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\nContent-Type: text/plain\r\n",
            true,
        ),
        (&format!("Origin: http://{admin}\r\n"), false),
        (
            &format!("Origin: http://{admin}\r\nSec-Fetch-Site: same-origin\r\n"),
            false,
        ),
    ] {
        for (method, path) in GUARDED {
            let answer = call(admin, method, path, &format!("{host}{headers}")).await;
            let expected = is_foreign && method != "GET";
            assert_eq!(
                answer.status == 403,
                expected,
                "{method} {path} {headers}: {answer:?}"
            );
            assert!(!expected || answer.is_problem(), "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_leads_is_for_no_cache_and_every_refusal_is_a_problem() {
    let rig = Rig::start().await;
    let admin = rig.receiver.admin_address();
    for (method, path, status) in [
        ("GET", "/status", 200),
        ("GET", "/deadletters", 200),
        ("GET", "/deadletters/x", 404),
        ("GET", "/deadletters/%ff", 400),
        ("GET", "/deadletters?set=nothing", 400),
        ("GET", "/deadletters?limit=-1", 400),
        ("GET", "/deadletters?unknown=1", 400),
        ("POST", "/deadletters/x/replay?create=perhaps", 400),
        ("PUT", "/deadletters/x", 405),
        ("GET", "/api/v1/nothing", 404),
        ("POST", "/api/v1/leads/a/b/c", 404),
        ("PUT", "/api/v1/leads", 405),
    ] {
        let answer = call(admin, method, path, "").await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "{method} {path}"
        );
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{method} {path}"
        );
        let is_problem = answer.header("content-type") == Some("application/problem+json");
        assert_eq!(is_problem, status >= 400, "{method} {path}: {answer:?}");
    }
}

/// A receiver whose admin server listens on all addresses.
struct Exposed(Child);

impl Drop for Exposed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_elsewhere_the_token_is_needed() {
    // An address of this machine that is not the loopback; nothing is sent.
    let outward = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    let Some(outward) = outward
        .ok()
        .map(|a| a.ip())
        .filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
    else {
        eprintln!("skipped: this machine has no address but the loopback");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("manifests")).unwrap();
    let mut token = std::fs::File::create(folder.path().join("token")).unwrap();
    token.write_all(b"right-token\n").unwrap();
    for with_token in [true, false] {
        let port = std::net::TcpListener::bind("0.0.0.0:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut command = Command::new(binary(false).unwrap());
        command
            .current_dir(folder.path())
            .args([
                "--manifests",
                "manifests",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
            ])
            .arg(format!("0.0.0.0:{port}"))
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        if with_token {
            command.args(["--admin-token-file", "token"]);
        }
        let _running = Exposed(command.spawn().unwrap());
        let admin = SocketAddr::new(outward, port);
        let began = Instant::now();
        while tokio::net::TcpStream::connect(admin).await.is_err() {
            assert!(began.elapsed() < PATIENCE);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        for path in ["/livez", "/metrics"] {
            assert_eq!(call(admin, "GET", path, "").await.status, 200, "{path}");
        }
        for (headers, let_in) in [
            ("", false),
            ("Host: localhost\r\n", false),
            ("X-Forwarded-For: 127.0.0.1\r\n", false),
            ("Authorization: Bearer wrong\r\n", false),
            ("Authorization: Bearer \r\n", false),
            ("Authorization: right-token\r\n", false),
            ("Authorization: Basic right-token\r\n", false),
            (
                "Host: evil.example.com\r\nAuthorization: Bearer right-token\r\n",
                with_token,
            ),
            ("Authorization: Bearer right-token\r\n", with_token),
        ] {
            for (method, path) in GUARDED {
                let answer = call(admin, method, path, headers).await;
                assert_eq!(
                    answer.status != 401,
                    let_in,
                    "{method} {path} {headers} {answer:?}"
                );
                assert!(!answer.text().contains("right-token"));
            }
        }
    }
}
