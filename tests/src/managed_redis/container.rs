//! A container of a pod: `run.sh` with all that it starts.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// Killed when dropped.
pub struct Container {
    process: Child,
    log: PathBuf,
}

impl Container {
    /// Starts it, and writes what it prints to `log`.
    pub(super) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log)?;
        let process = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("a container")?;
        Ok(Self {
            process,
            log: log.to_owned(),
        })
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// What it printed.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its processes keep their connections and say nothing (SIGSTOP).
    pub fn stop(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// They go on.
    pub fn resume(&self) -> Result<()> {
        self.signal("-CONT")
    }

    /// The files that it writes cannot grow any more, as on a full volume.
    pub fn fill_volume(&self) -> Result<()> {
        let pid = self.process.id().to_string();
        let done = Command::new("prlimit")
            .args(["--fsize=1:", "--pid", &pid])
            .status()?;
        anyhow::ensure!(done.success(), "prlimit ended with {done}");
        Ok(())
    }

    fn signal(&self, name: &str) -> Result<()> {
        let group = format!("-{}", self.process.id());
        let mut kill = Command::new("kill");
        let sent = kill.args([name, "--", &group]).stderr(Stdio::null()).status()?;
        anyhow::ensure!(sent.success(), "kill {name} ended with {sent}");
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.signal("-KILL");
        let _ = self.process.wait();
    }
}
