//! The commands, as somebody runs them at a terminal.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::binary;

/// A folder with a sink, a webhook, and a lead.
fn folder(webhook: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifests = folder.path().join("manifests");
    std::fs::create_dir(&manifests).unwrap();
    let mut sink = HubSpotSink::new("http://127.0.0.1:9", "t");
    sink.properties =
        "    email: lead.email\n    firstname: payload.firstName\n    note: payload.note".into();
    std::fs::write(manifests.join("a.yaml"), sink.yaml()).unwrap();
    std::fs::write(manifests.join("b.yaml"), webhook).unwrap();
    let lead = r#"{"email": "ada@example.com", "firstName": "Ada \u001b]0;title\u0007\u202e", "note": "two\nlines"}"#;
    std::fs::write(folder.path().join("lead.json"), lead).unwrap();
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary(false).unwrap());
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

const TRY: &[&str] = &[
    "try",
    "--manifests",
    "manifests",
    "--webhook",
    "web",
    "--payload",
    "lead.json",
];
const COMMANDS: &[&[&str]] = &[
    &["presets"],
    &["presets", "typeform"],
    &["presets", "nobody"],
    &["--check", "--manifests", "manifests"],
    &["check", "--manifests", "manifests"],
    &["run", "--help"],
    &["--help"],
    &["--version"],
    &["--log", "leadgate_receiver=loud", "--manifests", "manifests"],
    TRY,
];

/// As with `| head -1`, or in a terminal that was closed.
#[test]
fn a_reader_that_has_gone_is_no_reason_to_panic() {
    for webhook in [mapped_webhook("web", "s"), "kind: [".to_owned()] {
        let folder = folder(&webhook);
        for arguments in COMMANDS {
            let expected = command(folder.path(), arguments).output().unwrap();
            let (read, write) = std::io::pipe().unwrap();
            drop(read);
            let Output { status, stderr, .. } = command(folder.path(), arguments)
                .stdout(write.try_clone().unwrap())
                .output()
                .unwrap();
            assert_eq!(status.code(), expected.status.code(), "{arguments:?}");
            let told = String::from_utf8_lossy(&stderr);
            assert!(!told.contains("panicked"), "{arguments:?}: {told}");
            // Nor when there is nobody at all.
            let status = command(folder.path(), arguments)
                .stdout(write.try_clone().unwrap())
                .stderr(write)
                .status()
                .unwrap();
            assert_eq!(status.code(), expected.status.code(), "{arguments:?}");
        }
    }
}

/// What cannot be written for another reason is not passed over.
#[test]
fn a_full_disk_is_told() {
    let folder = folder(&mapped_webhook("web", "s"));
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for arguments in [&["presets"][..], &["--check", "--manifests", "manifests"], TRY] {
        let output = command(folder.path(), arguments).stdout(full()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && told.contains("space"),
            "{arguments:?}: {told}"
        );
    }
}

/// A lead must not move the cursor, set the title, or turn the text of whoever looks at it.
#[test]
fn terminal_escapes_are_shown_not_sent() {
    let folder = folder(&mapped_webhook("web", "s"));
    let output = command(folder.path(), TRY).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains(r"firstname = Ada \u{1b}]0;title\u{7}\u{202e}"),
        "{told}"
    );
    assert!(told.contains(r"note = two\u{a}lines"), "{told}");
    assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
    // Nor what stands in a manifest.
    let folder = self::folder(
        "kind: \"\\e[31mred\"\napiVersion: leadgate.dev/v1alpha1\nmetadata: {name: \"\\e[1m\"}\n",
    );
    let output = command(folder.path(), &["--check", "--manifests", "manifests"])
        .output()
        .unwrap();
    for stream in [output.stdout, output.stderr] {
        assert!(!stream.contains(&0x1b), "{}", String::from_utf8_lossy(&stream));
    }
}

