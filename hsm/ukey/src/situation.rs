//! Every error in a person's words, zh and en: what happened and what to do.

mod assistant;

use serde_json::Value;
use ukey::{Enrolment, Error, pin_rule::PinRefusal};

use crate::report::{Language, pin_text};

/// What happened, and what to do.
pub(crate) struct Explained {
    pub(crate) code: &'static str,
    pub(crate) situation: String,
    pub(crate) remedy: String,
}

/// Situation and remedy. `{…}` of a text never holds a secret: [`Error`] has none.
pub(crate) fn explain(language: Language, error: &Error) -> Explained {
    if let Error::Refused { status, problem } = error {
        return refused(language, *status, problem);
    }
    if let Error::Enrolment(error) = error {
        return enrolment(language, error);
    }
    if let Some((code, zh, en)) = assistant::texts(error) {
        return explained(language, code, zh, en);
    }
    let (code, zh, en) = match error {
        Error::Hsm(error) => token_texts(error),
        Error::File { path, error } => (
            "file",
            (format!("文件 {} 无法读取：{error}。", path.display()), "请检查文件名与权限。"),
            (
                format!("{} cannot be read: {error}.", path.display()),
                "Check the file's name and permissions.",
            ),
        ),
        Error::Pem { path } => (
            "pem",
            (format!("文件 {} 中没有可读的证书。", path.display()), "请使用 CA 提供的 PEM 格式证书文件。"),
            (
                format!("{} holds no readable certificate.", path.display()),
                "Use the PEM file that the CA provides.",
            ),
        ),
        Error::Json { path } => (
            "json",
            (format!("文件 {} 不是 JSON。", path.display()), "请检查文件内容。"),
            (format!("{} holds no JSON.", path.display()), "Check what is in the file."),
        ),
        Error::Url { url } => (
            "url",
            (format!("服务器地址 {url} 不正确。"), "地址的形式为 https://主机:端口。"),
            (format!("The server's address {url} is not right."), "It has the form https://host:port."),
        ),
        Error::NoCertificate { token } => (
            "no-certificate",
            (
                format!("U-key {token} 中没有可用的证书。"),
                "请用 ukey status 查看；若 U-key 尚未制证，请到柜台办理。",
            ),
            (
                format!("Token {token} holds no certificate with its key."),
                "Look with `ukey status`; if the token was never personalised, ask the counter.",
            ),
        ),
        other => return server(language, other),
    };
    explained(language, code, zh, en)
}

type Texts<'a> = (String, &'a str);

fn explained(language: Language, code: &'static str, zh: Texts<'_>, en: Texts<'_>) -> Explained {
    let (situation, remedy) = if language == Language::Zh { zh } else { en };
    Explained { code, situation, remedy: remedy.to_owned() }
}

fn enrolment(language: Language, error: &Enrolment) -> Explained {
    let (code, zh, en) = match error {
        Enrolment::LabelTaken(label) => (
            "label-taken",
            (format!("已有标签为 {label} 的 U-key。"), "请换一个标签，或拔出那个 U-key。"),
            (
                format!("A token labelled {label} is plugged in already."),
                "Choose another label, or pull that token out.",
            ),
        ),
        Enrolment::NoBlankToken => (
            "no-blank-token",
            ("没有插入空白 U-key。".to_owned(), "请插入一个未初始化的 U-key。"),
            ("No blank token is plugged in.".to_owned(), "Plug in a token that is not initialised."),
        ),
        Enrolment::NotItsKey => (
            "not-its-key",
            ("证书不是为这个 U-key 中的密钥签发的。".to_owned(), "请核对证书文件与 U-key。"),
            (
                "The certificate is not for the key on this token.".to_owned(),
                "Check the certificate's file and the token.",
            ),
        ),
        Enrolment::Randomness => (
            "randomness",
            ("操作系统的随机数发生器失败。".to_owned(), "请重新启动计算机后再试。"),
            (
                "The operating system's random generator failed.".to_owned(),
                "Start the computer anew and try again.",
            ),
        ),
        Enrolment::Token(code, detail) => (
            code.as_str(),
            (format!("U-key 操作失败：{detail}。"), "请用 ukey doctor 检查 U-key 后重试。"),
            (format!("The token failed: {detail}."), "Check the token with `ukey doctor` and try again."),
        ),
    };
    explained(language, code, zh, en)
}

