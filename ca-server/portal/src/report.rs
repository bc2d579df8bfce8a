//! Words for people, in one place: what happened and what to do, in Chinese and in English.

use axum::http::StatusCode;
use ca_verifier::{Reason, Refusal};

use crate::{ConfigFault, Error, Language};

/// A refusal as a page tells it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) status: StatusCode,
    pub(crate) zh: Words,
    pub(crate) en: Words,
}

#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) title: &'static str,
    /// The situation.
    pub(crate) what: &'static str,
    /// Steps, in order.
    pub(crate) remedy: &'static [&'static str],
}

/// Words of the page for a unit that has logged in.
#[derive(Debug)]
pub(crate) struct AcceptedWords {
    pub(crate) title: &'static str,
    pub(crate) intro: &'static str,
    pub(crate) name: &'static str,
    pub(crate) uscc: &'static str,
    pub(crate) serial: &'static str,
    pub(crate) not_after: &'static str,
    pub(crate) days_left: &'static str,
    pub(crate) renew: &'static str,
    pub(crate) other_language: &'static str,
}

const ZH: AcceptedWords = AcceptedWords {
    title: "登录成功",
    intro: "单位证书有效，状态刚刚核对过。",
    name: "单位名称",
    uscc: "统一社会信用代码",
    serial: "证书序列号",
    not_after: "有效期至（北京时间）",
    days_left: "剩余天数",
    renew: "证书即将到期，请在到期前办理续期。",
    other_language: "English",
};

const EN: AcceptedWords = AcceptedWords {
    title: "Logged in",
    intro: "The unit's certificate is valid; its status has just been checked.",
    name: "Unit",
    uscc: "Unified social credit code",
    serial: "Certificate serial number",
    not_after: "Valid until (Beijing time)",
    days_left: "Days left",
    renew: "The certificate expires soon: renew it before it does.",
    other_language: "中文",
};

pub(crate) const fn accepted(language: Language) -> &'static AcceptedWords {
    match language {
        Language::Zh => &ZH,
        Language::En => &EN,
    }
}

const fn report(status: StatusCode, zh: Words, en: Words) -> Report {
    Report { status, zh, en }
}

const fn forbidden(zh: Words, en: Words) -> Report {
    report(StatusCode::FORBIDDEN, zh, en)
}

/// Every refusal has a page; an unknown one of a later verifier gets the general words and its code.
pub(crate) const fn refusal(refusal: &Refusal) -> Report {
    match refusal {
        Refusal::NoCertificate => no_certificate(),
        Refusal::Expired { .. } => expired(),
        Refusal::NotYetValid { .. } => not_yet_valid(),
        Refusal::Revoked(reason) => revoked(*reason),
        Refusal::Held => held(),
        Refusal::NotActivated => not_activated(),
        Refusal::StatusUnavailable(_) => status_unavailable(),
        Refusal::UnknownIssuer | Refusal::BadSignature | Refusal::IssuerExpired => unknown_issuer(),
        Refusal::KeyUsage | Refusal::ExtendedKeyUsage | Refusal::NoIdentity => unsuitable(),
        _ => malformed(),
    }
}

const fn no_certificate() -> Report {
    report(
        StatusCode::UNAUTHORIZED,
        Words {
            title: "没有出示单位证书",
            what: "浏览器没有提供数字证书，本站无法知道您代表哪个单位。",
            remedy: &[
                "插入单位的 U-key。",
                "关闭浏览器的全部窗口后重新打开：浏览器会记住上一次“不选证书”的决定。",
                "再次访问本站，在弹出的窗口中选择单位证书并输入 PIN 码。",
                "没有弹出窗口时，请检查 U-key 驱动程序是否已安装，或联系发证服务点。",
            ],
        },
        Words {
            title: "No unit certificate was presented",
            what: "The browser sent no certificate, so this site cannot know which unit you act for.",
            remedy: &[
                "Insert the unit's U-key.",
                "Close all windows of the browser and start it again: it remembers that no certificate was chosen.",
                "Visit this site again, choose the unit's certificate and type the PIN.",
                "If no such window appears, check that the U-key's driver is installed, or call the service counter.",
            ],
        },
    )
}

