//! Whatever has a version has the same one: crates, chart, and what the documents say of a release.

use std::fs;
use std::path::Path;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

/// What stands behind these words, at the beginning of a line.
fn after<'a>(text: &'a str, words: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(words));
    line.unwrap_or_else(|| panic!("no line begins with {words}"))
        .trim_matches('"')
}

#[test]
fn the_chart_has_the_version_of_the_crates() {
    let chart = read("charts/leadgate/Chart.yaml");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(after(&chart, "version: "), version);
    assert_eq!(after(&chart, "appVersion: "), version);
}

/// Work in progress is under Unreleased, and a released version is not changed any more.
#[test]
fn the_changelog_begins_with_what_is_not_released() {
    let changelog = read("CHANGELOG.md");
    let sections: Vec<_> = changelog
        .lines()
        .filter_map(|line| line.strip_prefix("## ["))
        .collect();
    assert!(sections[0].starts_with("Unreleased]"), "{sections:?}");
    for section in &sections[1..] {
        let (version, date) = section.split_once("] - ").unwrap_or_else(|| panic!("{section}"));
        assert_eq!(version.split('.').count(), 3, "{section}");
        assert_eq!(date.len(), "2026-11-26".len(), "{section}");
    }
}

#[test]
fn tools_are_pinned_alike_in_the_workflow_and_the_crates() {
    let cargo = read("Cargo.toml");
    let workflow = read(".github/workflows/release.yaml");
    assert_eq!(after(&workflow, "  RUST: "), after(&cargo, "rust-version = "));
}
