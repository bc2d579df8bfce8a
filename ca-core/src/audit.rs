//! Audit entries: what was done or refused, by whom, to what. Each is written in the transaction of what it tells.

use std::fmt;

use ca_verifier::Time;

use crate::{AgentId, Error, StaffId, UnitId};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A member of staff, known by the certificate on their own token.
    Staff(StaffId),
    /// The holder of a unit certificate, by its serial number.
    Holder(String),
    /// A unit, by its online account.
    Unit(UnitId),
    /// An agent, by card number and query password.
    Agent(AgentId),
    /// A person at the server's own command line, by the operating system's user name.
    Operator(String),
    /// The program itself: `ceremony`, `recovery`, `crl`.
    System(&'static str),
}

impl fmt::Display for Actor {
    /// The form that stands in the log: `staff:…`, `holder:…`, `unit:…`, `agent:…`, `operator:…`, `system:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Staff(id) => write!(f, "staff:{id}"),
            Self::Holder(serial) => write!(f, "holder:{serial}"),
            Self::Unit(id) => write!(f, "unit:{id}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
            Self::Operator(user) => write!(f, "operator:{user}"),
            Self::System(part) => write!(f, "system:{part}"),
        }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// What was done or refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action { $($(#[$doc])* $name),+ }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name that stands in the log and in `policies/roles.toml`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// From its name.
            ///
            /// # Errors
            /// [`Error::Unknown`].
            pub fn from_name(name: &str) -> Result<Self, Error> {
                Self::ALL.iter().copied().find(|action| action.name() == name)
                    .ok_or_else(|| Error::Unknown { what: "action", value: name.to_owned() })
            }
        }
    };
}