const fn expired() -> Report {
    forbidden(
        Words {
            title: "证书已过期",
            what: "单位证书的有效期已经结束，不能再用于登录。",
            remedy: &[
                "携带 U-key 和单位材料到发证服务点办理续期。",
                "如果证书应当仍然有效，请先检查 U-key 中是否有一张更新的证书。",
            ],
        },
        Words {
            title: "The certificate has expired",
            what: "The unit certificate's validity is over; it can no longer be used to log in.",
            remedy: &[
                "Take the U-key and the unit's documents to the service counter and renew it.",
                "If it should still be valid, see whether the U-key holds a newer certificate.",
            ],
        },
    )
}

const fn not_yet_valid() -> Report {
    forbidden(
        Words {
            title: "证书尚未生效",
            what: "单位证书的有效期还没有开始，例如提前办理的续期证书。",
            remedy: &["在生效日期之前，请选择原来的证书登录。"],
        },
        Words {
            title: "The certificate is not valid yet",
            what: "The unit certificate's validity has not begun, as with a renewal made ahead of time.",
            remedy: &["Log in with the previous certificate until then."],
        },
    )
}

const fn revoked(reason: Reason) -> Report {
    match reason {
        Reason::Superseded | Reason::AffiliationChanged => forbidden(
            Words {
                title: "证书已被新证书取代",
                what: "这张单位证书已经吊销，因为单位换发了新证书或信息发生了变更。",
                remedy: &["请使用新的 U-key 或新的证书登录。", "没有收到新证书时，请联系发证服务点。"],
            },
            Words {
                title: "The certificate was replaced",
                what: "This certificate is revoked, because the unit got a new one or its data changed.",
                remedy: &[
                    "Log in with the new U-key or certificate.",
                    "If you have none, call the service counter.",
                ],
            },
        ),
        _ => forbidden(
            Words {
                title: "证书已吊销",
                what: "这张单位证书已经永久吊销(例如 U-key 遗失或被盗、单位注销),不能恢复。",
                remedy: &[
                    "请勿再使用这个 U-key。",
                    "单位仍需办理业务的，请到发证服务点重新申请证书。",
                    "如果单位没有申请过吊销，请立即联系发证服务点。",
                ],
            },
            Words {
                title: "The certificate is revoked",
                what: "This certificate is revoked for ever, for example after a lost U-key; it cannot be restored.",
                remedy: &[
                    "Do not use this U-key any more.",
                    "If the unit still needs access, apply for a new certificate at the service counter.",
                    "If the unit never asked for this, call the service counter at once.",
                ],
            },
        ),
    }
}

const fn held() -> Report {
    forbidden(
        Words {
            title: "证书已暂停使用",
            what: "单位证书处于冻结（挂失）状态，恢复之前不能登录。",
            remedy: &[
                "U-key 已找回或情况已查明的，请由单位经办人到发证服务点办理解除冻结。",
                "U-key 确已遗失的，请办理吊销并重新申请。",
            ],
        },
        Words {
            title: "The certificate is on hold",
            what: "The unit certificate is suspended and cannot be used until it is released.",
            remedy: &[
                "If the U-key was found or the matter is settled, have the hold released at the service counter.",
                "If it is lost, have the certificate revoked and apply for a new one.",
            ],
        },
    )
}

const fn not_activated() -> Report {
    forbidden(
        Words {
            title: "证书尚未激活",
            what: "单位证书已经签发，但还没有激活，所以还不能登录。",
            remedy: &[
                "用随 U-key 发放的工具修改初始 PIN 码。",
                "输入另行寄送的激活码完成激活。",
                "激活后一分钟内即可登录。",
            ],
        },
        Words {
            title: "The certificate is not activated",
            what: "The unit certificate was issued, but its holder has not activated it yet.",
            remedy: &[
                "Change the initial PIN with the program that came with the U-key.",
                "Enter the activation code that was sent separately.",
                "You can log in within a minute after that.",
            ],
        },
    )
}

