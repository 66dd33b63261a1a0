//! The console's Deployment, from the chart and the image, for three people with Kubernetes' own roles.

use leadgate_tests::node::{SYSTEM, Stage, chart, eventually, node, run};
use reqwest::redirect::Policy;

/// Somebody who opens the console.
struct Visitor {
    console: String,
    token: String,
    http: reqwest::Client,
}

impl Visitor {
    async fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let request = self.http.get(format!("{}{path}", self.console));
        let answer = request.bearer_auth(&self.token).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn post(&self, path: &str, form: &str) -> anyhow::Result<(u16, String)> {
        let request = self.http.post(format!("{}{path}", self.console));
        let request = request
            .bearer_auth(&self.token)
            .header("origin", &self.console)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

/// A ServiceAccount with a role; without one, with none.
fn visitor(stage: &Stage, console: &str, name: &str, role: &str) -> anyhow::Result<Visitor> {
    stage.kubectl(&["create", "serviceaccount", name])?;
    if !role.is_empty() {
        let (role, account) = (
            format!("--clusterrole={role}"),
            format!("--serviceaccount={}:{name}", stage.namespace),
        );
        stage.kubectl(&["create", "rolebinding", name, &role, &account])?;
    }
    Ok(Visitor {
        console: console.to_owned(),
        token: stage.kubectl(&["create", "token", name])?.trim().to_owned(),
        http: reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .build()?,
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn three_people_see_and_do_what_their_roles_say() {
    let stage = node().await.unwrap().stage("console").await.unwrap();
    // A sink of which the CRM refuses every lead
    stage.secrets().unwrap();
    let sink = stage
        .sink()
        .unwrap()
        .replace("delivery: {", "delivery: {onRefusedProperty: Dead, ")
        + "  properties: {email: lead.email, no_such_property: lead.email}\n";
    stage.apply(&format!("{sink}---\n{}", stage.webhook(""))).unwrap();
    stage.ready().unwrap();
    stage.reachable().await.unwrap();
    stage
        .node
        .install(&chart(), &["--set", "console.enabled=true"])
        .unwrap();
    let address = [
        "get",
        "service",
        "leadgate-console",
        "--namespace",
        SYSTEM,
        "-o",
        "jsonpath={.spec.clusterIP}",
    ];
    let console = format!("http://{}", run("kubectl", &address).unwrap());
    let [nobody, vera, edith, priya] = [
        ("nobody", ""),
        ("vera", "view"),
        ("edith", "edit"),
        ("priya", "leadgate-operator-privacy"),
    ]
    .map(|(name, role)| visitor(&stage, &console, name, role).unwrap());
    let namespace = &stage.namespace;
    let place = format!("/console/{namespace}");
    let (status, answer) = stage
        .post(leadgate_tests::node::KEY, "ada@example.com")
        .await
        .unwrap();
    assert_eq!(status, 200, "{answer}");
    eventually("the console shows the dead lead", 60, || async {
        let (status, page) = vera.get(&format!("{place}/needs/dead")).await?;
        anyhow::ensure!(
            status == 200 && page.contains("UnknownProperty"),
            "{status} {page}"
        );
        Ok(())
    })
    .await
    .unwrap();
    let (_, page) = vera.get(&format!("{place}/needs/dead")).await.unwrap();
    let id = page.split(&format!("{place}/leads/")).nth(1).unwrap();
    let id = id.split('"').next().unwrap().to_owned();
    // Nobody without a token or a right
    let stranger = Visitor {
        token: "nonsense".to_owned(),
        console: console.clone(),
        http: vera.http.clone(),
    };
    assert_eq!(stranger.get("/console").await.unwrap().0, 401);
    let (status, page) = nobody.get("/console").await.unwrap();
    assert!(
        status == 403 && page.contains("leadwebhooks/leads"),
        "{status} {page}"
    );
    // Every page for each, and no person on what view gets
    for path in [
        "/console".to_owned(),
        place.clone(),
        format!("{place}/webhooks/{namespace}/website"),
        format!("{place}/sinks/{namespace}/hubspot"),
        format!("{place}/leads"),
        format!("{place}/leads/{id}"),
        format!("{place}/needs/dead"),
        format!("{place}/try"),
        format!("{place}/jobs"),
        format!("{place}/audit"),
    ] {
        for who in [&vera, &edith, &priya] {
            let (status, page) = who.get(&path).await.unwrap();
            assert!(
                status == 200 && !page.contains("ada@example.com"),
                "{path}: {status} {page}"
            );
        }
    }
    // Actions: view, edit, privacy
    let act = format!("set=dead&id={id}+{namespace}%2Fhubspot&confirm=yes&action=");
    let sink = format!("{place}/sinks/{namespace}/hubspot");
    for (path, form, may) in [
        (
            sink.clone(),
            "action=pause&seconds=900".to_owned(),
            [false, true, false],
        ),
        (sink, "action=resume".to_owned(), [false, true, false]),
        (
            format!("{place}/leads/{id}/payload"),
            String::new(),
            [false, false, true],
        ),
        (
            format!("{place}/privacy"),
            "action=export&email=ada%40example.com".to_owned(),
            [false, false, true],
        ),
        (
            format!("{place}/act"),
            format!("{act}replay"),
            [false, true, false],
        ),
    ] {
        for (who, may) in [&vera, &edith, &priya].into_iter().zip(may) {
            let (status, page) = who.post(&path, &form).await.unwrap();
            assert_eq!(status < 400, may, "{path} {form}: {status} {page}");
            assert!(may || status == 403, "{path} {form}: {status}");
            assert_eq!(
                page.contains("ada@example.com"),
                may && page.contains("<pre"),
                "{path} {form}"
            );
        }
    }
    let (_, audit) = vera.get(&format!("{place}/audit")).await.unwrap();
    for (who, act) in [("edith", "Sink paused"), ("priya", "Payload shown")] {
        let row = audit.split("<tr>").find(|row| row.contains(act)).unwrap();
        assert!(
            row.contains(&format!("system:serviceaccount:{namespace}:{who}")),
            "{row}"
        );
    }
    // Discarding, last
    for (who, status) in [(&vera, 403), (&edith, 303)] {
        let discarded = eventually("it is discarded", 30, || async {
            let (found, page) = who
                .post(&format!("{place}/act"), &format!("{act}discard"))
                .await?;
            anyhow::ensure!(found == status, "{found} {page}");
            Ok(())
        });
        discarded.await.unwrap();
    }
    stage.node.install(&chart(), &[]).unwrap();
    stage.end().unwrap();
}
