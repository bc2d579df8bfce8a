//! Orders, payments, decisions and postings, as the server writes them.

use serde_json::{Value, json};

use super::{CLERK, Export, OFFICER};

impl Export {
    pub(crate) fn payer(&self) -> String {
        format!("unit:{}", self.unit)
    }

    /// A posting, and what the database's trigger makes of it. Gives its number.
    pub(crate) fn post(&mut self, why: (&str, &str), (debit, credit): (&str, &str), fen: i64) -> String {
        let ids = self.rows_of("posting").into_iter().filter_map(|row| row["id"].as_u64());
        let id = ids.max().unwrap_or_default() + 1;
        self.add(json!({
            "table": "posting", "id": id, "reason": why.0, "cause": why.1, "debit": debit, "credit": credit,
            "amount_fen": fen,
        }));
        for (account, fen) in [(debit, -fen), (credit, fen)] {
            self.keep(account, fen);
        }
        id.to_string()
    }

    /// The number of the first posting with this reason and cause.
    pub(crate) fn posting(&self, reason: &str, cause: &str) -> String {
        let mut postings = self.rows_of("posting").into_iter();
        postings.find(|row| row["reason"] == reason && row["cause"] == cause).unwrap()["id"].to_string()
    }

    /// Takes a posting away as if it had never been.
    pub(crate) fn unpost(&mut self, id: &str) {
        let row = self.row("posting", "id", id);
        let fen = row["amount_fen"].as_i64().unwrap();
        self.remove("posting", "id", id);
        for (account, fen) in [("debit", fen), ("credit", -fen)] {
            self.keep(row[account].as_str().unwrap(), fen);
        }
    }

    fn keep(&mut self, account: &str, fen: i64) {
        if !["unit:", "agent:", "order:"].iter().any(|class| account.starts_with(class)) {
            return;
        }
        let known = self.rows_of("ledger_account").into_iter().find(|row| row["name"] == account);
        match known.map(|row| row["balance_fen"].as_i64().unwrap()) {
            None => self.add(json!({ "table": "ledger_account", "name": account, "balance_fen": fen })),
            Some(before) => {
                self.change("ledger_account", "name", account, "balance_fen", json!(before + fen));
            }
        }
    }

    /// An order of the unit: total, waived, received, refunded.
    pub(crate) fn add_order(&mut self, id: &str, state: &str, [total, waived, received, refunded]: [i64; 4]) {
        self.add(json!({
            "table": "fee_order", "id": id, "payer": self.payer(), "state": state, "total_fen": total,
            "waived_fen": waived, "received_fen": received, "refunded_fen": refunded,
            "invoiced_fen": 0,
        }));
    }

    /// An application that nothing is made for yet, and its charge: total, waived, refunded, earned.
    pub(crate) fn add_charge(
        &mut self,
        id: &str,
        (order, state, live): (&str, &str, i64),
        [total, waived, refunded, earned]: [i64; 4],
    ) {
        self.add(json!({
            "table": "application", "id": id, "unit": self.unit, "unit_name": "单位",
            "unit_code": super::USCC, "profile": "unit-sign", "years": 1, "kind": "new", "certificate": null,
            "entered_by": CLERK, "entered_before": [], "state": state, "decided_by": OFFICER, "payment": null,
        }));
        self.add(json!({
            "table": "charge", "application": id, "fee_order": order, "kind": "new", "total_fen": total,
            "waived_fen": waived, "refunded_fen": refunded, "earned_fen": earned, "live": live,
        }));
        self.log("submit-application", id, json!({}));
        self.log_by(OFFICER, "approve-application", id, json!({}));
        if state == "withdrawn" {
            self.log("withdraw-application", id, json!({}));
        }
    }

    /// A payment of the unit, posted to its credit.
    pub(crate) fn add_payment(&mut self, id: &str, order: &str, method: &str, fen: i64) {
        let payer = self.payer();
        self.add_payment_row(id, (json!(order), json!(payer)), method, fen);
        self.post(("payment", id), (method, &payer), fen);
    }

    fn add_payment_row(&mut self, id: &str, (order, payer): (Value, Value), method: &str, fen: i64) {
        self.add(json!({
            "table": "payment", "id": id, "fee_order": order, "payer": payer, "method": method,
            "reference": format!("R-{id}"), "amount_fen": fen,
        }));
        self.log("record-payment", id, json!({ "amount": fen.to_string() }));
    }

    /// A line of a statement that fits no order, and its payment.
    pub(crate) fn add_unmatched(&mut self, line: &str, payment: &str, fen: i64) {
        self.add_payment_row(payment, (Value::Null, Value::Null), "transfer", fen);
        self.post(("payment", payment), ("transfer", "suspense"), fen);
        self.add(json!({
            "table": "bank_line", "id": line, "payment": payment, "amount_fen": fen, "state": "unmatched",
            "fee_order": null, "assigned_by": null, "return_by": null, "return_approved_by": null,
            "return_reference": null,
        }));
    }

    /// A person says for which order it is.
    pub(crate) fn assign(&mut self, line: &str, order: &str) {
        let row = self.row("bank_line", "id", line);
        let (payment, fen) = (row["payment"].as_str().unwrap(), row["amount_fen"].as_i64().unwrap());
        let payer = self.payer();
        self.post(("assign", payment), ("suspense", &payer), fen);
        self.change("payment", "id", payment, "fee_order", json!(order));
        for (column, to) in [("state", "assigned"), ("fee_order", order), ("assigned_by", CLERK)] {
            self.change("bank_line", "id", line, column, json!(to));
        }
        self.log("assign-money", line, json!({ "amount": fen.to_string() }));
    }

