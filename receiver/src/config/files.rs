//! The files of a folder, and their texts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::problem::Problem;

/// More than any folder of manifests holds.
const LARGEST_FILE: u64 = 16 << 20;
const MAX_DEPTH: usize = 8;

/// All `*.yaml`, `*.yml` and `*.json` below a folder, in whatever case, in the order of their names; and what cannot be looked at.
pub(super) fn of(folder: &Path) -> (Vec<PathBuf>, Vec<Problem>) {
    let (mut files, mut unreadable) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    collect(folder, folder, &mut files, &mut unreadable, &mut seen, MAX_DEPTH);
    files.sort();
    (files, unreadable)
}

fn collect(
    folder: &Path,
    root: &Path,
    files: &mut Vec<PathBuf>,
    unreadable: &mut Vec<Problem>,
    seen: &mut BTreeSet<PathBuf>,
    depth: usize,
) {
    let mut cannot = |path: &Path, message: String| {
        unreadable.push(Problem::of_file(&shown(path, root), message));
    };
    let entries = fs::canonicalize(folder).and_then(|real| {
        // A link to a folder that was read already, its own parent for example, brings nothing new.
        if seen.insert(real) {
            fs::read_dir(folder)?.collect()
        } else {
            Ok(Vec::new())
        }
    });
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            cannot(
                folder,
                format!("the directory {} cannot be read: {error}", folder.display()),
            );
            return;
        }
    };
    for entry in entries {
        let path = entry.path();
        // `..data` and the like are how Kubernetes swaps mounted volumes; the links beside them are read.
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() && depth > 0 => {
                collect(&path, root, files, unreadable, seen, depth - 1);
            }
            Ok(found) if found.is_dir() => {
                let message = format!("directories are read {MAX_DEPTH} levels deep; move it up");
                unreadable.push(Problem::of_file(&shown(&path, root), message));
            }
            Ok(found) if is_manifest(&path) && !found.is_file() => {
                let message =
                    "it is neither a file nor a directory; remove it, or rename it to another extension"
                        .to_owned();
                unreadable.push(Problem::of_file(&shown(&path, root), message));
            }
            // What cannot be looked at is told when it is read.
            _ if is_manifest(&path) => files.push(path),
            _ => {}
        }
    }
}

/// By its name.
pub(super) fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    let known = ["yaml", "yml", "json"];
    known.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// A message, and the line that it is about where that is known.
pub(super) type Unreadable = (Option<u64>, String);

pub(super) fn text_of(path: &Path) -> Result<String, Unreadable> {
    let cannot = |error: std::io::Error| (None, format!("the file cannot be read: {error}"));
    let size = fs::metadata(path).map_err(cannot)?.len();
    if size > LARGEST_FILE {
        return Err((None, format!("the file is larger than {LARGEST_FILE} bytes")));
    }
    let bytes = fs::read(path).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|error| {
        let utf16 = matches!(error.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let what = if utf16 {
            "it is written in UTF-16"
        } else {
            "it is not valid UTF-8"
        };
        (None, format!("{what}; save it as UTF-8"))
    })
}

/// A path as it is shown in problems.
pub(super) fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
