//! What can stop a holder's assistant: roots, browsers, money, tokens that nobody named.

use ukey::{Compared, Error};

use super::Texts;

/// `None` for what has its words elsewhere.
pub(super) fn texts(error: &Error) -> Option<(&'static str, Texts<'_>, Texts<'_>)> {
    Some(match error {
        Error::NoToken => (
            "no-token",
            ("没有插入 U-key。".to_owned(), "请插入 U-key 后重试；已插入的，请安装厂商驱动并核对 --module。"),
            (
                "No token is plugged in.".to_owned(),
                "Plug it in and try again; if it is, install its vendor's driver and check --module.",
            ),
        ),
        Error::SeveralTokens(count) => (
            "several-tokens",
            (format!("插着 {count} 个 U-key。"), "请只留一个，或用 --token 指明（名称见 ukey status）。"),
            (
                format!("{count} tokens are plugged in."),
                "Leave one, or name it with --token (its name is in `ukey status`).",
            ),
        ),
        Error::Untrusted { url, detail } => (
            "untrusted",
            (
                format!("{url} 的证书不可信（{detail}）。"),
                "请核对地址；地址正确的，请用 ukey root install 安装 CA 根证书，并按收据核对指纹。",
            ),
            (
                format!("The certificate of {url} is not trusted ({detail})."),
                "Check the address; if it is right, install the CA's root with `ukey root install` and compare it with the receipt.",
            ),
        ),
        Error::Unexpected { url, status } => (
            "unexpected",
            (format!("{url} 没有给出应答（状态 {status}）。"), "请核对地址，稍后重试。"),
            (format!("{url} did not answer (status {status})."), "Check the address, or try again later."),
        ),
        Error::NotPaid { state, outstanding } if state == "submitted" => (
            "renewal-not-approved",
            (
                format!("续期申请正在审核，尚不能执行；费用 {outstanding}。"),
                "审核通过并缴清后，重新运行 ukey renew。",
            ),
            (
                format!("The renewal is not approved yet; {outstanding} is to be paid."),
                "Run `ukey renew` again once it is approved and paid.",
            ),
        ),
        Error::NotPaid { outstanding, .. } => (
            "renewal-not-paid",
            (
                format!("续期费用尚欠 {outstanding}，尚不能执行。原证书仍可使用。"),
                "请用上面任一方式缴清，再重新运行 ukey renew。",
            ),
            (
                format!(
                    "{outstanding} is still to be paid for the renewal. The old certificate still works."
                ),
                "Pay it in one of the ways above, then run `ukey renew` again.",
            ),
        ),
        other => return roots(other),
    })
}

fn roots(error: &Error) -> Option<(&'static str, Texts<'_>, Texts<'_>)> {
    Some(match error {
        Error::NoAnchor => (
            "no-root",
            ("还没有 CA 根证书。".to_owned(), "请先运行 ukey root install，或用 --anchor 给出根证书文件。"),
            (
                "There is no root certificate yet.".to_owned(),
                "Run `ukey root install` first, or give the file with --anchor.",
            ),
        ),
        Error::RootRefused { compared: Compared::Differs, fingerprint } => (
            "root-differs",
            (
                format!("根证书的指纹不同，什么也没有改动。它的指纹是 {fingerprint}。"),
                "请不要使用它：核对地址与收据上的指纹；仍不同，请告知发证柜台。",
            ),
            (
                format!("The root has another fingerprint; nothing was changed. It has {fingerprint}."),
                "Do not use it: check the address and the receipt; if they still differ, tell the counter.",
            ),
        ),
        Error::RootRefused { compared: Compared::Declined, .. } => (
            "root-declined",
            (
                "指纹未确认一致，什么也没有改动。".to_owned(),
                "请与收据核对后重新运行；指纹不同的，请告知发证柜台。",
            ),
            (
                "The fingerprint was not confirmed; nothing was changed.".to_owned(),
                "Compare it with the receipt and run it again; if it differs, tell the counter.",
            ),
        ),
        Error::RootRefused { compared: Compared::Nobody, .. } => (
            "root-not-compared",
            (
                "没有人核对指纹，什么也没有改动。".to_owned(),
                "请在终端运行，或用 --fingerprint 给出收据上的指纹。",
            ),
            (
                "Nobody compared the fingerprint; nothing was changed.".to_owned(),
                "Run it at a terminal, or give the receipt's fingerprint with --fingerprint.",
            ),
        ),
        Error::OtherRoot { fingerprint } => (
            "other-root",
            (
                format!("已安装另一张根证书（{fingerprint}），什么也没有改动。"),
                "要更换，请先运行 ukey root remove，再重新安装。",
            ),
            (
                format!("Another root is installed ({fingerprint}); nothing was changed."),
                "To replace it, run `ukey root remove` first, then install again.",
            ),
        ),
        Error::NoRoot { origin } => (
            "no-root-there",
            (format!("{origin} 不是根证书（签发 CA 的证书也不是）。"), "请核对地址或文件，改用根证书。"),
            (
                format!("{origin} is no root certificate; an issuing CA's is none either."),
                "Check the address or the file, and take the root's.",
            ),
        ),
        other => return revocation(other),
    })
}

fn revocation(error: &Error) -> Option<(&'static str, Texts<'_>, Texts<'_>)> {
    Some(match error {
        Error::NotConfirmed { declined: true } => (
            "not-confirmed",
            ("没有确认，什么也没有吊销。".to_owned(), "确要吊销的，请重新运行并输入“吊销”。"),
            (
                "It was not confirmed; nothing was revoked.".to_owned(),
                "To revoke, run it again and type the word `revoke`.",
            ),
        ),
        Error::NotConfirmed { declined: false } => (
            "not-confirmed",
            ("没有人确认，什么也没有吊销。".to_owned(), "请在终端运行并输入“吊销”，或加 --yes。"),
            (
                "There was nobody to confirm it; nothing was revoked.".to_owned(),
                "Run it at a terminal and type the word `revoke`, or add --yes.",
            ),
        ),
        Error::NothingRevoked { token } => (
            "nothing-revoked",
            (
                format!("U-key {token} 中没有可由此 CA 吊销的证书，什么也没有吊销。"),
                "请核对服务器地址；仍要吊销的，请拨打挂失电话或到柜台办理。",
            ),
            (
                format!(
                    "Nothing on token {token} is a certificate that this CA can revoke; nothing was revoked."
                ),
                "Check the server's address; to have it revoked all the same, call the hotline or go to the counter.",
            ),
        ),
        other => return machine(other),
    })
}

fn machine(error: &Error) -> Option<(&'static str, Texts<'_>, Texts<'_>)> {
    Some(match error {
        Error::Browser { browser, detail } => (
            "browser",
            (
                format!("{browser} 的证书库无法修改：{detail}。"),
                "请关闭浏览器后重新运行；设有主密码的，请在浏览器的证书管理中操作。",
            ),
            (
                format!("The certificates of {browser} cannot be changed: {detail}."),
                "Close the browser and run it again; with a primary password, do it in the browser's certificate manager.",
            ),
        ),
        Error::NoHome => (
            "no-home",
            ("系统没有给出本用户的文件夹。".to_owned(), "请以普通用户登录后运行。"),
            (
                "The system does not say where this user's folder is.".to_owned(),
                "Log in as a user and run it again.",
            ),
        ),
        _ => return None,
    })
}
