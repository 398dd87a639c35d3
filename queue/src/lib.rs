//! The line: its pure core, its tokens and the stores that run it.
