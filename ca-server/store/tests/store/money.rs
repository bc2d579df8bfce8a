//! Orders, the book, waivers and refunds, as they come back from the database.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use ca_core::{
    AdjustmentId, Fen, OrderId, PaymentId,
    billing::{
        Account, Adjustment, AdjustmentKind, AdjustmentState, Bill, BillCommand, COLLECT, Collected,
        OrderState, Payment, PaymentMethod,
    },
};
use ca_store::{OrderFilter, StoreError, WriteSite};

use crate::world::*;

#[test]
fn an_order_from_quote_to_payment() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            tx.insert_application(&application(1))?;
            insert_bill(tx, 1)
        });
        let (quoted, lines) = bill(1);
        let id = quoted.order.id.clone();
        assert_eq!(read(store, |reader| reader.bill(&id)).as_ref(), Some(&quoted));
        assert_eq!(read(store, |reader| reader.charge_lines(&id))[&application(1).id], lines[0]);
        assert_eq!(read(store, |reader| reader.charge(&application(1).id)), Some(quoted.charges[0].clone()));

        write(store, |tx| {
            apply(tx, 1, &BillCommand::Open)?;
            let part = Payment { amount: Fen::new(20_000), ..payment(1) };
            tx.insert_payment(&part)?;
            apply(tx, 1, &BillCommand::Receive { method: PaymentMethod::Cash, amount: part.amount })
        });
        let known = read(store, |reader| reader.bill_of(&application(1).id)).unwrap();
        assert_eq!((known.order.state, known.order.outstanding()), (OrderState::PartPaid, Fen::new(30_000)));
        assert_eq!(read(store, |reader| reader.payments_of(&id)).len(), 1);
        let held = Account::Order(id);
        assert_eq!(read(store, |reader| reader.balance(&held)), Fen::new(20_000));

        // What is too much is credit, and the statement says how it came about.
        write(store, |tx| {
            apply(tx, 1, &BillCommand::Receive { method: PaymentMethod::Card, amount: Fen::new(30_500) })
        });
        let credit = Account::Credit(payer());
        assert_eq!(read(store, |reader| reader.balance(&credit)), Fen::new(500));
        let statement = read(store, |reader| reader.booked(&credit, 0, 10));
        let amounts: Vec<i64> = statement.iter().map(|one| one.posting.amount().get()).collect();
        assert_eq!(amounts, [20_000, 20_000, 30_500, 30_000]);
        assert_eq!(read(store, |reader| reader.booked(&credit, statement[1].number, 1)), statement[2..3]);

        let paid = OrderFilter {
            state: Some(OrderState::Paid),
            payer: Some(payer()),
            limit: 9,
            ..OrderFilter::default()
        };
        assert_eq!(read(store, |reader| reader.orders(&paid)).len(), 1);
        let due = OrderFilter { state: Some(OrderState::Due), ..paid };
        assert_eq!(read(store, |reader| reader.orders(&due)), []);
        // Whoever read the order before somebody else changed it changes nothing.
        let stale = refused(store, move |tx| {
            let mut after = known.clone();
            after.order.received = Fen::new(20_001);
            tx.change_bill(&known, &after)
        });
        assert_eq!(stale, StoreError::Stale { what: "order" });
    });
}

#[test]
fn several_orders_become_one() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            for number in [1, 2] {
                tx.insert_application(&application(number))?;
                insert_bill(tx, number)?;
                apply(tx, number, &BillCommand::Open)?;
            }
            Ok(())
        });
        // Of the first, something is not asked for.
        let application_of_first = application(1).id;
        write(store, |tx| {
            let command = BillCommand::Waive { application: application(1).id, amount: Fen::new(7) };
            apply(tx, 1, &command)
        });
        let before: Vec<Bill> = [1, 2]
            .iter()
            .map(|number| read(store, |reader| reader.bill_of(&application(*number).id)).unwrap())
            .collect();
        let mut order = before[0].order.clone();
        order.id = OrderId::new(NOW, octets(9));
        let asked = Adjustment {
            id: AdjustmentId::new(NOW, octets(1)),
            kind: AdjustmentKind::Waiver,
            order: before[0].order.id.clone(),
            application: application_of_first,
            amount: Fen::new(7),
            reason: "trial".into(),
            requested_by: clerk(),
            requested_at: NOW,
            state: AdjustmentState::Requested,
        };
        let new = asked.clone();
        write(store, move |tx| tx.insert_adjustment(&new));
        let Collected { into, emptied: from, postings } = Bill::collected(order, before.clone()).unwrap();
        let (expected, emptied, id) = (into.clone(), from.clone(), into.order.id.clone());
        write(store, move |tx| {
            tx.collect_bills(&before, &emptied, &into)?;
            tx.book((COLLECT, id.as_str()), Some(&id), &postings, NOW)
        });
        let balance = |order: &OrderId| read(store, |reader| reader.balance(&Account::Order(order.clone())));
        assert_eq!((balance(&from[0].order.id), balance(&expected.order.id)), (Fen::ZERO, Fen::new(7)));
        let known = read(store, |reader| reader.adjustments(None, Some(&expected.order.id), None, 9));
        assert_eq!(known.len(), 1, "what is decided later is decided of the new order");
        assert_eq!(read(store, |reader| reader.bill(&expected.order.id)).as_ref(), Some(&expected));
        assert_eq!(expected.order.total, Fen::new(100_000));
        for (number, left) in (1..).zip(&from) {
            assert_eq!(read(store, |reader| reader.bill(&left.order.id)).as_ref(), Some(left));
            let found = read(store, |reader| reader.bill_of(&application(number).id)).unwrap();
            assert_eq!(found.order.id, expected.order.id);
        }
    });
}