/// The log is lost then, the leads are not.
#[test]
fn the_receiver_runs_on_when_nobody_reads_its_log() {
    let folder = folder(&mapped_webhook("web", "s"));
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let admin = port.to_string();
    let arguments = [
        "--manifests",
        "manifests",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        &admin,
        "--log",
        "trace",
    ];
    let mut receiver = command(folder.path(), &arguments)
        .stdout(write.try_clone().unwrap())
        .stderr(write)
        .spawn()
        .unwrap();
    let ready = || {
        use std::io::Write as _;
        let mut stream = std::net::TcpStream::connect(port).ok()?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.contains("200 OK").then_some(())
    };
    for _ in 0..1500 {
        if ready().is_some() {
            break;
        }
        assert!(receiver.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let answer = ready();
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    answer.expect("it is ready");
}

/// A manifest's author must not reach through the receiver what only the receiver's machine can reach. On a machine that nobody
/// else can post to, simulators are welcome.
#[test]
fn local_addresses_are_refused_where_others_can_post() {
    let webhook = mapped_webhook("web", "s").replace(
        "  payload:\n",
        "  payload:\n    hydrate: {baseUrl: 'https://169.254.169.254', path: payload.path, tokenSecretRef: {name: hubspot-token, key: token}}\n",
    );
    let folder = folder(&webhook);
    let check = |more: &[&str]| {
        let arguments = [&["--check", "--manifests", "manifests"], more].concat();
        let output = command(folder.path(), &arguments).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let refused = check(&["--behind-tls-proxy"]);
    for words in [
        "CrmSink default/hubspot: spec.hubspot.baseUrl: the host is this machine or a link-local address",
        "--allow-local-addresses",
    ] {
        assert!(refused.contains(words), "{refused}");
    }
    for flags in [
        &[][..],
        &["--allow-local-addresses"],
        &["--behind-tls-proxy", "--allow-local-addresses"],
    ] {
        let told = check(flags);
        assert!(!told.contains("link-local"), "{flags:?}: {told}");
    }
    let sink = folder.path().join("manifests/a.yaml");
    let public = std::fs::read_to_string(&sink)
        .unwrap()
        .replace("http://127.0.0.1:9", "https://10.1.2.3");
    std::fs::write(&sink, public).unwrap();
    let refused = check(&["--behind-tls-proxy"]);
    assert!(
        refused.contains("LeadWebhook default/web: spec.payload.hydrate.baseUrl: the host is this machine"),
        "{refused}"
    );
    assert!(!refused.contains("hubspot.baseUrl"), "{refused}");
}

/// A typing error in a path is no error of the expression: it gives nothing, for ever. `try` says so.
#[test]
fn expressions_that_found_nothing_are_named() {
    let webhook = mapped_webhook("web", "s").replace(
        "phone: payload.phone",
        "phone: payload.phnoe\n      custom: {budget: payload.budget}",
    );
    let folder = folder(&webhook);
    let told = |arguments: &[&str]| {
        String::from_utf8(command(folder.path(), arguments).output().unwrap().stdout).unwrap()
    };
    let nothing = |told: &str| -> Vec<String> {
        let lines = told.lines().filter_map(|line| line.strip_prefix("found nothing"));
        lines.map(|names| names.trim().to_owned()).collect()
    };
    let without = told(TRY);
    assert_eq!(nothing(&without), ["custom.budget, lastName, phone"], "{without}");
    let lead = r#"{"email": "ada@example.com", "firstName": "Ada", "lastName": "L", "phnoe": "+442071838750 x1", "budget": 5}"#;
    std::fs::write(folder.path().join("lead.json"), lead).unwrap();
    let with = told(TRY);
    assert_eq!(
        nothing(&with),
        ["note"],
        "the sink's property that nothing fills: {with}"
    );
}

/// A sender's notification that carries an id only is shown as the lead that it becomes.
#[test]
fn a_thin_payload_is_tried_with_the_answer_of_its_senders_api() {
    let webhook = "apiVersion: leadgate.dev/v1alpha1
kind: LeadWebhook
metadata: {name: web, namespace: default}
spec:
  source: meta
  auth: {none: {allowUnauthenticated: true}}
  payload: {hydrate: {tokenSecretRef: {name: hubspot-token, key: token}}}
  sinks: [{name: hubspot}]
";
    let folder = folder(webhook);
    let notification = r#"{"object": "page", "entry": [{"id": "1", "time": 1, "changes": [
        {"field": "leadgen", "value": {"leadgen_id": "44", "page_id": "1", "created_time": 1790000000}}]}]}"#;
    std::fs::write(folder.path().join("lead.json"), notification).unwrap();
    let told = |more: &[&str]| {
        let output = command(folder.path(), &[TRY, more].concat()).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let thin = told(&[]);
    assert!(
        thin.contains("--fetched FILE") && !thin.contains("found nothing"),
        "{thin}"
    );
    let answer = r#"{"id": "44", "created_time": "2026-11-25T10:00:00+0000", "field_data": [
        {"name": "email", "values": ["ada@example.com"]}, {"name": "full_name", "values": ["Ada Lovelace"]}]}"#;
    std::fs::write(folder.path().join("answer.json"), answer).unwrap();
    let whole = told(&["--fetched", "answer.json"]);
    for line in ["email = ada@example.com", "lastName = Lovelace", "found nothing"] {
        assert!(whole.contains(line), "{line}: {whole}");
    }
    std::fs::write(
        folder.path().join("answer.json"),
        r#"{"id": "44", "field_data": []}"#,
    )
    .unwrap();
    let invalid = told(&["--fetched", "answer.json"]);
    assert!(
        invalid.contains("it would become dead (InvalidLead)"),
        "{invalid}"
    );
    for nonsense in ["[]", "{", "nope"] {
        std::fs::write(folder.path().join("answer.json"), nonsense).unwrap();
        let refused = told(&["--fetched", "answer.json"]);
        assert!(
            refused.starts_with("leadgate-receiver try: --fetched answer.json"),
            "{nonsense}: {refused}"
        );
    }
}

