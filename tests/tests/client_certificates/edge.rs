//! Passed on by an edge that is believed only at its own address.

use leadgate_tests::authority::{Authority, Leaf};
use leadgate_tests::receiver::{Options, Receiver};
use reqwest::Client;

use super::{LEAD, REST, uri, webhook};

/// Behind an edge at 127.0.0.1 that is believed, or not.
fn behind_an_edge(leaf: &Leaf) -> String {
    let forwarded = |header: &str, format: &str, proxies: &str, more: &str| {
        format!("forwarded: {{header: {header}, format: {format}, proxies: ['{proxies}'] {more}}}")
    };
    let here = "127.0.0.1/32";
    let envoy = |proxies: &str| forwarded("x-forwarded-client-cert", "Envoy", proxies, "");
    let nginx = forwarded(
        "ssl-client-cert",
        "Certificate",
        here,
        ", verified: {header: ssl-client-verify, value: SUCCESS}",
    );
    let print = forwarded("x-ssl-client-sha1", "Fingerprint", here, "");
    let subject = forwarded("ssl-client-subject-dn", "Subject", here, "");
    let sha1 = sha1_of(&leaf.der);
    let uri = "uris: ['spiffe://example.com/forms']";
    webhook("envoy", &format!("clientCertificate: {{{uri}, {}}}", envoy(here)))
        + &webhook(
            "elsewhere",
            &format!(
                "trustedProxies: 1, clientCertificate: {{{uri}, {}}}",
                envoy("10.0.0.0/8")
            ),
        )
        + &webhook("nginx", &format!("clientCertificate: {{{uri}, {nginx}}}"))
        + &webhook(
            "print",
            &format!("clientCertificate: {{fingerprints: ['{sha1}'], {print}}}"),
        )
        + &webhook(
            "subject",
            &format!("clientCertificate: {{subjects: ['CN=forms,O=Example'], {subject}}}"),
        )
        + &webhook("own", &format!("clientCertificate: {{{uri}}}"))
        + REST
}

