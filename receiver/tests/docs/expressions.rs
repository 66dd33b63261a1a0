//! Every example in `docs/expressions.md` gives what stands beside it.

use leadgate_receiver::expression::{Names, Program, Scope, signatures};
use serde_json::Value;

use super::{blocks, read};

#[test]
fn every_example_gives_what_it_says() {
    let page = read("docs/expressions.md");
    let variables: Value = serde_json::from_str(&blocks(&page, "json")[0]).unwrap();
    let variables = variables.as_object().unwrap();
    let mut tried = 0;
    for block in blocks(&page, "cel") {
        for line in block.lines().filter(|line| !line.trim().is_empty()) {
            let (source, expected) = line
                .rsplit_once(" // ")
                .unwrap_or_else(|| panic!("{line}: no ` // ` result"));
            let scope = variables
                .iter()
                .fold(Scope::new(), |scope, (name, value)| scope.with(name, value));
            let given = Program::compile(source.trim(), &Names::ALL)
                .map_err(|invalid| invalid.to_string())
                .and_then(|program| program.evaluate(&scope).map_err(|failed| failed.to_string()));
            let as_said = match expected.trim() {
                "absent" => given == Ok(None),
                "error" => given.is_err(),
                json => {
                    given
                        == Ok(Some(
                            serde_json::from_str(json).unwrap_or_else(|e| panic!("{line}: {e}")),
                        ))
                }
            };
            assert!(as_said, "{source}: {given:?}, not {expected}");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried} examples were tried");
}

#[test]
fn every_function_is_described() {
    let page = read("docs/expressions.md");
    for signature in signatures() {
        let (call, _) = signature.split_once('(').unwrap();
        let name = call
            .rsplit_once('.')
            .filter(|(space, _)| !space.contains("math"))
            .map_or(call, |(_, name)| name);
        assert!(
            page.contains(&format!("{name}(")),
            "docs/expressions.md does not name {signature}"
        );
    }
}
