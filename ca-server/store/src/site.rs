//! Every write of the product, by name: the crash tests kill the program at each of them.

macro_rules! sites {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// What a transaction is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum WriteSite { $($(#[$doc])* $name),+ }

        impl WriteSite {
            /// Every site; a crash test that leaves one out fails.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name that stands in `QIANYIN_CRASH`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

sites! {
    /// Step 1: a unit, and how it is reached.
    RegisterUnit = "register-unit",
    /// Step 1: an event of a unit, recorded, cancelled or come into effect.
    UnitEvent = "unit-event",
    /// Step 1: an account: opened, tried, used.
    Account = "account",
    /// Step 1: an agent.
    RegisterAgent = "register-agent",
    /// Step 1: an agent's card or identity card number.
    ChangeAgent = "change-agent",
    /// Clear personal data of an older program is sealed, and the key's fingerprint kept.
    SealPersonal = "seal-personal",
    /// Personal data is erased.
    ErasePersonal = "erase-personal",
    /// Step 1: a unit's application for training, withdrawn or submitted again too.
    SubmitTraining = "submit-training",
    /// Step 1: acceptance or rejection of an application for training.
    DecideTraining = "decide-training",
    /// Step 1: a training session.
    PlanTraining = "plan-training",
    /// Step 1: a seat in a training session.
    InviteAgent = "invite-agent",
    /// Step 1: how an agent did in the training.
    QualifyAgent = "qualify-agent",
    /// Step 1: an agent of a unit.
    ConfirmAgent = "confirm-agent",
    /// A member of staff.
    RegisterStaff = "register-staff",
    /// Step 2: an application with its order.
    SubmitApplication = "submit-application",
    /// Step 2: a list of units, checked or taken back, and its end.
    CheckBatch = "check-batch",
    /// Step 2: applications of some lines of a list.
    SubmitBatch = "submit-batch",
    /// Appointments at a counter.
    BookAppointment = "book-appointment",
    /// Rows of a register that is not in force yet, or no longer.
    StageRegister = "stage-register",
    /// A register comes into force, or is thrown away.
    ActivateRegister = "activate-register",
    /// Step 3: approval, rejection, withdrawal, expiry.
    DecideApplication = "decide-application",
    /// Step 4: today's prices for an order whose quote is not honoured any more.
    RenewQuote = "renew-quote",
    /// Step 11: a renewal that nobody had to apply for, with its order.
    OrderRenewal = "order-renewal",
    /// Step 4: a payment.
    RecordPayment = "record-payment",
    /// Step 4: an order that is to be paid at a gateway.
    OpenOnlinePayment = "open-online-payment",
    /// Step 4: what a gateway made of it, short of money.
    ChangeOnlinePayment = "change-online-payment",
    /// Step 4: a line of a bank's statement.
    ImportStatement = "import-statement",
    /// Step 4: an unmatched line goes to an order.
    AssignMoney = "assign-money",
    /// Step 4: an unmatched line goes back, asked for or decided.
    ReturnMoney = "return-money",
    /// Step 4: a waiver or a refund, asked for, decided or paid out.
    AdjustMoney = "adjust-money",
    /// Step 4: a payment that was taken back, and what follows.
    Chargeback = "chargeback",
    /// Step 4: an invoice, asked for, written, refused or taken back.
    Invoice = "invoice",
    /// A counter's day, closed or opened again.
    CloseShift = "close-shift",
    /// Step 4: several orders become one.
    CollectOrders = "collect-orders",
    /// Step 5, before: tokens delivered, moved, spoiled or returned.
    Stock = "stock",
    /// Step 5: a workstation takes an application.
    ClaimApplication = "claim-application",
    /// Step 5: an attempt is bound to its token.
    BindToken = "bind-token",
    /// Step 5: the token has its PINs.
    InitialiseToken = "initialise-token",
    /// Step 5: an issuing line begins, ends, or sets something aside.
    IssuingLine = "issuing-line",
    /// Step 11: a locked token has its holder's new PIN.
    UnlockToken = "unlock-token",
    /// Step 8: the certificate was written to the token and read back.
    WriteCertificate = "write-certificate",
    /// Step 8: the token signed the challenge.
    ProveKey = "prove-key",
    /// Steps 5 and 8: why an attempt does not go on.
    NoteAttempt = "note-attempt",
    /// Step 6: before the signature.
    RecordIntent = "record-intent",
    /// Step 6: after the signature.
    CommitIssued = "commit-issued",
    /// Step 6: a signature whose outcome is unknown.
    BurnSerial = "burn-serial",
    /// Step 6: an attempt given up.
    AbandonAttempt = "abandon-attempt",
    /// Step 8: hand-over.
    DeliverToken = "deliver-token",
    /// Step 8: activation.
    ActivateCertificate = "activate-certificate",
    /// Steps 9 and 11: hold, release, revoke.
    ChangeStatus = "change-status",
    /// Step 11: somebody says that a token is gone.
    ReportLoss = "report-loss",
    /// Step 11: a hold that ends by itself, and what is told of it before.
    EndHold = "end-hold",
    /// Step 11: whoever has the key revokes the certificate.
    RevokeByKey = "revoke-by-key",
    /// Step 9: the lease to publish, and the next CRL's number.
    ReserveCrlNumber = "reserve-crl-number",
    /// Step 9: a CRL.
    PublishCrl = "publish-crl",
    /// Notices: ways to go, tries and their outcomes, reminders of a certificate's end.
    StoreNotice = "store-notice",
    /// Keys and certificates of the CA itself.
    Ceremony = "ceremony",
    /// Log entries that change nothing else: refusals, reads, starts.
    AppendAudit = "append-audit",
    /// Records that come from files.
    Import = "import",
}
