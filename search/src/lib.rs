//! Finding an event: a tantivy index fed from the booking service.
