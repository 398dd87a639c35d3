//! The waiting page: one small self-contained document, compiled once at start and rendered with a few appends.
//!
//! | module | owns |
//! |---|---|
//! | `theme` | what a room's configuration makes of the page; rendering |
//! | `view` | what one rendering depends on, and which face of the page it comes to |
//! | `slots` | what is filled in at request time, escaped |
//! | `template` | placeholders of a document and its compilation into pieces |
//! | `parts` | the fragments a template is made of: head, style, turn, engine |
//! | `words` | the message file, an operator's texts, plurals, waits and numbers in words |
//! | `lang` | the languages and `Accept-Language` |
//! | `palette` | legible colours for light and dark from at most two given ones |
//! | `policy` | the `Content-Security-Policy` with the hashes of what is inline |
//! | `gzip` | a gzip stream put together from parts compressed at start |
//! | `escape` | text into HTML and into a JSON script element |
//!
//! It does no I/O after [`Theme::load`] and knows neither HTTP nor the line. The assets are in `proxy/page/`; how to
//! write a template of one's own stands in `proxy/page/TEMPLATE.md`.

mod escape;
mod gzip;
mod lang;
mod palette;
mod parts;
mod policy;
mod slots;
mod template;
mod theme;
mod view;
mod words;

#[cfg(test)]
mod tests;

pub use lang::{Lang, negotiate};
pub use theme::{Theme, ThemeError};
pub use view::{State, View};
