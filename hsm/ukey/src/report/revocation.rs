//! What will be revoked, whether it is meant, and what became of it.

use std::io::Write;

use serde_json::json;
use ukey::key_revocation::{Candidate, Outcome};

use super::{Language, Voice, certificate_text, say};

impl Voice {
    /// Before anybody is asked for anything.
    pub(crate) fn to_be_revoked(&self, token: &str, candidates: &[Candidate], now: i64) {
        if self.json {
            let serials: Vec<_> = candidates.iter().map(|one| &one.fields.serial_hex).collect();
            say(&json!({ "event": "to-be-revoked", "token": token, "serials": serials }).to_string());
            return;
        }
        match self.language {
            Language::Zh => say(&format!("将吊销 U-key {token} 中的证书：")),
            Language::En => say(&format!("To be revoked, on token {token}:")),
        }
        for candidate in candidates {
            say(&format!("  {}", certificate_text(self.language, &candidate.fields, now)));
        }
        say(self.pick(
            "吊销后永远不能恢复：不能再登录，剩余的有效期作废。原因记为“密钥可能泄露”。",
            "This cannot be undone: no login is possible any more, and the days left are lost. The reason is key compromise.",
        ));
    }

    /// A word, because a key is pressed too easily.
    pub(crate) fn revocation_is_meant(&self) -> std::io::Result<bool> {
        let mut out = std::io::stdout().lock();
        let question = self
            .pick("确定吊销，请输入“吊销”后按回车：", "To revoke, type the word revoke and press Enter: ");
        write!(out, "{question}")?;
        out.flush()?;
        drop(out);
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "吊销" | "revoke"))
    }

    pub(crate) fn revocation(&self, candidate: &Candidate, outcome: &Outcome) {
        let serial = &candidate.fields.serial_hex;
        if self.json {
            let (result, at) = match outcome {
                Outcome::Revoked(at) => ("revoked", Some(at)),
                Outcome::Already => ("revoked-already", None),
                Outcome::Unknown => ("unknown", None),
                Outcome::NoKey => ("no-key", None),
            };
            let line = json!({ "event": "revocation", "serial": serial, "result": result, "revoked_at": at });
            say(&line.to_string());
            return;
        }
        let (zh, en) = match outcome {
            Outcome::Revoked(at) => (format!("已吊销（{at}）。"), format!("revoked ({at}).")),
            Outcome::Already => {
                ("此前已吊销，无需再办。".to_owned(), "was revoked before; nothing is left to do.".to_owned())
            }
            Outcome::Unknown => (
                "不是此 CA 签发的证书，没有吊销。".to_owned(),
                "is not this CA's certificate; it was not revoked.".to_owned(),
            ),
            Outcome::NoKey => (
                "U-key 中没有它的密钥，没有吊销。".to_owned(),
                "its key is not on the token; it was not revoked.".to_owned(),
            ),
        };
        say(&format!("{serial}  {}", self.pick(&zh, &en)));
    }

    pub(crate) fn after_revocation(&self) {
        if !self.json {
            say(self.pick(
                "各门户将在几分钟内拒绝它。要继续办事，请到柜台重新申请证书；U-key 请一并带去。",
                "Portals will refuse it within minutes. To go on, apply for a new certificate at the counter and take the U-key there.",
            ));
        }
    }
}
