//! What a node of `tests/cluster/cluster up` does to this machine ends with whom it was started for, however that ends.

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// What a program prints, line by line; nothing if this machine does not have it.
fn lines(program: &str, arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(program).args(arguments).output();
    let text = output.map_or_else(|_| Vec::new(), |output| output.stdout);
    String::from_utf8_lossy(&text)
        .lines()
        .map(|line| format!("{program}: {line}"))
        .collect()
}

/// Links, routes, network namespaces, firewall, mounts, groups of processes, files, what a kubelet sets, processes.
fn traces(state: &Path) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (program, arguments) in [
        ("ls", &["/sys/class/net"][..]),
        ("ip", &["route"]),
        ("ip", &["netns"]),
        ("iptables-save", &["-t", "nat"]),
        ("iptables-save", &["-t", "filter"]),
        ("nft", &["list", "tables"]),
        (
            "find",
            &["/sys/fs/cgroup", "-path", "*/kubepods*/*pod*", "-type", "d"],
        ),
        (
            "ls",
            &[
                "/run/netns",
                "/run/containerd",
                "/var/lib/cni",
                "/var/lib/kubelet",
            ],
        ),
        ("ls", &["/var/log/pods", "/var/log/containers"]),
        (
            "sysctl",
            &[
                "vm.overcommit_memory",
                "kernel.panic",
                "kernel.panic_on_oops",
                "kernel.keys.root_maxkeys",
            ],
        ),
    ] {
        all.extend(lines(program, arguments));
    }
    // When it was asked, and the counters of chains.
    all.retain(|line| !line.starts_with("iptables-save: #") && !line.starts_with("iptables-save: :"));
    let of_state = state.display().to_string();
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    all.extend(
        mounts
            .lines()
            .filter(|line| line.contains(&of_state))
            .map(str::to_owned),
    );
    let processes = lines("ps", &["-eo", "args"]);
    // The watcher ends last.
    all.extend(processes.into_iter().filter(|line| line.contains(&of_state)));
    if state.exists() {
        all.insert(of_state);
    }
    all
}

/// Somebody to whom a node belongs.
struct Owner(Child);

impl Owner {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    /// As `kill -9` of a test.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn cluster(command: &[&str], state: &Path, owner: &Owner) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/cluster");
    let mut cluster = Command::new(script);
    cluster
        .args(command)
        .env("STATE", state)
        .env("OWNER", owner.0.id().to_string())
        .env("PORT", "16443")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    cluster
}

/// Until nothing is there that was not there before. Others' nodes come and go meanwhile.
fn gone(before: &BTreeSet<String>, state: &Path, how: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let after = traces(state);
        let left: Vec<_> = after.difference(before).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{how}: {left:#?}");
        sleep(Duration::from_millis(500));
    }
}

#[test]
fn a_node_goes_with_its_owner() {
    if env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty()) {
        return; // No node is made.
    }
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("node");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/cluster");
    assert!(Command::new(script).arg("build").status().unwrap().success());

    // Killed while it runs a pod, with a port of the machine and a volume.
    let mut owner = Owner::new();
    let before = traces(&state);
    assert!(cluster(&["up"], &state, &owner).status().unwrap().success());
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {
        "containers": [{"name": "x", "image": "localhost/pause:3", "imagePullPolicy": "Never",
            "ports": [{"containerPort": 80, "hostPort": 8099}]}]}}"#;
    let file = folder.path().join("pod.json");
    fs::write(&file, pod).unwrap();
    let kubectl = |arguments: &[&str]| {
        let status = Command::new(leadgate_tests::node::program("kubectl"))
            .args(arguments)
            .env("KUBECONFIG", state.join("admin.kubeconfig"))
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{arguments:?}");
    };
    kubectl(&["create", "-f", &file.display().to_string()]);
    kubectl(&["wait", "--for=condition=Ready", "pod/x", "--timeout=60s"]);
    assert!(
        !lines("ls", &["/sys/class/net"]).is_subset(&before),
        "the other end of its network"
    );
    owner.kill();
    gone(&before, &state, "killed with a pod");

    // Killed while it starts.
    let mut owner = Owner::new();
    let mut starting = cluster(&["up"], &state, &owner).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(10);
    while !state.join("containerd").exists() {
        assert!(Instant::now() < deadline, "the node does not start");
        sleep(Duration::from_millis(50));
    }
    owner.kill();
    assert!(!starting.wait().unwrap().success());
    gone(&before, &state, "killed while it starts");
}
