//! 发票 and their files, as they come back from the database.

use ca_core::{
    Fen, InvoiceId, OrderId,
    billing::{BillCommand, Invoice, InvoiceFileKind, InvoiceKind, InvoiceNumber, InvoiceState, Payer},
    personal::Place,
    policy::Deadline,
};
use ca_store::{Claim, InvoiceFile, InvoiceFilter, Store, StoreError};

use crate::world::*;

fn order(number: u32) -> OrderId {
    bill(number).0.order.id
}

fn invoice(number: u32, of: u32, payer: Payer, state: InvoiceState) -> Invoice {
    let id = InvoiceId::new(NOW, octets(number));
    let form = vault().seal_text(Place::invoice_form(&id), [3; 12], "{\"title\":\"张三\"}").unwrap();
    Invoice {
        order: order(of),
        payer,
        kind: InvoiceKind::Ordinary,
        amount: Fen::new(20_000),
        form: Some(form),
        requested_by: "staff:x".to_owned(),
        requested_at: NOW,
        due: Deadline { at: NOW.plus_secs(i64::from(number)), estimated: false },
        state,
        id,
    }
}

fn number(digit: char) -> InvoiceNumber {
    InvoiceNumber::parse(&digit.to_string().repeat(8)).unwrap()
}

fn issued(digit: char, file: Option<[u8; 32]>) -> InvoiceState {
    InvoiceState::Issued { number: number(digit), file }
}

fn file(of: u32) -> InvoiceFile {
    InvoiceFile {
        invoice: InvoiceId::new(NOW, octets(of)),
        sha256: digest(of),
        kind: InvoiceFileKind::Xml,
        content: b"<?xml version=\"1.0\"?>".to_vec(),
        attached_by: "staff:x".to_owned(),
        attached_at: NOW,
    }
}

fn with_order(store: &Store) {
    enroll(store);
    write(store, |tx| {
        tx.insert_application(&application(1))?;
        insert_bill(tx, 1)?;
        apply(tx, 1, &BillCommand::Open)?;
        apply(
            tx,
            1,
            &BillCommand::Receive { method: ca_core::billing::PaymentMethod::Cash, amount: Fen::new(50_000) },
        )
        .map(drop)
    });
}

fn listed(store: &Store, filter: InvoiceFilter) -> Vec<Invoice> {
    read(store, |reader| reader.invoices(&InvoiceFilter { limit: 9, ..filter }))
}

#[test]
fn every_state_comes_back() {
    on_both(|store| {
        with_order(store);
        let red = InvoiceState::RedLettered { number: number('2'), red: number('3'), file: Some(digest(9)) };
        let states = [
            InvoiceState::Requested,
            issued('1', None),
            issued('4', Some(digest(7))),
            red,
            InvoiceState::Refused { reasons: "抬头不符".to_owned() },
        ];
        let all: Vec<Invoice> = (1..).zip(states).map(|(n, state)| invoice(n, 1, payer(), state)).collect();
        let stored = all.clone();
        write(store, move |tx| stored.iter().try_for_each(|one| tx.insert_invoice(one)));
        assert_eq!(read(store, |reader| reader.invoices_of(&order(1))), all);
        assert_eq!(read(store, |reader| reader.invoice(&all[3].id)).as_ref(), Some(&all[3]));
        assert_eq!(listed(store, InvoiceFilter { payer: Some(payer()), ..InvoiceFilter::default() }), all);
        let later = InvoiceFilter { after: Some(all[3].id.clone()), ..InvoiceFilter::default() };
        assert_eq!(listed(store, later), all[4..]);
        for one in &all {
            let state = Some(one.state.name().to_owned());
            let found = listed(store, InvoiceFilter { state, ..InvoiceFilter::default() });
            assert!(found.contains(one) && found.iter().all(|other| other.state.name() == one.state.name()));
        }
        let overdue_at = Some(NOW.plus_secs(5));
        assert_eq!(listed(store, InvoiceFilter { overdue_at, ..InvoiceFilter::default() }), all[..1]);
        for (digit, used) in [('1', true), ('2', true), ('3', true), ('5', false)] {
            let number = number(digit);
            assert_eq!(read(store, |reader| reader.invoice_number_used(&number)), used, "{digit}");
        }
    });
}

