//! What `ukey root` says: the fingerprint to be compared, what was done, how to undo it, and what is left to the user.

use std::{io::Write, path::Path};

use serde_json::{Value, json};
use ukey::{certificate, root::Store};

use super::{Voice, date, say};

/// What came of changing one browser's list.
pub(crate) enum Done {
    Changed,
    /// It was not there.
    Nothing,
    NoCertutil,
    Failed(String),
}

impl Voice {
    pub(crate) fn root_found(&self, der: &[u8], fingerprint: &str) {
        if self.json {
            return;
        }
        if let Some(fields) = certificate::read(der) {
            let until = date(fields.not_after);
            say(&format!(
                "{}{}{}{until}",
                self.pick("根证书：", "Root certificate: "),
                fields.common_name,
                self.pick("，有效至 ", ", valid to ")
            ));
        }
        say(self.pick("SHA-256 指纹：", "SHA-256 fingerprint:"));
        // Two lines of eight groups: short enough to be compared with a finger.
        let groups: Vec<&str> = fingerprint.split(' ').collect();
        for line in groups.chunks(8) {
            say(&format!("    {}", line.join(" ")));
        }
    }

    /// Asks whether it is the one on the receipt; anything but yes is no.
    pub(crate) fn root_is_right(&self) -> std::io::Result<bool> {
        say(self.pick(
            "请与收据上“根证书 Root SHA-256”后的指纹逐组核对。任何一组不同，都不要安装。",
            "Compare it, group by group, with what the receipt says after \"根证书 Root SHA-256\". Install nothing if one group differs.",
        ));
        let mut out = std::io::stdout().lock();
        write!(out, "{}", self.pick("完全一致吗？（是/否）", "Is every group the same? (yes/no) "))?;
        out.flush()?;
        drop(out);
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "是" | "y" | "yes"))
    }

    pub(crate) fn root_installed(&self, file: &Path, name: &str, outcome: &[(Store, Done)]) {
        if self.json {
            let stores: Vec<_> = outcome.iter().map(store_json).collect();
            say(&json!({ "event": "root-installed", "file": file, "name": name, "stores": stores })
                .to_string());
            return;
        }
        let kept = self.pick(
            "已保存，ukey 各命令从此信任它，不必再给 --anchor：",
            "Kept; every command of ukey trusts it from now on, without --anchor: ",
        );
        say(&format!("{kept}{}", file.display()));
        let done = (self.pick("已安装", "installed"), self.pick("没有变化", "unchanged"));
        self.stores(outcome, done, self.pick("未安装", "not installed"));
        if outcome.iter().any(|(_, done)| matches!(done, Done::NoCertutil)) {
            say(self.pick(
                "  没有 certutil，浏览器需另行安装：先安装 libnss3-tools（Debian、Ubuntu）或 nss-tools（Fedora）后重新运行本命令，或在浏览器“证书管理—证书颁发机构”中导入上面的文件。",
                "  There is no certutil for the browsers: install libnss3-tools (Debian, Ubuntu) or nss-tools (Fedora) and run this again, or import the file above in the browser's settings under \"Certificates, Authorities\".",
            ));
        }
        self.by_hand(file);
        say(self.pick("撤销：ukey root remove", "To undo this: ukey root remove"));
    }

    fn stores(&self, outcome: &[(Store, Done)], (changed, nothing): (&str, &str), impossible: &str) {
        for (Store { browser, folder }, done) in outcome {
            let what = match done {
                Done::Changed => changed.to_owned(),
                Done::Nothing => nothing.to_owned(),
                Done::NoCertutil => impossible.to_owned(),
                Done::Failed(detail) => format!("{}{detail}", self.pick("失败：", "failed: ")),
            };
            say(&format!("  {browser}  {}  {what}", folder.display()));
        }
    }

    /// Windows and macOS ask for the user's consent themselves.
    fn by_hand(&self, file: &Path) {
        let file = file.display();
        if cfg!(windows) {
            say(self.pick(
                "请在命令提示符运行，并在弹出的窗口中选“是”：",
                "Run this at a command prompt and say yes in the window:",
            ));
            say(&format!("    certutil -user -addstore Root \"{file}\""));
        } else if cfg!(target_os = "macos") {
            say(self.pick(
                "请在终端运行，并输入登录密码：",
                "Run this in a terminal and type your login password:",
            ));
            say(&format!(
                "    security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db \"{file}\""
            ));
        }
        if !cfg!(target_os = "linux") {
            say(self.pick(
                "Firefox：设置—隐私与安全—证书—查看证书—证书颁发机构—导入上面的文件。",
                "Firefox: Settings, Privacy & Security, Certificates, Authorities: import the file above.",
            ));
        }
    }

    fn removal_by_hand(&self, root: &certificate::Fields) {
        say(self.pick("请一并从系统中移除：", "Take it out of the system's list as well:"));
        say(&if cfg!(windows) {
            format!("    certutil -user -delstore Root {}", root.serial_hex)
        } else {
            format!("    security delete-certificate -c \"{}\"", root.common_name)
        });
    }

    pub(crate) fn root_removed(&self, der: &[u8], name: &str, outcome: &[(Store, Done)]) {
        if self.json {
            let stores: Vec<_> = outcome.iter().map(store_json).collect();
            say(&json!({ "event": "root-removed", "name": name, "stores": stores }).to_string());
            return;
        }
        let done = (self.pick("已移除", "removed"), self.pick("本来没有", "was not there"));
        self.stores(outcome, done, self.pick("没有 certutil，未检查", "not looked at: no certutil"));
        if outcome.iter().all(|(_, done)| !matches!(done, Done::Failed(_))) {
            say(self.pick("ukey 不再信任该根证书。", "ukey trusts this root no longer."));
        }
        if let Some(fields) = certificate::read(der).filter(|_| !cfg!(target_os = "linux")) {
            self.removal_by_hand(&fields);
        }
    }
}

fn store_json((store, done): &(Store, Done)) -> Value {
    let (result, detail) = match done {
        Done::Changed => ("changed", None),
        Done::Nothing => ("nothing", None),
        Done::NoCertutil => ("no-certutil", None),
        Done::Failed(detail) => ("failed", Some(detail)),
    };
    json!({ "browser": store.browser, "folder": store.folder, "result": result, "detail": detail })
}
