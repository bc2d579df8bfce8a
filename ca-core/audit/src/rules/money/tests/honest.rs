//! Every way of a fen through honest books: nothing is found.

use serde_json::json;

use crate::{
    Rule,
    testing::{CLERK, Export, OFFICER},
};

/// All of it in one export.
pub(super) fn books() -> Export {
    let mut export = Export::clean();
    withdrawn_with_a_part_paid(&mut export);
    spent_credit(&mut export);
    collected(&mut export);
    withdrawn_with_a_waiver(&mut export);
    refunded_before_it_is_made(&mut export);
    delivered_after_a_refund(&mut export);
    waived_and_delivered(&mut export);
    adjusted(&mut export);
    bank(&mut export);
    taken_back(&mut export);
    invoices(&mut export);
    shifts(&mut export);
    export
}

#[test]
fn nothing_is_found() {
    let export = books();
    for rule in [Rule::Export, Rule::Money, Rule::LogEntry, Rule::TwoPersons] {
        assert_eq!(export.violations(rule), []);
    }
}

/// 70 yuan of credit are left of it.
fn withdrawn_with_a_part_paid(export: &mut Export) {
    let payer = export.payer();
    export.add_order("o-part", "cancelled", [0; 4]);
    export.add_charge("a-part", ("o-part", "withdrawn", 0), [20_000, 0, 0, 0]);
    export.add_payment("p-part", "o-part", "card", 7_000);
    export.post(("payment", "p-part"), (&payer, "order:o-part"), 7_000);
    export.post(("cancel", "a-part"), ("order:o-part", &payer), 7_000);
}

/// And 20 of them are spent.
fn spent_credit(export: &mut Export) {
    let payer = export.payer();
    export.add_order("o-drawn", "part-paid", [20_000, 0, 2_000, 0]);
    export.add_charge("a-drawn", ("o-drawn", "approved", 1), [20_000, 0, 0, 0]);
    for fen in [500, 1_500] {
        export.post(("draw", "o-drawn"), (&payer, "order:o-drawn"), fen);
        export.log("spend-credit", "o-drawn", json!({ "amount": fen.to_string() }));
    }
}

/// What was waived on an old order moves to the new one.
fn collected(export: &mut Export) {
    let payer = export.payer();
    export.add_order("o-old", "cancelled", [0; 4]);
    export.add_order("o-other", "cancelled", [0; 4]);
    export.add_order("o-new", "paid", [40_000, 5_000, 35_000, 0]);
    export.add_charge("a-old", ("o-new", "paid", 1), [20_000, 5_000, 0, 0]);
    export.add_charge("a-other", ("o-new", "paid", 1), [20_000, 0, 0, 0]);
    export.add_adjustment("w-old", ("waiver", 0), "a-old", ("approved", 5_000));
    export.post(("waiver", "w-old"), ("waiver", "order:o-old"), 5_000);
    export.post(("collect", "o-new"), ("order:o-old", "order:o-new"), 5_000);
    export.log("collect-orders", "o-new", json!({ "orders": "o-old o-other" }));
    export.add_payment("p-new", "o-new", "cash", 36_000);
    export.post(("payment", "p-new"), (&payer, "order:o-new"), 35_000);
}

fn withdrawn_with_a_waiver(export: &mut Export) {
    export.add_order("o-gone", "cancelled", [0; 4]);
    export.add_charge("a-gone", ("o-gone", "withdrawn", 0), [20_000, 0, 0, 0]);
    export.add_adjustment("w-gone", ("waiver", 0), "a-gone", ("approved", 3_000));
    export.post(("waiver", "w-gone"), ("waiver", "order:o-gone"), 3_000);
    export.post(("cancel", "a-gone"), ("order:o-gone", "waiver"), 3_000);
}

/// In two parts, the first into credit; its waiver goes back with it.
fn refunded_before_it_is_made(export: &mut Export) {
    let payer = export.payer();
    export.add_order("o-back", "refunded", [20_000, 5_000, 15_000, 15_000]);
    export.add_charge("a-back", ("o-back", "withdrawn", 0), [20_000, 5_000, 15_000, 0]);
    export.add_adjustment("w-back", ("waiver", 0), "a-back", ("approved", 5_000));
    export.post(("waiver", "w-back"), ("waiver", "order:o-back"), 5_000);
    export.add_payment("p-back", "o-back", "cash", 15_000);
    export.post(("payment", "p-back"), (&payer, "order:o-back"), 15_000);
    export.add_adjustment("r-credit", ("refund", 1), "a-back", ("approved", 4_000));
    export.post(("refund", "r-credit"), ("order:o-back", &payer), 4_000);
    export.add_adjustment("r-rest", ("refund", 0), "a-back", ("paid-out", 11_000));
    export.post(("refund", "r-rest"), ("order:o-back", "payable"), 11_000);
    export.post(("refund", "r-rest"), ("order:o-back", "waiver"), 5_000);
    export.post(("pay-out", "r-rest"), ("payable", "cash"), 11_000);
}

fn delivered_after_a_refund(export: &mut Export) {
    let payer = export.payer();
    export.add_order("o-kept", "paid", [20_000, 0, 20_000, 4_000]);
    export.add_charge("a-kept", ("o-kept", "delivered", 1), [20_000, 0, 4_000, 16_000]);
    export.add_payment("p-kept", "o-kept", "card", 20_000);
    export.post(("payment", "p-kept"), (&payer, "order:o-kept"), 20_000);
    export.add_adjustment("r-kept", ("refund", 0), "a-kept", ("approved", 4_000));
    export.post(("refund", "r-kept"), ("order:o-kept", "payable"), 4_000);
    export.post(("delivery", "a-kept"), ("order:o-kept", "revenue:new"), 16_000);
}

