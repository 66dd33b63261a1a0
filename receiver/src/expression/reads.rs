//! Which parts of a variable an expression looks at. Pure.

use super::node::{Literal, Node};

/// The members of a variable that an expression names, each as a path.
pub(super) type Paths<'n> = Vec<Vec<&'n str>>;

/// What it looks at of one of `variables`; `None`: at the whole of it.
pub(super) fn paths<'n>(node: &'n Node, variables: &[&str]) -> Option<Paths<'n>> {
    let mut paths = Vec::new();
    collect(node, variables, &mut paths).then_some(paths)
}

/// `false`: it looks at the whole.
fn collect<'n>(node: &'n Node, variables: &[&str], paths: &mut Paths<'n>) -> bool {
    let is_ours = |node: &Node| matches!(node, Node::Variable(name) if variables.contains(&&**name));
    let mut all = |parts: &mut dyn Iterator<Item = &'n Node>| {
        let mut is_known = true;
        for part in parts {
            is_known &= collect(part, variables, paths);
        }
        is_known
    };
    match node {
        Node::Literal(_) | Node::Local(_) => true,
        Node::Variable(_) => !is_ours(node),
        Node::Path(path) => {
            if variables.contains(&&*path.variable) {
                paths.push(path.steps.iter().map(|(name, _)| &**name).collect());
            }
            true
        }
        Node::Has { of, name } => match &**of {
            Node::Path(path) if variables.contains(&&*path.variable) => {
                let steps = path.steps.iter().map(|(name, _)| &**name);
                paths.push(steps.chain([&**name]).collect());
                true
            }
            of if is_ours(of) => {
                paths.push(vec![name]);
                true
            }
            of => collect(of, variables, paths),
        },
        Node::Index { of, at, .. } => match &**at {
            Node::Literal(Literal::Text(name)) if is_ours(of) => {
                paths.push(vec![name]);
                true
            }
            at => all(&mut [&**of, at].into_iter()),
        },
        Node::Field { of: inner, .. } | Node::Not(inner) | Node::Negate(inner) | Node::Matches(inner, _) => {
            collect(inner, variables, paths)
        }
        Node::And(sides) | Node::Or(sides) | Node::Binary(_, sides) | Node::Bind(sides) => {
            all(&mut sides.iter())
        }
        Node::If(parts) => all(&mut parts.iter()),
        Node::Call(_, args) => all(&mut args.iter()),
        Node::List(items) | Node::FirstNonEmpty(items) => all(&mut items.iter().map(|(item, _)| item)),
        Node::Map(entries) => all(&mut entries.iter().flat_map(|(key, value, _)| [key, value])),
        Node::Loop(own) => {
            let parts = [Some(&own.over), own.only.as_ref(), Some(&own.body)];
            all(&mut parts.into_iter().flatten())
        }
    }
}
