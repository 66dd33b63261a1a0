//! What macros make: loops, and values bound to a name.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, operators};

use super::{Resolver, Typed};
use crate::expression::kind::Kind;
use crate::expression::node::{Loop, LoopKind, Node};

/// Deepest nesting of loops (`map` in `exists`, …).
const MAX_LOOPS: usize = 2;

impl Resolver<'_> {
    /// What the macros make: a value bound to a name, or one of the loops.
    pub(super) fn comprehension(&mut self, id: u64, own: &ComprehensionExpr) -> Typed {
        if own.iter_var == "#unused" {
            let (value, kind) = self.node(&own.accu_init);
            self.locals.push((own.accu_var.clone(), kind));
            let (result, result_kind) = self.node(&own.result);
            self.locals.pop();
            return (Node::Bind(Box::new([value, result])), result_kind);
        }
        let Some((kind, only, body)) = shape(own) else {
            return self.problem(id, "this loop is not known", None);
        };
        if self.loops == MAX_LOOPS {
            let message = format!("loops (map, filter, exists, all) are nested more than {MAX_LOOPS} deep");
            return self.problem(id, message, None);
        }
        let (over, over_kind) = self.node(&own.iter_range);
        if !matches!(over_kind, Kind::Any | Kind::Null | Kind::List | Kind::Map) {
            let message = format!("a loop goes over a list, not over {}", over_kind.words());
            self.problem(id, message, None);
        }
        self.loops += 1;
        self.locals.push((own.iter_var.clone(), Kind::Any));
        let only = only.map(|only| self.condition(only));
        let body = if kind == LoopKind::Map {
            self.node(body).0
        } else {
            self.condition(body)
        };
        self.locals.pop();
        self.loops -= 1;
        let gives = if kind == LoopKind::Map {
            Kind::List
        } else {
            Kind::Bool
        };
        (
            Node::Loop(Box::new(Loop {
                kind,
                over,
                only,
                body,
            })),
            gives,
        )
    }

    fn condition(&mut self, expression: &IdedExpr) -> Node {
        let (node, kind) = self.node(expression);
        self.truth(expression.id, kind, "the condition of a loop");
        node
    }
}

/// Which loop a macro made, its filter, and what it does with each element.
fn shape(own: &ComprehensionExpr) -> Option<(LoopKind, Option<&IdedExpr>, &IdedExpr)> {
    let Expr::Call(step) = &own.loop_step.expr else {
        return None;
    };
    match (&own.accu_init.expr, step.args.as_slice()) {
        (Expr::Literal(LiteralValue::Boolean(b)), [_, body]) => {
            let kind = if *b.inner() {
                LoopKind::All
            } else {
                LoopKind::Exists
            };
            Some((kind, None, body))
        }
        (Expr::Literal(LiteralValue::Int(_)), [body, _, _]) => Some((LoopKind::ExistsOne, None, body)),
        (Expr::List(_), [only, append, _]) if step.func_name == operators::CONDITIONAL => {
            let Expr::Call(append) = &append.expr else {
                return None;
            };
            Some((LoopKind::Map, Some(only), appended(append)?))
        }
        (Expr::List(_), _) => Some((LoopKind::Map, None, appended(step)?)),
        _ => None,
    }
}

/// The element of `@result + [element]`.
fn appended(append: &CallExpr) -> Option<&IdedExpr> {
    let [_, list] = append.args.as_slice() else {
        return None;
    };
    let Expr::List(list) = &list.expr else { return None };
    list.elements.first()
}
