//! The image's archive is one that registries take: every digest is that of its blob, and each platform gets its own program.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Packs files that say for which machine they are, and unpacks the archive.
fn packed(platforms: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("rootfs");
    let roots = if platforms.is_empty() {
        vec![root.clone()]
    } else {
        platforms
            .iter()
            .map(|platform| root.join(&platform["linux/".len()..]))
            .collect()
    };
    for root in roots {
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("leadgate-operator"), root.display().to_string()).unwrap();
    }
    let archive = folder.path().join("image.tar");
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../image/build");
    let made = Command::new(build)
        .arg("archive")
        .args([&root, &archive])
        .arg("registry.example.com/leadgate:dev")
        .args(platforms)
        .status();
    assert!(made.unwrap().success());
    unpack(&archive, &folder.path().join("oci"));
    folder
}

fn unpack(archive: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let done = Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(to)
        .status();
    assert!(done.unwrap().success());
}

/// The file of a descriptor, which is as large and has the digest as it says.
fn blob(folder: &Path, descriptor: &Value) -> std::path::PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    let path = folder.join("oci/blobs/sha256").join(&digest["sha256:".len()..]);
    let bytes = fs::read(&path).unwrap();
    let found: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(digest, format!("sha256:{found}"));
    assert_eq!(descriptor["size"], bytes.len());
    path
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The image of one platform.
fn check(folder: &Path, descriptor: &Value, architecture: &str, program: &Path) {
    assert_eq!(
        descriptor["platform"],
        json!({"os": "linux", "architecture": architecture})
    );
    let manifest = json_of(&blob(folder, descriptor));
    let config = json_of(&blob(folder, &manifest["config"]));
    assert_eq!(config["architecture"], architecture);
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/leadgate-operator"]));
    let files = folder.join(architecture);
    unpack(&blob(folder, &manifest["layers"][0]), &files);
    assert_eq!(
        fs::read_to_string(files.join("leadgate-operator")).unwrap(),
        program.display().to_string()
    );
}

#[test]
fn one_archive_for_several_platforms() {
    let folder = packed(&["linux/amd64", "linux/arm64"]);
    let folder = folder.path();
    let layout = json_of(&folder.join("oci/index.json"));
    let named = &layout["manifests"][0];
    assert_eq!(layout["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(named["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(
        named["annotations"]["io.containerd.image.name"],
        "registry.example.com/leadgate:dev"
    );
    let index = json_of(&blob(folder, named));
    assert_eq!(index["mediaType"], named["mediaType"]);
    let images = index["manifests"].as_array().unwrap();
    assert_eq!(images.len(), 2);
    for (image, architecture) in images.iter().zip(["amd64", "arm64"]) {
        check(
            folder,
            image,
            architecture,
            &folder.join("rootfs").join(architecture),
        );
    }
}

#[test]
fn one_platform_needs_no_index() {
    let folder = packed(&[]);
    let folder = folder.path();
    let image = &json_of(&folder.join("oci/index.json"))["manifests"][0];
    assert_eq!(image["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    check(folder, image, architecture, &folder.join("rootfs"));
}

#[test]
fn an_unknown_platform_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../image/build");
    let output = Command::new(build)
        .env("PLATFORMS", "linux/s390x")
        .env("CA_BUNDLE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .env("CARGO_TARGET_DIR", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success()
            && said.contains("PLATFORMS has linux/s390x: write linux/amd64, linux/arm64"),
        "{said}"
    );
}
