//! What the program says, zh and en, and as JSON for programs (`--json`). Errors have their words in `situation.rs`.

mod doctor;
mod event;
mod renewal;
mod revocation;
mod root;
mod standing;
mod trial;

use std::{io::Write, path::Path};

use clap::ValueEnum;
use hsm::{PinState, TokenInfo};
use serde_json::{Value, json};
use ukey::{
    Error,
    certificate::Fields,
    client::Answer,
    counter::Event,
    protocol::pin_state,
    standing::{Known, Unknown},
};

pub(crate) use self::{
    doctor::{Checkup, Network},
    root::Done,
    trial::Passed,
};
use crate::situation::{Explained, explain};

const DAY_SECONDS: i64 = 86_400;

/// Languages that this program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// 中文 / Chinese
    Zh,
    /// English
    En,
}

impl Language {
    /// From the locale's variables, in POSIX order; Chinese unless they say English.
    fn of_locale(get: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| get(name).filter(|text| !text.is_empty()));
        if locale.is_some_and(|locale| locale.starts_with("en")) { Self::En } else { Self::Zh }
    }
}

/// A token and what it holds.
pub(crate) struct TokenView {
    pub(crate) info: TokenInfo,
    pub(crate) certificates: Vec<CertificateView>,
}

/// A certificate and how it stands.
pub(crate) struct CertificateView {
    pub(crate) fields: Fields,
    pub(crate) standing: Result<Known, Unknown>,
}

/// Speaks to whoever started the program.
pub(crate) struct Voice {
    language: Language,
    json: bool,
}

impl Voice {
    pub(crate) fn new(language: Option<Language>, json: bool) -> Self {
        let language = language.unwrap_or_else(|| Language::of_locale(|name| std::env::var(name).ok()));
        Self { language, json }
    }

    /// Whether a program listens, so that nobody is to be asked.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn pick<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    /// The last words before exit 1.
    pub(crate) fn error(&self, error: &Error) {
        // Its steps have said what happened and what to do.
        if let Error::Trial(_) = error {
            return;
        }
        let Explained { code, situation, remedy } = explain(self.language, error);
        if self.json {
            say_error(&json!({ "error": code, "situation": situation, "remedy": remedy }).to_string());
        } else {
            let (what, then) = (self.pick("错误：", "Error: "), self.pick("处理：", "What to do: "));
            say_error(&format!("{what}{situation}\n{then}{remedy}"));
        }
    }

    /// On standard error, so that it can be read before the PIN is typed.
    pub(crate) fn pin_state(&self, info: &TokenInfo) {
        if self.json || info.pin == PinState::Ok {
            return;
        }
        let state = pin_text(self.language, info.pin);
        match self.language {
            Language::Zh => say_error(&format!("U-key {}：{state}", info.serial)),
            Language::En => say_error(&format!("Token {}: {state}", info.serial)),
        }
    }

    pub(crate) fn ask_pin(&self, info: &TokenInfo) -> String {
        let state = pin_text(self.language, info.pin);
        match self.language {
            Language::Zh => format!("U-key {}（{}）的口令（状态：{state}）：", info.label, info.serial),
            Language::En => format!("PIN of token {} ({}), {state}: ", info.label, info.serial),
        }
    }

    pub(crate) fn ask_new_pin(&self) -> &str {
        self.pick("新口令（至少六位）：", "New PIN (six characters or more): ")
    }

    pub(crate) fn ask_new_pin_again(&self) -> &str {
        self.pick("再输入一次新口令：", "The new PIN again: ")
    }

    pub(crate) fn ask_holder_pin(&self) -> &str {
        self.pick("请持有人输入刚才设置的口令：", "Holder, please type the PIN that you have just set: ")
    }

    pub(crate) fn ask_code(&self) -> &str {
        self.pick("激活码：", "Activation code: ")
    }

    pub(crate) fn pin_changed(&self, serial: &str) {
        match (self.json, self.language) {
            (true, _) => say(&json!({ "event": "pin-changed", "token": serial }).to_string()),
            (_, Language::Zh) => say(&format!("U-key {serial} 的口令已修改。")),
            (_, Language::En) => say(&format!("The PIN of token {serial} has been changed.")),
        }
    }

    pub(crate) fn initialised(&self, serial: &str, label: &str) {
        match (self.json, self.language) {
            (true, _) => say(&json!({ "event": "initialised", "token": serial, "label": label }).to_string()),
            (_, Language::Zh) => say(&format!("U-key {serial} 已初始化，标签 {label}。")),
            (_, Language::En) => say(&format!("Token {serial} is initialised, label {label}.")),
        }
    }

