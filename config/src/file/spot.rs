//! A value together with where it stood and how it came about.

/// A value and where it stood.
#[derive(Clone, Debug)]
pub(crate) struct Spot<T> {
    pub(crate) value: T,
    /// The line of the value, or of the section where the value was left out.
    pub(crate) line: usize,
    /// The key with its path.
    pub(crate) key: String,
    pub(crate) state: State,
}

/// How a value came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It stands in the file.
    Written,
    /// It was left out, and this is the default.
    LeftOut,
    /// What stood there was reported already; the value only stands in, so that reading can go on.
    Bad,
}

impl<T> Spot<T> {
    /// Whether the value means something, so that it may be compared with others.
    pub(crate) fn is_sound(&self) -> bool {
        self.state != State::Bad
    }

    /// Whether the value stands in the file and means something.
    pub(crate) fn is_written(&self) -> bool {
        self.state == State::Written
    }
}
