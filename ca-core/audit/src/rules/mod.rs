//! The rules: one file each, one invariant each (ARCHITECTURE.md §3).

mod clock;
mod intent;
mod key;
mod log_entry;
mod money;
mod profile;
mod serial;
pub(crate) mod signature;
mod status;
mod token;
mod two_persons;

use crate::{Language, book::Book, report::Findings};

pub(crate) use self::clock::Clock;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident $id:literal $zh:literal $en:literal;)+) => {
        /// A rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule { $($(#[$doc])* $name),+ }

        impl Rule {
            /// Every rule, in the order of the report.
            pub const ALL: [Self; [$($id),+].len()] = [$(Self::$name),+];

            /// Its short name: the invariant's where there is one.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id),+ }
            }

            /// What it asks for.
            #[must_use]
            pub fn title(self, language: Language) -> &'static str {
                match self { $(Self::$name => language.choose($zh, $en)),+ }
            }
        }
    };
}

rules! {
    /// The export itself.
    Export "export" "每一行都可读取，主键不重复" "every line is a row, no key stands twice";
    /// I2.
    Intent "I2" "每张证书都有同一序列号、同一待签内容的意图" "every certificate has an intent of the same serial and octets";
    /// I3.
    Serial "I3" "序列号至多签名一次，结果唯一" "a serial is signed at most once and has one outcome";
    /// I4.
    LogEntry "I4" "每个状态变更都有日志，日志所记都存在" "every change stands in the log, and what the log says exists";
    /// I5.
    Clock "I5" "日志编号递增，时间不倒退" "entries of the log rise in number, and time does not go back";
    /// I6.
    Status "I6" "吊销不可逆，CRL 不倒退" "revoked stays revoked, CRLs do not go back";
    /// I8.
    Key "I8" "一个公钥只属于一个单位和一个介质" "one public key belongs to one unit and one token";
    /// I9.
    Money "I9" "应收、实收、分录一致" "what is due, what was paid and the postings agree";
    /// I10.
    TwoPersons "I10" "录入者不审核" "who enters does not decide";
    /// The path to the auditor's root.
    Signature "signature" "签名可验证到审计员的根证书" "signatures verify up to the auditor's root";
    /// The profile `unit-sign`.
    Profile "profile" "单位证书符合模板" "unit certificates are as their profile says";
}

/// Applies the rules that need the whole export.
pub(crate) fn check(book: &Book, at_rest: bool, findings: &mut Findings) {
    intent::check(book, findings);
    serial::check(book, at_rest, findings);
    log_entry::check(book, findings);
    status::check(book, findings);
    key::check(book, findings);
    token::check(book, findings);
    money::check(book, findings);
    two_persons::check(book, findings);
    profile::check(book, findings);
}

/// A column that may be NULL, for comparison.
fn text(column: &Option<String>) -> &str {
    column.as_deref().unwrap_or("NULL")
}
