//! What `ukey doctor` found, and what cannot be done without what is missing.

use hsm::{ModuleInfo, TokenInfo};
use serde_json::{Value, json};
use ukey::{Error, protocol::pin_state};

use super::{Language, Voice, pin_text, say};

/// A clock that is further off makes answers of the CA look too old or too new.
const CLOCK_TOLERANCE_SECS: i64 = 60;

/// A token and what it can do.
pub(crate) struct Checkup {
    pub(crate) info: TokenInfo,
    pub(crate) present: Vec<&'static str>,
    pub(crate) missing: Vec<&'static str>,
}

/// A server, and what came of reaching it.
pub(crate) struct Network {
    pub(crate) server: String,
    /// Its certificate led to the root.
    pub(crate) proved: bool,
    /// By how many seconds this computer's clock is ahead of its, where it told.
    pub(crate) answer: Result<Option<i64>, Error>,
}

impl Voice {
    pub(crate) fn doctor(
        &self,
        module: &ModuleInfo,
        events: bool,
        checkups: &[Checkup],
        network: Option<&Network>,
    ) {
        let ModuleInfo { path, description, manufacturer, version, cryptoki_version } = module;
        if self.json {
            let tokens: Vec<_> = checkups.iter().map(checkup_json).collect();
            let module = json!({ "path": path, "description": description, "manufacturer": manufacturer,
                "version": version, "cryptoki": cryptoki_version, "slot_events": events });
            say(&json!({ "module": module, "tokens": tokens, "network": network.map(network_json) })
                .to_string());
            return;
        }
        say(&format!("{}{}", self.pick("模块：", "Module: "), path.display()));
        say(&format!("  {manufacturer}, {description} {version}, PKCS#11 {cryptoki_version}"));
        say(if events {
            self.pick(
                "  插拔：模块会回答（C_WaitForSlotEvent）",
                "  plugging in and out: the module answers (C_WaitForSlotEvent)",
            )
        } else {
            self.pick(
                "  插拔：模块不回答，程序定时查看",
                "  plugging in and out: the module does not tell; it is looked at again and again",
            )
        });
        for checkup in checkups {
            self.checkup(checkup);
        }
        if let Some(network) = network {
            self.network(network);
        }
    }

    fn checkup(&self, Checkup { info, present, missing }: &Checkup) {
        let name = if info.initialised { info.label.as_str() } else { self.pick("（空白）", "(blank)") };
        say(&format!("{}{name}  {}  {}", self.pick("U-key：", "Token: "), info.serial, info.model));
        let yes = |holds: bool| if holds { self.pick("是", "yes") } else { self.pick("否", "no") };
        let line = |what: &str, value: &str| say(&format!("  {what}{value}"));
        line(self.pick("已初始化：", "initialised: "), yes(info.initialised));
        let state = pin_text(self.language, info.pin);
        line(
            self.pick("口令：", "PIN: "),
            if info.user_pin_initialised { state } else { self.pick("尚未设置", "not set yet") },
        );
        line(
            self.pick("口令长度：", "PIN length: "),
            &format!("{}–{}", info.pin_length_min, info.pin_length_max),
        );
        line(self.pick("在读卡器上输入口令：", "PIN typed on the reader: "), yes(info.pin_pad));
        line(self.pick("写保护：", "write-protected: "), yes(info.write_protected));
        line(self.pick("自带随机数发生器：", "random generator of its own: "), yes(info.random));
        if let Some(free) = free(info) {
            line(self.pick("剩余空间（字节）：", "free memory, octets: "), &free.to_string());
        }
        line(self.pick("可用：", "can: "), &present.join(" "));
        for mechanism in missing {
            let (zh, en) = without(mechanism);
            line(self.pick("不可用：", "cannot: "), &format!("{mechanism}  {}", self.pick(zh, en)));
        }
    }