    /// An invoice of the unit with its entries: its number and that of the invoice that takes it back.
    pub(crate) fn add_invoice(
        &mut self,
        id: &str,
        order: &str,
        (state, fen): (&str, i64),
        [number, red]: [Option<&str>; 2],
    ) {
        self.add(json!({
            "table": "invoice", "id": id, "fee_order": order, "payer": self.payer(), "amount_fen": fen,
            "requested_at": 1, "due_at": 2, "state": state, "number": number, "red_number": red,
            "erased_at": null,
        }));
        if matches!(state, "requested" | "issued") {
            let sum = self.row("fee_order", "id", order)["invoiced_fen"].as_i64().unwrap();
            self.change("fee_order", "id", order, "invoiced_fen", json!(sum + fen));
        }
        let amount = json!({ "amount": fen.to_string() });
        self.log("request-invoice", id, amount.clone());
        let steps = match state {
            "requested" => 0,
            "red-lettered" => 2,
            _ => 1,
        };
        for _ in 0..steps {
            self.log("issue-invoice", id, amount.clone());
        }
    }

    /// A person asks that a line go back.
    pub(crate) fn ask_back(&mut self, line: &str) {
        let fen = self.row("bank_line", "id", line)["amount_fen"].to_string();
        for (column, to) in [("state", "return-requested"), ("return_by", CLERK)] {
            self.change("bank_line", "id", line, column, json!(to));
        }
        self.log("request-return", line, json!({ "amount": fen }));
    }

    /// Another person does not agree.
    pub(crate) fn reject_back(&mut self, line: &str) {
        self.change("bank_line", "id", line, "state", json!("unmatched"));
        self.change("bank_line", "id", line, "return_by", Value::Null);
        self.log_by(OFFICER, "approve-return", line, json!({ "rejected": "no" }));
    }

    /// Another person agrees, and it went back.
    pub(crate) fn send_back(&mut self, line: &str, number: &str) {
        let row = self.row("bank_line", "id", line);
        let (payment, fen) = (row["payment"].as_str().unwrap(), row["amount_fen"].as_i64().unwrap());
        self.post(("return", payment), ("suspense", "transfer"), fen);
        for (column, to) in
            [("state", "returned"), ("return_approved_by", OFFICER), ("return_reference", number)]
        {
            self.change("bank_line", "id", line, column, json!(to));
        }
        self.log_by(OFFICER, "approve-return", line, json!({ "amount": fen.to_string() }));
    }

    /// A waiver or a refund with its entries; its postings are the caller's.
    pub(crate) fn add_adjustment(
        &mut self,
        id: &str,
        (kind, into_credit): (&str, i64),
        application: &str,
        (state, fen): (&str, i64),
    ) {
        let decided = matches!(state, "approved" | "rejected" | "paid-out");
        let (out, amount) = (state == "paid-out", json!({ "amount": fen.to_string() }));
        self.add(json!({
            "table": "adjustment", "id": id, "kind": kind, "application": application, "amount_fen": fen,
            "into_credit": into_credit, "requested_by": CLERK, "state": state,
            "decided_by": if decided { json!(OFFICER) } else { Value::Null },
            "method": if out { json!("cash") } else { Value::Null },
            "reference": if out { json!(format!("OUT-{id}")) } else { Value::Null },
        }));
        self.log("request-adjustment", id, amount.clone());
        match state {
            "withdrawn" => drop(self.log("request-adjustment", id, json!({ "withdrawn": "true" }))),
            "rejected" => self.log_by(OFFICER, "decide-adjustment", id, json!({ "rejected": "no" })),
            _ if decided => self.log_by(OFFICER, "decide-adjustment", id, amount.clone()),
            _ => {}
        }
        if out {
            self.log("pay-out-refund", id, amount);
        }
    }

    pub(crate) fn log_by(&mut self, person: &str, action: &str, object: &str, detail: Value) {
        let entry = self.log(action, object, detail).to_string();
        self.change("audit", "id", &entry, "actor", json!(format!("staff:{person}")));
    }

    /// The clean export's certificate, refunded in part after it was handed over.
    pub(crate) fn refund(&mut self, id: &str, into_credit: i64, (state, fen): (&str, i64)) {
        let (application, payer) = (self.application.clone(), self.payer());
        self.add_adjustment(id, ("refund", into_credit), &application, (state, fen));
        if !matches!(state, "approved" | "paid-out") {
            return;
        }
        let to = if into_credit == 0 { "payable" } else { payer.as_str() };
        self.post(("refund", id), ("revenue:new", to), fen);
        if state == "paid-out" {
            self.post(("pay-out", id), ("payable", "cash"), fen);
        }
        let row = self.row("charge", "application", &application);
        let (refunded, earned) =
            (row["refunded_fen"].as_i64().unwrap() + fen, row["earned_fen"].as_i64().unwrap() - fen);
        self.change("charge", "application", &application, "refunded_fen", json!(refunded));
        self.change("charge", "application", &application, "earned_fen", json!(earned));
        self.change("fee_order", "id", "01", "refunded_fen", json!(refunded));
    }
}
