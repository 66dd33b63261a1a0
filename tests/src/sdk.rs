//! The CRMs' SDKs as referees of the simulators: they were written against the real APIs, not by us.

use std::path::Path;
use std::process::Command;

/// `sdk/<name>/referee.js`, with the SDK it needs. `kept` is where installed SDKs stay, the build's folder for
/// temporary files, which only a test knows.
pub fn referee(name: &str, kept: &Path) -> Command {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk").join(name);
    let folder = kept.join(format!("{name}-sdk"));
    installed(&source, &folder, install_from_npm);
    let mut command = Command::new("node");
    command.arg(source.join("referee.js")).env("SDK_FOLDER", folder);
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

/// A folder with the sources, and with what they need from a registry: kept from run to run, gone with `cargo clean`, made
/// anew when a source has changed. `install` runs in it.
pub fn installed(sources: &Path, folder: &Path, install: impl FnOnce(&Path)) {
    let complete = folder.join("complete");
    std::fs::create_dir_all(folder).unwrap();
    for file in std::fs::read_dir(sources).unwrap() {
        let file = file.unwrap();
        let (text, copy) = (std::fs::read(file.path()).unwrap(), folder.join(file.file_name()));
        if std::fs::read(&copy).ok().as_ref() != Some(&text) {
            let _ = std::fs::remove_file(&complete);
            std::fs::write(copy, text).unwrap();
        }
    }
    if !complete.exists() {
        install(folder);
        std::fs::write(complete, "").unwrap();
    }
}

/// What a `package-lock.json` lists. None of the packages runs anything of its own.
pub fn install_from_npm(folder: &Path) {
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder));
}
