//! Orders: made of a hold, looked at, called off.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

use super::App;
use super::caller::{Caller, has_assertion, same_site};
use super::guard::COMMAND;
use super::input::{self, Segment};
use super::negotiate::Form;
use super::order_page;
use super::order_wire::OrderJson;
use super::problem::Problem;
use crate::domain::order::{Asker, Event, Order, Refused, State as OrderState};
use crate::domain::{
    BadField, Email, Hold, HoldId, OrderId, Purchase, Role, ShowtimeDetail, lines_of, total_of,
};
use crate::store::{Applied, Begun, NewOrder};

/// How long an answer waits for the payment to be made at the provider; after that the order's page tells.
const PAYMENT_WITHIN: Duration = Duration::from_secs(4);

/// How long a fan who comes back from paying waits for the provider's word.
const WORD_WITHIN: Duration = Duration::from_secs(3);

/// A visit that lasted longer than this was another one: what a room allows where its file says nothing.
const VISIT_MAX: Duration = Duration::from_secs(30 * 60);

/// Fans may give tickets back until this long before the show: what most venues of the sample's kind allow. Organisers
/// always may.
const REFUND_UNTIL: Duration = Duration::from_secs(24 * 3600);

/// The check that ends a payment comes this much later than the fan's countdown, within these bounds: a payment that
/// was begun in the last second has time to arrive.
const GRACE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

fn no_hold() -> Problem {
    Problem::hold_lost(
        "You have no such hold: it has expired, or was released, and nothing was charged. Choose the seats again on the \
         showtime's page if they are still free, then book.",
    )
}

fn no_order() -> Problem {
    Problem::not_found("You have no such order.")
}

/// `POST /book` `{hold, email?}`: an order of all seats of the hold, and the payment for it. A second time it is the
/// same order. A hold outlives the visit in which it was made, so that it can be paid in any case: the call is free
/// of the waiting room, and only an assertion that is there has to be good.
pub(super) async fn book(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    same_site(&headers)?;
    let caller = match has_assertion(&headers) {
        true => app.writer(&headers).await?,
        false => app.somebody(&headers).await?,
    };
    let fields = input::fields(request).await?;
    fields.only(&["hold", "email"])?;
    let hold: HoldId = fields
        .need("hold")?
        .parse()
        .map_err(|error| Problem::bad_field(format!("`hold`: {error}.")))?;
    if let Some(before) = made_before(&app, &hold, &caller).await? {
        return made(&app, &before, &headers, StatusCode::OK).await;
    }
    let Some(hold) = app.store.hold_of(&hold, &caller.owner()).await? else {
        // Between the two looks a first click may have made the order.
        return match made_before(&app, &hold, &caller).await? {
            Some(before) => made(&app, &before, &headers, StatusCode::OK).await,
            None => Err(no_hold()),
        };
    };
    let email = mail_address(fields.get("email"), &caller)?;
    let new = new_order(&app, &caller, hold, email).await?;
    match app.store.begin_order(&new).await? {
        Begun::Made => {
            app.fulfilment.hurry(&new.id, PAYMENT_WITHIN).await;
            made(&app, &new.id, &headers, StatusCode::CREATED).await
        }
        Begun::Before(id) => made(&app, &id, &headers, StatusCode::OK).await,
        Begun::HoldLost => Err(no_hold()),
    }
}

/// The caller's own order of this hold, where there is one.
async fn made_before(app: &App, hold: &HoldId, caller: &Caller) -> Result<Option<OrderId>, Problem> {
    match app.store.order_of_hold(hold).await? {
        Some(before) if before.owner == caller.owner() => Ok(Some(before.id)),
        Some(_) => Err(no_hold()),
        None => Ok(None),
    }
}

/// An order asks for a mail address: the tickets go there.
fn mail_address(given: Option<&str>, caller: &Caller) -> Result<String, Problem> {
    let given = given.map(str::trim).filter(|text| !text.is_empty());
    match (given, &caller.account.email) {
        (Some(text), _) => Ok(text.parse::<Email>()?.as_str().to_owned()),
        (None, Some(email)) => Ok(email.as_str().to_owned()),
        (None, None) => Err(BadField("email", "is missing: the tickets are sent there").into()),
    }
}

async fn new_order(app: &App, caller: &Caller, hold: Hold, email: String) -> Result<NewOrder, Problem> {
    let showtime = app.store.showtime(hold.showtime).await?;
    let showtime = showtime.ok_or_else(Problem::internal)?;
    if showtime.cancelled {
        return Err(Problem::cancelled());
    }
    let lines = lines_of(&hold.seats, &showtime.map, |level| showtime.event.price_of(level));
    let lines = lines.ok_or_else(Problem::internal)?;
    let total = total_of(&lines, &showtime.event.event).ok_or_else(Problem::internal)?;
    Ok(NewOrder {
        id: OrderId::from_bits(rand::random()),
        owner: caller.owner(),
        showtime: hold.showtime,
        hold: hold.id,
        token: hold.token,
        email,
        lines,
        order: Order::new(total).map_err(|_| Problem::internal())?,
        pay_within: app.pay_within,
        grace: (app.pay_within / 10).clamp(GRACE.0, GRACE.1),
    })
}