/// By another implementation than the receiver's.
fn sha1_of(der: &[u8]) -> String {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut child = Command::new("sha1sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(der).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}

fn percent(pem: &str) -> String {
    percent_encoding::utf8_percent_encode(pem, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn what_an_edge_passes_on_is_believed_only_from_the_edge() {
    let authority = Authority::new("senders").unwrap();
    let forms = authority
        .client("x", &[uri("spiffe://example.com/forms")])
        .unwrap();
    let other = authority
        .client("x", &[uri("spiffe://example.com/other")])
        .unwrap();
    let mut options = Options::new(behind_an_edge(&forms));
    options.arguments = vec!["--behind-tls-proxy".into(), "--allow-local-addresses".into()];
    let receiver = Receiver::start(options).await.unwrap();
    let client = Client::new();
    let (pem, other_pem) = (percent(&forms.certificate), percent(&other.certificate));
    let (sha1, other_sha1) = (sha1_of(&forms.der), sha1_of(&other.der));
    let claim = "By=spiffe://example.com/edge;Hash=00;URI=spiffe://example.com/forms";
    let claim = claim.replace("Hash=00", &format!("Hash={}", forms.sha256()));
    let refused_last = format!("{claim},By=x;URI=spiffe://example.com/other");
    let right_last = format!("By=x;URI=spiffe://example.com/other,{claim}");
    let quoted = r#"Subject="CN=a;URI=spiffe://example.com/forms,O=b";URI=spiffe://example.com/other"#;
    let in_cert = format!("URI=spiffe://example.com/forms;Cert=\"{other_pem}\"");
    let cert = format!("Cert=\"{pem}\"");
    let success = ("ssl-client-verify", "SUCCESS");
    let envoy = "x-forwarded-client-cert";
    for (what, webhook, headers, expected) in [
        ("Envoy's fields", "envoy", vec![(envoy, claim.as_str())], Ok(())),
        ("Envoy's certificate", "envoy", vec![(envoy, &cert)], Ok(())),
        (
            "the nearest proxy's element is right",
            "envoy",
            vec![(envoy, &right_last)],
            Ok(()),
        ),
        (
            "a sender's element before the proxy's",
            "envoy",
            vec![(envoy, &refused_last)],
            Err("Certificate"),
        ),
        (
            "a field inside quotes",
            "envoy",
            vec![(envoy, quoted)],
            Err("Certificate"),
        ),
        (
            "a field beside another certificate",
            "envoy",
            vec![(envoy, &in_cert)],
            Err("Certificate"),
        ),
        ("nothing", "envoy", vec![], Err("Missing")),
        ("no pairs", "envoy", vec![(envoy, "forms")], Err("Malformed")),
        (
            "an open quote",
            "envoy",
            vec![(envoy, "Subject=\"CN=a")],
            Err("Malformed"),
        ),
        (
            "from a stranger",
            "elsewhere",
            vec![(envoy, &claim)],
            Err("Proxy"),
        ),
        (
            "from a stranger who names a proxy",
            "elsewhere",
            vec![(envoy, &claim), ("x-forwarded-for", "10.0.0.1")],
            Err("Proxy"),
        ),
        (
            "nginx's certificate",
            "nginx",
            vec![("ssl-client-cert", &pem), success],
            Ok(()),
        ),
        (
            "not verified",
            "nginx",
            vec![("ssl-client-cert", &pem), ("ssl-client-verify", "FAILED:expired")],
            Err("Unverified"),
        ),
        (
            "not said to be verified",
            "nginx",
            vec![("ssl-client-cert", &pem)],
            Err("Missing"),
        ),
        (
            "said twice",
            "nginx",
            vec![("ssl-client-cert", &pem), success, success],
            Err("Repeated"),
        ),
        (
            "another certificate",
            "nginx",
            vec![("ssl-client-cert", &other_pem), success],
            Err("Certificate"),
        ),
        (
            "no certificate",
            "nginx",
            vec![("ssl-client-cert", "aGVsbG8="), success],
            Err("Malformed"),
        ),
        (
            "two certificates",
            "nginx",
            vec![("ssl-client-cert", &pem), ("ssl-client-cert", &pem), success],
            Err("Repeated"),
        ),
        (
            "a fingerprint",
            "print",
            vec![("x-ssl-client-sha1", &sha1)],
            Ok(()),
        ),
        (
            "another fingerprint",
            "print",
            vec![("x-ssl-client-sha1", &other_sha1)],
            Err("Certificate"),
        ),
        (
            "half a fingerprint",
            "print",
            vec![("x-ssl-client-sha1", &sha1[..20])],
            Err("Malformed"),
        ),
        (
            "a subject",
            "subject",
            vec![("ssl-client-subject-dn", "CN=forms,O=Example")],
            Ok(()),
        ),
        (
            "a longer subject",
            "subject",
            vec![("ssl-client-subject-dn", "CN=forms,O=Example,OU=x")],
            Err("Certificate"),
        ),
        (
            "a header where the receiver must check",
            "own",
            vec![(envoy, &claim)],
            Err("Missing"),
        ),
    ] {
        let before = count(&receiver, expected.err()).await;
        let mut request = client
            .post(receiver.webhook(webhook))
            .header("x-forwarded-proto", "https")
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.body(LEAD).send().await.unwrap();
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, if expected.is_ok() { 200 } else { 401 }, "{what}: {body}");
        let after = count(&receiver, expected.err()).await;
        assert!((after - before - 1.0).abs() < 0.5, "{what}: {expected:?}, {body}");
        assert!(!body.contains("example.com"), "{what}: {body}");
    }
    // A webhook that waits for what this process does not ask for is reported.
    let log = receiver.log();
    assert!(log.contains("start the receiver with --tls-client-ca"), "{log}");
    assert!(!log.contains("spiffe"), "{log}");
}

/// Requests accepted, or refused for a reason.
async fn count(receiver: &Receiver, reason: Option<&str>) -> f64 {
    let of = async |name: &str, label: String| receiver.metric(name, &[&label]).await.unwrap();
    if let Some(reason) = reason {
        return of("leadgate_unauthorized_total", format!("reason=\"{reason}\"")).await;
    }
    let mut all = 0.0;
    for outcome in ["accepted", "duplicate"] {
        all += of("leadgate_requests_total", format!("outcome=\"{outcome}\"")).await;
    }
    all
}
