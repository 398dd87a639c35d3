//! The shape of every letter: a heading, the showtime it is about, a few sentences, figures, one link. One pair of
//! templates gives it as text and as HTML, so that both always say the same.

use askama::Template;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::ticket::LocalTime;

/// Who writes.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its name, as fans know it.
    pub name: String,
    /// Its address, without a slash at the end.
    pub url: String,
}

/// The showtime a letter is about.
#[derive(Clone, Debug)]
pub struct Show {
    /// What is put on.
    pub title: String,
    /// The venue's name.
    pub venue: String,
    /// Its city.
    pub city: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// The venue's clock.
    pub time_zone: TimeZone,
}

impl Show {
    /// `Friday, 12 June 2026, 19:30 CEST`.
    pub fn when(&self) -> String {
        let LocalTime { date, time, zone } = LocalTime::new(self.starts_at, &self.time_zone);
        format!("{date}, {time} {zone}")
    }

    /// `Teatr Wielki, Łódź`.
    pub fn place(&self) -> String {
        format!("{}, {}", self.venue, self.city)
    }
}

/// A figure with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// `Seats`.
    pub label: &'static str,
    /// `Stalls A-12, Stalls A-13`.
    pub value: String,
}

/// The one thing to press.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub label: &'static str,
    /// Where it leads.
    pub url: String,
}

/// What a letter says.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The mail's subject.
    pub subject: String,
    /// The heading in the mail.
    pub heading: String,
    /// The showtime.
    pub show: Option<Show>,
    /// Sentences, first things first.
    pub paragraphs: Vec<String>,
    /// Figures.
    pub facts: Vec<Fact>,
    /// The link.
    pub link: Option<Link>,
    /// Said last, in small type.
    pub note: Option<String>,
}

/// A letter, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The mail's subject.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// HTML that needs nothing from elsewhere.
    pub html: String,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    letter: &'a Letter,
    site: &'a Site,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Text<'a> {
    letter: &'a Letter,
    site: &'a Site,
}

impl Letter {
    /// The letter as text and as HTML.
    ///
    /// # Errors
    /// As the template engine says; with these templates, none.
    pub fn render(&self, site: &Site) -> Result<Rendered, askama::Error> {
        Ok(Rendered {
            subject: self.subject.clone(),
            text: Text { letter: self, site }.render()?,
            html: Html { letter: self, site }.render()?,
        })
    }

    /// What lists of mails show beside the subject.
    fn preview(&self) -> &str {
        self.paragraphs.first().map_or("", String::as_str)
    }
}
