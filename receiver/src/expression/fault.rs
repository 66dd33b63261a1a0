//! Why an evaluation gives nothing.

/// Why an evaluation gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// A path leads nowhere: a missing key, an index beyond the end, a field of null.
    Absent,
    /// A value that the payload holds cannot be taken for what the expression takes it for.
    Value(String),
    /// An operator or a function does not take a value of this type: the expression does not reckon with it.
    Type(String),
    /// The budget is spent. Nothing absorbs this.
    Spent(&'static str),
}
