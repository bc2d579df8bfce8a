//! Invoices: which must be taken back, what erasing leaves of them, and the messages about them, on both databases.

use ca_core::{
    AgentId, Ciphertext, Fen, InvoiceId, NoticeAbout, NoticeKind, OrderId,
    billing::{BillCommand, Invoice, InvoiceKind, InvoiceNumber, InvoiceState, KeptForm, Payer},
    personal::Place,
    policy::Deadline,
};
use ca_store::{Claim, InvoiceFilter, NoticeRecord, Store, StoreError};

use crate::world::*;

fn number(digits: u32) -> InvoiceNumber {
    InvoiceNumber::parse(&format!("{digits:08}")).unwrap()
}

fn form(id: &InvoiceId) -> Ciphertext {
    vault().seal_text(Place::invoice(id), [7; 12], "南京示例科技有限公司").unwrap()
}

fn invoice(id: u32, order: OrderId, payer: Payer, fen: i64) -> Invoice {
    let id = InvoiceId::new(NOW, octets(id));
    Invoice {
        order,
        payer,
        kind: InvoiceKind::Ordinary,
        amount: Fen::new(fen),
        form: KeptForm::Sealed(form(&id)),
        requested_by: "x".to_owned(),
        requested_at: NOW.plus_secs(3),
        due: Deadline { at: NOW.plus_secs(9), estimated: false },
        state: InvoiceState::Requested,
        id,
    }
}

fn insert(store: &Store, new: &Invoice) {
    let new = new.clone();
    write(store, move |tx| tx.insert_invoice(&new));
}

/// Moves it on, in the database and here.
fn moved(store: &Store, known: &mut Invoice, to: InvoiceState) {
    let (before, next) = (known.clone(), to.clone());
    write(store, move |tx| tx.move_invoice(&before, &next));
    known.state = to;
}

/// A paid order over 50,000 of the unit.
fn paid(store: &Store, application_number: u32) -> OrderId {
    write(store, move |tx| {
        tx.insert_application(&application(application_number))?;
        pay(tx, application_number)
    });
    bill(application_number).0.order.id
}

fn refund(store: &Store, number: u32, fen: i64) {
    let (application, amount) = (application(number).id, Fen::new(fen));
    let refund = BillCommand::Refund { application, amount, into_credit: true };
    write(store, move |tx| apply(tx, number, &refund).map(drop));
}

fn to_red_letter(store: &Store, after: Option<&InvoiceId>, limit: i64) -> Vec<InvoiceId> {
    let filter =
        InvoiceFilter { to_red_letter: true, after: after.cloned(), limit, ..InvoiceFilter::default() };
    read(store, |reader| reader.invoices(&filter)).into_iter().map(|found| found.id).collect()
}

#[test]
fn what_must_be_taken_back_is_found() {
    on_both(|store| {
        enroll(store);
        let issued = |digits| InvoiceState::Issued { number: number(digits), file: None };
        let orders = [paid(store, 1), paid(store, 2)];
        let of = |id, order: usize, fen| invoice(id, orders[order].clone(), payer(), fen);
        let mut all = [of(1, 0, 30_000), of(2, 0, 10_000), of(3, 0, 10_000), of(4, 1, 50_000)];
        for one in &mut all {
            insert(store, one);
        }
        for (digits, one) in (1..).zip(&mut all) {
            if digits != 3 {
                moved(store, one, issued(digits));
            }
        }
        let [first, second, asked, other] = &mut all;
        assert_eq!(to_red_letter(store, None, 9), [], "money and invoices agree");
        refund(store, 1, 5_000);
        // Whoever was asked for only is refused, not taken back.
        assert_eq!(to_red_letter(store, None, 9), [first.id.clone(), second.id.clone()]);
        assert_eq!(to_red_letter(store, None, 1), std::slice::from_ref(&first.id));
        assert_eq!(to_red_letter(store, Some(&first.id), 9), std::slice::from_ref(&second.id));
        refund(store, 2, 1);
        assert_eq!(to_red_letter(store, Some(&second.id), 9), std::slice::from_ref(&other.id));
        moved(store, other, InvoiceState::RedLettered { number: number(4), red: number(9) });
        // Refusing the one that was asked for makes room for what went back.
        moved(store, asked, InvoiceState::Refused { reasons: "已退款".to_owned() });
        assert_eq!(to_red_letter(store, None, 9), []);
        refund(store, 1, 5_001);
        assert_eq!(to_red_letter(store, None, 9), [first.id.clone(), second.id.clone()]);
        moved(store, second, InvoiceState::RedLettered { number: number(2), red: number(8) });
        assert_eq!(to_red_letter(store, None, 9), []);
    });
}

