//! The CRMs' SDKs as referees of the simulators: they were written against the real APIs, not by us.

use std::path::{Path, PathBuf};
use std::process::Command;

/// `sdk/<name>/referee.js`, with the SDK it needs. `kept` is where installed SDKs stay, the build's folder for
/// temporary files, which only a test knows.
pub fn referee(name: &str, kept: &Path) -> Command {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk").join(name);
    let mut command = Command::new("node");
    command
        .arg(source.join("referee.js"))
        .env("SDK_FOLDER", install(&source, name, kept));
    command
}

/// Runs a command; its output is the message if it fails. Only the program is named: arguments and environment hold
/// secrets.
pub fn run(command: &mut Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| {
        panic!("{program}: {error}. This test needs node 20 or newer with npm: install it, e.g. apt install nodejs npm")
    });
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "{program} ended with {}:\n{text}",
        output.status
    );
    text
}

/// A folder with the SDK installed: kept from run to run, gone with `cargo clean`. Its name holds a digest of the lock
/// file, so a new version of the SDK gets a new folder.
fn install(source: &Path, name: &str, kept: &Path) -> PathBuf {
    let lock = std::fs::read(source.join("package-lock.json")).unwrap();
    let digest = hex::encode(&<sha2::Sha256 as sha2::Digest>::digest(&lock)[..8]);
    let folder = kept.join(format!("{name}-sdk-{digest}"));
    if folder.join("complete").exists() {
        return folder;
    }
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder));
    std::fs::write(folder.join("complete"), "").unwrap();
    folder
}