async fn made(app: &App, id: &OrderId, headers: &HeaderMap, status: StatusCode) -> Result<Response, Problem> {
    let at = format!("/orders/{id}");
    if Form::wanted(headers) == Form::Page {
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, at)]).into_response());
    }
    let purchase = app.store.order(id).await?.ok_or_else(no_order)?;
    let body = json_of(app, &purchase).await?;
    let response = (status, [(header::LOCATION, at)], Json(body)).into_response();
    Ok(with_goodbye(response, &purchase))
}

/// Once the tickets are out the visit has served its purpose, and somebody else may come in. Whoever looks at an older
/// order is there for something else.
fn with_goodbye(mut response: Response, purchase: &Purchase) -> Response {
    let age_ms = Timestamp::now()
        .as_millisecond()
        .saturating_sub(purchase.created_at_ms);
    if purchase.order.state == OrderState::Issued && age_ms < VISIT_MAX.as_millis() as i64 {
        let command = HeaderValue::from_static("release");
        response.headers_mut().insert(COMMAND, command);
    }
    response
}

async fn json_of(app: &App, purchase: &Purchase) -> Result<OrderJson, Problem> {
    let showtimes = app.store.showtimes_named([purchase.showtime]).await?;
    let showtime = showtimes.get(&purchase.showtime).ok_or_else(Problem::internal)?;
    let tickets = app.store.tickets_of_order(&purchase.id).await?;
    Ok(OrderJson::new(purchase, showtime, &tickets, app.own_pages))
}

/// `GET /orders`: one's own, the newest first.
pub(super) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = app.somebody(&headers).await?;
    let orders = app.store.orders_of(&caller.owner()).await?;
    // However many there are, this is one query for the showtimes and one for the tickets.
    let showtimes = orders.iter().map(|purchase| purchase.showtime);
    let showtimes = app.store.showtimes_named(showtimes).await?;
    let issued = orders
        .iter()
        .filter(|purchase| purchase.order.state == OrderState::Issued);
    let mut tickets = app
        .store
        .tickets_of_orders(issued.map(|purchase| &purchase.id))
        .await?;
    let mut shown = Vec::with_capacity(orders.len());
    for purchase in orders {
        if let Some(showtime) = showtimes.get(&purchase.showtime) {
            let tickets = tickets.remove(&purchase.id).unwrap_or_default();
            shown.push((purchase, showtime, tickets));
        }
    }
    Ok(match Form::wanted(&headers) {
        Form::Page => order_page::list(&shown),
        Form::Json => {
            let orders: Vec<OrderJson> = shown
                .iter()
                .map(|(purchase, showtime, tickets)| {
                    OrderJson::new(purchase, showtime, tickets, app.own_pages)
                })
                .collect();
            Json(json!({ "orders": orders })).into_response()
        }
    })
}

/// An order that the caller may see: their own, or one for their own event.
async fn seen(app: &App, id: &OrderId, caller: &Caller) -> Result<(Purchase, ShowtimeDetail, bool), Problem> {
    let purchase = app.store.order(id).await?.ok_or_else(no_order)?;
    let showtime = app.store.showtime(purchase.showtime).await?;
    let showtime = showtime.ok_or_else(Problem::internal)?;
    let account = &caller.account;
    let organises =
        account.role == Role::Organiser && showtime.event.organiser.as_deref() == Some(account.id.as_str());
    let sees_to_it = organises || account.role == Role::Admin;
    if purchase.owner != caller.owner() && !sees_to_it {
        return Err(no_order());
    }
    Ok((purchase, showtime, sees_to_it))
}

/// `GET /orders/{order}`. With `?returned=1`, as whoever comes back from paying is sent here, the provider is asked.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    segment: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let id: OrderId = input::id(segment)?;
    let headers = request.headers();
    let caller = app.somebody(headers).await?;
    let (mut purchase, showtime, _) = seen(&app, &id, &caller).await?;
    if input::says_yes(request.uri().query(), "returned") && purchase.order.is_unfinished() {
        if let Err(error) = app.fulfilment.ask_about(&id, WORD_WITHIN).await {
            // It is asked again by itself; whoever comes back from paying sees the order as it is known.
            tracing::warn!(order = %id, %error, "cannot write down what the provider says of an order");
        }
        purchase = app.store.order(&id).await?.ok_or_else(no_order)?;
        if purchase.order.state == OrderState::Allocated {
            app.fulfilment.hurry(&id, WORD_WITHIN).await;
            purchase = app.store.order(&id).await?.ok_or_else(no_order)?;
        }
    }
    let tickets = app.store.tickets_of_order(&id).await?;
    let response = match Form::wanted(headers) {
        Form::Page => order_page::show(&purchase, &showtime.summary(), &tickets, app.own_pages),
        Form::Json => Json(OrderJson::new(
            &purchase,
            &showtime.summary(),
            &tickets,
            app.own_pages,
        ))
        .into_response(),
    };
    Ok(with_goodbye(response, &purchase))
}

