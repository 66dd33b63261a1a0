//! Who may ask what.

use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use leadgate_tests::receiver::binary;
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
