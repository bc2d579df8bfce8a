//! A small world that the tests share: one unit, one agent, and as many applications as asked.

use ca_core::{
    Action, Actor, Agent, AgentId, Application, ApplicationId, ApplicationState, AttemptId, AttemptState,
    AuditEntry, Author, Document, DocumentForm, Fen, IdCard, Identity, Intent, Name, NoticeAbout, NoticeId,
    NoticeKind, OrderId, PaymentId, SealedContact, StaffId, Unit, UnitId, Vault,
    billing::{Bill, BillCommand, Charge, Item, Order, OrderState, Payer, Payment, PaymentMethod, QuoteLine},
    personal::Place,
};
use ca_store::{AttemptRecord, NoticeRecord, Reader, Store, StoreError, Tx, WriteSite, testing::databases};
use ca_verifier::{Serial, Time, Uscc};

pub(crate) const NOW: Time = Time::from_secs(1_795_392_000);

/// Runs a test on a fresh store of each kind.
pub(crate) fn on_both(test: impl Fn(&Store)) {
    for database in databases() {
        eprintln!("on {}", database.name());
        test(&database.store());
    }
}

/// Ten octets that differ by number.
pub(crate) fn octets(number: u32) -> [u8; 10] {
    let mut octets = [7; 10];
    octets[..4].copy_from_slice(&number.to_be_bytes());
    octets
}