/// The number that the other side gave a payment counts once, whoever comes with it, and how often.
#[test]
fn one_of_64_reports_of_a_payment_counts() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            tx.insert_application(&application(1))?;
            insert_bill(tx, 1)?;
            apply(tx, 1, &BillCommand::Open)
        });
        let start = Arc::new(Barrier::new(64));
        let clients: Vec<_> = (0..64)
            .map(|number| {
                let (start, store) = (Arc::clone(&start), store.clone());
                thread::spawn(move || {
                    start.wait();
                    store.write_blocking(WriteSite::RecordPayment, move |tx| {
                        let id = PaymentId::new(NOW, octets(100 + number));
                        let code = format!("{number}");
                        tx.insert_payment(&Payment { id, code, ..payment(1) })?;
                        apply(
                            tx,
                            1,
                            &BillCommand::Receive { method: PaymentMethod::Cash, amount: Fen::new(50_000) },
                        )
                    })
                })
            })
            .collect();
        let outcomes: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for loser in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(loser, StoreError::Conflict { what: "payment-reference" });
        }
        let known = read(store, |reader| reader.bill_of(&application(1).id)).unwrap();
        assert_eq!((known.order.state, known.order.received), (OrderState::Paid, Fen::new(50_000)));
        assert_eq!(read(store, |reader| reader.payments_of(&known.order.id)).len(), 1);
    });
}

#[test]
fn waivers_and_refunds_come_back() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            tx.insert_application(&application(1))?;
            insert_bill(tx, 1)
        });
        let by = stranger();
        let method = PaymentMethod::Transfer;
        let states = [
            AdjustmentState::Requested,
            AdjustmentState::Approved { by: by.clone() },
            AdjustmentState::Rejected { by: by.clone(), reasons: "不予退款".into() },
            AdjustmentState::Withdrawn,
            AdjustmentState::PaidOut { by, method, reference: "B-1".into() },
        ];
        let kind = AdjustmentKind::Refund { into_credit: false, keeps_certificate: true };
        for (number, state) in (0..).zip(states) {
            let asked = Adjustment {
                id: AdjustmentId::new(NOW, octets(number)),
                kind,
                order: bill(1).0.order.id,
                application: application(1).id,
                amount: Fen::new(7),
                reason: "多收".into(),
                requested_by: clerk(),
                requested_at: NOW,
                state: AdjustmentState::Requested,
            };
            let (new, id, to) = (asked.clone(), asked.id.clone(), state.clone());
            write(store, move |tx| tx.insert_adjustment(&new));
            write(store, move |tx| tx.move_adjustment(&id, &AdjustmentState::Requested, &to));
            let known = read(store, |reader| reader.adjustment(&asked.id));
            assert_eq!(known, Some(Adjustment { state: state.clone(), ..asked.clone() }));
            let listed = read(store, |reader| reader.adjustments(Some(state.name()), None, None, 9));
            assert_eq!(listed.len(), 1);
        }
        let twice = refused(store, |tx| {
            let to = AdjustmentState::PaidOut {
                by: stranger(),
                method: PaymentMethod::Transfer,
                reference: "B-1".into(),
            };
            tx.move_adjustment(
                &AdjustmentId::new(NOW, octets(1)),
                &AdjustmentState::Approved { by: stranger() },
                &to,
            )
        });
        assert_eq!(twice, StoreError::Conflict { what: "payment-reference" });
        // Who asked does not decide, not even past this crate's types.
        let alone = refused(store, |tx| {
            let id = AdjustmentId::new(NOW, octets(3));
            tx.move_adjustment(&id, &AdjustmentState::Withdrawn, &AdjustmentState::Approved { by: clerk() })
        });
        assert!(matches!(alone, StoreError::Rejected(_)), "{alone:?}");
    });
}