const fn status_unavailable() -> Report {
    report(
        StatusCode::SERVICE_UNAVAILABLE,
        Words {
            title: "暂时无法核对证书状态",
            what: "本站目前得不到最新的证书状态。为了单位的安全，在核对之前不允许任何人登录。这不是您的证书有问题。",
            remedy: &["请几分钟后再试。", "持续出现时，请把本页底部的代码告知本站管理员。"],
        },
        Words {
            title: "The certificate's status cannot be checked now",
            what: "This site has no current status of certificates. To protect the units, nobody may log in until it has. \
                   Nothing is wrong with your certificate.",
            remedy: &[
                "Try again in a few minutes.",
                "If it goes on, tell this site's operator the code below.",
            ],
        },
    )
}

const fn unknown_issuer() -> Report {
    forbidden(
        Words {
            title: "不认识的发证机构",
            what: "出示的证书不是由本站认可的发证机构签发的，或者签名无效。",
            remedy: &[
                "关闭浏览器的全部窗口后重试，并选择单位 U-key 中的证书。",
                "浏览器只列出其他证书时，请检查 U-key 是否插好、驱动程序是否已安装。",
            ],
        },
        Words {
            title: "Unknown issuer",
            what: "The certificate presented was not issued by an authority that this site accepts, or its signature is not valid.",
            remedy: &[
                "Close all windows of the browser, try again and choose the certificate on the unit's U-key.",
                "If only others are offered, check that the U-key is inserted and its driver is installed.",
            ],
        },
    )
}

const fn unsuitable() -> Report {
    forbidden(
        Words {
            title: "这张证书不能用于登录",
            what: "证书的用途不是单位登录（例如只用于加密或服务器）,或者其中没有有效的统一社会信用代码。",
            remedy: &["重新登录并选择单位的签名证书。", "只有这一张证书时，请联系发证服务点。"],
        },
        Words {
            title: "This certificate is not for logging in",
            what: "The certificate serves another purpose (encryption or a server) or names no valid unified social credit code.",
            remedy: &[
                "Log in again and choose the unit's signing certificate.",
                "If there is no other, call the service counter.",
            ],
        },
    )
}

const fn malformed() -> Report {
    forbidden(
        Words {
            title: "证书无法识别",
            what: "出示的证书不符合标准，本站无法读取。",
            remedy: &[
                "重新登录并选择单位 U-key 中的证书。",
                "仍然出现时，请把本页底部的代码告知发证服务点。",
            ],
        },
        Words {
            title: "The certificate cannot be read",
            what: "The certificate presented does not follow the standards.",
            remedy: &[
                "Log in again and choose the certificate on the unit's U-key.",
                "If it happens again, tell the service counter the code below.",
            ],
        },
    )
}

/// 500
pub(crate) const fn fault() -> Report {
    report(
        StatusCode::INTERNAL_SERVER_ERROR,
        Words {
            title: "本站发生故障",
            what: "这次操作没有完成。",
            remedy: &["请先查看“办理记录”，再重试。", "持续出现时，请联系本站管理员。"],
        },
        Words {
            title: "This site has a fault",
            what: "What you asked for was not done.",
            remedy: &[
                "Look at the list of submissions, then try again.",
                "If it goes on, tell this site's operator.",
            ],
        },
    )
}

/// 404
pub(crate) const fn not_found() -> Report {
    report(
        StatusCode::NOT_FOUND,
        Words {
            title: "没有这个页面", what: "您访问的地址不存在。", remedy: &["请从首页重新进入。"]
        },
        Words {
            title: "No such page",
            what: "The address does not exist.",
            remedy: &["Start again from the home page."],
        },
    )
}

