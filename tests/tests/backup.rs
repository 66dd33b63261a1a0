//! A backup of the managed Redis and its restore, with the scripts as they stand in `examples/clusters`, a real Redis with the
//! operator's arguments, and a receiver that runs all the while.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use leadgate_operator::lead_receiver::certificates;
use leadgate_operator::names;
use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::redis_server::RedisServer;
use leadgate_tests::redis_tls::RedisTls;
use leadgate_tests::rig::{PATIENCE, Rig, SECRET};
use serde_json::{Value, json};

const PASSWORD: &str = "backup-s3cret";
const LEADS: usize = 20;

fn documents(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = fs::read_to_string(&path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn of_kind(file: &str, kind: &str) -> Value {
    let mut found = documents(file);
    found.retain(|object| object["kind"] == kind);
    assert_eq!(found.len(), 1, "{kind} in {file}");
    found.remove(0)
}

/// The template of the pod that backs up or restores.
fn template(name: &str) -> Value {
    match name {
        "backup" => {
            of_kind("examples/clusters/backup.yaml", "CronJob")["spec"]["jobTemplate"]["spec"]["template"]
                .clone()
        }
        _ => of_kind("examples/clusters/restore.yaml", "Job")["spec"]["template"].clone(),
    }
}

/// The StatefulSet of the managed Redis; a test of the operator holds the file against what it makes.
fn stateful_set() -> Value {
    of_kind("operator/tests/snapshots/minimal.yaml", "StatefulSet")
}

/// A Redis as the operator runs it, on other files.
fn redis(tls: &RedisTls) -> RedisServer {
    let args = stateful_set()["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    let args: Vec<String> = serde_json::from_value(args).unwrap();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut redis = RedisServer::start_with_tls(&args, tls.folder()).unwrap();
    redis.restart_with_password(PASSWORD).unwrap();
    redis
}

/// Where a script of the manifests runs.
struct Place {
    redis: String,
    ca: PathBuf,
    data: PathBuf,
    backups: PathBuf,
}

impl Place {
    fn new(redis: &RedisServer, tls: &RedisTls, backups: &Path) -> Self {
        Self {
            redis: redis.url().replace(&format!(":{PASSWORD}@"), ""),
            ca: tls.folder().join("ca.crt"),
            data: redis.directory().to_owned(),
            backups: backups.to_owned(),
        }
    }

    /// Runs the script of a manifest with the manifest's variables, but those that say where it is.
    fn run(&self, name: &str, more: &[(&str, &str)]) -> Output {
        let container = &template(name)["spec"]["containers"][0];
        assert_eq!(container["command"], json!(["sh", "-c"]));
        let mut variables: BTreeMap<&str, &str> = BTreeMap::new();
        for variable in container["env"].as_array().unwrap() {
            let value = variable["value"].as_str().unwrap_or(PASSWORD);
            variables.insert(variable["name"].as_str().unwrap(), value);
        }
        for (name, place) in [
            ("REDIS", self.redis.as_str()),
            ("CA", self.ca.to_str().unwrap()),
            ("DATA", self.data.to_str().unwrap()),
            ("BACKUPS", self.backups.to_str().unwrap()),
        ] {
            variables.entry(name).and_modify(|value| *value = place);
        }
        for (name, value) in more {
            assert!(variables.insert(name, value).is_some(), "no variable {name}");
        }
        Command::new("sh")
            .args(["-c", container["args"][0].as_str().unwrap()])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(variables)
            .output()
            .unwrap()
    }

    fn succeeds(&self, name: &str, more: &[(&str, &str)]) -> String {
        let output = self.run(name, more);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn fails(&self, name: &str, more: &[(&str, &str)], because: &str) {
        let output = self.run(name, more);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!output.status.success() && said.contains(because), "{said}");
    }
}

/// The names in a folder, sorted.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut all: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    all.sort();
    all
}

async fn all_arrived(rig: &Rig) {
    for n in 0..LEADS {
        rig.arrived(&format!("pending{n}")).await;
    }
    rig.until("nothing is pending", || async {
        rig.dead_letters("pending").await.is_empty()
    })
    .await;
    assert!(
        rig.hubspot
            .records_per_email()
            .values()
            .all(|&records| records == 1)
    );
    assert!(rig.hubspot.stats().duplicate_emails.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_of_a_backup_arrive_once_after_the_data_is_lost() {
    let tls = RedisTls::new().unwrap();
    let mut redis = redis(&tls);
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
    let manifests = format!("{}---\n{}", sink.yaml(), mapped_webhook("web", SECRET));
    let mut options = Options::new(manifests).queue(redis.url());
    options.arguments = vec![
        "--queue-ca".into(),
        tls.folder().join("ca.crt").display().to_string(),
    ];
    let receiver = Receiver::start(options).await.unwrap();
    let mut rig = Rig {
        hubspot,
        receiver,
        sink,
    };
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(&redis, &tls, folder.path());

    let delivered = rig.lead("delivered").await;
    rig.arrived("delivered").await;
    rig.hubspot.down_for(Duration::from_hours(1));
    for n in 0..LEADS {
        rig.lead(&format!("pending{n}")).await;
    }
    let said = place.succeeds("backup", &[]);
    let dump = names_in(&place.backups).join(" ");
    assert!(said.ends_with(&format!("wrote {dump}\n")), "{said}");

    let late = rig.lead("late").await;
    place.fails("restore", &[], "Redis runs");
    redis.kill();
    fs::remove_dir_all(place.data.join("appendonlydir")).unwrap();
    let said = place.succeeds("restore", &[]);
    assert!(said.ends_with(&format!("{dump}\n")), "{said}");
    assert_eq!(names_in(&place.data), ["appendonlydir", "log"]);
    redis.restart().unwrap();
    rig.receiver.ready(PATIENCE).await.unwrap();
    rig.hubspot.up();
    all_arrived(&rig).await;

    // What came after the dump is gone, until its sender sends it again; what was known is known.
    assert!(rig.hubspot.contact("late@example.com").is_none());
    assert_ne!(rig.lead("late").await, late);
    rig.arrived("late").await;
    assert_eq!(rig.lead("delivered").await, delivered);

    // The same dump again: what was delivered since is delivered again, to the same records.
    let updates = rig.hubspot.write_count();
    redis.kill();
    place.succeeds("restore", &[("DUMP", &dump)]);
    let [now, before, _log] = &names_in(&place.data)[..] else {
        panic!("{:?}", names_in(&place.data));
    };
    assert!(now == "appendonlydir" && before.starts_with("before-restore-"));
    assert!(place.data.join(before).join("appendonly.aof.manifest").exists());
    redis.restart().unwrap();
    rig.receiver.ready(PATIENCE).await.unwrap();
    rig.until("all are delivered again", || async {
        rig.hubspot.write_count() >= updates + LEADS
    })
    .await;
    all_arrived(&rig).await;
}

#[test]
fn only_whole_dumps_are_kept_and_restored() {
    let tls = RedisTls::new().unwrap();
    let mut redis = redis(&tls);
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(&redis, &tls, folder.path());
    let mut connection = redis.connection().unwrap();
    // The other way in which Redis sends a dump: its length first.
    for command in [
        ["SET", "key", "value"].as_slice(),
        &["CONFIG", "SET", "repl-diskless-sync", "no"],
    ] {
        let mut call = redis::cmd(command[0]);
        call.arg(&command[1..]).exec(&mut connection).unwrap();
    }
    // What a backup left that was killed.
    fs::write(place.backups.join("incomplete.rdb"), vec![b'x'; 1 << 20]).unwrap();
    for day in 1..5 {
        let name = format!("leadgate-2020010{day}T000000Z.rdb");
        fs::write(place.backups.join(name), "REDIS").unwrap();
    }
    fs::write(place.backups.join("notes"), "not a dump").unwrap();
    place.succeeds("backup", &[("KEEP", "3")]);
    let mut kept = names_in(&place.backups);
    let newest = kept.remove(2);
    assert!(fs::metadata(place.backups.join(&newest)).unwrap().len() < 1000);
    assert_eq!(
        kept,
        [
            "leadgate-20200103T000000Z.rdb",
            "leadgate-20200104T000000Z.rdb",
            "notes"
        ]
    );

    // None, and none of the others removed, if Redis does not answer or does not let it in.
    place.fails(
        "backup",
        &[("KEEP", "1"), ("REDISCLI_AUTH", "wrong")],
        "WRONGPASS",
    );
    redis.kill();
    place.fails("backup", &[("KEEP", "1")], "Could not connect");
    assert!(
        names_in(&place.backups).contains(&newest)
            && kept.iter().all(|name| place.backups.join(name).exists())
    );

    // A damaged dump changes nothing.
    let manifest = place.data.join("appendonlydir/appendonly.aof.manifest");
    let before = (names_in(&place.data), fs::read(&manifest).unwrap());
    place.fails("restore", &[("DUMP", &kept[0])], "RDB");
    let whole = fs::read(place.backups.join(&newest)).unwrap();
    fs::write(place.backups.join("cut.rdb"), &whole[..whole.len() - 9]).unwrap();
    place.fails("restore", &[("DUMP", "cut.rdb")], "RDB");
    assert_eq!(before, (names_in(&place.data), fs::read(&manifest).unwrap()));
}

/// The names in the manifests are the operator's, and its image, namespace's rules and NetworkPolicy admit the pods.
#[test]
fn the_pods_fit_the_managed_redis() {
    let redis = stateful_set();
    let claim = format!(
        "{}-{}-0",
        redis["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]
            .as_str()
            .unwrap(),
        names::REDIS
    );
    let values = &documents("charts/leadgate/values.yaml")[0]["redis"]["image"];
    let image = format!(
        "{}:{}",
        values["repository"].as_str().unwrap(),
        values["tag"].as_str().unwrap()
    );
    let user = &redis["spec"]["template"]["spec"]["securityContext"];
    for name in ["backup", "restore"] {
        let template = template(name);
        assert_eq!(template["metadata"]["labels"][names::REDIS_CLIENT], "true");
        let pod = &template["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        for field in ["runAsNonRoot", "runAsUser", "fsGroup", "seccompProfile"] {
            assert_eq!(pod["securityContext"][field], user[field], "{field}");
        }
        let container = &pod["containers"][0];
        assert_eq!(container["image"], image);
        assert_eq!(
            container["securityContext"],
            redis["spec"]["template"]["spec"]["containers"][0]["securityContext"]
        );
        let url = format!("rediss://{}:6379", names::REDIS);
        assert!(
            container["env"]
                .as_array()
                .unwrap()
                .contains(&json!({"name": "REDIS", "value": url}))
        );
    }
    let backup = template("backup");
    let password = &backup["spec"]["containers"][0]["env"][3]["valueFrom"]["secretKeyRef"];
    assert_eq!(*password, json!({"name": names::REDIS, "key": "password"}));
    let secret = &backup["spec"]["volumes"][1]["secret"];
    let items = json!([{"key": certificates::AUTHORITIES, "path": "ca.crt"}]);
    assert_eq!(*secret, json!({"secretName": names::REDIS, "items": items}));
    assert_eq!(
        template("restore")["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"],
        claim
    );
    assert_eq!(
        of_kind("examples/clusters/backup.yaml", "PersistentVolumeClaim")["metadata"]["name"],
        backup["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
    );
}
