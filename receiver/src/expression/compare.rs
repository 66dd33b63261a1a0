//! What operators do with values.

use std::cmp::Ordering;
use std::rc::Rc;

use super::budget::Meter;
use super::fault::Fault;
use super::kind::Kind;
use super::value::{Answer, Cel, Dict, ELEMENT, List};

/// An operator of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Op {
    /// As it is written.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }

    /// What it gives for values of these kinds; `None`: it does not work on them.
    pub(super) fn gives(self, left: Kind, right: Kind) -> Option<Kind> {
        use Kind::{Any, Bool, Double, Duration, List, Map, Optional, Text, Time};
        let known = |kind: Kind| !matches!(kind, Any | Kind::Null);
        if !known(left) || !known(right) {
            let wrong =
                [left, right].contains(&Optional) && !matches!(self, Self::Equal | Self::Unequal | Self::In);
            let gives = if matches!(
                self,
                Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder
            ) {
                Any
            } else {
                Bool
            };
            return (!wrong).then_some(gives);
        }
        let numbers = left.is_number() && right.is_number();
        match self {
            // A value that may be absent equals no value that is there, whatever it holds.
            Self::Equal | Self::Unequal => (left == right || numbers).then_some(Bool),
            Self::In => (matches!(right, List | Map) && left != Optional).then_some(Bool),
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => {
                let same = left == right && matches!(left, Text | Bool | Time | Duration | Kind::Bytes);
                (numbers || same).then_some(Bool)
            }
            Self::Add if left == right && matches!(left, Text | List | Kind::Bytes | Duration) => Some(left),
            Self::Add if matches!((left, right), (Time, Duration) | (Duration, Time)) => Some(Time),
            Self::Subtract if (left, right) == (Time, Duration) => Some(Time),
            Self::Subtract if left == right && matches!(left, Time | Duration) => Some(Duration),
            _ if numbers && left == right => Some(left),
            _ if numbers => Some(Double),
            _ => None,
        }
    }

    /// Applies it.
    pub(super) fn apply<'v>(self, meter: &Meter, left: &Cel<'v>, right: &Cel<'v>) -> Answer<'v> {
        let holds = |wanted: &[Ordering]| {
            let order = order(meter, left, right)?.ok_or_else(|| self.refuses(left, right))?;
            Ok(Cel::Bool(wanted.contains(&order)))
        };
        match self {
            Self::Equal => equal(meter, left, right).map(Cel::Bool),
            Self::Unequal => equal(meter, left, right).map(|equal| Cel::Bool(!equal)),
            Self::Less => holds(&[Ordering::Less]),
            Self::LessOrEqual => holds(&[Ordering::Less, Ordering::Equal]),
            Self::Greater => holds(&[Ordering::Greater]),
            Self::GreaterOrEqual => holds(&[Ordering::Greater, Ordering::Equal]),
            Self::In => within(meter, left, right),
            Self::Add => self.add(meter, left, right),
            _ => self.reckon(left, right),
        }
    }

    /// These values are not for it. With null, the result is absent, as with a missing value.
    fn refuses(self, left: &Cel<'_>, right: &Cel<'_>) -> Fault {
        match (left, right) {
            (Cel::Null, _) | (_, Cel::Null) => Fault::Absent,
            _ => self.mismatch(Kind::of(left), Kind::of(right)),
        }
    }

    fn mismatch(self, left: Kind, right: Kind) -> Fault {
        Fault::Type(format!(
            "{} does not work on {} and {}; convert one, as in string(x) or int(x)",
            self.sign(),
            left.words(),
            right.words()
        ))
    }

    fn add<'v>(self, meter: &Meter, left: &Cel<'v>, right: &Cel<'v>) -> Answer<'v> {
        match (left, right) {
            (Cel::Text(a), Cel::Text(b)) => {
                meter.make(a.len() + b.len())?;
                let mut text = String::with_capacity(a.len() + b.len());
                text.push_str(a);
                text.push_str(b);
                Cel::text(text, meter)
            }
            (Cel::List(a), Cel::List(b)) => {
                let length = a.len() + b.len();
                meter.steps(length as u64)?;
                meter.make(length * ELEMENT)?;
                Cel::list(a.iter().chain(b.iter()).collect(), meter)
            }
            (Cel::Bytes(a), Cel::Bytes(b)) => {
                meter.make((a.len() + b.len()) * 2)?;
                Ok(Cel::Bytes(Rc::from([&**a, &**b].concat())))
            }
            _ => self.reckon(left, right),
        }
    }

    fn reckon<'v>(self, left: &Cel<'v>, right: &Cel<'v>) -> Answer<'v> {
        let too_large = || Fault::Value("a number is too large".to_owned());
        let by_zero = || Fault::Value("division by zero".to_owned());
        match (left, right) {
            (Cel::Int(_) | Cel::UInt(_) | Cel::Double(_), Cel::Int(0) | Cel::UInt(0))
                if matches!(self, Self::Divide | Self::Remainder) && !matches!(left, Cel::Double(_)) =>
            {
                Err(by_zero())
            }
            (Cel::Int(a), Cel::Int(b)) => match self {
                Self::Add => a.checked_add(*b),
                Self::Subtract => a.checked_sub(*b),
                Self::Multiply => a.checked_mul(*b),
                Self::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            }
            .map(Cel::Int)
            .ok_or_else(too_large),
            (Cel::UInt(a), Cel::UInt(b)) => match self {
                Self::Add => a.checked_add(*b),
                Self::Subtract => a.checked_sub(*b),
                Self::Multiply => a.checked_mul(*b),
                Self::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            }
            .map(Cel::UInt)
            .ok_or_else(too_large),
            (Cel::Time(time), Cel::Duration(d)) | (Cel::Duration(d), Cel::Time(time))
                if self == Self::Add =>
            {
                time.checked_add(*d).map(Cel::Time).map_err(|_| too_large())
            }
            (Cel::Time(time), Cel::Duration(d)) if self == Self::Subtract => {
                time.checked_sub(*d).map(Cel::Time).map_err(|_| too_large())
            }
            (Cel::Time(a), Cel::Time(b)) if self == Self::Subtract => Ok(Cel::Duration(a.duration_since(*b))),
            (Cel::Duration(a), Cel::Duration(b)) if matches!(self, Self::Add | Self::Subtract) => {
                let sum = if self == Self::Add {
                    a.checked_add(*b)
                } else {
                    a.checked_sub(*b)
                };
                sum.map(Cel::Duration).ok_or_else(too_large)
            }
            _ => match (left.as_double(), right.as_double()) {
                (Some(a), Some(b)) => Ok(Cel::Double(match self {
                    Self::Add => a + b,
                    Self::Subtract => a - b,
                    Self::Multiply => a * b,
                    Self::Divide => a / b,
                    _ => a % b,
                })),
                _ => Err(self.refuses(left, right)),
            },
        }
    }
}

