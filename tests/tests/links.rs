//! Links between documents lead somewhere, and the site has every page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn is_markdown(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|end| end == "md")
}

/// The Markdown files of a folder, as paths from the root.
fn markdown(folder: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        if root().join(&path).is_dir() {
            markdown(&path, found);
        } else if is_markdown(&path) {
            found.push(path);
        }
    }
}

fn documents() -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| is_markdown(name))
        .collect();
    markdown("docs", &mut found);
    markdown("examples", &mut found);
    found
}

/// The text without fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut lines = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    lines
}

/// What stands in the parentheses of each link, outside code.
fn links(prose: &str) -> Vec<String> {
    // Code may span lines, but no paragraph.
    let paragraphs = prose.split("\n\n");
    let plain = paragraphs.map(|paragraph| paragraph.split('`').step_by(2).collect::<Vec<_>>().join(""));
    let plain = plain.collect::<Vec<_>>().join("\n\n");
    let after = plain.split("](").skip(1);
    after
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link.to_owned())
        .filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        .collect()
}

/// The anchors that headings have on GitHub and in the site, and those of HTML.
fn anchors(prose: &str) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = prose
        .split("id=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(id, _)| id.to_owned())
        .collect();
    for heading in prose.lines().filter(|line| line.starts_with('#')) {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        known.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    known
}

/// A link as a path from the root.
fn resolved(from: &str, link: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let folder = Path::new(from).parent().unwrap_or_else(|| Path::new(""));
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    parts.join("/")
}

#[test]
fn links_lead_somewhere() {
    let texts: BTreeMap<String, String> = documents()
        .into_iter()
        .map(|file| {
            let text = prose(&fs::read_to_string(root().join(&file)).unwrap());
            (file, text)
        })
        .collect();
    let mut broken = Vec::new();
    // Made for the site only, out of files of the root: docs/build.
    let pages = ["docs/introduction.md", "docs/security.md", "docs/changelog.md"];
    for (file, text) in &texts {
        for link in links(text) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                file.clone()
            } else {
                resolved(file, path)
            };
            let exists = root().join(&target).exists() || pages.contains(&target.as_str());
            let found = anchor.is_empty()
                || texts
                    .get(&target)
                    .is_none_or(|text| anchors(text).contains(anchor));
            if !exists || !found {
                broken.push(format!("{file}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_site_has_every_page_once() {
    let mut pages = Vec::new();
    markdown("docs", &mut pages);
    let mut pages: Vec<_> = pages
        .iter()
        .filter_map(|page| page.strip_prefix("docs/"))
        .collect();
    pages.retain(|page| *page != "SUMMARY.md");
    pages.extend(["introduction.md", "security.md", "changelog.md"]);
    let mut listed = links(&fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap());
    listed.sort();
    pages.sort_unstable();
    assert_eq!(listed, pages, "docs/SUMMARY.md");
}