fn server(language: Language, error: &Error) -> Explained {
    let (code, zh, en) = match error {
        Error::Unreachable { url, detail } => (
            "unreachable",
            (format!("服务器 {url} 没有应答（{detail}）。"), "请检查网络与地址，稍后重试。"),
            (format!("{url} does not answer ({detail})."), "Check network and address, then try again."),
        ),
        Error::Tls { url, detail } => (
            "tls",
            (
                format!("与 {url} 的安全连接失败：{detail}。"),
                "请核对根证书文件，并确认本 U-key 的证书未过期、未被拒绝。",
            ),
            (
                format!("No secure connection with {url}: {detail}."),
                "Check the root certificate's file, and that the token's certificate is neither expired nor refused.",
            ),
        ),
        Error::AnswerLost { url, detail } => (
            "answer-lost",
            (
                format!("请求已发出，但 {url} 没有回复（{detail}），可能已经办理。"),
                "请先查询结果，再决定是否重新提交。",
            ),
            (
                format!("{url} got the request and did not answer ({detail}); it may have been carried out."),
                "Look at the result before sending it again.",
            ),
        ),
        other => return holder_or_clerk(language, other),
    };
    explained(language, code, zh, en)
}

fn holder_or_clerk(language: Language, error: &Error) -> Explained {
    let (code, zh, en) = match error {
        Error::PinRule(rule) => return pin_rule(language, *rule),
        Error::PinsDiffer => (
            "pins-differ",
            ("两次输入的新口令不一致，口令没有修改。".to_owned(), "请重新运行，仔细输入。"),
            ("The two new PINs differ; nothing was changed.".to_owned(), "Run it again and type with care."),
        ),
        Error::InitialPin => (
            "initial-pin",
            (
                "U-key 仍在使用人人皆知的初始口令。".to_owned(),
                "请用 --new-pin-file 给出新口令，或不加 --pin-file 运行并按提示输入。",
            ),
            (
                "The token still has the initial PIN that everybody knows.".to_owned(),
                "Give the new one with --new-pin-file, or run without --pin-file and type it when asked.",
            ),
        ),
        Error::Renewal { code, message } => (
            code.as_str(),
            (
                format!("续期中断：{message}。原证书仍可使用，不会重复收费。"),
                "请插好 U-key、核对口令后重新运行 ukey renew，将接着完成；仍失败请到柜台。",
            ),
            (
                format!(
                    "The renewal stopped: {message}. The old certificate still works; nothing is charged twice."
                ),
                "Check token and PIN and run `ukey renew` again: it goes on. If it fails again, come to the counter.",
            ),
        ),
        Error::ClerkTokenGone { token } => (
            "clerk-token-gone",
            (
                format!("操作员的 U-key {token} 已拔出，工作站停止。"),
                "请插回后重新启动；未完成的任务会继续。",
            ),
            (
                format!("The clerk's token {token} was pulled out; the workstation has stopped."),
                "Plug it in and start again; unfinished jobs will go on.",
            ),
        ),
        Error::NoModule => (
            "no-module",
            (
                "没有指定 PKCS#11 模块。".to_owned(),
                "请用 --module 或环境变量 PKCS11_MODULE 给出 U-key 厂商提供的模块文件。",
            ),
            (
                "No PKCS#11 module was named.".to_owned(),
                "Give the file from the U-key's vendor with --module or the variable PKCS11_MODULE.",
            ),
        ),
        Error::Prompt(error) => (
            "prompt",
            (
                format!("没有终端可以输入（{error}）。"),
                "请在终端运行，或用 --pin-file、--pin-fd、--code-file 给出。",
            ),
            (
                format!("There is no terminal to ask at ({error})."),
                "Run it at a terminal, or use --pin-file, --pin-fd, --code-file.",
            ),
        ),
        other => (
            "system",
            (format!("操作系统错误：{other}。"), "请重试；若仍出现，请联系技术支持。"),
            (format!("The operating system failed: {other}."), "Try again; if it stays, ask for support."),
        ),
    };
    explained(language, code, zh, en)
}

