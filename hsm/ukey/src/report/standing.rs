//! How a certificate stands, in a person's words: what it means, and what to do.

use serde_json::{Value, json};
use ukey::standing::{Known, Reason, Standing, Unknown};

use super::{Language, date};
use crate::situation::explain;

/// One line; none when nobody was to be asked.
pub(super) fn text(language: Language, standing: &Result<Known, Unknown>) -> Option<String> {
    let zh = language == Language::Zh;
    let line = match standing {
        Ok(known) => format!("{}{}", known_text(zh, known), proof(zh, known.proved)),
        Err(Unknown::Offline) => return None,
        Err(Unknown::NoAddress) if zh => "未查询：证书没有写明查询地址。".to_owned(),
        Err(Unknown::NoAddress) => "not asked for: the certificate does not say where.".to_owned(),
        Err(Unknown::Silent(error)) => {
            let explained = explain(language, error);
            if zh {
                format!("没有查到：{}{}", explained.situation, explained.remedy)
            } else {
                format!("not known: {} {}", explained.situation, explained.remedy)
            }
        }
        Err(Unknown::Unproved(why)) if zh => {
            format!("未核验：应答不可信（{why}）。请核对根证书与电脑时钟，再试一次。")
        }
        Err(Unknown::Unproved(why)) => {
            format!(
                "not verified: the answer is not believed ({why}). Check the root and this computer's clock, then try again."
            )
        }
    };
    Some(format!("{}{line}", if zh { "状态：" } else { "standing: " }))
}

fn proof(zh: bool, proved: bool) -> &'static str {
    match (proved, zh) {
        (true, _) => "",
        (false, true) => "（未核验：请先运行 ukey root install，或用 --anchor 给出根证书）",
        (false, false) => " (not verified: run `ukey root install` first, or give the root with --anchor)",
    }
}

fn known_text(zh: bool, known: &Known) -> String {
    let since = known.since.map(|at| date(at.secs())).unwrap_or_default();
    match (known.standing, zh) {
        (Some(Standing::Good), true) => "有效，可以使用。".to_owned(),
        (Some(Standing::Good), false) => "good; it can be used.".to_owned(),
        (Some(Standing::NotActivated), true) => {
            "尚未激活。请运行 ukey activate：修改初始口令，输入另行收到的激活码。".to_owned()
        }
        (Some(Standing::NotActivated), false) => {
            "not activated yet. Run `ukey activate`: replace the initial PIN and give the code that came apart.".to_owned()
        }
        (Some(Standing::Held), true) => {
            format!("已冻结，{since} 起暂停使用。请联系发证柜台，问明原因后解冻。")
        }
        (Some(Standing::Held), false) => {
            format!("on hold since {since}. Ask the counter that issued it why, and have it released.")
        }
        (Some(Standing::Revoked(reason)), true) => {
            let (why, remedy) = revoked_zh(reason);
            format!("已吊销，{since} 起永久失效（{why}）。{remedy}")
        }
        (Some(Standing::Revoked(reason)), false) => {
            let (why, remedy) = revoked_en(reason);
            format!("revoked for ever since {since} ({why}). {remedy}")
        }
        (None, true) => "CA 不认识这张证书。请不要使用，并联系发证柜台。".to_owned(),
        (None, false) => "the CA does not know this certificate. Do not use it; ask the counter.".to_owned(),
    }
}

fn revoked_zh(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::KeyCompromise => ("U-key 丢失或密钥可能泄露", "请到柜台补办。"),
        Reason::CaCompromise => ("CA 密钥泄露", "请等候发证机构通知。"),
        Reason::AffiliationChanged => ("单位信息变更", "请使用变更后的新证书。"),
        Reason::Superseded => ("已由新证书取代", "请使用新证书。"),
        Reason::CessationOfOperation => ("单位不再需要", "需要时请到柜台重新申请。"),
        Reason::PrivilegeWithdrawn => ("资格被撤销", "请联系发证柜台。"),
        Reason::Unspecified => ("未说明原因", "请联系发证柜台。"),
    }
}

fn revoked_en(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::KeyCompromise => {
            ("the token was lost, or its key may be known to others", "Have it replaced at the counter.")
        }
        Reason::CaCompromise => ("the CA's key was compromised", "Wait for word from the CA."),
        Reason::AffiliationChanged => {
            ("the unit's data changed", "Use the certificate that came after the change.")
        }
        Reason::Superseded => ("a new certificate took its place", "Use the new one."),
        Reason::CessationOfOperation => {
            ("the unit needs it no longer", "Apply at the counter when one is needed again.")
        }
        Reason::PrivilegeWithdrawn => ("the right to it was withdrawn", "Ask the counter."),
        Reason::Unspecified => ("no reason was given", "Ask the counter."),
    }
}

/// For programs: `state`, whether it is proved, and what belongs to it.
pub(super) fn json(standing: &Result<Known, Unknown>) -> Value {
    match standing {
        Ok(known) => {
            let (state, reason) = match known.standing {
                Some(Standing::Good) => ("good", None),
                Some(Standing::NotActivated) => ("not-activated", None),
                Some(Standing::Held) => ("held", None),
                Some(Standing::Revoked(reason)) => ("revoked", Some(reason.name())),
                None => ("unknown", None),
            };
            let since = known.since.map(ca_verifier::Time::secs);
            json!({ "state": state, "reason": reason, "since": since, "verified": known.proved })
        }
        Err(Unknown::Offline) => json!({ "state": "not-asked", "verified": false }),
        Err(Unknown::NoAddress) => json!({ "state": "no-address", "verified": false }),
        Err(Unknown::Silent(error)) => {
            json!({ "state": "no-answer", "verified": false, "detail": error.to_string() })
        }
        Err(Unknown::Unproved(why)) => json!({ "state": "not-verified", "verified": false, "detail": why }),
    }
}

#[cfg(test)]
mod tests {
    use ca_verifier::Time;
    use ukey::Error;

    use super::*;

    #[test]
    fn every_standing_in_both_languages() {
        // 2026-11-22T16:00:00Z is midnight of the 23rd in Nanjing.
        let since = Some(Time::from_secs(1_795_363_200));
        let known = |standing, proved| Ok(Known { standing, since, proved });
        let mut cases = vec![
            known(Some(Standing::Good), true),
            known(Some(Standing::Good), false),
            known(Some(Standing::NotActivated), true),
            known(Some(Standing::Held), true),
            known(None, true),
        ];
        cases.extend(Reason::ALL.map(|reason| known(Some(Standing::Revoked(reason)), true)));
        let silent = Error::Unreachable {
            url: "http://ca.example/ocsp".to_owned(),
            detail: "connection refused".to_owned(),
        };
        cases.push(Err(Unknown::Silent(silent)));
        let status = Error::Unexpected { url: "http://ca.example/ocsp".to_owned(), status: 503 };
        cases.push(Err(Unknown::Silent(status)));
        cases.push(Err(Unknown::Unproved("OCSP: the answer's nonce is not the request's".to_owned())));
        cases.push(Err(Unknown::NoAddress));
        let mut shown = String::new();
        for case in &cases {
            for language in [Language::Zh, Language::En] {
                shown.push_str(&format!("{}\n", text(language, case).unwrap()));
            }
            shown.push_str(&format!("{}\n", json(case)));
        }
        insta::assert_snapshot!(shown);
        assert_eq!(text(Language::Zh, &Err(Unknown::Offline)), None);
    }
}
