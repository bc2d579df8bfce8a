//! Calls with a bearer token, as units and agents make them.

use serde_json::{Value, json};

use super::{Ca, curl, text};

impl Ca {
    /// Gives the HTTP status and the JSON of the answer.
    pub(crate) fn account(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let url = format!("https://{}{path}", self.https);
        let (anchor, bearer) = (self.path("root.pem"), format!("Authorization: Bearer {token}"));
        let key = format!("Idempotency-Key: {path}{}", body.map(Value::to_string).unwrap_or_default());
        let mut arguments = vec!["-sS", "--cacert", &anchor, "-X", method, "-w", "\n%{http_code}", "-H"];
        arguments.extend([bearer.as_str(), "-H"]);
        let key: String = key.chars().filter(char::is_ascii).take(90).collect();
        arguments.push(&key);
        let data = body.map(Value::to_string).unwrap_or_default();
        if body.is_some() {
            arguments.extend(["-H", "Content-Type: application/json", "--data", &data]);
        }
        arguments.push(&url);
        let output = curl(&arguments);
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        let (json, status) = answer.rsplit_once('\n').unwrap_or_else(|| panic!("{}", text(&output)));
        (status.parse().unwrap(), serde_json::from_str(json).unwrap_or(Value::Null))
    }

    pub(crate) fn log_in(&self, role: &str, name: &str, password: &str) -> (u16, Value) {
        let body = json!({ "role": role, "name": name, "password": password });
        self.account("", "POST", "/api/v1/sessions", Some(&body))
    }

    /// The first login with the counter's password, and the own one from then on. Gives a session's token.
    pub(crate) fn settle_account(&self, role: &str, name: &str, initial: &str, own: &str) -> String {
        let (status, session) = self.log_in(role, name, initial);
        assert_eq!((status, &session["initial"]), (201, &json!(true)), "{session}");
        let token = session["token"].as_str().unwrap();
        let change = json!({ "old": initial, "new": own });
        let (status, answer) = self.account(token, "PUT", "/api/v1/own/password", Some(&change));
        assert_eq!(status, 204, "{answer}");
        let (status, session) = self.log_in(role, name, own);
        assert_eq!((status, &session["initial"]), (201, &json!(false)), "{session}");
        session["token"].as_str().unwrap().to_owned()
    }
}
