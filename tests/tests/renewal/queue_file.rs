//! The password in the queue's URL changes in the file and in Redis, in either order.

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::redis_server::RedisServer;

use super::*;

struct Scene {
    redis: RedisServer,
    hubspot: HubSpot,
    receiver: Receiver,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn start() -> Self {
        let mut redis = RedisServer::start().unwrap();
        redis.change_password("first-s3cret").unwrap();
        let hubspot = HubSpot::start(Config::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "url", &format!("{}\n", redis.url()));
        let receiver = Receiver::start(with_file(&hubspot, "--queue-file", &file))
            .await
            .unwrap();
        Self {
            redis,
            hubspot,
            receiver,
            file,
            _folder: folder,
        }
    }

    async fn problems(&self) -> String {
        self.receiver.status().await.unwrap()["queue"]["problems"].to_string()
    }

    async fn until_problem(&self, text: &str) {
        self.receiver
            .until(text, PATIENCE, || async { self.problems().await.contains(text) })
            .await;
    }

    async fn until_no_problem(&self) {
        let began = Instant::now();
        while self.problems().await != "[]" {
            assert!(began.elapsed() < PATIENCE, "{}", self.problems().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn tells_no_password(&self) {
        let log = self.receiver.log();
        assert!(!log.contains("s3cret") && !log.contains("redis://:"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_changes_in_redis_first_and_then_in_the_file() {
    let mut scene = Scene::start().await;
    let load = Load::on(&scene.receiver);
    until_taken(&scene.receiver, "before").await;
    scene.redis.change_password("second-s3cret").unwrap();
    let refused = async || scene.receiver.admin("/readyz").await.unwrap().0 == 503;
    scene.receiver.until("Redis refuses", PATIENCE, refused).await;
    replace(&scene.file, &scene.redis.url());
    until_taken(&scene.receiver, "after").await;
    scene.receiver.ready(PATIENCE).await.unwrap();
    let (taken, _) = load.end().await;
    all_arrive(&scene.receiver, &scene.hubspot, &taken).await;
    scene.until_no_problem().await;
    scene.tells_no_password();
}

/// Not one request is refused: the former password is used until Redis takes the new one.
#[tokio::test(flavor = "multi_thread")]
async fn the_password_changes_in_the_file_first_and_then_in_redis() {
    let mut scene = Scene::start().await;
    let load = Load::on(&scene.receiver);
    until_taken(&scene.receiver, "before").await;
    replace(
        &scene.file,
        &scene.redis.url().replace("first-s3cret", "second-s3cret"),
    );
    let seen = async || scene.receiver.log().contains("password changed");
    scene
        .receiver
        .until("the file is read again", PATIENCE, seen)
        .await;
    // Connections that break in between are made again with the former one.
    scene.redis.change_password("first-s3cret").unwrap();
    until_taken(&scene.receiver, "between").await;
    scene.redis.change_password("second-s3cret").unwrap();
    until_taken(&scene.receiver, "after").await;
    let (taken, refused) = load.end().await;
    assert_eq!(refused, 0, "{}", scene.receiver.log_tail(20));
    all_arrive(&scene.receiver, &scene.hubspot, &taken).await;
    scene.until_no_problem().await;
    scene.tells_no_password();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_restarted_with_another_password_and_the_file_follows_later() {
    let mut scene = Scene::start().await;
    until_taken(&scene.receiver, "before").await;
    scene.redis.restart_with_password("second-s3cret").unwrap();
    let refused = async || {
        let (status, text) = scene.receiver.admin("/readyz").await.unwrap();
        status == 503 && text.contains("password")
    };
    scene.receiver.until("Redis refuses", PATIENCE, refused).await;
    assert!(!post(scene.receiver.address(), "meanwhile").await);
    replace(&scene.file, &scene.redis.url());
    scene.receiver.ready(PATIENCE).await.unwrap();
    assert!(post(scene.receiver.address(), "after").await);
    all_arrive(&scene.receiver, &scene.hubspot, &["after".to_owned()]).await;
    scene.tells_no_password();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_store_is_not_taken_while_the_process_runs() {
    let mut scene = Scene::start().await;
    let other = RedisServer::start().unwrap();
    let known = scene.redis.url();
    for url in [
        other.url(),
        format!("{known}3"),
        known.replace("redis://", "rediss://"),
    ] {
        replace(&scene.file, &url);
        scene.until_problem("names another queue").await;
        until_taken(&scene.receiver, "kept").await;
        scene.receiver.ready(PATIENCE).await.unwrap();
        replace(&scene.file, &known);
        scene.until_no_problem().await;
    }
    let warnings = scene.receiver.log().matches("names another queue").count();
    assert_eq!(warnings, 3);
    scene.tells_no_password();
    let mut connection = other.connection().unwrap();
    let size: u64 = redis::cmd("DBSIZE").query(&mut connection).unwrap();
    assert_eq!(size, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_used_changes_nothing_and_is_told() {
    let scene = Scene::start().await;
    let known = scene.redis.url();
    for (text, told) in [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("redis://:s3cret@host:notaport", "queue URL: not of the form"),
    ] {
        replace(&scene.file, text);
        scene.until_problem(told).await;
        until_taken(&scene.receiver, "kept").await;
    }
    std::fs::remove_file(&scene.file).unwrap();
    scene.until_problem("the file cannot be read").await;
    replace(&scene.file, &known);
    scene.until_no_problem().await;
    scene.tells_no_password();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_an_unusable_file_fails_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    for (text, told) in [
        (None, "the file cannot be read"),
        (Some(""), "the file is empty"),
        (Some("redis://:s3cret@host:notaport"), "not of the form"),
        (Some("s3cret"), "it names no scheme"),
        (Some("mysql://s3cret@host"), "its scheme is not known"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let mut options = Options::new("");
        options.arguments = vec!["--queue-file".into(), file.display().to_string()];
        let error = format!("{:#}", Receiver::start(options).await.err().unwrap());
        assert!(error.contains("exit status: 1"), "{error}");
        assert!(error.contains("--queue-file") && error.contains(told), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    let mut both = Options::new("");
    let url = "sqlite:leadgate.db".to_owned();
    both.arguments = vec![
        "--queue-file".into(),
        file.display().to_string(),
        "--queue".into(),
        url,
    ];
    let error = format!("{:#}", Receiver::start(both).await.err().unwrap());
    assert!(error.contains("cannot be used with"), "{error}");
}
