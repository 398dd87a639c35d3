//! One document with venues and events: all of it, or nothing.

use std::fmt::Display;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde_json::{Value, json};

use super::problems::refused;
use super::{App, Problem};
use crate::domain::draft::Import;
use crate::http::input;
use crate::store::Became;

/// Most bytes of a document: a season of a large house. All of it is one transaction, and a request has eight seconds.
const IMPORT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// `POST /import`. Who may not change the catalogue is told so before the document is read.
pub(super) async fn import(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, Problem> {
    let by = app.organiser(request.headers()).await?;
    let body = input::document(request, IMPORT_BYTES_MAX).await?;
    let import = Import::read(&body);
    let imported = app.store.import(&by, &import).await;
    let imported = imported.map_err(|error| refused("document", error))?;
    Ok(Json(json!({
        "venues": list(&imported.venues),
        "events": list(&imported.events),
    })))
}

/// In the order of the document.
fn list<Id: serde::Serialize + Display>(of: &[(Id, Became)]) -> Vec<Value> {
    let entry = |(id, became): &(Id, Became)| json!({"id": id, "became": became});
    of.iter().map(entry).collect()
}
