//! The steps of `ukey test`, each one line with a mark.

use hsm::TokenInfo;
use serde_json::{Value, json};
use ukey::{
    certificate::Fields,
    trial::{Fault, Step},
};

use super::{Language, Voice, date, say};
use crate::situation::{Explained, explain};

/// What a step found.
pub(crate) enum Passed {
    Token(TokenInfo),
    Certificate(Fields),
    Pin,
    Key,
    /// Its address.
    Portal(String),
    /// The name by which it greets.
    Login(String),
}

impl Voice {
    pub(crate) fn step_passed(&self, step: Step, passed: &Passed) {
        if !self.json {
            say(&format!("✓ {}{}", self.step(step), self.passed(passed)));
        }
    }

    /// The step that failed, those that were not tried, and for programs everything at once.
    pub(crate) fn trial_ended(&self, held: &[(Step, Passed)], failure: Option<(Step, &Fault)>) {
        if self.json {
            let steps: Vec<Value> = Step::ALL
                .into_iter()
                .map(|step| match failure {
                    Some((failed, fault)) if failed == step => {
                        let Explained { code, situation, remedy } = fault_text(self.language, fault);
                        json!({ "step": step.name(), "result": "failed", "error": code,
                            "situation": situation, "remedy": remedy })
                    }
                    _ if held.iter().any(|(known, _)| *known == step) => {
                        json!({ "step": step.name(), "result": "passed" })
                    }
                    _ => json!({ "step": step.name(), "result": "not-tried" }),
                })
                .collect();
            say(&json!({ "passed": failure.is_none(), "steps": steps }).to_string());
            return;
        }
        let Some((failed, fault)) = failure else {
            say(self.pick("全部通过：这个 U-key 可以使用。", "All hold: this token can be used."));
            return;
        };
        let Explained { situation, remedy, .. } = fault_text(self.language, fault);
        say(&format!("✗ {}{situation}", self.step(failed)));
        say(&format!("    {}{remedy}", self.pick("处理：", "What to do: ")));
        for step in Step::ALL.into_iter().skip(held.len() + 1) {
            say(&format!("－ {}{}", self.step(step), self.pick("未进行", "not tried")));
        }
    }

    fn step(&self, step: Step) -> &str {
        match step {
            Step::Token => self.pick("U-key：", "Token: "),
            Step::Certificate => self.pick("证书：", "Certificate: "),
            Step::Pin => self.pick("口令：", "PIN: "),
            Step::Key => self.pick("密钥：", "Key: "),
            Step::Portal => self.pick("门户：", "Portal: "),
            Step::Login => self.pick("登录：", "Login: "),
        }
    }

    fn passed(&self, passed: &Passed) -> String {
        match passed {
            Passed::Token(info) => format!("{}  {}", info.label, info.serial),
            Passed::Certificate(fields) => {
                let until = date(fields.not_after);
                let (name, serial) = (&fields.common_name, &fields.serial_hex);
                format!("{name}  {serial}  {}{until}", self.pick("有效至 ", "valid to "))
            }
            Passed::Pin => self.pick("正确", "right").to_owned(),
            Passed::Key => {
                self.pick("签名已用证书核对", "its signature verifies with the certificate").to_owned()
            }
            Passed::Portal(url) => format!("{url}  {}", self.pick("已连接，证书可信", "reached and trusted")),
            Passed::Login(name) => format!("{}{name}", self.pick("成功，", "done, as ")),
        }
    }
}

