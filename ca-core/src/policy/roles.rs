//! `policies/roles.toml`: who may do what. What is not granted is denied.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::{PolicyError, Reader, Section};
use crate::{Action, Error};

const ROLES: [&str; 10] = [
    "administrator",
    "agent",
    "auditor",
    "cashier",
    "clerk",
    "maker",
    "portal",
    "reviewer",
    "trainer",
    "unit-account",
];

/// The role of a unit's account.
pub const UNIT_ACCOUNT: &str = "unit-account";
/// The role of an agent's account.
pub const AGENT_ACCOUNT: &str = "agent";

/// The role of a portal's server, which asks for the status of certificates.
pub const PORTAL: &str = "portal";

/// A portal's server asks and does nothing else: its key lies in a file on a machine that the world can reach.
const PORTAL_MAY: [Action; 1] = [Action::ReadStatus];

/// What an account may do at most, with what is its own: it is known by a password only.
const ACCOUNT_MAY: [Action; 7] = [
    Action::SubmitTraining,
    Action::WithdrawApplication,
    Action::ReportLoss,
    Action::OpenOnlinePayment,
    Action::RequestInvoice,
    Action::ChangePassword,
    Action::ReadOwnRecords,
];
/// What means nothing to staff, who have a certificate and see everybody's records.
const ACCOUNT_ONLY: [Action; 2] = [Action::ChangePassword, Action::ReadOwnRecords];

/// An auditor reads and does nothing else (GM/T 0034 §9; NSR 2.1).
const AUDITOR_MAY: [Action; 5] =
    [Action::ReadRecords, Action::ReadStatus, Action::ReadStock, Action::ReadLog, Action::RevealPersonalData];

/// Actions that one role must never hold together: who enters does not decide (I10), who takes money does not decide,
/// who decides does not make the token, who hands over a token does not send its code (ETSI EN 319 411-1, 6.4.4; NSR 2.2.1).
/// Who sees a person in full does not enter or erase persons. Who believes a caller neither releases nor revokes.
const APART: [(Action, Action); 17] = [
    (Action::ReportLoss, Action::ReleaseCertificate),
    (Action::ReportLoss, Action::RevokeCertificate),
    (Action::RegisterAgent, Action::RevealPersonalData),
    (Action::RevealPersonalData, Action::ErasePersonalData),
    (Action::DeliverToken, Action::RenewActivationCode),
    (Action::SubmitTraining, Action::DecideTraining),
    (Action::SubmitApplication, Action::ApproveApplication),
    (Action::SubmitBatch, Action::ApproveApplication),
    (Action::RecordPayment, Action::ApproveApplication),
    (Action::RequestAdjustment, Action::DecideAdjustment),
    (Action::PayOutRefund, Action::DecideAdjustment),
    (Action::RequestReturn, Action::ApproveReturn),
    (Action::CloseShift, Action::DecideReopen),
    (Action::RequestReopen, Action::DecideReopen),
    (Action::ImportStatement, Action::ApproveReturn),
    (Action::ApproveApplication, Action::Personalise),
    (Action::CorrectApplication, Action::ApproveApplication),
];

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    grants: BTreeMap<&'static str, Grant>,
    sha256: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    zh: String,
    en: String,
    may: BTreeSet<Action>,
}

impl Roles {
    /// Whether the role holds the action; an unknown role holds nothing.
    #[must_use]
    pub fn allows(&self, role: &str, action: Action) -> bool {
        self.grants.get(role).is_some_and(|grant| grant.may.contains(&action))
    }

    /// Whether the role is an account's: held to what is its own.
    #[must_use]
    pub fn is_account(role: &str) -> bool {
        role == UNIT_ACCOUNT || role == AGENT_ACCOUNT
    }

    /// The names of all roles.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.grants.keys().copied()
    }

    /// What a role is called, in Chinese and English.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn title(&self, role: &str) -> Result<(&str, &str), Error> {
        let grant =
            self.grants.get(role).ok_or_else(|| Error::Unknown { what: "role", value: role.to_owned() })?;
        Ok((&grant.zh, &grant.en))
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<Roles, Vec<PolicyError>> {
    reader.read(|section| {
        let system = actions(section, "system");
        let grants = section.table("roles", |roles| {
            let grants = ROLES
                .map(|role| roles.table(role, |grant| self::grant(role, grant)).map(|grant| (role, grant)));
            grants.into_iter().collect::<Option<BTreeMap<_, _>>>()
        });
        let (system, grants) = (system?, grants?);
        for action in Action::ALL {
            let granted = grants.values().any(|grant| grant.may.contains(action));
            match (granted, system.contains(action)) {
                (false, false) => section.refuse(
                    "roles",
                    "every action must be granted or listed under system",
                    action.name(),
                ),
                (true, true) => {
                    section.refuse("system", "an action under system must not be granted", action.name())
                }
                _ => {}
            }
        }
        Some(Roles { grants, sha256: reader.sha256() })
    })
}

