//! A loaded expression.

use super::compare::Op;
use super::functions::Function;
use super::pattern::Pattern;
use super::scope::mark;

/// An expression whose names are known.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Literal),
    /// A variable of the scope.
    Variable(Box<str>),
    /// Steps from a variable on: most of what expressions do. Walked in JSON as it lies there.
    Path(Box<Path>),
    /// A variable of a loop: the n-th from outside.
    Local(usize),
    Field {
        of: Box<Node>,
        name: Box<str>,
        /// `.?name`.
        optional: bool,
    },
    /// `has(x.name)`.
    Has {
        of: Box<Node>,
        name: Box<str>,
    },
    Index {
        of: Box<Node>,
        at: Box<Node>,
        /// `[?n]`.
        optional: bool,
    },
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// Condition, then, else.
    If(Box<[Node; 3]>),
    Binary(Op, Box<[Node; 2]>),
    Matches(Box<Node>, Pattern),
    Call(&'static Function, Box<[Node]>),
    /// Elements; the marked ones are left out when they are absent (`[?x]`).
    List(Box<[(Node, bool)]>),
    /// `[…].firstNonEmpty()`: what stands behind the first that is not blank is not looked at.
    FirstNonEmpty(Box<[(Node, bool)]>),
    Map(Box<[(Node, Node, bool)]>),
    Loop(Box<Loop>),
    /// A value that the second one sees as its innermost local.
    Bind(Box<[Node; 2]>),
}

/// `payload.data.?email`.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) variable: Box<str>,
    /// Names; the marked ones are optional (`.?`).
    pub(super) steps: Vec<(Box<str>, bool)>,
    /// What [`super::scope::Variable::lacks`] asks for of the first.
    pub(super) first: u64,
}

impl Node {
    /// A step to a member.
    pub(super) fn field(of: Node, name: Box<str>, optional: bool) -> Self {
        match of {
            Self::Variable(variable) => Self::Path(Box::new(Path {
                variable,
                first: mark(&name),
                steps: vec![(name, optional)],
            })),
            Self::Path(mut path) => {
                path.steps.push((name, optional));
                Self::Path(path)
            }
            of => Self::Field {
                of: Box::new(of),
                name,
                optional,
            },
        }
    }
}

/// A constant.
#[derive(Debug)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    Type(&'static str),
}

/// `map`, `filter`, `exists` and the like.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) kind: LoopKind,
    pub(super) over: Node,
    pub(super) only: Option<Node>,
    pub(super) body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopKind {
    /// A list of what the body gives.
    Map,
    All,
    Exists,
    ExistsOne,
}
