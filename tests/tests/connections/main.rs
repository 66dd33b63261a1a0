//! Who connects and gives nothing: everybody else is served meanwhile, and it ends in bounded time.

mod crowd;
mod deadlines;
mod dual_stack;