fn grant(role: &str, section: &Section<'_>) -> Option<Grant> {
    let (zh, en, may) = (section.text("zh"), section.text("en"), actions(section, "may"));
    let may = may?;
    if role == "auditor" {
        for action in may.iter().filter(|action| !AUDITOR_MAY.contains(action)) {
            section.refuse("may", "an auditor must only read", action.name());
        }
    }
    if role == PORTAL {
        for action in may.iter().filter(|action| !PORTAL_MAY.contains(action)) {
            section.refuse("may", "a portal must only ask for status", action.name());
        }
    }
    let account = Roles::is_account(role);
    for action in &may {
        if account && !ACCOUNT_MAY.contains(action) {
            section.refuse("may", "an account must not do this", action.name());
        }
        if !account && ACCOUNT_ONLY.contains(action) {
            section.refuse("may", "only an account can do this", action.name());
        }
    }
    for (one, other) in APART {
        if may.contains(&one) && may.contains(&other) {
            let rule = format!("no role may hold both {} and {}", one.name(), other.name());
            section.refuse("may", rule, role);
        }
    }
    Some(Grant { zh: zh?.to_owned(), en: en?.to_owned(), may })
}

fn actions(section: &Section<'_>, key: &str) -> Option<BTreeSet<Action>> {
    let list = section.list(key, "the name of an action", |name| Action::from_name(name).ok())?;
    Some(list.into_iter().map(|(_, action)| action).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_whole_table() {
        let policies = testing::policies();
        let roles = policies.roles();
        let mut table = String::new();
        for action in Action::ALL {
            let scope =
                |role: &str| if Roles::is_account(role) { format!("{role} (own)") } else { role.to_owned() };
            let holders: Vec<String> =
                roles.names().filter(|role| roles.allows(role, *action)).map(scope).collect();
            let holders = if holders.is_empty() { "system".to_owned() } else { holders.join(", ") };
            table.push_str(&format!("{}: {holders}\n", action.name()));
        }
        insta::assert_snapshot!(table);
        assert!(!roles.allows("nobody", Action::ReadLog));
        assert_eq!(roles.title("clerk").unwrap().1, "Registration clerk");
        assert!(roles.title("nobody").is_err());
    }

    #[test]
    fn dangerous_grants_are_refused() {
        for (old, new, rule) in [
            (
                "\"submit-application\",",
                "\"submit-application\", \"approve-application\",",
                "no role may hold both submit-application and approve-application, found clerk",
            ),
            (
                "  \"record-payment\",",
                "  \"approve-application\", \"record-payment\",",
                "no role may hold both record-payment and approve-application, found cashier",
            ),
            (
                "may = [\"read-records\", \"read-status\",",
                "may = [\"read-records\", \"read-status\", \"revoke-certificate\",",
                "an auditor must only read, found revoke-certificate",
            ),
            (
                "may = [\"read-status\"]",
                "may = [\"read-status\", \"read-records\"]",
                "a portal must only ask for status, found read-records",
            ),
            (
                "\"qualify-agent\", ",
                "",
                "every action must be granted or listed under system, found qualify-agent",
            ),
            (
                "\"change-password\", \"read-own-records\"]",
                "\"change-password\", \"read-own-records\", \"read-records\"]",
                "an account must not do this, found read-records",
            ),
            (
                "  \"record-payment\",",
                "  \"read-own-records\", \"record-payment\",",
                "only an account can do this, found read-own-records",
            ),
            (
                "\"start\",",
                "\"start\", \"read-log\",",
                "an action under system must not be granted, found read-log",
            ),
            ("\"start\",", "\"restart\",", "each of system must be the name of an action, found restart"),
            ("[roles.trainer]", "[roles.teacher]", ""),
        ] {
            let errors = testing::errors_after("roles.toml", old, new);
            assert!(!errors.is_empty() && errors[0].ends_with(rule), "{errors:?}");
        }
    }
}
