//! `POST /reserve`: seats by name, the best available, or places of general admission; and what one does with a hold.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::guard::COMMAND;
use super::idempotency::hold_name;
use super::input::{self, Segment};
use super::organiser::bad_draft;
use super::problem::Problem;
use super::showtimes::{no_showtime, with_stock};
use super::wire::{HoldJson, ReleasedJson};
use crate::domain::draft::{BestAvailable, Wish};
use crate::domain::{Hold, HoldId, HoldOutcome, HoldRequest, Owner, Seat, ShowtimeDetail, ShowtimeId};
use crate::live::BestWish;
use crate::store::Which;

/// What a page's form asks for: `best`, or `section` with `quantity`, or `seats` as often as there are.
pub(super) fn from_form(body: &[u8]) -> Result<Wish, Problem> {
    let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let field = |wanted: &str| {
        fields
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    };
    let number = |name: &str, text: &String| {
        let number: Result<u32, _> = text.parse();
        number.map_err(|_| Problem::bad_field(format!("`{name}` must be a whole number, from 1.")))
    };
    if let Some(best) = field("best") {
        return Ok(Wish::Best(BestAvailable::anywhere(number("best", best)?)));
    }
    if let (Some(section), Some(quantity)) = (field("section"), field("quantity")) {
        return Ok(Wish::Open {
            section: section.clone(),
            quantity: number("quantity", quantity)?,
        });
    }
    let seats = fields.into_iter().filter(|(name, _)| name == "seats");
    Ok(Wish::Seats(seats.map(|(_, seat)| seat).collect()))
}

/// `POST /reserve`: all of it is held, or nothing.
pub(super) async fn reserve(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let owner = app.writer(request.headers()).await?.owner();
    let name = hold_name(&request);
    let body = input::document(request, input::BODY_BYTES_MAX).await?;
    let (id, asked) = Wish::read(&body).map_err(|mistakes| bad_draft(&mistakes))?;
    let showtime = app.showtime(id).await?;
    Ok(match app.hold(&showtime, asked, &owner, name).await {
        Ok(hold) => app.held_answer(&hold, format!("/holds/{}", hold.id)).await,
        Err(problem) => app.with_stock_of(id, problem.into_response(), &[]).await,
    })
}

impl App {
    /// The showtime, as it was within the last second. Its map never changes.
    pub(super) async fn showtime(&self, id: ShowtimeId) -> Result<Arc<ShowtimeDetail>, Problem> {
        self.live.showtime(id).await?.ok_or_else(|| no_showtime(id))
    }

    /// Holds all that is asked for under this name, or nothing; where there may be such a hold, that one is found first.
    pub(super) async fn hold(
        &self,
        showtime: &ShowtimeDetail,
        asked: Wish,
        owner: &Owner,
        (mut hold_id, again): (HoldId, bool),
    ) -> Result<Hold, Problem> {
        let (id, map) = (showtime.id, &showtime.map);
        if again {
            if let Some(made_before) = self.store.hold_of(&hold_id, owner).await? {
                return Ok(made_before);
            }
            // Should it have become an order meanwhile, this is another hold.
            hold_id = HoldId::from_bits(rand::random());
        }
        let (ttl, limit) = (self.hold_ttl, self.seats_max);
        let within = |quantity: u32| match quantity {
            0 => Err(Problem::bad_field("`quantity` must be at least 1.")),
            many if many > limit.0 => Err(Problem::over_limit(0, many, limit.0)),
            quantity => Ok(quantity),
        };
        let outcome = match &asked {
            Wish::Seats(named) => {
                let request = HoldRequest::new(named, map, limit)?;
                let taken = self.live.taken(id, request.seats(), owner).await;
                let outcome = if taken.is_empty() {
                    let held = self.store.hold(id, request.seats(), owner, hold_id, ttl, limit);
                    held.await?
                } else {
                    HoldOutcome::JustTaken(taken)
                };
                if let HoldOutcome::JustTaken(taken) = &outcome {
                    // A refusal is as good without an offer.
                    let instead = self.live.instead_of(id, request.seats(), taken).await;
                    return Err(Problem::seats_taken(taken, &instead.unwrap_or_default()));
                }
                outcome
            }
            Wish::Best(best) => {
                if let Some(section) = &best.section
                    && !map.rows.iter().any(|row| row.section == *section)
                {
                    return Err(no_section(section, "with seats to choose from"));
                }
                let wish = BestWish {
                    quantity: within(best.quantity)?,
                    section: best.section.as_deref(),
                    price_max: best.max_price,
                    accessible: best.accessible,
                };
                self.live
                    .hold_best(id, &wish, owner, &hold_id, ttl, limit)
                    .await?
            }
            Wish::Open { section, quantity } => {
                let known = map.open_section(section);
                let known = known.ok_or_else(|| no_section(section, "for general admission"))?;
                let quantity = within(*quantity)? as usize;
                self.store
                    .hold_open(id, known, quantity, owner, hold_id, ttl, limit)
                    .await?
            }
        };
        match outcome {
            HoldOutcome::Held(hold) => {
                self.live.held(&hold, owner);
                Ok(hold)
            }
            refused => Err(refusal(refused, id, limit.0)),
        }
    }

