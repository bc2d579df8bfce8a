//! What the menu offers, and what each entry says it will do.

use crate::report::Voice;

/// One line of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Status,
    Activate,
    ChangePin,
    Renew,
    Test,
    InstallRoot,
    Revoke,
    Quit,
}

impl Entry {
    /// In the order in which they are shown; the last one leaves.
    pub(super) const ALL: [Self; 8] = [
        Self::Status,
        Self::Activate,
        Self::ChangePin,
        Self::Renew,
        Self::Test,
        Self::InstallRoot,
        Self::Revoke,
        Self::Quit,
    ];

    pub(super) fn name(self, voice: &Voice) -> &str {
        match self {
            Self::Status => voice.pick("查看 U-key 与证书状态", "Show token and certificate"),
            Self::Activate => voice.pick("激活证书", "Activate the certificate"),
            Self::ChangePin => voice.pick("修改口令", "Change the PIN"),
            Self::Renew => voice.pick("续期", "Renew"),
            Self::Test => voice.pick("试用：签名并登录门户", "Test: sign and log in to the portal"),
            Self::InstallRoot => voice.pick("安装 CA 根证书", "Install the CA's root certificate"),
            Self::Revoke => voice.pick("吊销证书（不可恢复）", "Revoke the certificate (cannot be undone)"),
            Self::Quit => voice.pick("退出", "Quit"),
        }
    }

    pub(super) fn explanation(self, voice: &Voice) -> &str {
        match self {
            Self::Status => voice.pick(
                "正在读取 U-key，并向 CA 查询证书状态，不需要口令……",
                "Reading the token and asking the CA how the certificate stands; no PIN is needed ...",
            ),
            Self::Activate => voice.pick(
                "先把初始口令换成您自己的口令，再提交另行收到的激活码。口令不会显示。",
                "The initial PIN is replaced by one of your own, then the code that came apart is given. No PIN is shown.",
            ),
            Self::ChangePin => voice.pick(
                "输入现在的口令，再输入两次新口令。口令不会显示，每次只试一次。",
                "Type the PIN of now, then the new one twice. No PIN is shown, and each is tried once.",
            ),
            Self::Renew => voice.pick(
                "先显示续期内容与费用；已缴清的，随即在 U-key 上生成新密钥并写入新证书。中途拔出也不要紧，再选一次即接着完成。",
                "What the renewal costs is shown first; if it is paid, the token makes a new key and gets the new certificate. Pulled out, it goes on when you choose this again.",
            ),
            Self::Test => voice.pick(
                "用 U-key 签名一次并登录门户，逐步说明哪里不对。",
                "The token signs once and logs in to the portal; each step says what is wrong.",
            ),
            Self::InstallRoot => voice.pick(
                "下载 CA 根证书，由您与收据核对指纹后安装，门户才不会被当作不可信。",
                "The CA's root is fetched, you compare it with the receipt, and it is installed, so that the portal is trusted.",
            ),
            Self::Revoke => voice.pick(
                "先列出将吊销的证书；输入“吊销”确认后，才用 U-key 签名并提交。只想暂停使用，请拨打挂失电话。",
                "What will be revoked is shown first; nothing happens until the word revoke is typed. To suspend it only, call the hotline.",
            ),
            Self::Quit => "",
        }
    }
}