/// Why the portal does not start, and what to do about it.
pub(crate) fn error(error: &Error, language: Language) -> String {
    match (language, error) {
        (Language::Zh, Error::Config { file, key, fault }) => {
            format!(
                "配置文件 {} 中的 {key} 有误:{}\n请改正后重新启动。",
                file.display(),
                config_fault_zh(fault)
            )
        }
        (Language::En, Error::Config { file, key, fault }) => {
            format!("{}: {key}: {fault}\nCorrect it and start again.", file.display())
        }
        (Language::Zh, Error::Listen { address, cause }) => {
            format!("无法监听 {address}:{cause}\n请检查端口是否已被占用，或更改 listen。")
        }
        (Language::En, Error::Listen { address, cause }) => {
            format!(
                "cannot listen on {address}: {cause}\nSee whether the port is in use, or change `listen`."
            )
        }
        (Language::Zh, Error::ReadyFile { file, cause }) => {
            format!("无法写入 {}:{cause}\n请检查文件夹和权限。", file.display())
        }
        (Language::En, Error::ReadyFile { file, cause }) => {
            format!("cannot write {}: {cause}\nCheck the folder and its permissions.", file.display())
        }
        (Language::Zh, Error::Store { file, cause }) => {
            format!("数据库 {} 无法使用:{cause}\n请检查文件、文件夹和权限。", file.display())
        }
        (Language::En, Error::Store { file, cause }) => {
            format!(
                "the database {} cannot be used: {cause}\nCheck the file, its folder and permissions.",
                file.display()
            )
        }
        (Language::Zh, Error::Register { file, cause }) => {
            format!("经办人名册 {} 有误，没有导入任何内容:{cause}\n请改正后重新导入。", file.display())
        }
        (Language::En, Error::Register { file, cause }) => {
            format!(
                "the register {} is wrong, nothing was imported: {cause}\nCorrect it and import it again.",
                file.display()
            )
        }
        (Language::Zh, Error::NoServices(file)) => {
            format!("{} 中没有 [services]，没有数据库可导入。\n请先设置 services.database。", file.display())
        }
        (Language::En, Error::NoServices(file)) => {
            format!(
                "{} has no [services], so there is no database to import into.\nSet services.database first.",
                file.display()
            )
        }
        (Language::Zh, Error::Runtime(cause)) => format!("系统资源不足:{cause}\n请检查线程和内存限制。"),
        (Language::En, Error::Runtime(cause)) => {
            format!("the system refuses resources: {cause}\nCheck the limits on threads and memory.")
        }
    }
}

fn config_fault_zh(fault: &ConfigFault) -> String {
    match fault {
        ConfigFault::Unreadable { file, cause } => format!("无法读取文件 {}:{cause}", file.display()),
        ConfigFault::Syntax(text) => format!("不是正确的 TOML 配置\n{text}"),
        ConfigFault::NoCertificate(file) => format!("{} 中没有 PEM 格式的证书", file.display()),
        ConfigFault::NoKey(file) => format!("{} 中没有 PEM 格式的私钥", file.display()),
        ConfigFault::ManyCertificates(file) => format!("{} 中只能有一张证书", file.display()),
        ConfigFault::Address(text) => format!("{text:?} 不是“地址：端口”"),
        ConfigFault::NotLoopback(text) => {
            format!("{text:?} 不是仅限本机的地址，应为 127.0.0.1:端口或 unix:路径")
        }
        ConfigFault::Mode(text) => format!("{text:?} 不是八进制权限 0000 到 0777"),
        ConfigFault::Url(text) => format!("{text:?} 不是 http://主机[:端口]/路径"),
        ConfigFault::BaseUrl(text) => format!("{text:?} 不是 http://主机[:端口]，不带路径"),
        ConfigFault::NoFolder(file) => format!("{} 所在的文件夹不存在", file.display()),
        ConfigFault::Range { found, least, most } => format!("{found} 不在 {least} 到 {most} 之间"),
        ConfigFault::Empty => "不能为空".to_owned(),
        ConfigFault::Verifier(error) => format!("证书或密钥不可用:{error}"),
    }
}