    fn network(&self, network: &Network) {
        let Network { server, proved, answer } = network;
        let label = self.pick("网络：", "Network: ");
        let ahead = match answer {
            Err(_) => {
                say(&format!("{label}{server}  {}", self.pick("连不上", "is not reached")));
                return;
            }
            Ok(ahead) => ahead,
        };
        let trust = match (server.starts_with("https://"), proved) {
            (false, _) => "",
            (true, true) => self.pick("，证书可信", " and trusted"),
            (true, false) => {
                self.pick("，没有根证书，未核对其证书", "; without a root its certificate was not checked")
            }
        };
        say(&format!("{label}{server}  {}{trust}", self.pick("已连接", "is reached")));
        let clock = match (ahead, self.language) {
            (None, Language::Zh) => "时钟：服务器没有告知时间".to_owned(),
            (None, Language::En) => "clock: the server did not tell the time".to_owned(),
            (Some(ahead), Language::Zh) if ahead.abs() <= CLOCK_TOLERANCE_SECS => {
                format!("时钟：相差 {} 秒", ahead.abs())
            }
            (Some(ahead), Language::En) if ahead.abs() <= CLOCK_TOLERANCE_SECS => {
                format!("clock: {} seconds apart", ahead.abs())
            }
            (Some(ahead), Language::Zh) => {
                let word = if *ahead > 0 { "快" } else { "慢" };
                format!("时钟：本机{word} {} 秒，请校准，否则证书状态会被当作过期", ahead.abs())
            }
            (Some(ahead), Language::En) => {
                let word = if *ahead > 0 { "ahead" } else { "behind" };
                format!(
                    "clock: this computer is {} seconds {word}; set it, or the CA's answers look out of date",
                    ahead.abs()
                )
            }
        };
        say(&format!("  {clock}"));
    }
}

/// What cannot be done without a mechanism.
fn without(mechanism: &str) -> (&'static str, &'static str) {
    match mechanism {
        "CKM_EC_KEY_PAIR_GEN" => {
            ("不能生成 P-256 密钥：不能制证、续期", "no P-256 keys: no personalising, no renewal")
        }
        "CKM_ECDSA" => ("不能用 P-256 密钥签名和登录", "no signatures and no login with P-256 keys"),
        "CKM_RSA_PKCS_KEY_PAIR_GEN" => {
            ("不能生成 RSA 密钥；只用 P-256 时无妨", "no RSA keys; no matter while P-256 is used")
        }
        "CKM_SHA256_RSA_PKCS" => (
            "不能用 RSA 密钥签名；只用 P-256 时无妨",
            "no signatures with RSA keys; no matter while P-256 is used",
        ),
        "CKM_SHA256_RSA_PKCS_PSS" => (
            "不能用 RSA 密钥登录（TLS 1.3）；只用 P-256 时无妨",
            "no login with RSA keys (TLS 1.3); no matter while P-256 is used",
        ),
        _ => (
            "只有 CA 自己的令牌需要，持证单位无妨",
            "only the CA's own token needs it; no matter to a holder",
        ),
    }
}

fn free(info: &TokenInfo) -> Option<usize> {
    // What a key needs is in the private part, where a token tells them apart.
    info.free_private.or(info.free_public)
}

fn checkup_json(checkup: &Checkup) -> Value {
    let info = &checkup.info;
    let missing_effects: Vec<Value> = checkup
        .missing
        .iter()
        .map(|name| {
            let (zh, en) = without(name);
            json!({ "mechanism": name, "zh": zh, "en": en })
        })
        .collect();
    json!({ "serial": info.serial.as_str(), "label": info.label, "initialised": info.initialised,
        "pin": pin_state(info.pin), "user_pin_initialised": info.user_pin_initialised,
        "pin_length_min": info.pin_length_min, "pin_length_max": info.pin_length_max, "pin_pad": info.pin_pad,
        "write_protected": info.write_protected, "random": info.random, "free_public": info.free_public,
        "free_private": info.free_private, "present": checkup.present, "missing": checkup.missing,
        "without": missing_effects })
}

fn network_json(network: &Network) -> Value {
    let (ahead, detail) = match &network.answer {
        Ok(ahead) => (*ahead, None),
        Err(error) => (None, Some(error.to_string())),
    };
    json!({ "server": network.server, "reached": network.answer.is_ok(), "trusted": network.proved,
        "clock_ahead_secs": ahead, "detail": detail })
}
