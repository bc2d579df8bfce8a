//! Permits: proof that an actor may do one kind of thing. Use cases ask for one, so none can be reached without it.

use std::marker::PhantomData;

use ca_core::{Action, Actor, Staff, StaffId};

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
    RegisterAgent,
    SubmitTraining,
    DecideTraining,
    PlanTraining,
    InviteAgent,
    QualifyAgent,
    ConfirmAgent,
    ReleaseAgent,
    SubmitApplication,
    SubmitBatch,
    BookAppointment,
    ImportRegister,
    ApproveApplication,
    RejectApplication,
    WithdrawApplication,
    RecordPayment,
    ClaimApplication,
    Personalise,
    DeliverToken,
    RenewActivationCode,
    HoldCertificate,
    ReleaseCertificate,
    RevokeCertificate,
    ReadRecords,
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

    /// For whoever holds the server's own command line, files and tokens: named in the log by the system's user.
    pub(crate) fn of_operator(user: &str) -> Self {
        Self { actor: Actor::Operator(user.to_owned()), permission: PhantomData }
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