#[test]
fn what_the_database_refuses() {
    on_both(|store| {
        with_order(store);
        write(store, |tx| {
            tx.insert_invoice(&invoice(1, 1, payer(), InvoiceState::Requested))?;
            tx.insert_invoice(&invoice(2, 1, payer(), issued('1', None)))
        });
        let id = invoice(1, 1, payer(), InvoiceState::Requested).id;
        let moved = |to: InvoiceState| {
            let id = id.clone();
            refused(store, move |tx| tx.move_invoice(&id, &InvoiceState::Requested, &to))
        };
        assert_eq!(moved(issued('1', None)), StoreError::Conflict { what: "invoice-number" });
        write(store, |tx| {
            let (from, to) = (InvoiceState::Requested, issued('2', None));
            tx.move_invoice(&invoice(1, 1, payer(), from.clone()).id, &from, &to)
        });
        assert_eq!(moved(issued('3', None)), StoreError::Stale { what: "invoice" });
        for wrong in [
            Invoice { amount: Fen::ZERO, ..invoice(3, 1, payer(), InvoiceState::Requested) },
            Invoice {
                due: Deadline { at: NOW.plus_secs(-1), estimated: false },
                ..invoice(3, 1, payer(), InvoiceState::Requested)
            },
            Invoice {
                kind: InvoiceKind::Special,
                ..invoice(3, 1, Payer::Agent(agent().id), InvoiceState::Requested)
            },
        ] {
            let error = refused(store, move |tx| tx.insert_invoice(&wrong));
            assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
        }
        let nowhere =
            refused(store, |tx| tx.insert_invoice(&invoice(3, 2, payer(), InvoiceState::Requested)));
        assert_eq!(nowhere, StoreError::NotFound, "no such order");
        write(store, |tx| tx.insert_invoice_file(file(2)));
        assert_eq!(read(store, |reader| reader.invoice_file(&file(2).invoice)), Some(file(2)));
        let twice = refused(store, |tx| tx.insert_invoice_file(file(2)));
        assert_eq!(twice, StoreError::Conflict { what: "invoice-file" });
        assert_eq!(refused(store, |tx| tx.lock_order(&order(2))), StoreError::Stale { what: "order" });
    });
}

#[test]
fn more_than_is_still_paid_is_listed() {
    on_both(|store| {
        with_order(store);
        let too_much = || InvoiceFilter { too_much: true, ..InvoiceFilter::default() };
        let refused = InvoiceState::Refused { reasons: "无".to_owned() };
        write(store, move |tx| {
            for (number, state) in [(1, InvoiceState::Requested), (2, issued('1', None)), (3, refused)] {
                tx.insert_invoice(&invoice(number, 1, payer(), state))?;
            }
            Ok(())
        });
        assert_eq!(listed(store, too_much()), [], "40,000 of 50,000");
        write(store, |tx| {
            let application = application(1).id;
            apply(tx, 1, &BillCommand::Refund { application, amount: Fen::new(10_001), into_credit: true })
                .map(drop)
        });
        let found: Vec<InvoiceId> = listed(store, too_much()).into_iter().map(|one| one.id).collect();
        let live = [1, 2].map(|number| InvoiceId::new(NOW, octets(number)));
        assert_eq!(found, live, "not the one that was refused");
    });
}

#[test]
fn an_invoice_ties_its_person_and_ends_with_them() {
    on_both(|store| {
        with_order(store);
        let of = || Payer::Agent(agent().id);
        let (asked, others) = (
            invoice(1, 1, of(), InvoiceState::Requested),
            invoice(2, 1, payer(), issued('2', Some(digest(2)))),
        );
        let (id, kept) = (asked.id.clone(), others.clone());
        let later = NOW.plus_secs(500);
        write(store, move |tx| {
            let due = Deadline { at: later, estimated: false };
            tx.insert_invoice(&Invoice { requested_at: later, due, ..asked })?;
            tx.insert_invoice(&others)?;
            tx.insert_invoice_file(file(2))
        });
        let ties = || read(store, |reader| reader.agent_ties(&agent().id));
        assert_eq!((ties().invoice, ties().last_event), (Some(id.clone()), later));
        let (one, sha256) = (id.clone(), digest(1));
        write(store, move |tx| {
            tx.move_invoice(&one, &InvoiceState::Requested, &issued('1', Some(sha256)))?;
            tx.insert_invoice_file(file(1))?;
            tx.claim_idempotency("staff:x", "k", &digest(1), one.as_str(), NOW).map(drop)
        });
        assert_eq!((ties().invoice, ties().last_event), (None, later));
        write(store, |tx| tx.erase_agent(&agent().id, NOW.plus_secs(900)));
        let left = read(store, |reader| reader.invoice(&id)).unwrap();
        assert_eq!((left.form, left.state), (None, issued('1', Some(sha256))), "that it was stays");
        assert_eq!(read(store, |reader| reader.invoice_file(&id)), None);
        let again = write(store, |tx| tx.claim_idempotency("staff:x", "k", &digest(2), "r", NOW));
        assert_eq!(again, Claim::Fresh, "not even a digest of the request");
        assert_eq!(read(store, |reader| reader.invoice(&kept.id)).as_ref(), Some(&kept), "nobody else's");
        assert_eq!(read(store, |reader| reader.invoice_file(&kept.id)), Some(file(2)));
    });
}
