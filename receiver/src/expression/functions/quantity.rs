//! Quantities, as the rules of the resources' schema compare them. Only these rules know them.

use leadgate_crds::quantity::parse;

use super::function::Form::{Global, Member};
use super::function::{Function, misfit, unreadable};
use crate::expression::budget::Meter;
use crate::expression::kind::Kind::{Bool, Double, Int, Text as AText};
use crate::expression::value::{Answer, Cel};

pub(super) const TABLE: &[Function] = &[
    Function::new("isQuantity", Global, &[AText], 1, Bool, is_quantity),
    Function::new("quantity", Global, &[AText], 1, Double, quantity),
    Function::new("compareTo", Member, &[Double, Double], 2, Int, compare),
    Function::new("isGreaterThan", Member, &[Double, Double], 2, Bool, is_greater),
];

fn is_quantity<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text)] = args else { return misfit() };
    meter.look(text.len())?;
    Ok(Cel::Bool(parse(text).is_some()))
}

fn quantity<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text)] = args else { return misfit() };
    meter.look(text.len())?;
    parse(text)
        .map(Cel::Double)
        .ok_or_else(|| unreadable("a quantity"))
}

fn compare<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Double(one), Cel::Double(other)] = args else {
        return misfit();
    };
    Ok(Cel::Int(one.total_cmp(other) as i64))
}

fn is_greater<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Double(one), Cel::Double(other)] = args else {
        return misfit();
    };
    Ok(Cel::Bool(one > other))
}