pub(crate) fn digest(number: u32) -> [u8; 32] {
    let mut digest = [9; 32];
    // Spread over the index, as real digests are.
    digest[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    digest[4..8].copy_from_slice(&number.to_be_bytes());
    digest
}

pub(crate) fn serial(number: u32) -> Serial {
    let mut random = [3; 17];
    random[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    random[4..8].copy_from_slice(&number.to_be_bytes());
    Serial::from_random(1, &random).unwrap()
}

pub(crate) fn clerk() -> StaffId {
    StaffId::new(NOW, octets(1))
}

pub(crate) fn stranger() -> StaffId {
    StaffId::new(NOW, octets(2))
}

pub(crate) fn unit() -> Unit {
    Unit {
        id: UnitId::new(NOW, octets(1)),
        code: Uscc::parse("91320104000000019U").unwrap().into(),
        labour_no: "32010001".into(),
        name: Name::parse("南京签印科技有限公司").unwrap(),
        province: "江苏省".into(),
        city: "南京市".into(),
        region: Some("320104".into()),
        agency: Some("nanjing".into()),
        name_flag: None,
        ended_at: None,
        registered_by: format!("staff:{}", clerk()),
        registered_at: NOW,
    }
}

pub(crate) const ID_CARD: &str = "11010519491231002X";

/// The tests' own key.
pub(crate) fn vault() -> Vault {
    Vault::new(&zeroize::Zeroizing::new([7; 32])).unwrap()
}

pub(crate) fn person(number: u32, name: &str, id_card: &str) -> Agent {
    let (vault, id) = (vault(), AgentId::new(NOW, octets(number)));
    let name = vault.seal_name(&id, [1; 12], &Name::parse(name).unwrap()).unwrap();
    let id_card = vault.seal_id_card(&id, [2; 12], &IdCard::parse(id_card).unwrap()).unwrap();
    Agent { id, identity: Identity::Known { name, id_card: Some(id_card) }, qualified_at: None }
}

pub(crate) fn agent() -> Agent {
    person(1, "张三", ID_CARD)
}

pub(crate) fn document(kind: &str, form: DocumentForm, number: u32) -> Document {
    Document { kind: kind.into(), form, sha256: digest(number), seen_by: clerk(), seen_at: NOW }
}

pub(crate) fn application(number: u32) -> Application {
    Application {
        kind: ca_core::ApplicationKind::New,
        id: ApplicationId::new(NOW, octets(number)),
        unit: unit().id,
        unit_name: unit().name,
        unit_code: unit().code,
        agent: agent().id,
        profile: "unit-sign".into(),
        years: 3,
        documents: vec![
            document("uscc-licence", DocumentForm::Original, 1),
            document("agent-id-card", DocumentForm::Copy, 2),
        ],
        cps: "2026-1".into(),
        counter: None,
        contact: None,
        entered_by: Author::Staff(clerk()),
        entered_before: Vec::new(),
        entered_at: NOW,
        state: ApplicationState::Submitted,
    }
}

/// A quoted order of one application, and the lines of its price.
pub(crate) fn bill(number: u32) -> (Bill, Vec<Vec<QuoteLine>>) {
    let order = Order {
        id: OrderId::new(NOW, octets(number)),
        payer: payer(),
        tariff: "2026-1".into(),
        quoted_at: NOW,
        honoured_until: NOW.plus_secs(60 * 86_400),
        state: OrderState::Quoted,
        total: Fen::ZERO,
        waived: Fen::ZERO,
        received: Fen::ZERO,
        refunded: Fen::ZERO,
    };
    let charge = Charge {
        application: application(number).id,
        kind: "new",
        total: Fen::new(50_000),
        waived: Fen::ZERO,
        refunded: Fen::ZERO,
        earned: Fen::ZERO,
        live: true,
    };
    let line = |item, quantity, fen| QuoteLine { item, quantity, price: Fen::new(fen), note: None };
    let lines = vec![line(Item::Token, 1, 5_000), line(Item::CertificateYear, 3, 15_000)];
    (Bill::quoted(order, vec![charge]).unwrap(), vec![lines])
}

pub(crate) fn payer() -> Payer {
    Payer::Unit(unit().id)
}

pub(crate) fn insert_bill(tx: &mut Tx<'_>, number: u32) -> Result<(), StoreError> {
    let (bill, lines) = bill(number);
    tx.insert_bill(&bill, &lines)
}

/// One command to the order of an application, with its postings.
pub(crate) fn apply(tx: &mut Tx<'_>, number: u32, command: &BillCommand) -> Result<Bill, StoreError> {
    let before = tx.bill_of(&application(number).id)?.unwrap();
    let mut after = before.clone();
    let postings = after.apply(command).unwrap();
    tx.change_bill(&before, &after)?;
    tx.book((command.name(), "x"), Some(&after.order.id), &postings, NOW)?;
    Ok(after)
}

/// The order is paid at the counter.
pub(crate) fn pay(tx: &mut Tx<'_>, number: u32) -> Result<(), StoreError> {
    insert_bill(tx, number)?;
    apply(tx, number, &BillCommand::Open)?;
    tx.insert_payment(&payment(number))?;
    let amount = Fen::new(50_000);
    apply(tx, number, &BillCommand::Receive { method: PaymentMethod::Cash, amount }).map(drop)
}

pub(crate) fn payment(number: u32) -> Payment {
    Payment {
        id: PaymentId::new(NOW, octets(number)),
        order: Some(bill(number).0.order.id),
        payer: Some(payer()),
        method: PaymentMethod::Cash,
        reference: format!("R{number:06}"),
        amount: Fen::new(50_000),
        cashier: Some(clerk()),
        counter: Some("gulou".into()),
        code: format!("{number:032x}"),
        at: NOW,
    }
}

pub(crate) fn attempt(number: u32) -> AttemptRecord {
    AttemptRecord {
        id: AttemptId::new(NOW, octets(number)),
        application: application(number).id,
        workstation: format!("counter-{number}"),
        clerk: Author::Staff(clerk()),
        wanted_token: Some(format!("T{number}")),
        first_pin: Some(ca_core::policy::InitialPin::Fixed),
        state: AttemptState::Claimed,
        created_at: NOW,
        lease_until: NOW.plus_secs(600),
        note: String::new(),
    }
}

pub(crate) fn intent(number: u32) -> Intent {
    Intent {
        serial: serial(number),
        issuer: "issuing".into(),
        profile: "unit-sign".into(),
        profile_sha256: digest(5),
        tbs: vec![0x30; 900],
        spki_sha256: digest(number),
        unit: Some(unit().id),
        application: Some(application(number).id),
        attempt: Some(attempt(number).id),
        token: Some(format!("T{number}")),
        not_before: NOW,
        not_after: NOW.plus_secs(3 * 365 * 86_400),
        shard: 0,
        actor: format!("staff:{}", clerk()),
        at: NOW,
    }
}

pub(crate) fn notice(number: u32) -> NoticeRecord {
    NoticeRecord {
        id: NoticeId::new(NOW, octets(number)),
        recipient: agent().id.to_string(),
        kind: NoticeKind::Activation,
        about: NoticeAbout::Application(application(number).id),
        created_at: NOW,
    }
}

pub(crate) fn contact() -> SealedContact {
    let (vault, unit) = (vault(), unit().id);
    let sealed = |place, text| Some(vault.seal_text(place, [3; 12], text).unwrap());
    SealedContact {
        mail: sealed(Place::mail(&unit), "zhangsan@example.com"),
        phone: sealed(Place::phone(&unit), "13800138000"),
    }
}

pub(crate) fn entry(action: Action, object: &'static str, id: impl std::fmt::Display) -> AuditEntry {
    AuditEntry::done(NOW, &Actor::Staff(clerk()), action, object, id)
}

/// The unit and its agent.
pub(crate) fn enroll(store: &Store) {
    write(store, |tx| {
        tx.insert_unit(&unit())?;
        tx.insert_agent(&agent())
    });
}

/// An application that a workstation holds, ready for its intent.
pub(crate) fn personalising(tx: &mut Tx<'_>, number: u32) -> Result<(), StoreError> {
    let (payment, mut attempt) = (payment(number), attempt(number));
    attempt.state = AttemptState::Initialised { token: format!("T{number}") };
    let mut application = application(number);
    application.state =
        ApplicationState::Personalising { payment: Some(payment.id.clone()), attempt: attempt.id.clone() };
    tx.insert_application(&application)?;
    pay(tx, number)?;
    tx.insert_attempt(&attempt)
}

/// A snapshot that must be readable.
pub(crate) fn read<T>(store: &Store, f: impl FnOnce(&mut Reader<'_>) -> Result<T, StoreError>) -> T {
    store.read(f).unwrap()
}

/// A transaction that must succeed.
pub(crate) fn write<T: Send + 'static>(
    store: &Store,
    f: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write_blocking(WriteSite::Import, f).unwrap()
}

/// A transaction that must be refused.
pub(crate) fn refused(
    store: &Store,
    f: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static,
) -> StoreError {
    store.write_blocking(WriteSite::Import, f).unwrap_err()
}