/// Flags alone run the receiver, and `--check` among them checks: as before there were commands.
#[test]
fn flags_without_a_command_are_those_of_run() {
    let folder = folder(&mapped_webhook("web", "s"));
    let told = |arguments: &[&str]| {
        let output = command(folder.path(), arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    for flags in [
        &["--manifests", "manifests", "--listen", "0.0.0.0:0"][..],
        &["--manifests", "manifests", "--tls-cert", "nowhere"],
        &["--manifests", "nowhere", "--log", "loud=loud=loud"],
        &["--no-such-flag"],
    ] {
        assert_eq!(told(flags), told(&[&["run"], flags].concat()), "{flags:?}");
    }
    for flags in [
        &["--manifests", "manifests"][..],
        &["--manifests", "manifests", "-o", "json"],
        &["--output", "json", "--manifests", "nowhere"],
    ] {
        let checked = told(&[&["check"], flags].concat());
        assert_eq!(told(&[&["--check"], flags].concat()), checked, "{flags:?}");
        assert_eq!(told(&[flags, &["--check"]].concat()), checked, "{flags:?}");
    }
    let (_, help) = told(&["--help"]);
    for name in ["run", "check", "try", "presets"] {
        assert!(help.contains(&format!("\n  {name} ")), "{name}: {help}");
    }
}

/// A window is written as manifests write it.
#[test]
fn try_tells_how_long_a_submission_is_remembered() {
    let folder = folder(&mapped_webhook("web", "s"));
    let output = command(folder.path(), TRY).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("remembered for 24h\n"), "{told}");
}

/// A slip in a command is not an unknown flag.
#[test]
fn an_unknown_command_is_told_with_the_one_that_was_meant() {
    let folder = folder(&mapped_webhook("web", "s"));
    let output = command(folder.path(), &["trry"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && told.contains("'trry'") && told.contains("'try'"),
        "{told}"
    );
}

/// A mistake in `--log` must not switch the log off.
#[test]
fn a_log_level_that_is_none_is_refused() {
    let folder = folder(&mapped_webhook("web", "s"));
    let told = |log: &str| {
        let arguments = ["check", "--manifests", "manifests", "--log", log];
        let output = command(folder.path(), &arguments).output().unwrap();
        (
            output.status.success(),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    for (log, said) in [
        ("verbose", "`verbose` is no level; write one of off, error, warn"),
        ("infoo", "did you mean info?"),
        ("leadgate_receiver=debug,warning", "`warning` is no level"),
        ("leadgate_receiver=loud", "invalid"),
    ] {
        let (fine, text) = told(log);
        assert!(!fine && text.contains(said), "{log}: {text}");
    }
    for log in [
        "info",
        "WARN",
        "off",
        "leadgate_receiver=debug",
        "warn,h2=debug",
        "[request]=info",
    ] {
        let (fine, text) = told(log);
        assert!(fine, "{log}: {text}");
    }
}

/// What `run` refuses for what stands in a flag, `check` refuses too, in the same words.
#[test]
fn check_refuses_the_flags_that_run_refuses() {
    let folder = folder(&mapped_webhook("web", "s"));
    let told = |verb: &str, flags: &[&str]| {
        let arguments = [&[verb, "--manifests", "manifests"], flags].concat();
        let output = command(folder.path(), &arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    for (flags, said) in [
        (
            ["--listen", "8080"],
            "--listen 8080: this is no address to listen on; write 127.0.0.1:8080",
        ),
        (
            ["--listen", ":8080"],
            "write 127.0.0.1:8080 for this machine only, or [::]:8080",
        ),
        (
            ["--listen", "localhost"],
            "write an address and a port, as in 127.0.0.1:8080",
        ),
        (
            ["--admin-listen", "9090"],
            "--admin-listen 9090: this is no address",
        ),
        (["--listen", "0.0.0.0:8080"], "refusing to serve plain HTTP"),
        (
            ["--queue", "leadgate.db"],
            "--queue: queue URL: it names no scheme",
        ),
        (["--queue", "sqlite:"], "sqlite: needs a file"),
        (
            ["--secrets", "/nope"],
            "--secrets /nope: there is no such directory",
        ),
    ] {
        let (code, text) = told("check", &flags);
        assert!(code == Some(1) && text.contains(said), "{flags:?}: {text}");
        assert_eq!(told("run", &flags), (code, text), "{flags:?}");
    }
    for flags in [
        ["--listen", "localhost:8080"],
        ["--listen", "[::1]:8080"],
        ["--queue", "redis://redis.example.com/0"],
        ["--admin-token-file", "/only/there"],
    ] {
        let (code, text) = told("check", &flags);
        assert_eq!(code, Some(0), "{flags:?}: {text}");
    }
}

/// What somebody types at `try` is taken for what is meant, and what is the webhook's fault is not said to be the sender's.
#[test]
fn try_reads_a_query_as_it_is_copied_and_names_what_there_is() {
    let webhook = mapped_webhook("web", "s").replace(
        "  payload:\n",
        "  payload:\n    accept: \"query.a == 'b' && size(payload.email + payload.n) > 0\"\n",
    );
    let folder = folder(&webhook);
    std::fs::write(
        folder.path().join("lead.json"),
        r#"{"email": "ada@example.com", "n": 1}"#,
    )
    .unwrap();
    let told = |more: &[&str]| {
        let output = command(folder.path(), &[TRY, more].concat()).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    for query in ["?a=b", "a=b"] {
        let text = told(&["--query", query]);
        assert!(text.contains("refused (503): 1 problem"), "{query}: {text}");
    }
    assert!(told(&["--query", "a=c"]).contains("ignored (200)"));
    let other = |name: &str| {
        let arguments = [
            "try",
            "--manifests",
            "manifests",
            "--payload",
            "lead.json",
            "--webhook",
            name,
        ];
        let output = command(folder.path(), &arguments).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(
        other("wb").contains("no LeadWebhook named wb can run; did you mean web?"),
        "{}",
        other("wb")
    );
    assert!(
        other("shop").contains("can run; there are default/web"),
        "{}",
        other("shop")
    );
}
