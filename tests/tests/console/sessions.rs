//! Signing in where a token is set.

use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::wire::{Answer, exchange};

async fn call(receiver: &Receiver, method: &str, path: &str, form: &str, headers: &str) -> Answer {
    let host = receiver.admin_address();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    exchange(host, request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_opens_a_session_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "right-token\n").unwrap();
    let mut options = Options::new("");
    options.arguments = vec!["--admin-token-file".into(), token.display().to_string()];
    let receiver = Receiver::start(options).await.unwrap();
    let own = format!("Origin: http://{}\r\n", receiver.admin_address());
    for path in [
        "/console",
        "/console/-/leads",
        "/console/-/audit",
        "/console/sign-in",
    ] {
        let answer = call(&receiver, "GET", path, "", "").await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(
            answer.text().contains("type=\"password\"") && answer.header("set-cookie").is_none(),
            "{path}"
        );
    }
    for (form, headers) in [
        ("token=wrong", own.as_str()),
        ("token=", own.as_str()),
        ("token=right-token", ""),
        ("token=right-token", "Origin: https://evil.example\r\n"),
    ] {
        let answer = call(&receiver, "POST", "/console/sign-in", form, headers).await;
        assert_eq!(
            (answer.status, answer.header("set-cookie")),
            (401, None),
            "{form} {headers}"
        );
    }
    // Who came by a link goes on where it leads, and nowhere else.
    let asked = call(&receiver, "GET", "/console/-/leads?state=Dead", "", "").await;
    assert!(
        asked
            .text()
            .contains("name=\"next\" value=\"/console/-/leads?state=Dead\""),
        "{asked:?}"
    );
    for (next, expected) in [
        (
            "%2Fconsole%2F-%2Fleads%3Fstate%3DDead",
            "/console/-/leads?state=Dead",
        ),
        ("https%3A%2F%2Fevil.example", "/console"),
        ("%2F%2Fevil.example", "/console"),
    ] {
        let form = format!("next={next}&token=right-token");
        let answer = call(&receiver, "POST", "/console/sign-in", &form, &own).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some(expected)),
            "{next}"
        );
    }
    let answer = call(&receiver, "POST", "/console/sign-in", "token=right-token", &own).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/console"))
    );
    let cookie = answer.header("set-cookie").unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Secure"),
        "{cookie}"
    );
    assert!(!cookie.contains("right-token"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let header = format!("Cookie: {pair}\r\n");
    let page = call(&receiver, "GET", "/console", "", &header).await;
    assert!(page.status == 200 && page.text().contains("Sign out"), "{page:?}");
    // A session is of the console; the API takes the token only.
    assert_eq!(
        call(&receiver, "GET", "/api/v1/jobs", "", &header).await.status,
        401
    );
    let forged = format!("Cookie: {pair}x\r\n");
    assert_eq!(call(&receiver, "GET", "/console", "", &forged).await.status, 401);
    // Over HTTPS the cookie goes over nothing else.
    let tls = format!("Origin: https://{}\r\n", receiver.admin_address());
    let answer = call(&receiver, "POST", "/console/sign-in", "token=right-token", &tls).await;
    assert!(
        answer.header("set-cookie").unwrap().contains("; Secure"),
        "{answer:?}"
    );
    let out = call(
        &receiver,
        "POST",
        "/console/sign-out",
        "",
        &format!("{own}{header}"),
    )
    .await;
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"), "{out:?}");
}
