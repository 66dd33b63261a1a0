//! Which values a condition needs: without them it is absent, hence false, and so is its opposite.

use std::collections::BTreeSet;

use super::node::{Literal, Node, Path};

/// The paths that it goes along without saying what holds when they lead nowhere.
pub(super) fn needs(node: &Node) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    collect(node, &mut paths);
    paths
}

fn collect(node: &Node, paths: &mut BTreeSet<String>) {
    match node {
        Node::Literal(_) | Node::Variable(_) | Node::Local(_) => {}
        Node::Path(along) => {
            // From the first step on that says what holds when it leads nowhere, nothing is needed.
            let first = along.steps.iter().position(|(_, optional)| *optional);
            let until = first.unwrap_or(along.steps.len());
            if until > 0 {
                paths.insert(steps(along, until));
            }
        }
        Node::Field { of, optional, .. } => {
            if *optional {
                collect(of, paths);
            } else if let Some(path) = path(node) {
                paths.insert(path);
            } else {
                collect(of, paths);
            }
        }
        // `has(a.b)` of an absent `a` is absent itself, but nobody means that.
        Node::Has { of, .. } => {
            if path(of).is_none() {
                collect(of, paths);
            }
        }
        Node::Index { of, at, .. } => [of, at].into_iter().for_each(|part| collect(part, paths)),
        Node::Not(inner) | Node::Negate(inner) | Node::Matches(inner, _) => collect(inner, paths),
        Node::And(sides) | Node::Or(sides) => guarded(&**sides, paths),
        Node::If(parts) => guarded(&**parts, paths),
        Node::Binary(_, sides) | Node::Bind(sides) => sides.iter().for_each(|side| collect(side, paths)),
        Node::Call(_, args) => args.iter().for_each(|arg| collect(arg, paths)),
        Node::List(items) | Node::FirstNonEmpty(items) => {
            items.iter().for_each(|(item, _)| collect(item, paths));
        }
        Node::Map(entries) => {
            for (key, value, _) in entries {
                collect(key, paths);
                collect(value, paths);
            }
        }
        Node::Loop(own) => {
            let parts = [Some(&own.over), own.only.as_ref(), Some(&own.body)];
            parts.into_iter().flatten().for_each(|part| collect(part, paths));
        }
    }
}

/// What several conditions need together, without what one of them asks for by `has`.
fn guarded(parts: &[Node], paths: &mut BTreeSet<String>) {
    let (mut needed, mut asked) = (BTreeSet::new(), BTreeSet::new());
    for part in parts {
        collect(part, &mut needed);
        asked_for(part, &mut asked);
    }
    paths.extend(needed.difference(&asked).cloned());
}

fn asked_for(node: &Node, asked: &mut BTreeSet<String>) {
    match node {
        Node::Has { of, name } => asked.extend(path(of).map(|of| format!("{of}.{name}"))),
        Node::Not(inner) => asked_for(inner, asked),
        Node::And(sides) | Node::Or(sides) => sides.iter().for_each(|side| asked_for(side, asked)),
        _ => {}
    }
}

fn steps(path: &Path, until: usize) -> String {
    let steps = path.steps.iter().take(until).map(|(name, _)| name);
    steps.fold(path.variable.to_string(), |path, name| format!("{path}.{name}"))
}

/// `lead.custom.budget`, of a variable and plain steps.
fn path(node: &Node) -> Option<String> {
    match node {
        Node::Path(path) if path.steps.iter().all(|(_, optional)| !optional) => {
            Some(steps(path, path.steps.len()))
        }
        Node::Variable(name) => Some(name.to_string()),
        Node::Field {
            of,
            name,
            optional: false,
        } => Some(format!("{}.{name}", path(of)?)),
        Node::Index {
            of,
            at,
            optional: false,
        } => match &**at {
            Node::Literal(Literal::Int(n)) => Some(format!("{}[{n}]", path(of)?)),
            _ => None,
        },
        _ => None,
    }
}
