//! A folder as the operator fills it: what runs of each object, which receiver serves it, and what it may take.

mod folder;
mod limits;
mod receivers;
mod versions;