fn pin_rule(language: Language, rule: PinRefusal) -> Explained {
    let (code, zh, en) = match rule {
        PinRefusal::WellKnown => (
            "pin-well-known",
            (
                "新口令人人皆知（如 123456）或是信用代码的末几位，不能使用，口令没有修改。".to_owned(),
                "请另选一个不易猜到的口令。",
            ),
            (
                "The new PIN is one that everybody knows, such as 123456, or the end of the unit's code; nothing was changed."
                    .to_owned(),
                "Choose another one that is hard to guess.",
            ),
        ),
        PinRefusal::TooShort { least } => (
            "pin-too-short",
            (format!("新口令少于 {least} 位，口令没有修改。"), "请选用更长的口令。"),
            (
                format!("The new PIN has fewer than {least} characters; nothing was changed."),
                "Choose a longer one.",
            ),
        ),
        PinRefusal::TooLong { most } => (
            "pin-too-long",
            (format!("新口令超过 {most} 位，口令没有修改。"), "请选用短一些的口令。"),
            (
                format!("The new PIN has more than {most} characters; nothing was changed."),
                "Choose a shorter one.",
            ),
        ),
    };
    explained(language, code, zh, en)
}

/// The server's own words, in the language wanted.
fn refused(language: Language, status: u16, problem: &Value) -> Explained {
    let key = if language == Language::Zh { "zh" } else { "en" };
    let text = |part: &str| problem.get(part).and_then(|texts| texts.get(key)).and_then(Value::as_str);
    let (zh, en) = (
        format!("服务器拒绝了请求（状态 {status}）。"),
        format!("The server refused the request (status {status})."),
    );
    let situation =
        text("situation").map(str::to_owned).unwrap_or(if language == Language::Zh { zh } else { en });
    let other = if language == Language::Zh {
        "请核对后重试，或联系 CA。"
    } else {
        "Check and try again, or ask the CA."
    };
    let remedy = text("remedy").unwrap_or(other);
    // The rule's name, which stands in the log too.
    let remedy = match problem.get("title").and_then(Value::as_str) {
        Some(rule) => format!("{remedy} [{rule}]"),
        None => remedy.to_owned(),
    };
    Explained { code: "refused", situation, remedy }
}

