//! What the store refuses, in the words that it promises, and that nothing of it stays.

use ca_core::{
    Application, ApplicationState, AttemptState, Fen, OrderId, PaymentId, StaffId, Unit, UnitId,
    billing::{Account, Order, OrderState, Payment, PaymentMethod, Posting},
};
use ca_store::{AttemptRecord, CrlRecord, StoreError, Tx};
use ca_verifier::Uscc;

use crate::world::*;

type Verb = fn(&mut Tx<'_>) -> Result<(), StoreError>;

fn conflict(what: &'static str) -> StoreError {
    StoreError::Conflict { what }
}

#[test]
fn conflicts_have_names() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| personalising(tx, 1));
        let code = Uscc::parse("91320106MA1X00017N").unwrap().into();
        let unit_id = UnitId::new(NOW, octets(9));
        // Each breaks one rule only: of several, each database names another first.
        let unit_twin = Unit { code, labour_no: "32010002".into(), ..unit() };
        let code_twin = Unit { id: unit_id.clone(), labour_no: "32010002".into(), ..unit() };
        let labour_twin = Unit { id: unit_id, code, ..unit() };
        assert_eq!(refused(store, move |tx| tx.insert_unit(&unit_twin)), conflict("unit"));
        assert_eq!(refused(store, move |tx| tx.insert_unit(&code_twin)), conflict("unit-code"));
        assert_eq!(refused(store, move |tx| tx.insert_unit(&labour_twin)), conflict("unit-labour-number"));

        let agent_twin = person(1, "李四", "110105194912311006");
        let card_twin = person(9, "李四", ID_CARD);
        assert_eq!(refused(store, move |tx| tx.insert_agent(&agent_twin)), conflict("agent"));
        assert_eq!(refused(store, move |tx| tx.insert_agent(&card_twin)), conflict("agent-id-card"));

        let order_twin = refused(store, |tx| {
            let (mut bill, lines) = bill(1);
            bill.order.id = OrderId::new(NOW, octets(9));
            tx.insert_bill(&bill, &lines)
        });
        assert_eq!(order_twin, conflict("charge"));
        let receipt_twin = Payment { id: PaymentId::new(NOW, octets(9)), code: "9".into(), ..payment(1) };
        assert_eq!(refused(store, move |tx| tx.insert_payment(&receipt_twin)), conflict("payment-reference"));
        let code_twin = Payment { id: PaymentId::new(NOW, octets(9)), reference: "R9".into(), ..payment(1) };
        assert_eq!(refused(store, move |tx| tx.insert_payment(&code_twin)), conflict("payment-code"));
        // The same number of another kind of receipt is another receipt.
        let card = Payment {
            id: PaymentId::new(NOW, octets(8)),
            code: "8".into(),
            method: PaymentMethod::Card,
            ..payment(1)
        };
        write(store, move |tx| tx.insert_payment(&card));

        let second = AttemptRecord { application: application(1).id, ..attempt(9) };
        assert_eq!(refused(store, move |tx| tx.insert_attempt(&second)), conflict("live-attempt"));
        let busy = refused(store, move |tx| {
            tx.insert_application(&application(2))?;
            tx.insert_attempt(&AttemptRecord { workstation: attempt(1).workstation, ..attempt(2) })
        });
        assert_eq!(busy, conflict("workstation"));
        let crl = CrlRecord {
            issuer: "issuing".into(),
            shard: 0,
            number: 1,
            this_update: NOW,
            next_update: NOW.plus_secs(1),
            epoch: 0,
            der: vec![0x30],
        };
        assert_eq!(
            refused(store, move |tx| {
                tx.insert_crl(&crl)?;
                tx.insert_crl(&crl)
            }),
            conflict("crl-number")
        );
        assert_eq!(
            refused(store, |tx| {
                tx.insert_ca_certificate("root", &[1], NOW)?;
                tx.insert_ca_certificate("root", &[2], NOW)
            }),
            conflict("ca-certificate")
        );
        // Everything above was undone with its transaction.
        assert_eq!(read(store, |reader| reader.application(&application(2).id)), None);
        assert_eq!(read(store, |reader| reader.ca_certificates()), []);
    });
}

