//! What senders write is shown as text, whatever it is.

use serde_json::json;

use super::{Rig, get, html, post};

/// Forty payloads that try something.
fn payloads() -> Vec<String> {
    let mut all: Vec<String> = [
        "<script>alert(1)</script>",
        "</textarea><script>alert(1)</script>",
        "</pre><img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "\"><b>bold</b>",
        "' onmouseover='alert(1)",
        "javascript:alert(1)",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<iframe src=//evil.example></iframe>",
        "<form action=//evil.example><input name=x>",
        "<meta http-equiv=refresh content=0>",
        "<base href=//evil.example>",
        "<style>*{display:none}</style>",
        "<link rel=stylesheet href=//evil.example>",
        "</title><script>1</script>",
        "<!-- comment",
        "]]>",
        "<![CDATA[x",
        "{{ 7*7 }}",
        "{% include \"/etc/passwd\" %}",
        "${7*7}",
        "=cmd|' /C calc'!A0",
        "+SUM(A1:A9)",
        "-2+3",
        "@import",
        "\u{202e}gnp.exe",
        "a\u{2066}b\u{2069}c",
        "\u{200e}\u{200f}\u{61c}",
        "\u{1b}[31mred",
        "\u{1b}]0;title\u{7}",
        "\u{0}nul",
        "line\r\nSet-Cookie: x=1",
        "\u{2028}\u{2029}",
        "&lt;script&gt;",
        "&#x3c;script&#x3e;",
        "%3Cscript%3E",
        "\\u003cscript\\u003e",
        "\u{feff}bom",
        "Z\u{335}\u{336}a\u{337}lgo",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push("A".repeat(1 << 20));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_payloads_are_text_and_change_nothing() {
    let rig = Rig::start().await;
    let payloads = payloads();
    assert_eq!(payloads.len(), 40);
    let plain = html(&get(&rig, "/console/-/try").await);
    for (n, text) in payloads.iter().enumerate() {
        let body = json!({"email": "broken", "firstName": text, "submissionId": text, "number": n});
        let answer = rig.post(&body).await;
        assert!(
            answer.status == 400 || answer.status == 413,
            "{n}: {}",
            answer.text()
        );
    }
    let kept = rig.dead_letters("rejected").await;
    assert!(kept.len() >= 39, "{}", kept.len());
    let mut checked = Vec::new();
    for lead in &kept {
        let id = lead["id"].as_str().unwrap();
        checked.push(html(
            &post(&rig, &format!("/console/-/leads/{id}/payload"), "").await,
        ));
        checked.push(html(&get(&rig, &format!("/console/-/leads/{id}")).await));
    }
    // The same as somebody pastes it, and in a filter.
    for text in &payloads {
        let encoded: String = text.bytes().map(|b| format!("%{b:02X}")).collect();
        let query = if encoded.len() < 4096 {
            encoded.as_str()
        } else {
            ""
        };
        let form = format!("webhook=default%2Fweb&body={encoded}&query={query}");
        let answer = post(&rig, "/console/-/try", &form).await;
        checked.push(html(&answer));
        if encoded.len() < 4096 {
            checked.push(html(
                &get(&rig, &format!("/console/-/leads?reason={encoded}")).await,
            ));
        }
    }
    for page in &checked {
        for tag in ["script", "img", "iframe", "base", "style", "object"] {
            let count = |page: &str| page.matches(&format!("<{tag}")).count();
            assert_eq!(count(page), count(&plain), "<{tag} in {page}");
        }
        assert!(
            !page.contains("<b>bold") && !page.contains("<svg onload") && !page.contains("evil.example>"),
            "{page}"
        );
        assert!(
            !page.contains("<meta http-equiv") && !page.contains("</title><"),
            "{page}"
        );
        let obeyed = page.chars().find(|c| {
            (c.is_control() && !"\n\t".contains(*c))
                || ('\u{202a}'..='\u{202e}').contains(c)
                || ('\u{2066}'..='\u{2069}').contains(c)
        });
        assert_eq!(obeyed, None);
        assert!(page.len() < 8 << 20);
    }
    assert!(
        checked
            .iter()
            .any(|page| page.contains("&#60;script&#62;alert(1)")),
        "shown as text"
    );
    assert_eq!(html(&get(&rig, "/console/-/try").await), plain);
    assert_eq!(rig.hubspot.write_count(), 0);
}
