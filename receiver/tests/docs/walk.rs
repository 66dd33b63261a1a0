//! "A lead's way through the code" names what exists.

use super::{blocks, read};

#[test]
fn a_leads_way_through_the_code_names_functions_that_exist() {
    let contributing = read("CONTRIBUTING.md");
    let (_, way) = contributing
        .split_once("## A lead's way through the code")
        .unwrap();
    let walk = blocks(way, "text").remove(0);
    let mut steps = 0;
    for line in walk.lines() {
        let step = line.split("  ").next().unwrap();
        let (file, function) = step.split_once(": ").unwrap();
        let code = read(&format!("receiver/src/{file}"));
        let defined = [format!("fn {function}("), format!("fn {function}<")];
        assert!(defined.iter().any(|fn_| code.contains(fn_)), "{line}");
        steps += 1;
    }
    assert_eq!(steps, 12);
}