actions! {
    /// Keys and certificates of the CA were made.
    Ceremony = "ceremony",
    /// A member of staff was given a certificate and roles.
    RegisterStaff = "register-staff",
    /// A unit was registered.
    RegisterUnit = "register-unit",
    /// An event of a unit was recorded or cancelled.
    RecordUnitEvent = "record-unit-event",
    /// An event of a unit came into effect.
    ApplyUnitEvent = "apply-unit-event",
    /// An account was opened, or given a new initial password.
    OpenAccount = "open-account",
    /// A unit or an agent logged in or out.
    LogIn = "log-in",
    /// A unit or an agent changed the password.
    ChangePassword = "change-password",
    /// How a unit is reached was changed.
    ChangeContact = "change-contact",
    /// An agent was registered.
    RegisterAgent = "register-agent",
    /// An agent's card, or identity card number, was entered or replaced.
    ChangeAgentCard = "change-agent-card",
    /// Personal data was read in full.
    RevealPersonalData = "reveal-personal-data",
    /// Personal data was erased.
    ErasePersonalData = "erase-personal-data",
    /// Clear personal data of an older program was sealed.
    SealPersonalData = "seal-personal-data",
    /// A unit applied to have its agent trained.
    SubmitTraining = "submit-training",
    /// An application for training was accepted or rejected.
    DecideTraining = "decide-training",
    /// A training session was planned.
    PlanTraining = "plan-training",
    /// An agent was given a seat in a training session.
    InviteAgent = "invite-agent",
    /// How an agent did in the training.
    QualifyAgent = "qualify-agent",
    /// An agent was confirmed for a unit.
    ConfirmAgent = "confirm-agent",
    /// An agent no longer acts for a unit.
    ReleaseAgent = "release-agent",
    /// An application was entered.
    SubmitApplication = "submit-application",
    /// An application was put right, to be decided anew.
    CorrectApplication = "correct-application",
    /// A list of units was checked, submitted or taken back.
    SubmitBatch = "submit-batch",
    /// An appointment was booked, moved, kept, missed or cancelled.
    BookAppointment = "book-appointment",
    /// A register of insured units was staged, activated or thrown away.
    ImportRegister = "import-register",
    /// An application was approved.
    ApproveApplication = "approve-application",
    /// An application was rejected.
    RejectApplication = "reject-application",
    /// An application was taken back.
    WithdrawApplication = "withdraw-application",
    /// An application ended because nobody went on with it.
    ExpireApplication = "expire-application",
    /// An order got today's prices, because its quote is not honoured any more.
    RenewQuote = "renew-quote",
    /// A payment was recorded.
    RecordPayment = "record-payment",
    /// An order is to be paid at a gateway.
    OpenOnlinePayment = "open-online-payment",
    /// Nobody can pay it at the gateway any more.
    CloseOnlinePayment = "close-online-payment",
    /// A bank's statement was imported.
    ImportStatement = "import-statement",
    /// A person said for which order a line of a statement is.
    AssignMoney = "assign-money",
    /// Somebody asks that money which fits no order go back to whoever sent it.
    RequestReturn = "request-return",
    /// Another person decides it, and it went back.
    ApproveReturn = "approve-return",
    /// A payer's credit was spent on an order.
    SpendCredit = "spend-credit",
    /// Somebody asks that a fee be waived or money be given back, or takes that back.
    RequestAdjustment = "request-adjustment",
    /// Another person decides it.
    DecideAdjustment = "decide-adjustment",
    /// The money of a refund leaves our hands.
    PayOutRefund = "pay-out-refund",
    /// A payment was taken back by the bank or the gateway.
    RecordChargeback = "record-chargeback",
    /// The money of a chargeback came again.
    SettleChargeback = "settle-chargeback",
    /// A payer asked for an invoice.
    RequestInvoice = "request-invoice",
    /// An invoice was written, refused or taken back, or its file came.
    IssueInvoice = "issue-invoice",
    /// A counter's day was closed.
    CloseShift = "close-shift",
    /// Somebody asks to open a closed day again.
    RequestReopen = "request-reopen",
    /// Another person decides that.
    DecideReopen = "decide-reopen",
    /// Several orders become one.
    CollectOrders = "collect-orders",
    /// A vendor's tokens were taken into stock.
    ImportTokens = "import-tokens",
    /// A token was moved to another box or counter.
    MoveTokens = "move-tokens",
    /// A token of ours was spoiled, missed, found or given back.
    ChangeToken = "change-token",
    /// A workstation claimed an application.
    ClaimApplication = "claim-application",
    /// A step of personalisation.
    Personalise = "personalise",
    /// A certificate is about to be signed.
    RecordIntent = "record-intent",
    /// A certificate was signed, verified and stored.
    IssueCertificate = "issue-certificate",
    /// A serial number was burned: its signature's outcome is unknown.
    BurnSerial = "burn-serial",
    /// A token was handed over.
    DeliverToken = "deliver-token",
    /// A holder was given a new activation code.
    RenewActivationCode = "renew-activation-code",
    /// A holder activated a certificate.
    ActivateCertificate = "activate-certificate",
    /// Somebody said that a token is gone.
    ReportLoss = "report-loss",
    /// A certificate was put on hold.
    HoldCertificate = "hold-certificate",
    /// A hold was ended.
    ReleaseCertificate = "release-certificate",
    /// A certificate was revoked.
    RevokeCertificate = "revoke-certificate",
    /// A notice that could not be delivered was put back.
    RetryNotice = "retry-notice",
    /// A CRL was published.
    PublishCrl = "publish-crl",
    /// The stock of tokens was read.
    ReadStock = "read-stock",
    /// Records were read.
    ReadRecords = "read-records",
    /// The status of certificates was asked for, with what the register says of their units.
    ReadStatus = "read-status",
    /// A unit or an agent read its own records.
    ReadOwnRecords = "read-own-records",
    /// The log was read.
    ReadLog = "read-log",
    /// A request came without a valid identity or right.
    Authenticate = "authenticate",
    /// The server started.
    Start = "start",
    /// The server stopped.
    Stop = "stop",
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Refused, and by which rule.
    Refused(String),
}

/// One audit entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Time,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// To what kind of thing: `application`, `certificate`, `unit`, ...
    pub object: &'static str,
    /// Which one.
    pub object_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Further facts, never a secret and never personal data in full.
    pub detail: Vec<(&'static str, String)>,
}

/// Identifiers are shorter; a path that somebody asked for in vain may be anything, and the log keeps it for ever.
const OBJECT_ID_MAX: usize = 200;

impl AuditEntry {
    /// An entry for something done.
    #[must_use]
    pub fn done(
        at: Time,
        actor: &Actor,
        action: Action,
        object: &'static str,
        object_id: impl fmt::Display,
    ) -> Self {
        Self {
            at,
            actor: actor.clone(),
            action,
            object,
            object_id: object_id.to_string().chars().take(OBJECT_ID_MAX).collect(),
            outcome: Outcome::Done,
            detail: Vec::new(),
        }
    }

    /// The same entry with one more fact.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.detail.push((name, value.to_string()));
        self
    }

    /// The same entry as a refusal by `rule`.
    #[must_use]
    pub fn refused(mut self, rule: impl fmt::Display) -> Self {
        self.outcome = Outcome::Refused(rule.to_string());
        self
    }
}
