//! docs/cli.md has the table of permissions that the code has. Out of step? `make generate` writes it anew.

use std::path::Path;

use leadgate_cli::permissions::markdown;

#[test]
fn the_permissions_are_those_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        "<!-- permissions: made by `make generate` -->\n",
        "<!-- /permissions -->",
    );
    let (before, rest) = text.split_once(begin).unwrap();
    let (made, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{begin}{}{end}{after}", markdown())).unwrap();
        return;
    }
    assert!(
        made == markdown(),
        "docs/cli.md is out of step with the code; run: make generate"
    );
}
