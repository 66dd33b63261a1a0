//! Programs that scenarios use as a person would.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context as _, bail};

static KUBECONFIG: OnceLock<PathBuf> = OnceLock::new();

pub(super) fn use_kubeconfig(path: &Path) {
    let _ = KUBECONFIG.set(path.to_owned());
}

/// The chart.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/leadgate")
}

/// A program of `tests/cluster/cluster build`, else one in the path.
pub fn program(name: &str) -> PathBuf {
    let folder = env::var_os("BIN").map_or_else(
        || {
            let cache = env::var_os("XDG_CACHE_HOME").map_or_else(
                || Path::new(&env::var_os("HOME").unwrap_or_default()).join(".cache"),
                PathBuf::from,
            );
            cache.join("leadgate/cluster-bin")
        },
        PathBuf::from,
    );
    let built = folder.join(name);
    if built.exists() { built } else { name.into() }
}

/// Runs kubectl, helm or another program on the node; gives what it printed.
pub fn run(name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(program(name));
    command.args(arguments);
    if let Some(path) = KUBECONFIG.get() {
        command.env("KUBECONFIG", path);
    }
    let output = command.output().with_context(|| format!("{name} is missing"))?;
    if !output.status.success() {
        bail!(
            "{name} {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// In the path, and the Debian package that brings it.
const NEEDED: [(&str, &str); 3] = [
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("redis-server", "redis-server"),
];
const NEEDED_BY_A_NODE: [(&str, &str); 6] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
];

/// Says in one line what this machine lacks.
pub(super) fn check(has_cluster: bool) -> anyhow::Result<()> {
    let absent = |&&(program, _): &&(&str, &str)| {
        let folders = env::var_os("PATH").unwrap_or_default();
        !env::split_paths(&folders).any(|folder| folder.join(program).exists())
    };
    let mut missing: Vec<&str> = NEEDED
        .iter()
        .filter(absent)
        .map(|(_, package)| *package)
        .collect();
    if !has_cluster {
        missing.extend(
            NEEDED_BY_A_NODE
                .iter()
                .filter(absent)
                .map(|(_, package)| *package),
        );
        if !Path::new("/usr/lib/cni/bridge").exists() {
            missing.push("containernetworking-plugins");
        }
        if Command::new("id").arg("-u").output()?.stdout != b"0\n" {
            bail!(
                "a real Kubernetes node needs root: run the tests as root, or set KUBECONFIG to a cluster \
                 (CONTRIBUTING.md says what else that needs)"
            );
        }
    }
    if !missing.is_empty() {
        bail!("the node's tests need: apt-get install -y {}", missing.join(" "));
    }
    Ok(())
}
