//! Tickets on paper: a PDF with one page a ticket.
//!
//! A page is A5, which fills a telephone's screen and prints on half a sheet of A4. Fonts are embedded as subsets, the
//! code is drawn as vectors, and nothing depends on the clock or on chance: the same tickets give the same bytes.

use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke, StrokeDash};
use krilla::surface::Surface;

use super::face::TicketFace;
use super::qr::{QUIET_ZONE, QrMatrix, Run, TooLong};
use super::typeset::{Line, Typeface, Typefaces};

/// Most tickets in one file, several times what an order may have. A page costs some 5 ms and 10 kB.
pub const TICKETS_MAX: usize = 100;

/// Why there is no PDF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    /// None, or more than fit into one file.
    #[error("a PDF takes 1 to {TICKETS_MAX} tickets; {0} were given")]
    Count(usize),
    /// A ticket's code.
    #[error("a ticket's code: {0}")]
    Code(#[from] TooLong),
    /// The library's own.
    #[error("the PDF cannot be written: {0}")]
    Write(String),
}

// All lengths are points, 1/72 inch, from the upper left corner.
const PAGE_WIDTH: f32 = 419.53;
const PAGE_HEIGHT: f32 = 595.28;
const MARGIN: f32 = 40.0;
const INNER: f32 = PAGE_WIDTH - 2.0 * MARGIN;
const GUTTER: f32 = 24.0;
/// The code's side without its quiet zone: with 49 modules each has 1.3 mm, which a phone reads at arm's length.
const CODE_SIDE: f32 = 180.0;

/// Where the title may begin, and the smallest type it is set in: three lines of it fit whatever else is long.
const TITLE_TOP: f32 = 74.0;
const TITLE_SIZE_MIN: f32 = 19.0;
/// From baseline to baseline in the columns.
const LINE: f32 = 15.0;
const TEAR_TO_CODE: f32 = 26.0;
const FOOT_TOP: f32 = PAGE_HEIGHT - 96.0;

/// Red, green, blue.
type Ink = (u8, u8, u8);

const INK: Ink = (0x1d, 0x25, 0x28);
const SOFT: Ink = (0x5d, 0x68, 0x6b);
const TIDE: Ink = (0x0b, 0x64, 0x68);
const RULE: Ink = (0xc9, 0xc4, 0xb8);
const BLACK: Ink = (0, 0, 0);
const WHITE: Ink = (0xff, 0xff, 0xff);

/// The tickets as one PDF, in the given order.
///
/// # Errors
/// Any [`PdfError`].
pub fn pdf(tickets: &[TicketFace]) -> Result<Vec<u8>, PdfError> {
    let (Some(first), true) = (tickets.first(), tickets.len() <= TICKETS_MAX) else {
        return Err(PdfError::Count(tickets.len()));
    };
    let faces = Typefaces::shipped();
    let mut document = Document::new();
    for (at, ticket) in tickets.iter().enumerate() {
        let code = QrMatrix::new(&ticket.code)?;
        let size = PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT).expect("a page has a size");
        let mut page = document.start_page_with(size);
        let mut sheet = Sheet {
            surface: page.surface(),
            faces: &faces,
        };
        sheet.head(ticket, at + 1, tickets.len());
        let tear = sheet.what_when_where(ticket);
        sheet.tear_line(tear);
        sheet.code(&code, tear + TEAR_TO_CODE);
        sheet.place(ticket, tear + TEAR_TO_CODE);
        sheet.foot(ticket);
        drop(sheet);
        page.finish();
    }
    document.set_metadata(
        Metadata::new()
            .title(format!("{}: {}", first.title, first.begins().date))
            .creator(first.seller.clone())
            .language("en".to_owned())
            .document_id(first.code.clone()),
    );
    document
        .finish()
        .map_err(|why| PdfError::Write(format!("{why:?}")))
}

/// One page being filled.
struct Sheet<'a> {
    surface: Surface<'a>,
    faces: &'a Typefaces,
}