/// `POST /orders/{order}/cancel`: before the tickets are out the order is called off; after, the money goes back, for
/// fans as long as the rules allow and nobody has come in or was given a ticket.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    segment: Segment,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: OrderId = input::id(segment)?;
    same_site(&headers)?;
    let caller = app.somebody(&headers).await?;
    let (purchase, showtime, sees_to_it) = seen(&app, &id, &caller).await?;
    let mut applied = app.fulfilment.apply(&id, &Event::CallOff).await?;
    // An organiser who asks again has refunds tried again that were given up.
    let tries_again = sees_to_it && purchase.order.state == OrderState::RefundDue;
    if tries_again || applied == Applied::Refused(Refused::TicketsOut) {
        let asker = match sees_to_it {
            true => Asker::Organiser,
            false => fan_asks(&showtime),
        };
        applied = app.fulfilment.apply(&id, &Event::RefundAsked(asker)).await?;
    }
    if let Applied::Refused(refused) = applied {
        return Err(refused.into());
    }
    app.fulfilment.hurry(&id, PAYMENT_WITHIN).await;
    if method == Method::POST && Form::wanted(&headers) == Form::Page {
        let at = format!("/orders/{id}");
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, at)]).into_response());
    }
    let purchase = app.store.order(&id).await?.ok_or_else(no_order)?;
    Ok(Json(json_of(&app, &purchase).await?).into_response())
}

/// A fan who wants the money back. Whether all tickets are still there to be given back is looked at where that is taken
/// in, so that none can be passed on in between.
fn fan_asks(showtime: &ShowtimeDetail) -> Asker {
    let left = showtime.starts_at.duration_since(Timestamp::now());
    let in_time = left.as_secs() >= REFUND_UNTIL.as_secs() as i64;
    Asker::Fan { in_time }
}

/// `POST /orders/{order}/review` `{accept}`: an operator's decision on a payment that is not what was asked for.
pub(super) async fn review(
    State(app): State<Arc<App>>,
    segment: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let id: OrderId = input::id(segment)?;
    let headers = request.headers().clone();
    same_site(&headers)?;
    let caller = app.somebody(&headers).await?;
    let (_, _, sees_to_it) = seen(&app, &id, &caller).await?;
    if !sees_to_it {
        return Err(Problem::role_needed("an organiser, for their own events"));
    }
    let body = input::document(request, input::BODY_BYTES_MAX).await?;
    let told = body.as_object().filter(|told| told.len() == 1);
    let accept = told
        .and_then(|told| told.get("accept")?.as_bool())
        .ok_or_else(|| Problem::bad_field("The body must be {\"accept\": true} or {\"accept\": false}."))?;
    let decided = app
        .fulfilment
        .apply(&id, &Event::ReviewDecided { accept })
        .await?;
    if let Applied::Refused(refused) = decided {
        return Err(refused.into());
    }
    app.fulfilment.hurry(&id, PAYMENT_WITHIN).await;
    let purchase = app.store.order(&id).await?.ok_or_else(no_order)?;
    Ok(Json(json_of(&app, &purchase).await?).into_response())
}

/// `GET /checkout/{hold}`: what the seats cost, and the way to pay.
pub(super) async fn checkout(
    State(app): State<Arc<App>>,
    segment: Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: HoldId = input::id(segment)?;
    let caller = app.somebody(&headers).await?;
    if let Some(before) = app.store.order_of_hold(&id).await?
        && before.owner == caller.owner()
    {
        let at = format!("/orders/{}", before.id);
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, at)]).into_response());
    }
    let hold = app
        .store
        .hold_of(&id, &caller.owner())
        .await?
        .ok_or_else(no_hold)?;
    let showtime = app.store.showtime(hold.showtime).await?;
    let showtime = showtime.ok_or_else(Problem::internal)?;
    let lines = lines_of(&hold.seats, &showtime.map, |level| showtime.event.price_of(level));
    let lines = lines.ok_or_else(Problem::internal)?;
    let total = total_of(&lines, &showtime.event.event).ok_or_else(Problem::internal)?;
    let email = caller.account.email.as_ref().map_or("", Email::as_str);
    Ok(order_page::checkout(
        &hold,
        &showtime.summary(),
        &lines,
        total,
        email,
    ))
}
