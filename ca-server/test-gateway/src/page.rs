//! The page on which the payer pays, in Chinese and English.

use askama::Template;
use jiff::Timestamp;

use crate::ledger::{Order, State};

#[derive(Template)]
#[template(path = "pay.html")]
struct Pay<'a> {
    zh: bool,
    merchant: &'a str,
    description: &'a str,
    order: &'a str,
    amount: String,
    until: String,
    state: State,
    return_url: &'a str,
}

/// English when the query or the browser says so, else Chinese.
pub(crate) fn is_chinese(query: Option<&str>, accept: Option<&str>) -> bool {
    let asked =
        query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("lang="));
    let tag = asked.or(accept).unwrap_or_default();
    !tag.trim_start().to_ascii_lowercase().starts_with("en")
}

pub(crate) fn pay(order: &Order, merchant: &str, zh: bool, now: Timestamp) -> Option<String> {
    let asked = &order.asked;
    let until = asked.expires_at.in_tz("Asia/Shanghai").ok()?.strftime("%Y-%m-%d %H:%M").to_string();
    let amount = format!("{}.{:02}", asked.amount / 100, asked.amount % 100);
    let page = Pay {
        zh,
        merchant,
        description: &asked.description,
        order: &asked.order,
        amount,
        until,
        state: order.state(now),
        return_url: &asked.return_url,
    };
    page.render().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Ledger, NewOrder};

    #[test]
    fn pages_are_in_two_languages_and_hold_no_html_of_others() {
        let at = |secs| Timestamp::from_second(secs).unwrap();
        let asked = NewOrder {
            order: "o".into(),
            amount: 20_005,
            currency: "CNY".into(),
            nonce: "n0nce".into(),
            description: "<script>费用".into(),
            notify_url: "http://127.0.0.1/n".into(),
            return_url: "http://127.0.0.1/r?a=1&b=\"".into(),
            expires_at: at(100),
        };
        let mut ledger = Ledger::new("M001");
        ledger.create(asked, "p".into(), at(1)).unwrap();
        let page = |ledger: &Ledger, zh, now| pay(ledger.of_page("p").unwrap(), "M001", zh, at(now)).unwrap();
        let (zh, en) = (page(&ledger, true, 1), page(&ledger, false, 1));
        assert!(zh.contains("支付 ¥ 200.05</button>") && en.contains("Pay ¥ 200.05</button>"), "{zh}{en}");
        assert!(zh.contains("1970-01-01 08:01"), "Nanjing's clocks: {zh}");
        assert!(!zh.contains("<script>") && !zh.contains("b=\"\"") && !zh.contains("n0nce"), "{zh}");
        assert!(page(&ledger, true, 100).contains("已过期") && !page(&ledger, true, 100).contains("<button"));
        ledger.pay("o", false, at(2)).unwrap();
        let paid = page(&ledger, false, 200);
        assert!(paid.contains("Paid.") && !paid.contains("<button"), "{paid}");
    }

    #[test]
    fn the_query_comes_before_the_browser() {
        for (query, accept, zh) in [
            (None, None, true),
            (None, Some("en-GB,zh;q=0.5"), false),
            (Some("lang=zh"), Some("en"), true),
            (Some("a=b&lang=en"), Some("zh"), false),
        ] {
            assert_eq!(is_chinese(query, accept), zh, "{query:?} {accept:?}");
        }
    }
}
