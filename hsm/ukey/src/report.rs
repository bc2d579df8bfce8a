//! What the program says, zh and en, and as JSON for programs (`--json`). Errors have their words in `situation.rs`.

mod doctor;
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
    protocol::{FailureCode, LineNews, pin_state},
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

    pub(crate) fn event(&self, event: &Event) {
        say(&if self.json { event_json(event).to_string() } else { event_text(self.language, event) });
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

fn event_json(event: &Event) -> Value {
    match event {
        Event::Connected => json!({ "event": "connected" }),
        Event::Lost(detail) => json!({ "event": "lost", "detail": detail }),
        Event::Inserted(token) => json!({ "event": "inserted", "token": token }),
        Event::Removed(token) => json!({ "event": "removed", "token": token }),
        Event::HolderWanted { token } => json!({ "event": "holder-wanted", "token": token }),
        Event::Made { token, line } => json!({ "event": "made", "token": token, "line": line }),
        Event::Line(LineNews::SetAside { line, application, reason, left }) => {
            json!({ "event": "set-aside", "line": line, "application": application, "reason": reason, "left": left })
        }
        Event::Line(LineNews::LineEnded { made, aside }) => {
            json!({ "event": "line-ended", "made": made, "aside": aside })
        }
        Event::Begun { command, token } => json!({ "event": "begun", "command": command, "token": token }),
        Event::Done { command, token } => json!({ "event": "done", "command": command, "token": token }),
        Event::Failed { command, token, code, message } => {
            json!({ "event": "failed", "command": command, "token": token, "code": code, "message": message })
        }
    }
}

fn event_text(language: Language, event: &Event) -> String {
    let zh = language == Language::Zh;
    match event {
        Event::Connected if zh => "已连接服务器，等待任务。按 Ctrl-C 结束。".to_owned(),
        Event::Connected => "Connected; waiting for jobs. Ctrl-C ends.".to_owned(),
        Event::Lost(detail) if zh => format!("与服务器的连接中断，正在重试（{detail}）。"),
        Event::Lost(detail) => format!("The server does not answer; trying again ({detail})."),
        Event::Inserted(token) if zh => format!("已插入 U-key {}（{}）", token.serial, token.label),
        Event::Inserted(token) => format!("Token inserted: {} ({})", token.serial, token.label),
        Event::Removed(token) if zh => format!("已拔出 U-key {}（{}）", token.serial, token.label),
        Event::Removed(token) => format!("Token removed: {} ({})", token.serial, token.label),
        Event::HolderWanted { token } if zh => {
            format!("{token}: 请持有人在此输入自己的新口令（柜员请回避）。")
        }
        Event::HolderWanted { token } => {
            format!("{token}: the holder types a new PIN here; staff look away.")
        }
        Event::Made { token, line } if zh => {
            format!("【{line}】{token} 已完成：请取下并贴标签，再插入下一个。")
        }
        Event::Made { token, line } => {
            format!("[{line}] {token} is ready: take it out, label it, plug in the next one.")
        }
        Event::Line(LineNews::SetAside { line, application, reason, left }) if zh => {
            format!("【{line}】已搁置，未制成（申请 {application}）：{reason} 还剩 {left} 个待制。")
        }
        Event::Line(LineNews::SetAside { line, application, reason, left }) => {
            format!(
                "[{line}] set aside, not made (application {application}): {reason} {left} left to be made."
            )
        }
        Event::Line(LineNews::LineEnded { made, aside }) if zh => {
            format!("本批制证已结束：制成 {made} 个，搁置 {aside} 个。")
        }
        Event::Line(LineNews::LineEnded { made, aside }) => {
            format!("The line has ended: {made} made, {aside} set aside.")
        }
        Event::Begun { command, token } => format!("{token}: {} …", command_text(language, command)),
        Event::Done { command, token } if zh => format!("{token}: {}，完成", command_text(language, command)),
        Event::Done { command, token } => format!("{token}: {}, done", command_text(language, command)),
        Event::Failed { token, code: FailureCode::Kept, .. } if zh => {
            format!("{token}: 有一个未完成的密钥没有清除：还不能确定它已停用，所以保留；不影响续期。")
        }
        Event::Failed { token, code: FailureCode::Kept, .. } => {
            format!(
                "{token}: an unfinished key stays where it is: it is not certain that nothing uses it. The renewal goes on."
            )
        }
        Event::Failed { command, token, code, message } if zh => {
            format!("{token}: {}，失败：{}（{message}）", command_text(language, command), code.as_str())
        }
        Event::Failed { command, token, code, message } => {
            format!("{token}: {} failed: {} ({message})", command_text(language, command), code.as_str())
        }
    }
}

fn command_text(language: Language, command: &str) -> &str {
    match (language, command) {
        (Language::Zh, "initialise") => "初始化",
        (Language::Zh, "request") => "生成密钥并签署证书请求",
        (Language::Zh, "write") => "写入证书",
        (Language::Zh, "prove") => "验证密钥",
        (Language::Zh, "unlock") => "解锁并设置持有人的新口令",
        (Language::En, "unlock") => "unlocking, with the holder's new PIN",
        (Language::Zh, "discard") => "清除未完成的密钥",
        (Language::En, "initialise") => "initialising",
        (Language::En, "request") => "making the key and signing the request",
        (Language::En, "write") => "writing the certificate",
        (Language::En, "prove") => "proving the key",
        (Language::En, "discard") => "clearing an unfinished key",
        (_, other) => other,
    }
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
    fn what_became_of_a_line_is_told_in_both_languages() {
        let (line, application) = ("2/3 单位".to_owned(), "a1".to_owned());
        let aside = LineNews::SetAside { line, application, reason: "U-key failed.".to_owned(), left: 1 };
        let ended = LineNews::LineEnded { made: 2, aside: 1 };
        let text = |language| [&aside, &ended].map(|news| event_text(language, &Event::Line(news.clone())));
        assert_eq!(
            text(Language::Zh),
            [
                "【2/3 单位】已搁置，未制成（申请 a1）：U-key failed. 还剩 1 个待制。",
                "本批制证已结束：制成 2 个，搁置 1 个。"
            ]
        );
        assert_eq!(
            text(Language::En),
            [
                "[2/3 单位] set aside, not made (application a1): U-key failed. 1 left to be made.",
                "The line has ended: 2 made, 1 set aside."
            ]
        );
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
