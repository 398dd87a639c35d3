//! The line: its pure core, the tokens fans carry, and the stores that run it.
//!
//! | module | owns |
//! |---|---|
//! | [`mod@line`] | the rules, as a state machine without clock, I/O or async |
//! | [`wait`] | how long the wait is likely to be, from the measured speed of the line |
//! | [`tokens`] | what is signed and handed to fans and origins, and the keys for it |
//! | `disk` | what is to outlive the machine |
//! | [`store`] | where a line lives: one process's memory with a journal, or a Redis that many edges share |

mod disk;
pub mod line;
pub mod store;
pub mod tokens;
pub mod wait;