    /// What somebody gets who asked for seats and has them, with where the hold is found again.
    pub(super) async fn held_answer(&self, hold: &Hold, at: String) -> Response {
        let answer = (
            StatusCode::CREATED,
            [(header::LOCATION, at)],
            Json(HoldJson::from(hold)),
        );
        self.with_stock_of(hold.showtime, answer.into_response(), &hold.seats)
            .await
    }

    /// Tells the edge what is left, once these seats are held; an answer is as good without.
    pub(super) async fn with_stock_of(&self, id: ShowtimeId, response: Response, held: &[Seat]) -> Response {
        match self.live.stock(id, held).await {
            Ok(Some(stock)) => with_stock(response, stock),
            Ok(None) | Err(_) => response,
        }
    }
}

fn no_section(named: &str, of_kind: &str) -> Problem {
    let text: String = named.chars().take(40).collect();
    Problem::bad_field(format!("`section`: {text:?} is no section {of_kind} here."))
}

/// Why nothing was held.
fn refusal(outcome: HoldOutcome, id: ShowtimeId, limit: u32) -> Problem {
    match outcome {
        HoldOutcome::Held(_) => Problem::internal(),
        HoldOutcome::JustTaken(seats) => Problem::seats_taken(&seats, &[]),
        HoldOutcome::OverLimit { has, asked } => Problem::over_limit(has, asked, limit),
        HoldOutcome::NotEnough { left } => Problem::not_enough(left),
        HoldOutcome::Started => Problem::started(),
        HoldOutcome::Cancelled => Problem::cancelled(),
        HoldOutcome::NoShowtime => no_showtime(id),
    }
}

fn no_hold() -> Problem {
    Problem::not_found("You have no such hold: it has expired, or was released before.")
}

/// `GET /holds/{hold}`: one's own.
pub(super) async fn hold(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: HoldId = input::id(segment)?;
    let owner = app.somebody(&headers).await?.owner();
    let hold = app.store.hold_of(&id, &owner).await?.ok_or_else(no_hold)?;
    Ok(Json(HoldJson::from(&hold)).into_response())
}

/// `DELETE /holds/{hold}`: the seats are free again, and the visit ends.
pub(super) async fn release(
    State(app): State<Arc<App>>,
    segment: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let id: HoldId = input::id(segment)?;
    let owner = app.writer(request.headers()).await?.owner();
    let hold = app.store.hold_of(&id, &owner).await?.ok_or_else(no_hold)?;
    let released = app.store.release(hold.showtime, &owner, &Which::One(id)).await?;
    if released.is_empty() {
        return Err(no_hold());
    }
    app.live.freed(hold.showtime, &released, &owner);
    let mut response = Json(ReleasedJson { released }).into_response();
    if !input::stays(request.uri().query()) {
        let command = HeaderValue::from_static("release");
        response.headers_mut().insert(COMMAND, command);
    }
    Ok(response)
}

/// `POST /holds/{hold}/extend`: as long again, once.
pub(super) async fn extend(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: HoldId = input::id(segment)?;
    let owner = app.writer(&headers).await?.owner();
    app.store.hold_of(&id, &owner).await?.ok_or_else(no_hold)?;
    if !app.store.extend(&id, &owner, app.hold_ttl).await? {
        return Err(Problem::extended_before());
    }
    let hold = app.store.hold_of(&id, &owner).await?.ok_or_else(no_hold)?;
    app.live.held(&hold, &owner);
    Ok(Json(HoldJson::from(&hold)).into_response())
}
