//! Who gives roles to whom.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde_json::{Value, json};

use super::{App, Problem, problems, same_site};
use crate::domain::{Role, Username};
use crate::http::input::{self, Segment};

/// `POST /accounts/{username}/role` with `role`, by admins. It holds from the account's next request on.
pub(super) async fn give(
    State(app): State<Arc<App>>,
    segment: Segment,
    request: Request,
) -> Result<Json<Value>, Problem> {
    same_site(request.headers())?;
    let caller = app.somebody(request.headers()).await?;
    if caller.account.role != Role::Admin {
        return Err(problems::wrong_role("Admins"));
    }
    let username: Username = input::id(segment)?;
    let fields = input::fields(request).await?;
    fields.only(&["role"])?;
    let role: Role = fields.need("role")?.parse()?;
    let nobody = || Problem::not_found(format!("There is no account {:?}.", username.as_str()));
    let found = app.store.account_named(&username.folded()).await?;
    let (account, _) = found.ok_or_else(nobody)?;
    if !app.store.set_role(&account.id, role).await? {
        return Err(nobody());
    }
    tracing::info!(account = %account.id, by = %caller.account.id, role = role.as_str(), "a role was given");
    Ok(Json(json!({"username": account.username, "role": role})))
}
