//! What happens at the workstation.

use serde_json::{Value, json};
use ukey::{
    counter::Event,
    protocol::{FailureCode, LineNews},
};

use super::Language;

pub(super) fn json(event: &Event) -> Value {
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

pub(super) fn text(language: Language, event: &Event) -> String {
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
        Event::Failed { token, code: FailureCode::Kept, .. } => {
            format!("{token}: {}", failure(language, FailureCode::Kept))
        }
        Event::Failed { command, token, code, message } => {
            let (command, said) = (command_text(language, command), failure(language, *code));
            if zh {
                format!("{token}: {command}，失败：{said}（{}：{message}）", code.as_str())
            } else {
                format!("{token}: {command} failed: {said} ({}: {message})", code.as_str())
            }
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

/// What happened and what the clerk does.
fn failure(language: Language, code: FailureCode) -> &'static str {
    let (zh, en) = match code {
        FailureCode::TokenAbsent => (
            "没有插入这个 U-key。请插入，将自动继续。",
            "it is not plugged in. Plug it in; the work goes on by itself.",
        ),
        FailureCode::TokenRemoved => (
            "中途被拔出。请重新插入，将自动继续。",
            "it was pulled out meanwhile. Plug it in again; the work goes on by itself.",
        ),
        FailureCode::WrongPin => (
            "口令不对，没有再试。请核对口令，或换一个 U-key。",
            "its PIN is another one; it was tried once. Check the PIN, or take another token.",
        ),
        FailureCode::PinLocked => {
            ("已锁定。请换一个 U-key，或先解锁。", "it is locked. Take another token, or unlock it.")
        }
        FailureCode::TokenFull => ("空间已满。请换一个空白 U-key。", "it is full. Take a blank token."),
        FailureCode::WriteProtected => (
            "被写保护。请关闭写保护开关，或换一个 U-key。",
            "it is write-protected. Move its switch, or take another token.",
        ),
        FailureCode::NotInitialised => (
            "尚未初始化。请换一个已出厂初始化的 U-key。",
            "it is not initialised. Take one that the vendor has initialised.",
        ),
        FailureCode::PinRefused => (
            "持有人没有输入可用的新口令。请点继续后重新输入。",
            "the holder typed no PIN that can be used. Go on, and have it typed again.",
        ),
        FailureCode::ModuleFailed => (
            "U-key 或其驱动出错。请重新插入后点继续；仍失败请换一个 U-key。",
            "the token or its driver failed. Plug it in again and go on; if that fails too, take another token.",
        ),
        FailureCode::DriverHangs => (
            "驱动没有应答，其他 U-key 不受影响。请拔出后重新插入，再点继续；仍无应答请重新启动 ukey counter，任务会接着完成。",
            "its driver does not answer; other tokens go on. Take it out, plug it in again and go on; if it still does not answer, start `ukey counter` anew: the job goes on.",
        ),
        FailureCode::BadCommand => (
            "这一步不适合这个 U-key，没有改动。请核对 U-key，仍失败请联系管理员。",
            "this step does not fit the token; nothing was changed. Check the token; if that fails too, ask the administrator.",
        ),
        FailureCode::Kept => (
            "有一个未完成的密钥没有清除：还不能确定它已停用，所以保留；不影响续期。",
            "an unfinished key stays where it is: it is not certain that nothing uses it. The renewal goes on.",
        ),
    };
    if language == Language::Zh { zh } else { en }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_line_is_told_in_both_languages() {
        let (line, application) = ("2/3 单位".to_owned(), "a1".to_owned());
        let aside = LineNews::SetAside { line, application, reason: "U-key failed.".to_owned(), left: 1 };
        let ended = LineNews::LineEnded { made: 2, aside: 1 };
        let text = |language| [&aside, &ended].map(|news| super::text(language, &Event::Line(news.clone())));
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
}
