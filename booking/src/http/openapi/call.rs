//! One call, as the document describes it.

use serde_json::{Map, Value, json};

/// One call.
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    what: &'static str,
    open: bool,
    query: Vec<Value>,
    body: Option<Value>,
    answers: Vec<(u16, Option<Value>)>,
}

impl Call {
    pub(super) fn new(method: &'static str, path: &'static str, what: &'static str) -> Self {
        Self {
            method,
            path,
            what,
            open: false,
            query: Vec::new(),
            body: None,
            answers: Vec::new(),
        }
    }

    /// Needs no login.
    pub(super) fn open(mut self) -> Self {
        self.open = true;
        self
    }

    pub(super) fn query(mut self, name: &str, schema: Value, what: &str) -> Self {
        self.query
            .push(json!({ "name": name, "in": "query", "schema": schema, "description": what }));
        self
    }

    pub(super) fn takes(mut self, schema: Value) -> Self {
        self.body = Some(schema);
        self
    }

    pub(super) fn answers(mut self, status: u16, schema: Value) -> Self {
        self.answers
            .push((status, Some(json!({ "application/json": { "schema": schema } }))));
        self
    }

    pub(super) fn gives(mut self, kind: &str) -> Self {
        self.answers.push((200, Some(json!({ kind: {} }))));
        self
    }

    pub(super) fn says_nothing(mut self) -> Self {
        self.answers.push((204, None));
        self
    }

    pub(super) fn described(&self) -> Value {
        let mut responses = Map::new();
        for (status, content) in &self.answers {
            let mut response = json!({ "description": "As asked." });
            if let Some(content) = content {
                response["content"] = content.clone();
            }
            responses.insert(status.to_string(), response);
        }
        responses.insert(
            "default".to_owned(),
            json!({ "$ref": "#/components/responses/Problem" }),
        );
        let mut parameters = self.query.clone();
        for part in self.path.split('/') {
            if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                parameters
                    .push(json!({ "name": name, "in": "path", "required": true, "schema": segment(name) }));
            }
        }
        if matches!(self.method, "post" | "delete" | "patch") && !self.open {
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header",
                "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
            }));
        }
        let mut call = json!({ "summary": self.what, "parameters": parameters, "responses": responses });
        if self.open {
            call["security"] = json!([]);
        }
        if let Some(schema) = &self.body {
            call["requestBody"] = json!({
                "required": true, "content": { "application/json": { "schema": schema } },
            });
        }
        call
    }
}

/// What stands in a path.
pub(super) fn segment(name: &str) -> Value {
    match name {
        "event" | "showtime" | "venue" => {
            json!({ "type": "integer", "minimum": 1, "maximum": (1_i64 << 53) - 1 })
        }
        "username" => {
            json!({ "type": "string", "minLength": 3, "maxLength": 32, "pattern": "^[A-Za-z0-9._-]+$" })
        }
        _ => json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
    }
}