/// `value in container`.
fn within<'v>(meter: &Meter, value: &Cel<'v>, container: &Cel<'v>) -> Answer<'v> {
    match (container, value) {
        (Cel::List(list), _) => {
            for item in list.iter() {
                meter.step()?;
                if equal(meter, &item, value)? {
                    return Ok(Cel::Bool(true));
                }
            }
            Ok(Cel::Bool(false))
        }
        (Cel::Dict(map), Cel::Text(key)) => Ok(Cel::Bool(map.get(key).is_some())),
        (Cel::Dict(_), _) => Ok(Cel::Bool(false)),
        (Cel::Null, _) => Err(Fault::Absent),
        _ => Err(Op::In.mismatch(Kind::of(value), Kind::of(container))),
    }
}

/// Whether two values are equal; numbers by their value, whatever their type.
pub(super) fn equal(meter: &Meter, left: &Cel<'_>, right: &Cel<'_>) -> Result<bool, Fault> {
    Ok(match (left, right) {
        (Cel::Text(a), Cel::Text(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            meter.look(a.len())?;
            **a == **b
        }
        (Cel::Bytes(a), Cel::Bytes(b)) => {
            meter.look(a.len().min(b.len()))?;
            a == b
        }
        (Cel::List(a), Cel::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            equal_lists(meter, a, b)?
        }
        (Cel::Dict(a), Cel::Dict(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            equal_maps(meter, a, b)?
        }
        (Cel::Optional(Some(a)), Cel::Optional(Some(b))) => {
            meter.step()?;
            equal(meter, a, b)?
        }
        (Cel::Null, Cel::Null) | (Cel::Optional(None), Cel::Optional(None)) => true,
        (Cel::Type(a), Cel::Type(b)) => a == b,
        _ => order(meter, left, right)? == Some(Ordering::Equal),
    })
}

fn equal_lists(meter: &Meter, a: &List<'_>, b: &List<'_>) -> Result<bool, Fault> {
    for (a, b) in a.iter().zip(b.iter()) {
        meter.step()?;
        if !equal(meter, &a, &b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(meter: &Meter, a: &Dict<'_>, b: &Dict<'_>) -> Result<bool, Fault> {
    for key in a.keys(meter)?.iter() {
        meter.step()?;
        let Cel::Text(key) = key else { continue };
        match (a.get(&key), b.get(&key)) {
            (Some(a), Some(b)) if equal(meter, &a, &b)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Which of two values comes first; `None`: they do not compare.
fn order(meter: &Meter, left: &Cel<'_>, right: &Cel<'_>) -> Result<Option<Ordering>, Fault> {
    match (left, right) {
        (Cel::Text(a), Cel::Text(b)) => meter.look(a.len().min(b.len()))?,
        (Cel::Bytes(a), Cel::Bytes(b)) => meter.look(a.len().min(b.len()))?,
        _ => {}
    }
    Ok(compared(left, right))
}

/// The same for whoever has counted it already.
pub(super) fn compared(left: &Cel<'_>, right: &Cel<'_>) -> Option<Ordering> {
    match (left, right) {
        (Cel::Text(a), Cel::Text(b)) => Some((**a).cmp(&**b)),
        (Cel::Bytes(a), Cel::Bytes(b)) => Some(a.cmp(b)),
        (Cel::Bool(a), Cel::Bool(b)) => Some(a.cmp(b)),
        (Cel::Int(a), Cel::Int(b)) => Some(a.cmp(b)),
        (Cel::UInt(a), Cel::UInt(b)) => Some(a.cmp(b)),
        (Cel::Int(a), Cel::UInt(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Cel::UInt(a), Cel::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Cel::Time(a), Cel::Time(b)) => Some(a.cmp(b)),
        (Cel::Duration(a), Cel::Duration(b)) => Some(a.cmp(b)),
        _ => left.as_double()?.partial_cmp(&right.as_double()?),
    }
}
