//! Signing up, logging in and out, and one's own account.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

use super::App;
use super::caller::{address, login_cookie, same_site};
use super::input::{self, Fields};
use super::negotiate::Form;
use super::pages;
use super::problem::Problem;
use crate::domain::{Account, NewAccount};
use crate::login::{LoggedIn, LoginError};

/// Longest text about where somebody lives, in characters.
const LOCATION_MAX: usize = 100;

/// `GET /signup`.
pub(super) async fn signup_page(request: Request) -> Response {
    pages::signup(&input::return_to(request.uri().query()), None)
}

/// `GET /login`.
pub(super) async fn login_page(request: Request) -> Response {
    pages::login(&input::return_to(request.uri().query()), None)
}

/// `POST /signup`: makes an account and logs it in.
pub(super) async fn signup(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    same_site(&headers)?;
    let fields = input::fields(request).await?;
    fields.only(&["username", "password", "email", "location", "return_to"])?;
    let back = fields.return_to();
    let made = match new_account(&fields) {
        Ok(new) => app.desk.sign_up(new, now_s()).await.map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    match (made, Form::wanted(&headers)) {
        (Ok(logged_in), form) => Ok(welcome(&logged_in, StatusCode::CREATED, &back, form, &headers)),
        (Err(problem), Form::Page) => Ok(pages::signup(&back, Some((&fields, &problem)))),
        (Err(problem), Form::Json) => Err(problem),
    }
}

fn new_account(fields: &Fields) -> Result<NewAccount, Problem> {
    let optional = |name| fields.get(name).filter(|text| !text.is_empty());
    let location = optional("location").map(|text| {
        text.trim()
            .chars()
            .filter(|c| !c.is_control())
            .collect::<String>()
    });
    if location
        .as_ref()
        .is_some_and(|text| text.chars().count() > LOCATION_MAX)
    {
        return Err(Problem::bad_field(format!(
            "`location` must be at most {LOCATION_MAX} characters long."
        )));
    }
    Ok(NewAccount {
        username: fields.need("username")?.trim().parse()?,
        password: fields.need("password")?.parse()?,
        email: optional("email").map(|text| text.trim().parse()).transpose()?,
        location,
    })
}

/// `POST /login`.
pub(super) async fn login(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    same_site(&headers)?;
    let fields = input::fields(request).await?;
    fields.only(&["username", "password", "return_to"])?;
    let back = fields.return_to();
    let (username, password) = (fields.need("username")?.trim(), fields.need("password")?);
    let logged_in = app
        .desk
        .log_in(username, password, address(&headers), now_s())
        .await;
    match (logged_in.map_err(Problem::from), Form::wanted(&headers)) {
        (Ok(logged_in), form) => Ok(welcome(&logged_in, StatusCode::OK, &back, form, &headers)),
        (Err(problem), Form::Page) => Ok(pages::login(&back, Some((&fields, &problem)))),
        (Err(problem), Form::Json) => Err(problem),
    }
}

fn welcome(
    logged_in: &LoggedIn,
    status: StatusCode,
    back: &str,
    form: Form,
    headers: &HeaderMap,
) -> Response {
    let mut response = match form {
        Form::Page => (StatusCode::SEE_OTHER, [(header::LOCATION, back)]).into_response(),
        Form::Json => {
            let body = json!({"account": account_json(&logged_in.account), "user_token": logged_in.token});
            (status, Json(body)).into_response()
        }
    };
    let cookie = login_cookie(Some(&logged_in.token), headers);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// `POST /logout`: ends this login; without one there is nothing to end, and that is no mistake.
pub(super) async fn logout(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    same_site(&headers)?;
    if let Ok(caller) = app.somebody(&headers).await {
        app.store.end_session(&caller.session).await?;
    }
    Ok(goodbye(&headers))
}

fn goodbye(headers: &HeaderMap) -> Response {
    let mut response = match Form::wanted(headers) {
        Form::Page => (StatusCode::SEE_OTHER, [(header::LOCATION, "/login")]).into_response(),
        Form::Json => StatusCode::NO_CONTENT.into_response(),
    };
    response
        .headers_mut()
        .append(header::SET_COOKIE, login_cookie(None, headers));
    response
}

/// `GET /account`: one's own.
pub(super) async fn account(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = app.somebody(&headers).await?;
    Ok(match Form::wanted(&headers) {
        Form::Page => pages::account(&caller.account),
        Form::Json => Json(account_json(&caller.account)).into_response(),
    })
}

/// `DELETE /account` `{password}`, and the same as `POST /account/delete` for forms: takes everything personal out of it.
/// What was bought stays in the books, without a name. It cannot be undone, so a login that was left open is not enough.
pub(super) async fn delete(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    same_site(&headers)?;
    let caller = app.somebody(&headers).await?;
    let fields = input::fields(request).await?;
    fields.only(&["password"])?;
    let (name, password) = (&caller.account.username, fields.need("password")?);
    let confirmed = app.desk.with_password(name, password, address(&headers)).await;
    let account = confirmed.map_err(|error| match error {
        LoginError::Wrong => Problem::wrong_password(),
        error => error.into(),
    })?;
    app.store.delete_account(&account.id).await?;
    Ok(goodbye(&headers))
}

/// `GET /jwks.json`: what user tokens are verified with.
pub(super) async fn jwks(State(app): State<Arc<App>>) -> Response {
    let cached = [(header::CACHE_CONTROL, "public, max-age=300")];
    (cached, Json(app.desk.keys.public())).into_response()
}

fn account_json(account: &Account) -> serde_json::Value {
    json!({
        "id": account.id,
        "username": account.username,
        "email": account.email,
        "location": account.location,
        "role": account.role,
    })
}

fn now_s() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap_or(0)
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::NameTaken => Self::name_taken(),
            LoginError::Wrong => Self::wrong_login(),
            LoginError::TooMany(left) => Self::too_many_logins(left),
            LoginError::Busy => Self::from(crate::store::StoreError::Busy),
            LoginError::Store(error) => Self::from(error),
        }
    }
}