    pub(crate) fn requested(&self, file: &Path) {
        let file = file.display().to_string();
        match (self.json, self.language) {
            (true, _) => say(&json!({ "event": "requested", "file": file }).to_string()),
            (_, Language::Zh) => say(&format!("密钥已在 U-key 内生成，证书请求：{file}")),
            (_, Language::En) => say(&format!("The key pair is on the token; its request: {file}")),
        }
    }

    pub(crate) fn installed(&self, serial: &str) {
        match (self.json, self.language) {
            (true, _) => say(&json!({ "event": "installed", "token": serial }).to_string()),
            (_, Language::Zh) => say(&format!("证书已写入 U-key {serial} 并读回核对。")),
            (_, Language::En) => say(&format!("The certificate is on token {serial} and was read back.")),
        }
    }

    pub(crate) fn activated(&self, certificate: &Fields, answer: &Value) {
        let name = &certificate.common_name;
        match (self.json, self.language) {
            (true, _) => say(&json!({ "event": "activated", "answer": answer }).to_string()),
            (_, Language::Zh) => say(&format!("“{name}”的证书已激活（序列号 {}）。", certificate.serial_hex)),
            (_, Language::En) => {
                say(&format!(
                    "The certificate of {name} is active (serial number {}).",
                    certificate.serial_hex
                ));
            }
        }
    }

    pub(crate) fn renewed(&self, name: &str, serial: &str) {
        match (self.json, self.language) {
            (true, _) => say(&json!({ "event": "renewed", "serial": serial }).to_string()),
            (_, Language::Zh) => say(&format!("“{name}”的证书已续期（新序列号 {serial}），原证书已失效。")),
            (_, Language::En) => say(&format!(
                "The certificate of {name} is renewed (new serial number {serial}); the old one has ended."
            )),
        }
    }

    pub(crate) fn answer(&self, answer: &Answer) {
        let document = answer.json();
        let text = if self.json { document.to_string() } else { format!("{document:#}") };
        if !answer.body.is_empty() {
            say(&text);
        }
    }

    pub(crate) fn stopped(&self) {
        match self.json {
            true => say(&json!({ "event": "stopped" }).to_string()),
            false => say(self.pick("工作站已停止。", "The workstation has stopped.")),
        }
    }

    pub(crate) fn waits_for_clerk(&self) {
        match self.json {
            true => say(&json!({ "event": "waiting" }).to_string()),
            false => say(self.pick(
                "请插入操作员的 U-key，插入后自动继续。按 Ctrl-C 结束。",
                "Plug in the clerk's token; it goes on by itself. Ctrl-C ends.",
            )),
        }
    }

    pub(crate) fn driver_is_slow(&self) {
        if !self.json {
            say_error(self.pick(
                "U-key 的驱动还没有应答。请稍候；若 U-key 没有反应，请拔出后重新插入。按 Ctrl-C 结束。",
                "The token's driver has not answered yet. Please wait; if the token shows no life, take it out and plug it in again. Ctrl-C ends.",
            ));
        }
    }

    pub(crate) fn event(&self, event: &Event) {
        say(&if self.json { event::json(event).to_string() } else { event::text(self.language, event) });
    }

    pub(crate) fn status(&self, views: &[TokenView], now: i64) {
        if self.json {
            let tokens: Vec<_> = views.iter().map(|view| token_json(view, now)).collect();
            say(&json!({ "tokens": tokens }).to_string());
            return;
        }
        if views.is_empty() {
            say(self
                .pick("没有插入 U-key。请插入后重试。", "No token is plugged in. Plug it in and try again."));
        }
        for view in views {
            let TokenInfo { label, serial, model, .. } = &view.info;
            say(&format!("{label}  {serial}  {model}"));
            say(&format!("  {}{}", self.pick("口令：", "PIN: "), self.readiness(&view.info)));
            for certificate in &view.certificates {
                say(&format!("  {}", certificate_text(self.language, &certificate.fields, now)));
                if let Some(text) = standing::text(self.language, &certificate.standing) {
                    say(&format!("    {text}"));
                }
            }
            if view.certificates.is_empty() {
                say(self.pick("  没有证书", "  no certificate"));
            }
        }
    }

    fn readiness(&self, info: &TokenInfo) -> &str {
        if info.user_pin_initialised {
            pin_text(self.language, info.pin)
        } else {
            self.pick("尚未设置", "not set yet")
        }
    }
}

