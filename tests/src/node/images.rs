//! The images that run on the node: Leadgate's, which trusts the simulated CRM, and this machine's Redis.

use std::{
    env, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::certificates::Certificates;
use crate::{cluster, receiver};

const LEADGATE: &str = "localhost/leadgate:test";
const REDIS: &str = "localhost/redis:test";

pub(super) struct Images;

/// On a cluster of somebody's own.
pub(super) fn given_address() -> anyhow::Result<IpAddr> {
    let text = env::var("LEADGATE_TEST_ADDRESS").context(
        "KUBECONFIG is set: set LEADGATE_TEST_ADDRESS to this machine's address as pods see it, and LEADGATE_TEST_LOAD to \
         the command that loads an image archive into that cluster; or unset KUBECONFIG",
    )?;
    text.parse()
        .with_context(|| format!("LEADGATE_TEST_ADDRESS is not an address: {text}"))
}

impl Images {
    /// Makes both and loads them into the node.
    pub(super) fn load(folder: &Path, certificates: &Certificates, own: bool) -> anyhow::Result<Self> {
        let root = folder.join("leadgate");
        if let Ok(profile) = env::var("LEADGATE_TEST_PROFILE") {
            // The image as it ships, but for the certificates.
            let mut build = builder();
            build
                .args(["rootfs".as_ref(), root.as_os_str()])
                .env("PROFILE", profile)
                .env("CA_BUNDLE", &certificates.authority);
            done(build, "the image cannot be built")?;
        } else {
            // The programs that are there already: nothing is compiled again.
            for program in ["leadgate-operator", "leadgate-receiver"] {
                with_libraries(&receiver::program(program, false)?, &root, program)?;
            }
            copy(
                &certificates.authority,
                &root.join("etc/ssl/certs/ca-certificates.crt"),
            )?;
        }
        load(folder, &root, LEADGATE, own)?;
        let root = folder.join("redis");
        redis(&root)?;
        load(folder, &root, REDIS, own)?;
        Ok(Self)
    }

    /// What the chart is told.
    #[allow(clippy::unused_self)] // Nobody has values without having loaded the images.
    pub(super) fn values(&self) -> Vec<String> {
        let named = |key: &str, image: &str| {
            let (repository, tag) = image.split_once(':').unwrap_or((image, "latest"));
            [format!("{key}repository={repository}"), format!("{key}tag={tag}")]
        };
        [named("image.", LEADGATE), named("redis.image.", REDIS)].concat()
    }
}

fn builder() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../image/build"));
    // What cargo tells about this package is no business of the others: build scripts would run again.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_")
            && !["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE"].contains(&&*text)
        {
            command.env_remove(name);
        }
    }
    command
}

fn done(mut command: Command, what: &str) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{what}: {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{what}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn load(folder: &Path, root: &Path, name: &str, own: bool) -> anyhow::Result<()> {
    let archive = folder.join("image.tar");
    let mut pack = builder();
    pack.args([
        "archive".as_ref(),
        root.as_os_str(),
        archive.as_os_str(),
        name.as_ref(),
    ]);
    done(pack, "the image cannot be packed")?;
    let mut load;
    if own {
        load = Command::new(cluster::script());
        load.arg("load").env("STATE", folder);
    } else {
        let words = env::var("LEADGATE_TEST_LOAD").context(
            "set LEADGATE_TEST_LOAD to the command that loads an image archive into the cluster of KUBECONFIG, such as \
             'k3s ctr images import'",
        )?;
        let mut words = words.split_whitespace();
        load = Command::new(words.next().context("LEADGATE_TEST_LOAD is empty")?);
        load.args(words);
    }
    load.arg(&archive);
    done(load, "the image cannot be loaded")?;
    fs::remove_file(&archive)?;
    fs::remove_dir_all(root)?;
    Ok(())
}

/// This machine's Redis, and of a system's programs those that the managed Redis and examples/clusters use.
fn redis(root: &Path) -> anyhow::Result<()> {
    let programs = "redis-server redis-cli redis-check-rdb redis-check-aof \
                    sh cat date flock grep ln ls mkdir mv rm sleep sync tail timeout";
    for program in programs.split_whitespace() {
        let found = on_path(program).with_context(|| format!("{program} is missing"))?;
        with_libraries(&fs::canonicalize(found)?, root, &format!("usr/bin/{program}"))?;
    }
    Ok(())
}

/// A program with the libraries that it needs, where the loader looks for them.
fn with_libraries(program: &Path, root: &Path, inside: &str) -> anyhow::Result<()> {
    let listed = Command::new("ldd").arg(program).output().context("ldd")?;
    copy(program, &root.join(inside))?;
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        if let Some(file) = line.split_whitespace().find(|word| word.starts_with('/')) {
            let to = root.join(file.trim_start_matches('/'));
            if !to.exists() {
                copy(Path::new(file), &to)?;
            }
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to.parent().context("a file has a folder")?)?;
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}

fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.exists())
}