fn token_texts(error: &hsm::Error) -> (&'static str, Texts<'static>, Texts<'static>) {
    use hsm::Error as Hsm;
    match error.cause() {
        Hsm::TokenAbsent { name } => (
            "token-absent",
            (format!("没有找到 U-key {name}。"), "请插入 U-key，或用 ukey status 查看名称。"),
            (format!("Token {name} is not there."), "Plug it in, or look up its name with `ukey status`."),
        ),
        Hsm::TokenAmbiguous { name, count } => (
            "token-ambiguous",
            (format!("有 {count} 个 U-key 都叫 {name}。"), "请改用序列号（见 ukey status）。"),
            (format!("{count} tokens are called {name}."), "Use the serial number (see `ukey status`)."),
        ),
        Hsm::TokenRemoved { token } => (
            "token-removed",
            (format!("U-key {token} 在操作中被拔出。"), "请插回后重新运行，操作会接着完成。"),
            (
                format!("Token {token} was pulled out meanwhile."),
                "Plug it in and run again; the work goes on.",
            ),
        ),
        Hsm::TokenBusy { token } => (
            "token-busy",
            (format!("U-key {token} 正被其他程序使用。"), "请关闭其他程序后重试。"),
            (format!("Token {token} is in use by another program."), "Close that program and try again."),
        ),
        Hsm::NotInitialised { token } => (
            "not-initialised",
            (format!("U-key {token} 尚未初始化。"), "请到柜台制证。"),
            (format!("Token {token} is not initialised."), "Have it personalised at the counter."),
        ),
        Hsm::TokenFull { token } => (
            "token-full",
            (format!("U-key {token} 空间已满。"), "请到柜台清理旧证书或更换 U-key。"),
            (
                format!("Token {token} is full."),
                "Have old certificates cleared at the counter, or change the token.",
            ),
        ),
        Hsm::WriteProtected { token } => (
            "write-protected",
            (format!("U-key {token} 被写保护。"), "请关闭写保护开关后重试。"),
            (format!("Token {token} is write-protected."), "Move its switch and try again."),
        ),
        Hsm::ModuleLoad { path, detail } => (
            "module-load",
            (
                format!("PKCS#11 模块 {} 无法加载：{detail}。", path.display()),
                "请安装 U-key 厂商的驱动，并核对 --module。",
            ),
            (
                format!("The PKCS#11 module {} cannot be loaded: {detail}.", path.display()),
                "Install the U-key vendor's driver and check --module.",
            ),
        ),
        other => pin_texts(other),
    }
}

fn pin_texts(error: &hsm::Error) -> (&'static str, Texts<'static>, Texts<'static>) {
    use hsm::Error as Hsm;
    match error {
        Hsm::PinIncorrect { token, state } => (
            "wrong-pin",
            (
                format!("U-key {token} 的口令不正确（口令状态：{}）。", pin_text(Language::Zh, *state)),
                "口令只试了一次。请确认后再运行；连续输错会锁定，锁定后到柜台解锁。",
            ),
            (
                format!("Wrong PIN for token {token} (the PIN is now: {}).", pin_text(Language::En, *state)),
                "It was tried once. Make sure before you run again; a locked token is unlocked at the counter.",
            ),
        ),
        Hsm::PinLocked { token } => (
            "pin-locked",
            (format!("U-key {token} 的口令已锁定。"), "请携带 U-key 到柜台解锁。"),
            (format!("The PIN of token {token} is locked."), "Take it to the counter to be unlocked."),
        ),
        Hsm::PinEmpty => (
            "pin-empty",
            ("口令为空。".to_owned(), "请给出口令。"),
            ("The PIN is empty.".to_owned(), "Give the PIN."),
        ),
        Hsm::PinForm { token, .. } => (
            "pin-form",
            (format!("U-key {token} 不接受这个口令的长度或字符。"), "请换一个口令。"),
            (
                format!("Token {token} does not take a PIN of this length or these characters."),
                "Choose another one.",
            ),
        ),
        other => (
            "module-failed",
            (format!("U-key 出错：{other}。"), "请重新插拔后重试；若仍出现，请到柜台检查。"),
            (
                format!("The token failed: {other}."),
                "Plug it in again and retry; if it stays, ask the counter.",
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_speaks_with_the_servers_words() {
        let problem = json!({ "title": "activation.code", "situation": { "zh": "激活码不正确。", "en": "Wrong code." },
            "remedy": { "zh": "请核对。" } });
        let error = Error::Refused { status: 422, problem };
        let zh = explain(Language::Zh, &error);
        assert_eq!(
            (zh.situation.as_str(), zh.remedy.as_str()),
            ("激活码不正确。", "请核对。 [activation.code]")
        );
        let en = explain(Language::En, &error);
        assert_eq!(
            (en.situation.as_str(), en.remedy.as_str()),
            ("Wrong code.", "Check and try again, or ask the CA. [activation.code]")
        );
        let bare = explain(Language::En, &Error::Refused { status: 502, problem: Value::Null });
        assert_eq!(bare.situation, "The server refused the request (status 502).");
    }
}