/// A reader that went away (`| head`) is no reason to panic.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn say_error(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

pub(crate) fn pin_text(language: Language, state: PinState) -> &'static str {
    match (language, state) {
        (Language::Zh, PinState::Ok) => "正常",
        (Language::Zh, PinState::CountLow) => "已输错过，连续输错将被锁定",
        (Language::Zh, PinState::FinalTry) => "只剩最后一次机会",
        (Language::Zh, PinState::Locked) => "已锁定",
        (Language::En, PinState::Ok) => "in order",
        (Language::En, PinState::CountLow) => "was wrong before; more wrong tries will lock it",
        (Language::En, PinState::FinalTry) => "one last try is left",
        (Language::En, PinState::Locked) => "locked",
    }
}

/// Dates are those of the counter's wall clock.
fn date(seconds: i64) -> String {
    let zoned = jiff::Timestamp::from_second(seconds).ok().and_then(|time| time.in_tz("Asia/Shanghai").ok());
    zoned.map_or_else(|| seconds.to_string(), |zoned| zoned.date().to_string())
}

fn certificate_text(language: Language, certificate: &Fields, now: i64) -> String {
    let Fields { common_name, serial_hex, not_before, not_after, .. } = certificate;
    let days = (not_after - now).div_euclid(DAY_SECONDS);
    let until = date(*not_after);
    match (language, now < *not_before, now > *not_after) {
        (Language::Zh, true, _) => format!("{common_name}  {serial_hex}  {} 起有效", date(*not_before)),
        (Language::Zh, _, true) => format!("{common_name}  {serial_hex}  已于 {until} 到期，请办理续期"),
        (Language::Zh, ..) => format!("{common_name}  {serial_hex}  有效至 {until}，剩余 {days} 天"),
        (Language::En, true, _) => format!("{common_name}  {serial_hex}  valid from {}", date(*not_before)),
        (Language::En, _, true) => format!("{common_name}  {serial_hex}  expired on {until}, please renew"),
        (Language::En, ..) => format!("{common_name}  {serial_hex}  valid to {until}, {days} days left"),
    }
}

fn token_json(view: &TokenView, now: i64) -> Value {
    let certificates: Vec<_> = view
        .certificates
        .iter()
        .map(|view| {
            let c = &view.fields;
            json!({ "serial": c.serial_hex, "common_name": c.common_name, "not_before": c.not_before,
                "not_after": c.not_after, "days_left": (c.not_after - now).div_euclid(DAY_SECONDS),
                "standing": standing::json(&view.standing) })
        })
        .collect();
    let info = &view.info;
    json!({ "serial": info.serial.as_str(), "label": info.label, "model": info.model,
        "manufacturer": info.manufacturer, "initialised": info.initialised,
        "user_pin_initialised": info.user_pin_initialised, "pin": pin_state(info.pin), "certificates": certificates })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_chooses_the_language() {
        let of = |pairs: &'static [(&str, &str)]| {
            Language::of_locale(|name| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[]), Language::Zh);
        assert_eq!(of(&[("LANG", "C.UTF-8")]), Language::Zh);
        assert_eq!(of(&[("LANG", "zh_CN.UTF-8")]), Language::Zh);
        assert_eq!(of(&[("LANG", "en_GB.UTF-8")]), Language::En);
        assert_eq!(of(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "zh_CN.UTF-8")]), Language::Zh);
        assert_eq!(of(&[("LANG", "en_US"), ("LC_ALL", "")]), Language::En);
    }

    #[test]
    fn days_left_and_dates_are_the_counters() {
        let certificate = Fields {
            subject: Vec::new(),
            issuer: Vec::new(),
            serial: Vec::new(),
            serial_hex: "0a".to_owned(),
            common_name: "单位".to_owned(),
            unit_code: None,
            not_before: 0,
            // 2026-11-22T16:00:00Z is midnight of the 23rd in Nanjing.
            not_after: 1_795_363_200,
            spki: Vec::new(),
            ocsp_url: None,
            issuer_url: None,
        };
        let text = |now| certificate_text(Language::Zh, &certificate, now);
        assert_eq!(text(1_795_363_200 - 86_400), "单位  0a  有效至 2026-11-23，剩余 1 天");
        assert_eq!(text(1_795_363_201), "单位  0a  已于 2026-11-23 到期，请办理续期");
        assert_eq!(text(-1), "单位  0a  1970-01-01 起有效");
    }
}