/// What is waived counts as earned, too.
fn waived_and_delivered(export: &mut Export) {
    export.add_order("o-free", "paid", [20_000, 20_000, 0, 0]);
    export.add_charge("a-free", ("o-free", "active", 1), [20_000, 20_000, 0, 20_000]);
    export.add_adjustment("w-free", ("waiver", 0), "a-free", ("approved", 20_000));
    export.post(("waiver", "w-free"), ("waiver", "order:o-free"), 20_000);
    export.post(("delivery", "a-free"), ("order:o-free", "revenue:new"), 20_000);
}

/// Every state that a decision can have, for what was handed over.
fn adjusted(export: &mut Export) {
    for (id, state) in [
        ("r-asked", "requested"),
        ("r-no", "rejected"),
        ("r-withdrawn", "withdrawn"),
        ("r-yes", "approved"),
        ("r-out", "paid-out"),
    ] {
        export.refund(id, 0, (state, 1_000));
    }
    export.refund("r-into", 1, ("approved", 500));
}

/// A line that found its order, one that waits, and two that a person assigned: to what waits for money, and to what does not.
fn bank(export: &mut Export) {
    let payer = export.payer();
    export.add_order("o-bank", "paid", [20_000, 0, 20_000, 0]);
    export.add_charge("a-bank", ("o-bank", "paid", 1), [20_000, 0, 0, 0]);
    export.add_payment("p-found", "o-bank", "transfer", 12_000);
    export.post(("payment", "p-found"), (&payer, "order:o-bank"), 12_000);
    export.add(json!({
        "table": "bank_line", "id": "l-found", "payment": "p-found", "amount_fen": 12_000, "state": "matched",
        "fee_order": "o-bank", "assigned_by": null, "return_by": null, "return_approved_by": null,
        "return_reference": null,
    }));
    export.add_unmatched("l-asked", "p-asked", 250);
    export.ask_back("l-asked");
    export.reject_back("l-asked");
    export.ask_back("l-asked");
    export.add_unmatched("l-home", "p-home", 750);
    export.ask_back("l-home");
    export.send_back("l-home", "OUT-BACK");
    export.add_unmatched("l-waits", "p-waits", 100);
    export.add_unmatched("l-most", "p-most", 9_000);
    export.assign("l-most", "o-bank");
    export.post(("draw", "p-most"), (&payer, "order:o-bank"), 8_000);
    export.add_unmatched("l-late", "p-late", 300);
    export.assign("l-late", "o-part");
}

/// One payment is missing since a bank took part of it back, another came again in cash.
fn taken_back(export: &mut Export) {
    let payer = export.payer();
    for (name, fen) in [("missing", 12_000), ("again", 20_000)] {
        let (order, application) = (format!("o-{name}"), format!("a-{name}"));
        let (payment, id) = (format!("p-{name}"), format!("c-{name}"));
        export.add_order(&order, "paid", [20_000, 0, 20_000, 0]);
        export.add_charge(&application, (&order, "paid", 1), [20_000, 0, 0, 0]);
        export.add_payment(&payment, &order, "card", 20_000);
        export.post(("payment", &payment), (&payer, &format!("order:{order}")), 20_000);
        export.add(json!({
            "table": "chargeback", "id": id, "payment": payment, "fee_order": order, "amount_fen": fen,
            "state": "open", "settlement": null,
        }));
        export.post(("chargeback", &id), ("arrears", "card"), fen);
        export.log("record-chargeback", &id, json!({ "amount": fen.to_string() }));
    }
    export.add(json!({
        "table": "payment", "id": "p-settles", "fee_order": null, "payer": payer, "method": "cash",
        "reference": "R-settles", "amount_fen": 20_000,
    }));
    export.log("record-payment", "p-settles", json!({ "amount": "20000" }));
    export.post(("settle", "p-settles"), ("cash", "arrears"), 20_000);
    export.change("chargeback", "id", "c-again", "state", json!("settled"));
    export.change("chargeback", "id", "c-again", "settlement", json!("p-settles"));
    export.log("settle-chargeback", "c-again", json!({ "amount": "20000" }));
}

/// Of the clean book's order, of which 2,500 went back: one invoice taken back, one with its file, one refused, one asked for; and one over money
/// that its payer got back when the application was withdrawn.
fn invoices(export: &mut Export) {
    for (id, fen, state, numbers) in [
        ("i-red", 17_000, "red-lettered", [Some("10000001"), Some("10000002")]),
        ("i-file", 5_000, "issued", [Some("10000003"), None]),
        ("i-number", 5_000, "issued", [Some("10000004"), None]),
        ("i-refused", 5_000, "refused", [None, None]),
        ("i-asked", 7_000, "requested", [None, None]),
    ] {
        export.add_invoice(id, "01", (state, fen), numbers);
    }
    export.log("issue-invoice", "i-file", json!({ "amount": "5000" }));
    export.add_invoice("i-part", "o-part", ("issued", 7_000), [Some("10000005"), None]);
}

/// One closed day, and one that two persons opened again.
fn shifts(export: &mut Export) {
    for (day, state, asked, agreed) in
        [("2026-01-05", "closed", None, None), ("2026-01-06", "reopened", Some(CLERK), Some(OFFICER))]
    {
        export.add(json!({
            "table": "shift", "counter": "gulou", "day": day, "state": state, "requested_by": asked, "decided_by": agreed,
        }));
        let id = format!("gulou:{day}");
        export.log("close-shift", &id, json!({}));
        if let (Some(asked), Some(agreed)) = (asked, agreed) {
            export.log_by(asked, "request-reopen", &id, json!({}));
            export.log_by(agreed, "decide-reopen", &id, json!({}));
        }
    }
}