#[test]
fn what_a_person_left_on_invoices_is_erased() {
    on_both(|store| {
        enroll(store);
        let (order, own) = (paid(store, 1), Payer::Agent(agent().id));
        let mut written = invoice(1, order.clone(), own.clone(), 1_000);
        let mut waiting = invoice(2, order.clone(), own, 1_000);
        let stranger = invoice(3, order.clone(), Payer::Agent(AgentId::new(NOW, octets(99))), 1_000);
        let of_unit = invoice(4, order, payer(), 1_000);
        for one in [&written, &waiting, &stranger, &of_unit] {
            insert(store, one);
        }
        assert_eq!(
            read(store, |reader| reader.agent_ties(&agent().id)).invoice,
            Some(written.id.clone()),
            "the first that is still to be written"
        );
        moved(store, &mut written, InvoiceState::Issued { number: number(1), file: Some([7; 32]) });
        let key = written.id.clone();
        write(store, move |tx| {
            tx.insert_invoice_file(&key, "application/pdf", b"%PDF-".to_vec())?;
            tx.claim_idempotency("staff:x", "k", &digest(1), key.as_str(), NOW).map(drop)
        });
        let ties = read(store, |reader| reader.agent_ties(&agent().id));
        assert_eq!((ties.invoice, ties.last_event), (Some(waiting.id.clone()), NOW.plus_secs(3)));
        // The database itself erases nothing that must still be written.
        let early = refused(store, |tx| tx.erase_agent(&agent().id, NOW).map(drop));
        assert!(matches!(early, StoreError::Rejected { .. }), "{early:?}");
        assert_eq!(read(store, |reader| reader.invoice(&written.id)).as_ref(), Some(&written));

        moved(store, &mut waiting, InvoiceState::Refused { reasons: "重复".to_owned() });
        let at = NOW.plus_secs(7);
        assert_eq!(write(store, move |tx| tx.erase_agent(&agent().id, at)), 2);
        for one in [&mut written, &mut waiting] {
            one.form = KeptForm::Erased { at };
        }
        for one in [&written, &waiting, &stranger, &of_unit] {
            assert_eq!(read(store, |reader| reader.invoice(&one.id)).as_ref(), Some(one));
        }
        assert_eq!(read(store, |reader| reader.invoice_file(&written.id)), None);
        let again = write(store, |tx| tx.claim_idempotency("staff:x", "k", &digest(2), "r", NOW));
        assert_eq!(again, Claim::Fresh, "not even a digest of the request");
        // It can still be taken back: the tax bureau asks for no name.
        moved(store, &mut written, InvoiceState::RedLettered { number: number(1), red: number(2) });
        assert_eq!(read(store, |reader| reader.invoice(&written.id)), Some(written));
    });
}

#[test]
fn a_message_is_about_an_invoice_that_is_there() {
    on_both(|store| {
        enroll(store);
        let known = invoice(1, paid(store, 1), payer(), 1_000);
        insert(store, &known);
        let about = |id: &InvoiceId| NoticeRecord {
            kind: NoticeKind::InvoiceIssued,
            about: NoticeAbout::Invoice(id.clone()),
            ..notice(1)
        };
        let nothing = about(&InvoiceId::new(NOW, octets(9)));
        assert_eq!(refused(store, move |tx| tx.insert_notice(&nothing)), StoreError::NotFound);
        let (new, told) = (about(&known.id), about(&known.id));
        write(store, move |tx| tx.insert_notice(&new));
        assert_eq!(read(store, |reader| reader.notice(&told.id)), Some(told));
    });
}
