//! A forgotten password: asked for by name, and set anew with what the mail says.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

use super::App;
use super::caller::{address, same_site};
use super::input;
use super::negotiate::Form;
use super::pages;
use super::problem::Problem;
use crate::domain::{Password, Username};
use crate::login::RESET_TTL;
use crate::mail::PasswordReset;

/// What is said whether or not there is such an account, and whether or not it has a mail address.
const SENT: &str = "If this account has a mail address, a link to choose a new password is on its way there.";

/// `GET /password/forgot`.
pub(super) async fn forgot_page() -> Response {
    pages::forgot(None)
}

/// `POST /password/forgot` `{username}`: always the same answer. The mail is written afterwards, so that the time taken
/// says nothing either.
pub(super) async fn forgot(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    same_site(&headers)?;
    let fields = input::fields(request).await?;
    fields.only(&["username"])?;
    let name: Option<Username> = fields.need("username")?.trim().parse().ok();
    let from = address(&headers).to_owned();
    let app = Arc::clone(&app);
    tokio::spawn(async move {
        if let Some(name) = name
            && let Err(error) = write(&app, &name, &from).await
        {
            tracing::warn!(%error, "a mail for a new password was not written");
        }
    });
    Ok(match Form::wanted(&headers) {
        Form::Page => pages::forgot(Some(SENT)),
        Form::Json => (StatusCode::ACCEPTED, Json(json!({ "message": SENT }))).into_response(),
    })
}

async fn write(app: &App, name: &Username, from: &str) -> Result<(), crate::store::StoreError> {
    let Some((account, token)) = app.desk.begin_reset(name, from).await? else {
        return Ok(());
    };
    let Some(email) = account.email else {
        return Ok(());
    };
    let letter = PasswordReset {
        username: account.username.clone(),
        reset_url: format!("{}/password/reset?token={token}", app.fulfilment.site.url),
        valid_for: format!("{} minutes", RESET_TTL.as_secs() / 60),
    };
    // Of the token's own, so that two mails in a row are two.
    let key = format!("reset-{:016x}", rand::random::<u64>());
    let to = email.as_str().to_owned();
    app.fulfilment
        .mail(
            &key,
            to,
            account.username,
            Timestamp::now(),
            letter.into(),
            Vec::new(),
        )
        .await;
    Ok(())
}

/// `GET /password/reset?token=...`: where the mail's link leads.
pub(super) async fn reset_page(request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let token = pairs.find(|(name, _)| name == "token");
    pages::reset(token.as_ref().map_or("", |(_, token)| token.as_ref()), None)
}

/// `POST /password/reset` `{token, password}`: works once, and ends every login of the account.
pub(super) async fn reset(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let headers: HeaderMap = request.headers().clone();
    same_site(&headers)?;
    let fields = input::fields(request).await?;
    fields.only(&["token", "password"])?;
    let token = fields.need("token")?.to_owned();
    let done = set(&app, &token, fields.need("password")?).await;
    match (done, Form::wanted(&headers)) {
        (Ok(()), Form::Page) => Ok((StatusCode::SEE_OTHER, [(header::LOCATION, "/login")]).into_response()),
        (Ok(()), Form::Json) => Ok(StatusCode::NO_CONTENT.into_response()),
        (Err(problem), Form::Page) => Ok(pages::reset(&token, Some(&problem))),
        (Err(problem), Form::Json) => Err(problem),
    }
}

async fn set(app: &App, token: &str, password: &str) -> Result<(), Problem> {
    let password: Password = password.parse()?;
    if app.desk.finish_reset(token, password).await? {
        Ok(())
    } else {
        Err(Problem::reset_over())
    }
}
