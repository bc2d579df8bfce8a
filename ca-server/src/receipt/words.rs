//! What receipts call things, in Chinese and English.

use ca_core::billing::{Item, PaymentMethod};

/// What is charged for.
pub(crate) fn item_words(item: Item) -> (&'static str, &'static str) {
    match item {
        Item::Token => ("U-key", "U-key"),
        Item::CertificateYear => {
            ("证书（含电子签章）服务费，每年", "Certificate with electronic seal, a year")
        }
        Item::Service => ("服务费", "Service"),
    }
}

/// What an application asks for, by the name of its kind.
pub(crate) fn kind_words(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "new" => ("新办证书", "New certificate"),
        "renew" => ("证书续期", "Renewal"),
        "rekey" => ("证书换钥", "Rekey"),
        "replace" => ("证书补办", "Replacement"),
        "change" => ("证书变更", "Change"),
        "revoke" => ("证书吊销", "Revocation"),
        "hold" => ("证书冻结", "Hold"),
        "release" => ("证书解冻", "Release"),
        "unlock" => ("U-key 解锁", "Unlocking"),
        _ => ("其他", "Other"),
    }
}

/// How money came.
pub(crate) fn method_words(method: PaymentMethod) -> (&'static str, &'static str) {
    match method {
        PaymentMethod::Cash => ("现金", "Cash"),
        PaymentMethod::Card => ("刷卡", "Card"),
        PaymentMethod::Transfer => ("银行转账", "Bank transfer"),
        PaymentMethod::Online => ("在线支付", "Online"),
    }
}

#[cfg(test)]
mod tests {
    use ca_core::ApplicationKind;

    use super::*;

    #[test]
    fn every_kind_has_words() {
        for kind in ApplicationKind::NAMES {
            assert_ne!(kind_words(kind), kind_words("tea"), "{kind}");
        }
    }
}
