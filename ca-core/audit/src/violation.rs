//! What can be wrong with a row, and how it is said: one place for both languages.

use crate::Language;

macro_rules! violations {
    ($($(#[$doc:meta])* $name:ident $code:literal $({ $($field:ident: $type:ty),* })? $zh:literal $en:literal;)+) => {
        /// What is wrong with a row, with the values that were compared.
        #[non_exhaustive]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Violation {
            $($(#[$doc])* $name $({
                $(#[doc = concat!("`", stringify!($field), "` of the text.")] $field: $type),*
            })?),+
        }

        impl Violation {
            /// Its name for machines.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self { $(Self::$name { .. } => $code),+ }
            }

            /// One line for people.
            #[must_use]
            pub fn text(&self, language: Language) -> String {
                match self {
                    $(Self::$name $({ $($field),* })? => match language {
                        Language::Zh => format!($zh),
                        Language::En => format!($en),
                    }),+
                }
            }
        }
    };
}

violations! {
    /// A line is not a row.
    NotARow "not-a-row" { why: String }
        "不是一行有效记录：{why}" "is not a row: {why}";
    /// A line is longer than is read.
    LineTooLong "line-too-long" { limit: usize }
        "超过 {limit} 字节，未读取" "is longer than {limit} octets and was not read";
    /// There is no row at all.
    Empty "empty"
        "没有任何记录" "holds no row";
    /// A key that must be unique is not.
    Twice "twice"
        "重复出现" "stands there twice";
    /// A row speaks of another that is not there.
    ReferenceMissing "reference-missing" { table: &'static str, id: String }
        "引用的 {table} {id} 不存在" "refers to {table} {id}, which does not exist";
    /// Two facts that must be equal are not.
    Differs "differs" { what: &'static str, found: String, expected: String }
        "{what} 为 {found}，应为 {expected}" "{what} is {found}; it must be {expected}";

    /// I2: a certificate without its intent.
    NoIntent "no-intent"
        "没有签发意图" "has no intent";
    /// I2: not the octets that were recorded before the signature.
    TbsDiffers "tbs-differs"
        "待签内容与意图不一致" "its to-be-signed octets are not those of its intent";
    /// Not a certificate.
    NotX509 "not-x509" { why: &'static str }
        "不是有效的 X.509 证书（{why}）" "is not a valid X.509 certificate ({why})";

    /// I3: neither certificate nor burned nor open.
    OutcomeMissing "outcome-missing"
        "既无证书，也未作废，也未列为待定" "has no certificate, was not burned and is not listed as open";
    /// I3: open although the CA is at rest.
    StillOpen "still-open"
        "系统静止时仍为待定" "is still open although the CA is at rest";
    /// I3: listed as open, but it has an outcome.
    OpenAndClosed "open-and-closed"
        "已有结果，仍列为待定" "has an outcome and is still listed as open";
    /// I3: burned and signed.
    BurnedAndIssued "burned-and-issued"
        "序列号已作废，却有证书" "was burned, but a certificate exists";
    /// I3: a status of nothing.
    StatusWithoutCertificate "status-without-certificate" { state: String }
        "状态为 {state}，但没有证书" "is {state}, but no certificate exists";
    /// I3: a certificate without status.
    StatusMissing "status-missing"
        "没有状态记录" "has no status";
    /// I3: two attempts that are not abandoned.
    LiveAttempts "live-attempts" { first: String, second: String }
        "同时有两次有效的制证：{first}、{second}" "has two attempts that are not abandoned: {first}, {second}";
    /// I3: two certificates that are not revoked.
    LiveCertificates "live-certificates" { first: String, second: String }
        "同时有两张未吊销的证书：{first}、{second}" "has two certificates that are not revoked: {first}, {second}";

    /// I4: not in the log.
    EntryMissing "entry-missing" { action: &'static str }
        "日志中没有 {action}" "has no log entry {action}";
    /// I4: not as often in the log as it was done.
    EntryRepeated "entry-repeated" { action: &'static str, count: usize, expected: usize }
        "日志中有 {count} 条 {action}，应为 {expected} 条" "has {count} log entries {action}; {expected} is right";
    /// I4: an entry that does not speak of it.
    NotNamed "not-named" { action: &'static str, id: String }
        "日志 {action} 没有提到 {id}" "moves {id}, which the log entry {action} does not name";
    /// I4: in the log, but not there.
    RecordMissing "record-missing" { action: &'static str, table: &'static str }
        "日志有 {action}，但 {table} 中没有记录" "has a log entry {action}, but no row in {table}";
    /// I4: the log leads to another state.
    StateNotLogged "state-not-logged" { state: String, logged: String }
        "状态为 {state}，按日志应为 {logged}" "is {state}; by the log it is {logged}";

    /// I5: numbers of entries must rise.
    IdNotRising "id-not-rising" { previous: i64 }
        "编号未大于前一条 {previous}" "does not come after its predecessor {previous}";
    /// I5: the clock went back.
    ClockBack "clock-back" { previous: i64, millis: i64 }
        "时间比第 {previous} 条早 {millis} 毫秒" "is {millis} ms earlier than entry {previous}";

    /// I6: a change after the end.
    ChangedAfterEnd "changed-after-end" { action: &'static str, entry: i64, end: i64 }
        "第 {end} 条日志已吊销或作废，第 {entry} 条却又 {action}"
        "ended by log entry {end}, but entry {entry} is {action}";
    /// I6: a later CRL must not know less.
    CrlBack "crl-back" { what: &'static str, found: i64, previous: i64 }
        "{what} 为 {found}，小于前一份的 {previous}" "{what} is {found}; its predecessor has {previous}";
    /// I6: a CRL ahead of its counter.
    CrlAhead "crl-ahead" { what: &'static str, found: i64, counter: i64 }
        "{what} 为 {found}，超过计数器 {counter}" "{what} is {found}; the counter stands at {counter}";

    /// I9: due, but not there.
    PaymentMissing "payment-missing" { state: String }
        "状态为 {state}，但没有收款" "is {state}, but nothing was paid";
    /// I9: sums that the state does not have.
    SumsAndState "sums-and-state" { state: String }
        "金额与状态 {state} 不符" "has sums that do not fit the state {state}";
    /// I9: more was spent than there was.
    Overdrawn "overdrawn" { fen: i128 }
        "余额为 {fen} 分，少于零" "has a balance of {fen} fen, less than nothing";
    /// I9: money does not go that way.
    NotAllowed "not-allowed" { reason: String, debit: String, credit: String }
        "以 {reason} 为由不得借记 {debit}、贷记 {credit}" "must not debit {debit} and credit {credit} as {reason}";
    /// I9: nothing moves, or backwards.
    NotPositive "not-positive" { fen: i64 }
        "金额为 {fen} 分，应大于零" "moves {fen} fen; it must be more than nothing";
    /// I9: more than there is.
    TooMuch "too-much" { what: &'static str, found: i128, most: i128 }
        "{what} 为 {found}，至多为 {most}" "{what} is {found}; at most {most} is possible";
    /// I9: money of a gateway that was never asked for, or not in this amount.
    NotAsked "not-asked" { reference: String }
        "网关收款 {reference} 没有相同订单和金额的在线支付" "is {reference}, but no online payment of that order and amount was opened there";
    /// I9: nothing is due in this state.
    NotDue "not-due" { application: String, state: String }
        "申请 {application} 状态为 {state}，不应收款" "was taken for application {application}, which is {state}";
    /// I9: a unit's certificate that nobody paid.
    Unpaid "unpaid"
        "单位证书没有对应的收款" "belongs to a unit, but no payment settles it";

    /// I10: one person on both sides.
    SamePerson "same-person" { person: String }
        "录入和审核为同一人 {person}" "was entered and decided by the same person {person}";

    /// I10: nobody decided what a person entered.
    DecidedByProgram "decided-by-program"
        "由人录入，却由程序批准" "was entered by a person and approved by the program";
    /// I10: only what two persons approved before is renewed without a person.
    NotARenewal "not-a-renewal"
        "由程序录入，但不是同一单位、同样内容的证书续期" "was entered by the program, and is no renewal of a certificate of the same unit with the same name and code";

    /// I10: an event enters only what its own unit's certificate needs, once it is applied.
    NotOfEvent "not-of-event"
        "注明由单位事件录入，但没有与之相符、已生效的事件" "is said to be entered by an event of the unit, and no event that was applied fits";

    /// The root in the database is not the auditor's.
    OtherRoot "other-root"
        "与审计员的根证书不同" "is not the auditor's root";
    /// A CA that may not certify.
    NotCa "not-ca"
        "不是有权签发的 CA 证书" "is no CA certificate with keyCertSign";
    /// Signed by a CA that is not known.
    NoIssuer "no-issuer" { issuer: String }
        "签发者 {issuer} 未经根证书确认" "its issuer {issuer} is not certified by the root";
    /// The issuer's name is another.
    IssuerName "issuer-name"
        "签发者名称与 CA 证书主体不符" "its issuer name is not the CA's subject name";
    /// RFC 5280 §4.1.1.2.
    Algorithms "algorithms"
        "两处签名算法不一致" "names two different signature algorithms";
    /// The signature does not verify.
    BadSignature "bad-signature"
        "签名验证失败" "its signature does not verify";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_carry_the_values() {
        let violation = Violation::Differs { what: "unit", found: "a".into(), expected: "b".into() };
        assert_eq!(violation.code(), "differs");
        assert_eq!(violation.text(Language::En), "unit is a; it must be b");
        assert_eq!(violation.text(Language::Zh), "unit 为 a，应为 b");
    }
}