type Texts = (&'static str, (String, &'static str), (String, &'static str));

fn fault_text(language: Language, fault: &Fault) -> Explained {
    let (code, zh, en) = match fault {
        Fault::Error(error) => return explain(language, error),
        Fault::Refused { code, status, detail } => refused(code, *status, detail),
        other => on_the_token(other),
    };
    let (situation, remedy) = if language == Language::Zh { zh } else { en };
    Explained { code, situation, remedy: remedy.to_owned() }
}

fn on_the_token(fault: &Fault) -> Texts {
    match fault {
        Fault::Expired(at) => (
            "expired",
            (format!("证书已于 {} 到期。", date(*at)), "到期的证书不能续期，请到柜台重新申请。"),
            (
                format!("The certificate expired on {}.", date(*at)),
                "One that has expired is not renewed: apply for a new one at the counter.",
            ),
        ),
        Fault::NotYetValid(at) => (
            "not-yet-valid",
            (format!("证书 {} 起才有效。", date(*at)), "请核对电脑的日期与时间。"),
            (
                format!("The certificate is valid from {} on.", date(*at)),
                "Check this computer's date and time.",
            ),
        ),
        Fault::NoKey => (
            "no-key",
            ("U-key 中有证书，但没有它的密钥。".to_owned(), "请到柜台检查 U-key。"),
            (
                "The token has the certificate but not its key.".to_owned(),
                "Have the token looked at at the counter.",
            ),
        ),
        Fault::KeyDiffers => (
            "key-differs",
            ("U-key 中的密钥与证书不相符。".to_owned(), "请不要使用，到柜台检查 U-key。"),
            (
                "The key on the token is not the certificate's.".to_owned(),
                "Do not use it; have it looked at at the counter.",
            ),
        ),
        _ => (
            "no-certificate",
            ("U-key 中没有证书。".to_owned(), "请到柜台制证。"),
            ("There is no certificate on the token.".to_owned(), "Have it personalised at the counter."),
        ),
    }
}

/// The portal's own words for why, as its documentation has them.
fn refused(code: &str, status: u16, detail: &str) -> Texts {
    match code {
        "not-activated" => (
            "not-activated",
            (
                "门户拒绝登录：证书尚未激活。".to_owned(),
                "请运行 ukey activate，修改初始口令并输入激活码；几秒钟后再试。",
            ),
            (
                "The portal refuses: the certificate is not activated.".to_owned(),
                "Run `ukey activate`, replace the initial PIN and give the code; then try again after some seconds.",
            ),
        ),
        "held" => (
            "held",
            ("门户拒绝登录：证书已冻结。".to_owned(), "请联系发证柜台，问明原因后解冻。"),
            (
                "The portal refuses: the certificate is on hold.".to_owned(),
                "Ask the counter why, and have it released.",
            ),
        ),
        "revoked" => (
            "revoked",
            (
                "门户拒绝登录：证书已吊销，不能恢复。".to_owned(),
                "原因见 ukey status；需要时请到柜台补办或重新申请。",
            ),
            (
                "The portal refuses: the certificate is revoked for ever.".to_owned(),
                "Look at the reason with `ukey status`; have it replaced, or apply anew, at the counter.",
            ),
        ),
        "expired" => (
            "expired",
            ("门户拒绝登录：证书已到期。".to_owned(), "请到柜台重新申请；若未到期，请核对电脑时钟。"),
            (
                "The portal refuses: the certificate has expired.".to_owned(),
                "Apply for a new one at the counter; if it has not, check the clock.",
            ),
        ),
        "status-unavailable" => (
            "status-unavailable",
            ("门户暂时无法核对证书状态，谁也不能登录。".to_owned(), "这不是您的问题，请过几分钟再试。"),
            (
                "The portal cannot check certificates at the moment and lets nobody in.".to_owned(),
                "It is not your fault: try again in some minutes.",
            ),
        ),
        "no-certificate" => (
            "no-certificate-shown",
            ("门户没有收到证书。".to_owned(), "请核对门户地址；地址正确的，请联系门户运维。"),
            (
                "The portal was shown no certificate.".to_owned(),
                "Check the portal's address; if it is right, tell those who run the portal.",
            ),
        ),
        _ => (
            "portal-refused",
            (
                format!("门户拒绝登录（状态 {status}，{code}）：{detail}"),
                "请核对门户地址与 U-key 是否属于同一 CA，并联系门户运维。",
            ),
            (
                format!("The portal refuses (status {status}, {code}): {detail}"),
                "Check that portal and token belong to the same CA, and tell those who run the portal.",
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_in_both_languages() {
        let refused = |code: &str, status| Fault::Refused {
            code: code.to_owned(),
            status,
            detail: "detail".to_owned(),
        };
        let mut faults = vec![
            Fault::NoCertificate,
            Fault::NoKey,
            Fault::KeyDiffers,
            Fault::Expired(0),
            Fault::NotYetValid(0),
        ];
        for code in ["not-activated", "held", "revoked", "expired", "unknown-issuer"] {
            faults.push(refused(code, 403));
        }
        faults.extend([refused("no-certificate", 401), refused("status-unavailable", 503)]);
        faults.push(Fault::Error(ukey::Error::Untrusted {
            url: "https://portal.example".to_owned(),
            detail: "invalid peer certificate: UnknownIssuer".to_owned(),
        }));
        let mut shown = String::new();
        for fault in &faults {
            for language in [Language::Zh, Language::En] {
                let Explained { code, situation, remedy } = fault_text(language, fault);
                shown.push_str(&format!("[{code}] {situation} {remedy}\n"));
            }
        }
        insta::assert_snapshot!(shown);
    }
}
