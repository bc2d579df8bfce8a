//! What a renewal is and costs, before it begins, and how it is paid.

use ca_core::Fen;
use serde_json::{Value, json};

use super::{Language, Voice, say};

impl Voice {
    /// `renewal` is the server's document.
    pub(crate) fn renewal(&self, name: &str, renewal: &Value) {
        if self.json {
            say(&json!({ "event": "renewal", "renewal": renewal }).to_string());
            return;
        }
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let fen = |value: &Value| Fen::new(value.as_i64().unwrap_or_default());
        let order = &renewal["order"];
        let (certificate, kind) = (word(&renewal["certificate"]), self.kind(&renewal["kind"]));
        match self.language {
            Language::Zh => say(&format!("{kind}：“{name}”的证书（序列号 {certificate}）")),
            Language::En => say(&format!("{kind}: certificate {certificate} of {name}")),
        }
        let lines = renewal["charges"].as_array().into_iter().flatten();
        for line in lines.flat_map(|charge| charge["lines"].as_array().into_iter().flatten()) {
            let item = word(&line[self.pick("zh", "en")]);
            say(&format!(
                "  {item}  {} × {}  {}",
                fen(&line["price_fen"]),
                line["quantity"],
                fen(&line["amount_fen"])
            ));
        }
        let (id, total, outstanding) =
            (word(&order["id"]), fen(&order["total_fen"]), fen(&order["outstanding_fen"]));
        match self.language {
            Language::Zh => say(&format!("  订单 {id}：共 {total}，尚欠 {outstanding}")),
            Language::En => say(&format!("  Order {id}: {total}, of which {outstanding} is to be paid")),
        }
        if outstanding > Fen::ZERO {
            self.how_to_pay(renewal, &word(&order["transfer_code"]));
        }
    }

    fn how_to_pay(&self, renewal: &Value, code: &str) {
        say(self.pick("  缴费方式，任选一种：", "  Pay it in one of these ways:"));
        match renewal["pay_url"].as_str() {
            Some(url) => say(&format!("    {}{url}", self.pick("在线支付：", "online: "))),
            None => say(self.pick(
                "    在线支付：用单位账户登录后打开该订单",
                "    online: log in with the unit's account and open this order",
            )),
        }
        match self.language {
            Language::Zh => say(&format!("    银行转账：附言写 {code}")),
            Language::En => say(&format!("    bank transfer: write {code} as its remark")),
        }
        say(self.pick("    柜台：报订单号", "    at a counter: give the order's number"));
    }

    fn kind(&self, kind: &Value) -> &str {
        match kind.as_str() {
            Some("rekey") => self.pick("换钥", "Rekey"),
            Some("change") => self.pick("变更", "Change"),
            _ => self.pick("续期", "Renewal"),
        }
    }
}