impl Sheet<'_> {
    /// Who sells, and which of how many.
    fn head(&mut self, ticket: &TicketFace, number: usize, of: usize) {
        self.fill(rect(MARGIN, 36.0, 26.0, 3.0), TIDE);
        let seller = self.faces.strong.line_within(&ticket.seller, 9.5, INNER - 90.0);
        self.write(&seller, MARGIN, 57.0, INK);
        let count = if of == 1 {
            "Ticket".to_owned()
        } else {
            format!("Ticket {number} of {of}")
        };
        let count = self.faces.regular.line(&count, 9.5);
        self.write(&count, PAGE_WIDTH - MARGIN - count.width, 57.0, SOFT);
    }

    /// Gives back where the page is torn. The title gets what room the rest leaves, so that the code, whose size is
    /// fixed, always stays clear of the foot.
    fn what_when_where(&mut self, ticket: &TicketFace) -> f32 {
        let column = (INNER - GUTTER) / 2.0;
        let begins = ticket.begins();
        let time = format!("{} {}", begins.time, begins.zone);
        let begins = self.column(&[(&begins.date, true), (&time, true)], column);
        let place = self.column(&[(&ticket.venue, true), (&ticket.city, false)], column);
        let facts = LINE * begins.len().max(place.len()) as f32 + 3.0;
        let credit = if ticket.credit.is_empty() { 0.0 } else { 22.0 };

        let title_room = FOOT_TOP - 9.0 - CODE_SIDE - TEAR_TO_CODE - 24.0 - facts - 34.0 - credit - TITLE_TOP;
        let mut y = self.title(&ticket.title, title_room) + credit;
        if credit > 0.0 {
            let credit = self.faces.regular.line_within(&ticket.credit, 10.5, INNER);
            self.write(&credit, MARGIN, y, SOFT);
        }
        y += 34.0;
        for (x, label, lines) in [
            (MARGIN, "Begins", begins),
            (MARGIN + column + GUTTER, "Where", place),
        ] {
            self.label(x, y, label);
            for (at, (line, ink)) in lines.iter().enumerate() {
                self.write(line, x, y + 3.0 + LINE * (at + 1) as f32, *ink);
            }
        }
        let tear = y + facts + 24.0;
        debug_assert!(
            tear + TEAR_TO_CODE + CODE_SIDE < FOOT_TOP,
            "the code runs into the foot"
        );
        tear
    }

    /// The largest type in which the whole title has at most three lines that fit the room. Gives back its last baseline.
    fn title(&mut self, title: &str, room: f32) -> f32 {
        let face = self.faces.for_title(title);
        let height = |size: f32, lines: usize| size * (0.2 + 1.1 * lines as f32);
        let sizes = [30.0, 26.0, 22.0, TITLE_SIZE_MIN];
        let set = sizes.map(|size| (size, face.lines(title, size, INNER, 3)));
        let good = set
            .iter()
            .find(|(size, (lines, whole))| *whole && height(*size, lines.len()) <= room);
        let Some((size, (lines, _))) = good.or(set.last()) else {
            return TITLE_TOP;
        };
        for (at, line) in lines.iter().enumerate() {
            self.write(line, MARGIN, TITLE_TOP + height(*size, at + 1), INK);
        }
        TITLE_TOP + height(*size, lines.len())
    }

    /// Texts under each other, strong or soft, each in at most two lines.
    fn column(&self, texts: &[(&str, bool)], width: f32) -> Vec<(Line, Ink)> {
        let set = |&(text, strong): &(&str, bool)| {
            let (face, size, ink) = if strong {
                (&self.faces.strong, 12.0, INK)
            } else {
                (&self.faces.regular, 10.5, SOFT)
            };
            let (lines, _) = face.lines(text, size, width, 2);
            lines.into_iter().map(move |line| (line, ink))
        };
        texts.iter().flat_map(set).collect()
    }

    /// Where the ticket would be torn, were it one of card.
    fn tear_line(&mut self, y: f32) {
        let mut path = PathBuilder::new();
        path.move_to(MARGIN, y);
        path.line_to(PAGE_WIDTH - MARGIN, y);
        let Some(path) = path.finish() else { return };
        self.surface.set_fill(None);
        self.surface.set_stroke(Some(Stroke {
            paint: color(RULE).into(),
            width: 0.8,
            dash: Some(StrokeDash {
                array: vec![3.0, 3.0],
                offset: 0.0,
            }),
            ..Stroke::default()
        }));
        self.surface.draw_path(&path);
        self.surface.set_stroke(None);
    }

    /// The code with its own white ground, its dark modules flush with the margin.
    fn code(&mut self, code: &QrMatrix, top: f32) {
        let module = CODE_SIDE / code.side() as f32;
        let quiet = module * QUIET_ZONE as f32;
        let ground = CODE_SIDE + 2.0 * quiet;
        self.fill(rect(MARGIN - quiet, top - quiet, ground, ground), WHITE);
        let mut path = PathBuilder::new();
        for Run { x, y, len } in code.runs() {
            let (x, y) = (MARGIN + x as f32 * module, top + y as f32 * module);
            if let Some(run) = Rect::from_xywh(x, y, len as f32 * module, module) {
                path.push_rect(run);
            }
        }
        self.fill(path.finish(), BLACK);
    }

    /// Section, row and seat, beside the code.
    fn place(&mut self, ticket: &TicketFace, top: f32) {
        let x = MARGIN + CODE_SIDE + GUTTER + 4.0;
        let width = PAGE_WIDTH - MARGIN - x;
        let mut y = top + 7.0;
        self.label(x, y, "Section");
        y += 5.0;
        for line in self.faces.strong.lines(&ticket.section, 17.0, width, 3).0 {
            y += 20.0;
            self.write(&line, x, y, INK);
        }
        y += 34.0;
        let halves = [("Row", &ticket.row), ("Seat", &ticket.seat)];
        let given: Vec<_> = halves
            .iter()
            .filter_map(|(label, value)| Some((label, value.as_ref()?)))
            .collect();
        for (at, (label, value)) in given.iter().enumerate() {
            let step = width / given.len() as f32;
            let x = x + step * at as f32;
            self.label(x, y, label);
            let value = fitting(&self.faces.strong, value, [34.0, 24.0, 15.0], step - 6.0);
            self.write(&value, x - 1.0, y + 36.0, INK);
        }
    }

    /// Whose it is, and how to use it.
    fn foot(&mut self, ticket: &TicketFace) {
        let top = FOOT_TOP;
        self.fill(rect(MARGIN, top, INNER, 0.6), RULE);
        let columns = [
            ("Holder", &ticket.holder, 0.46),
            ("Order", &ticket.order, 0.32),
            ("Paid", &ticket.price, 0.22),
        ];
        let mut x = MARGIN;
        for (label, value, share) in columns {
            let width = INNER * share;
            if !value.is_empty() {
                self.label(x, top + 19.0, label);
                let value = self.faces.strong.line_within(value, 11.0, width - 12.0);
                self.write(&value, x, top + 35.0, INK);
            }
            x += width;
        }
        let how = "Show this code at the door, on paper or on a screen. It lets one person in, once. If the ticket is \
                   passed on to somebody else, this code stops working.";
        let mut y = top + 45.0;
        for line in self.faces.regular.lines(how, 8.5, INNER, 3).0 {
            y += 12.0;
            self.write(&line, MARGIN, y, SOFT);
        }
    }

    fn label(&mut self, x: f32, y: f32, label: &str) {
        let label = self.faces.regular.line(label, 9.0);
        self.write(&label, x, y, SOFT);
    }

    /// `y` is the baseline.
    fn write(&mut self, line: &Line, x: f32, y: f32, ink: Ink) {
        self.surface.set_fill(Some(filled(ink)));
        let at = Point::from_xy(x, y);
        self.surface
            .draw_glyphs(at, &line.glyphs, line.font.clone(), &line.text, line.size, false);
    }

    fn fill(&mut self, path: Option<Path>, ink: Ink) {
        if let Some(path) = path {
            self.surface.set_fill(Some(filled(ink)));
            self.surface.draw_path(&path);
        }
    }
}

/// The value in the first of these sizes in which it fits; in the last it is cut.
fn fitting(face: &Typeface, value: &str, sizes: [f32; 3], width: f32) -> Line {
    let fits = sizes
        .iter()
        .map(|&size| face.line(value, size))
        .find(|line| line.width <= width);
    fits.unwrap_or_else(|| face.line_within(value, sizes[2], width))
}

fn rect(x: f32, y: f32, width: f32, height: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.push_rect(Rect::from_xywh(x, y, width, height)?);
    path.finish()
}

fn color((red, green, blue): Ink) -> rgb::Color {
    rgb::Color::new(red, green, blue)
}

fn filled(ink: Ink) -> Fill {
    Fill {
        paint: color(ink).into(),
        ..Fill::default()
    }
}
