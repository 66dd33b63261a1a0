//! Who gets in, and how.

use std::time::{Duration, Instant};

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_the_api_server_knows_sees_what_it_lets_them_see() {
    let stage = Stage::with(&[]).await;
    let vera = format!("Bearer {}", stage.person("vera", "view").await);
    let stranger = format!("Bearer {}", stage.person("stranger", "").await);
    // Nobody whom the API server does not know
    for headers in [
        &[][..],
        &[("authorization", "Bearer nonsense")],
        &[("authorization", "Basic dmVyYTp2ZXJh")],
        &[("cookie", "leadgate-console=abc.def")],
        &[
            ("x-forwarded-user", "vera"),
            ("x-forwarded-groups", "system:masters"),
        ],
        &[("x-remote-user", "admin"), ("leadgate-user", "admin")],
    ] {
        for path in [
            "/console".to_owned(),
            format!("/console/{}/leads", stage.namespace),
        ] {
            let page = stage.get(&path, headers).await;
            assert_eq!(page.status, 401, "{path} {headers:?}");
            assert!(page.text.contains("type=\"password\""), "{}", page.text);
        }
    }
    // Somebody without rights is told what to ask for
    let page = stage.get("/console", &[("authorization", &stranger)]).await;
    assert_eq!(page.status, 403);
    assert!(
        page.text.contains("leadwebhooks/leads") && !page.text.contains("default/web"),
        "{}",
        page.text
    );
    // Vera sees her namespace and no other one
    let page = stage.get("/console", &[("authorization", &vera)]).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(
        page.text.contains("default/web") && page.text.contains("vera"),
        "{}",
        page.text
    );
    let elsewhere = format!("/console/{}/leads", stage.other);
    for (who, status) in [(&vera, 404), (&stranger, 403)] {
        let page = stage.get(&elsewhere, &[("authorization", who)]).await;
        assert_eq!(page.status, status, "{}", page.text);
        assert!(!page.text.contains("default/web"));
    }
    // Her sender's URL is the cluster's
    let webhook = format!("/console/{}/webhooks/default/web", stage.namespace);
    let page = stage.get(&webhook, &[("authorization", &vera)]).await;
    assert!(
        page.text.contains("https://leads.example.com/web"),
        "{}",
        page.text
    );
    // The receiver's API is not reached through the console
    for path in ["/status", "/api/v1/jobs", "/deadletters", "/metrics", "/consoles"] {
        assert_eq!(
            stage.get(path, &[("authorization", &vera)]).await.status,
            404,
            "{path}"
        );
    }
    assert_eq!(stage.get("/readyz", &[]).await.status, 200);
    // A right that is taken away is gone within seconds
    let bindings: Api<RoleBinding> = Api::namespaced(stage.client.clone(), &stage.namespace);
    bindings.delete("vera", &DeleteParams::default()).await.unwrap();
    let began = Instant::now();
    while stage.get("/console", &[("authorization", &vera)]).await.status != 403 {
        assert!(began.elapsed() < Duration::from_secs(30), "the right stays");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_holds_no_token_and_ends_when_its_owner_says() {
    let stage = Stage::with(&[]).await;
    let token = stage.person("vera", "view").await;
    let form = format!("token={token}");
    for (form, headers) in [
        ("token=", &[][..]),
        ("token=nonsense", &[]),
        (form.as_str(), &[("origin", "https://evil.example")]),
        (form.as_str(), &[("sec-fetch-site", "cross-site")]),
    ] {
        let page = stage.post("/console/sign-in", form, headers).await;
        assert_eq!(
            (page.status, page.cookie.as_str()),
            (401, ""),
            "{form} {headers:?}"
        );
    }
    let page = stage.post("/console/sign-in", &form, &[]).await;
    assert_eq!(
        (page.status, page.location.as_str()),
        (303, "/console"),
        "{}",
        page.text
    );
    for attribute in ["HttpOnly", "SameSite=Strict", "Max-Age=3600", "Path=/console"] {
        assert!(page.cookie.contains(attribute), "{}", page.cookie);
    }
    let secret_part = token.rsplit('.').next().unwrap();
    assert!(!page.cookie.contains(secret_part), "{}", page.cookie);
    let cookie = page.cookie.split(';').next().unwrap().to_owned();
    let page = stage.get("/console", &[("cookie", &cookie)]).await;
    assert!(
        page.status == 200 && page.text.contains("Sign out"),
        "{}",
        page.text
    );
    let forged = format!("{cookie}x");
    assert_eq!(stage.get("/console", &[("cookie", &forged)]).await.status, 401);
    // Another site's page cannot end it, or do anything else with it
    for path in [
        "/console/sign-out".to_owned(),
        format!("/console/{}/try", stage.namespace),
    ] {
        let page = stage
            .post(
                &path,
                "webhook=default%2Fweb&body=%7B%7D",
                &[("cookie", &cookie), ("sec-fetch-site", "cross-site")],
            )
            .await;
        assert_eq!(page.status, 403, "{path}");
    }
    assert_eq!(stage.get("/console", &[("cookie", &cookie)]).await.status, 200);
    let out = stage.post("/console/sign-out", "", &[("cookie", &cookie)]).await;
    assert!(out.cookie.contains("Max-Age=0"), "{}", out.cookie);
    assert_eq!(stage.get("/console", &[("cookie", &cookie)]).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_proxy_says_who_somebody_is() {
    let stage = Stage::with(&[
        "--trusted-proxies",
        "127.0.0.1/32,10.9.0.0/16",
        "--identity-prefix",
        "oidc:",
    ])
    .await;
    let group = json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "oidc:sales"});
    stage.bind("sales", "view", group).await;
    let user =
        json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "oidc:uma@example.com"});
    stage.bind("uma", "marketing", user).await;
    for (headers, status) in [
        (&[][..], 401),
        (&[("x-forwarded-groups", "sales")], 401),
        (&[("x-forwarded-user", "paula@example.com")], 403),
        (
            &[
                ("x-forwarded-user", "paula@example.com"),
                ("x-forwarded-groups", "support,sales"),
            ],
            200,
        ),
        (&[("x-forwarded-user", "uma@example.com")], 200),
        (
            &[
                ("x-forwarded-user", "eve"),
                ("x-forwarded-groups", "system:masters"),
            ],
            403,
        ),
    ] {
        let page = stage.get("/console", headers).await;
        assert_eq!(page.status, status, "{headers:?} {}", page.text);
    }
    let uma = &[("x-forwarded-user", "uma@example.com")];
    let sink = format!("/console/{}/sinks/default/hubspot", stage.namespace);
    assert_eq!(
        stage.post(&sink, "action=pause&seconds=900", uma).await.status,
        303
    );
    let audit = stage.admin("/api/v1/audit").await;
    assert_eq!(audit["items"][0]["by"], "oidc:uma@example.com", "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_itself_may_read_admin_tokens_and_nothing_else() {
    let stage = Stage::with(&[]).await;
    let reviews: Api<SubjectAccessReview> = Api::all(stage.client.clone());
    for (verb, group, resource, name, allowed) in [
        ("get", "", "secrets", "leadgate-admin-default", true),
        ("get", "", "secrets", "another-secret", false),
        ("list", "", "secrets", "", false),
        ("list", "leadgate.dev", "leadwebhooks", "", true),
        ("patch", "leadgate.dev", "leadwebhooks", "web", false),
        ("list", "", "pods", "", false),
        ("create", "authentication.k8s.io", "tokenreviews", "", true),
        ("impersonate", "", "users", "vera", false),
    ] {
        let asked = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(stage.account()),
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(verb.into()),
                    group: Some(group.into()),
                    resource: Some(resource.into()),
                    name: Some(name.into()),
                    namespace: Some(stage.other.clone()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        // The API server takes up roles some time after they were made.
        let began = std::time::Instant::now();
        loop {
            let answer = reviews.create(&PostParams::default(), &asked).await.unwrap();
            let found = answer.status.unwrap().allowed;
            if found == allowed {
                break;
            }
            assert!(
                allowed && began.elapsed() < std::time::Duration::from_secs(30),
                "{verb} {resource} {name}: {found}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}