#[test]
fn what_moved_meanwhile_stays() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| personalising(tx, 1));
        let stale = |what| StoreError::Stale { what };
        let held = |number| ApplicationState::Personalising {
            payment: Some(payment(1).id),
            attempt: attempt(number).id,
        };
        let paid = ApplicationState::Paid { payment: Some(payment(1).id) };

        // The name of the state is right, the attempt in it is not.
        let to = paid.clone();
        let error = refused(store, move |tx| tx.move_application(&application(1).id, &held(2), &to));
        assert_eq!(error, stale("application"));
        let to = paid.clone();
        let error = refused(store, move |tx| tx.move_application(&application(2).id, &held(1), &to));
        assert_eq!(error, stale("application"));
        write(store, move |tx| tx.move_application(&application(1).id, &held(1), &paid));

        let bound = |token: &str| AttemptState::Initialised { token: token.into() };
        let gone = AttemptState::Abandoned { reason: "x".into() };
        let to = gone.clone();
        let error = refused(store, move |tx| tx.move_attempt(&attempt(1).id, &bound("T2"), &to));
        assert_eq!(error, stale("attempt"));
        write(store, move |tx| tx.move_attempt(&attempt(1).id, &bound("T1"), &gone));
        assert_eq!(refused(store, |tx| tx.touch_attempt(&attempt(1).id, NOW, "")), stale("attempt"));

        assert_eq!(refused(store, |tx| tx.mark_notice_routed(&notice(1).id, NOW)), stale("notice"));
        assert_eq!(
            refused(store, |tx| tx.set_staff_roles(&StaffId::new(NOW, octets(9)), &[])),
            stale("staff")
        );
        write(store, |tx| tx.qualify_agent(&agent().id, NOW));
        assert_eq!(refused(store, |tx| tx.qualify_agent(&agent().id, NOW)), stale("agent"));
    });
}

#[test]
fn rows_need_what_they_refer_to() {
    on_both(|store| {
        let nobody: [Verb; 6] = [
            |tx| tx.insert_notice(&notice(1)),
            |tx| tx.put_contact(&unit().id, &contact(), NOW, "staff:x"),
            |tx| tx.insert_application(&application(1)),
            |tx| insert_bill(tx, 1),
            |tx| tx.insert_attempt(&attempt(1)),
            |tx| tx.confirm_pair(&agent().id, &unit().id, NOW, "staff:x"),
        ];
        for write in nobody {
            assert_eq!(refused(store, write), StoreError::NotFound);
        }
    });
}

#[test]
fn checks_of_the_schema_hold() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            tx.insert_application(&application(1))?;
            insert_bill(tx, 1)
        });
        let bad: [Verb; 6] = [
            |tx| tx.insert_payment(&Payment { amount: Fen::ZERO, ..payment(1) }),
            |tx| tx.insert_payment(&Payment { payer: None, ..payment(1) }),
            |tx| with_sums(tx, |order| order.state = OrderState::Paid),
            |tx| with_sums(tx, |order| (order.state, order.received) = (OrderState::Due, Fen::new(1))),
            |tx| tx.insert_application(&Application { years: 0, ..application(2) }),
            |tx| {
                let code = Uscc::parse("91320106MA1X00017N").unwrap().into();
                tx.insert_unit(&Unit {
                    id: UnitId::new(NOW, octets(9)),
                    code,
                    labour_no: "1".into(),
                    ..unit()
                })
            },
        ];
        for write in bad {
            let error = refused(store, write);
            assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
        }
        // What nobody has cannot be spent, whatever a program says; who was just too late reads again.
        let spent: [Verb; 2] = [
            |tx| spend(tx, Account::Credit(payer()), Account::Order(bill(1).0.order.id)),
            |tx| spend(tx, Account::Order(bill(1).0.order.id), Account::Payable),
        ];
        for write in spent {
            assert_eq!(refused(store, write), StoreError::Stale { what: "balance" });
        }
        assert_eq!(read(store, |reader| reader.payments_of(&bill(1).0.order.id)), []);
        assert_eq!(read(store, |reader| reader.balance(&Account::Credit(payer()))), Fen::ZERO);
    });
}

#[test]
fn errors_show_no_personal_data() {
    on_both(|store| {
        enroll(store);
        let error = refused(store, |tx| tx.insert_agent(&person(9, "张三", ID_CARD)));
        assert!(!format!("{error} {error:?}").contains(ID_CARD));
    });
}

fn spend(tx: &mut Tx<'_>, from: Account, to: Account) -> Result<(), StoreError> {
    let posting = Posting::new(from, to, Fen::new(1)).unwrap();
    tx.book(("draw", "x"), None, &[posting], NOW)
}

fn with_sums(tx: &mut Tx<'_>, bend: impl FnOnce(&mut Order)) -> Result<(), StoreError> {
    let (before, _) = bill(1);
    let mut after = before.clone();
    bend(&mut after.order);
    tx.change_bill(&before, &after)
}
