//! Permits: proof that an actor may do one kind of thing. Use cases ask for one, so none can be reached without it.

use std::marker::PhantomData;

use ca_core::{Action, Actor, Staff, StaffId, UnitId};
use ca_store::AccountOwner;

/// A kind of thing that needs a permit: one marker type per [`Action`].
pub(crate) trait Permission: Send + Sync + 'static {
    /// The action as `policies/roles.toml` and the log name it.
    const ACTION: Action;
}

macro_rules! permissions {
    ($($name:ident),+ $(,)?) => {$(
        #[doc = concat!("May ", stringify!($name), ".")]
        #[derive(Clone, Debug)]
        pub(crate) struct $name;
        impl Permission for $name { const ACTION: Action = Action::$name; }
    )+};
}

permissions!(
    RegisterUnit,
    RecordUnitEvent,
    OpenAccount,
    ChangePassword,
    ChangeContact,
    RetryNotice,
    RegisterAgent,
    ChangeAgentCard,
    RevealPersonalData,
    ErasePersonalData,
    SubmitTraining,
    DecideTraining,
    PlanTraining,
    InviteAgent,
    QualifyAgent,
    ConfirmAgent,
    ReleaseAgent,
    SubmitApplication,
    CorrectApplication,
    SubmitBatch,
    BookAppointment,
    ImportRegister,
    ApproveApplication,
    RejectApplication,
    WithdrawApplication,
    RecordPayment,
    OpenOnlinePayment,
    ImportStatement,
    AssignMoney,
    RequestReturn,
    ApproveReturn,
    CloseOnlinePayment,
    SpendCredit,
    RequestAdjustment,
    DecideAdjustment,
    PayOutRefund,
    RequestInvoice,
    IssueInvoice,
    CloseShift,
    RequestReopen,
    DecideReopen,
    RecordChargeback,
    SettleChargeback,
    CollectOrders,
    ImportTokens,
    MoveTokens,
    ChangeToken,
    ClaimApplication,
    Personalise,
    DeliverToken,
    RenewActivationCode,
    ReportLoss,
    HoldCertificate,
    ReleaseCertificate,
    RevokeCertificate,
    ReadStock,
    ReadRecords,
    ReadStatus,
    ReadOwnRecords,
    ReadLog,
);

/// Proof that `actor` may do `P`. Made from a member of staff's roles, or for the server's own command line.
#[derive(Debug, Clone)]
pub(crate) struct Permit<P> {
    actor: Actor,
    permission: PhantomData<P>,
}

impl<P: Permission> Permit<P> {
    /// For a member of staff whose roles include it.
    pub(crate) fn of_staff(staff: &Staff, roles: &ca_core::Roles) -> Option<Self> {
        let allowed = staff.roles.iter().any(|role| roles.allows(role, P::ACTION));
        allowed.then(|| Self { actor: Actor::Staff(staff.id.clone()), permission: PhantomData })
    }

    /// For a unit or an agent who has logged in, when the account's role includes it.
    pub(crate) fn of_account(owner: &AccountOwner, roles: &ca_core::Roles) -> Option<Self> {
        let role = match owner {
            AccountOwner::Unit { .. } => ca_core::policy::UNIT_ACCOUNT,
            AccountOwner::Agent(_) => ca_core::policy::AGENT_ACCOUNT,
        };
        roles.allows(role, P::ACTION).then(|| Self { actor: owner.actor(), permission: PhantomData })
    }

    /// For whoever holds the server's own command line, files and tokens: named in the log by the system's user.
    pub(crate) fn of_operator(user: &str) -> Self {
        Self { actor: Actor::Operator(user.to_owned()), permission: PhantomData }
    }

    /// Whether the unit's records are this actor's to touch: staff touch everybody's, a unit its own, an agent nobody's.
    pub(crate) fn owns(&self, unit: &UnitId) -> bool {
        match &self.actor {
            Actor::Unit(own) => own == unit,
            Actor::Agent(_) | Actor::Holder(_) => false,
            Actor::Staff(_) | Actor::Operator(_) | Actor::System(_) => true,
        }
    }

    /// Who.
    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The member of staff; `None` for the command line.
    pub(crate) fn staff(&self) -> Option<&StaffId> {
        match &self.actor {
            Actor::Staff(id) => Some(id),
            _ => None,
        }
    }
}
