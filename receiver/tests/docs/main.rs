//! The documents say what the code does: what can be made from the code is made from it, and every example is tried.
//!
//! Out of step? `make generate` writes the generated parts anew.

mod expressions;
mod manifests;
mod reference;
mod senders;
mod tables;
mod walk;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Compares a file with what it should be; with UPDATE=1 writes it.
fn in_step(file: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(root().join(file), expected).unwrap();
        return;
    }
    let written = std::fs::read_to_string(root().join(file)).unwrap_or_default();
    assert!(
        written == expected,
        "{file} is out of step with the code; run: make generate"
    );
}

/// Compares what stands between `<!-- name -->` and `<!-- /name -->`; with UPDATE=1 writes it.
fn part_in_step(file: &str, name: &str, expected: &str) {
    let text = read(file);
    let (begin, end) = (
        format!("<!-- {name}: made by `make generate` -->\n"),
        format!("<!-- /{name} -->"),
    );
    let (before, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("{file} has no {begin}"));
    let (_, after) = rest
        .split_once(&end)
        .unwrap_or_else(|| panic!("{file} has no {end}"));
    in_step(file, &format!("{before}{begin}{expected}{end}{after}"));
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence)
        .skip(1)
        .map(|rest| rest.split_once("```").map_or(rest, |(block, _)| block).to_owned())
        .collect()
}

/// For a cell of a table: one line, and nothing that is taken for HTML outside code.
fn cell(text: &str) -> String {
    let text = text.replace('|', "\\|").replace('\n', " ");
    let parts = text.split('`').enumerate().map(|(n, part)| {
        if n % 2 == 0 {
            part.replace('<', "&lt;")
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("`")
}
