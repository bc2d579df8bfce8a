//! Random sequences of everything that can happen to orders, beside a model that knows no states and no postings: it
//! only adds up what went in and out.

use std::collections::{BTreeMap, BTreeSet};

use ca_verifier::Time;

use super::{Account, Bill, BillCommand, Charge, Order, OrderState, Payer, PaymentMethod, Posting};
use crate::{ApplicationId, Fen, OrderId, UnitId};

/// Sequences in the everyday run; the environment variable `QIANYIN_SEQUENCES` asks for more.
const SEQUENCES: u64 = 30_000;
const STEPS: u64 = 24;

/// Splitmix64: the same sequences on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn amount(&mut self) -> Fen {
        // Nothing, less than nothing and too much are asked for as well.
        Fen::new([-1, 0, 1, 4_999, 5_000, 15_000, 20_000, 40_000, i64::MAX][self.index(9)])
    }

    fn index(&mut self, below: u64) -> usize {
        usize::try_from(self.roll(below)).unwrap()
    }
}

/// Of one application: what it costs, what of that is not asked for, what went back, whether it was handed over.
#[derive(Clone, Copy, Default)]
struct Known {
    price: i64,
    waived: i64,
    returned: i64,
    handed: bool,
    ended: bool,
}

/// The model: sums only.
#[derive(Default)]
struct Model {
    applications: Vec<Known>,
    open: bool,
    /// All that came in, and all that was decided to go out of our hands.
    money_in: i64,
    money_out: i64,
    /// What went from credit onto the order, and back.
    spent: i64,
}

impl Model {
    fn asked(&self) -> i64 {
        self.applications.iter().filter(|one| !one.ended).map(|one| one.price - one.waived).sum()
    }
}

fn id(n: usize) -> ApplicationId {
    ApplicationId::new(Time::from_secs(0), [u8::try_from(n).unwrap(); 10])
}

fn world(dice: &mut Dice) -> (Bill, Model) {
    let now = Time::from_secs(0);
    let mut model = Model::default();
    let mut charges = Vec::new();
    for n in 0..=dice.index(3) {
        let price = [0, 5_000, 15_000, 20_000][dice.index(4)];
        model.applications.push(Known { price, ..Known::default() });
        charges.push(Charge {
            application: id(n),
            kind: ["new", "renew", "replace"][n],
            total: Fen::new(price),
            waived: Fen::ZERO,
            refunded: Fen::ZERO,
            earned: Fen::ZERO,
            live: true,
        });
    }
    let order = Order {
        id: OrderId::new(now, [1; 10]),
        payer: Payer::Unit(UnitId::new(now, [2; 10])),
        tariff: "t".to_owned(),
        quoted_at: now,
        honoured_until: now,
        state: OrderState::Quoted,
        total: Fen::ZERO,
        waived: Fen::ZERO,
        received: Fen::ZERO,
        refunded: Fen::ZERO,
    };
    (Bill::quoted(order, charges).unwrap(), model)
}

fn command(dice: &mut Dice, credit: i64) -> BillCommand {
    let application = id(dice.index(4));
    match dice.roll(9) {
        0 | 1 => BillCommand::Open,
        2 => BillCommand::Requote { prices: vec![(application, dice.amount())] },
        3 | 4 => BillCommand::Receive { method: PaymentMethod::ALL[dice.index(4)], amount: dice.amount() },
        5 => {
            let credit = if dice.roll(2) == 0 { credit } else { 0 };
            BillCommand::Draw { credit: Fen::new(credit) }
        }
        6 => BillCommand::Waive { application, amount: dice.amount() },
        7 => match dice.roll(2) {
            0 => BillCommand::Cancel { application },
            _ => BillCommand::Deliver { application },
        },
        _ => BillCommand::Refund { application, amount: dice.amount(), into_credit: dice.roll(2) == 0 },
    }
}

/// What the model makes of a command that was accepted.
fn follow(model: &mut Model, command: &BillCommand, before: &Bill) {
    let at = |application: &ApplicationId| (0..4).find(|n| id(*n) == *application).unwrap();
    match command {
        BillCommand::Open => model.open = true,
        BillCommand::Requote { prices } => {
            for (application, price) in prices {
                model.applications[at(application)].price = price.get();
            }
        }
        BillCommand::Receive { amount, .. } => {
            model.money_in += amount.get();
            if matches!(before.order.state, OrderState::Due | OrderState::PartPaid) {
                model.spent += amount.get().min(model.asked() - model.spent);
            }
        }
        BillCommand::Draw { credit } => model.spent += credit.get().min(model.asked() - model.spent),
        BillCommand::Waive { application, amount } => {
            model.applications[at(application)].waived += amount.get();
        }
        BillCommand::Cancel { application } => {
            model.applications[at(application)].ended = true;
            model.spent = model.spent.min(model.asked());
        }
        BillCommand::Refund { application, amount, into_credit } => {
            model.applications[at(application)].returned += amount.get();
            if !into_credit {
                model.money_out += amount.get();
            }
        }
        BillCommand::Deliver { application } => model.applications[at(application)].handed = true,
    }
}

#[derive(Default)]
struct Book(BTreeMap<Account, i64>);

impl Book {
    fn post(&mut self, posting: &Posting) {
        *self.0.entry(posting.debit().clone()).or_default() -= posting.amount().get();
        *self.0.entry(posting.credit().clone()).or_default() += posting.amount().get();
    }

    fn of(&self, account: &Account) -> i64 {
        self.0.get(account).copied().unwrap_or_default()
    }

    fn sum(&self, matches: impl Fn(&Account) -> bool) -> i64 {
        self.0.iter().filter(|(account, _)| matches(account)).map(|(_, balance)| balance).sum()
    }
}

fn check(bill: &Bill, model: &Model, book: &Book) {
    let credit = book.of(&Account::Credit(bill.order.payer.clone()));
    let held = book.of(&Account::Order(bill.order.id.clone()));
    let earned = book.sum(|account| matches!(account, Account::Revenue(_)));
    let waived = -book.of(&Account::Waiver);
    assert_eq!(book.sum(|_| true), 0, "Σ entries");
    assert!(credit >= 0 && held >= 0 && earned >= 0 && waived >= 0, "{book:?}", book = book.0);
    let returned: i64 = model.applications.iter().map(|one| one.returned).sum();
    let into_credit = returned - model.money_out;
    assert_eq!(-book.sum(|account| matches!(account, Account::Money(_))), model.money_in);
    assert_eq!(book.of(&Account::Payable), model.money_out);
    assert_eq!(credit, model.money_in - model.spent + into_credit, "credit");
    // I9: paid − refunded = fees of what was handed over + on orders + credit, less what was not asked for.
    assert_eq!(model.money_in - model.money_out, earned + held + credit - waived, "I9");
    assert!(returned <= model.spent, "never more back than was paid");
    let settled = model.open && model.asked() == model.spent;
    for one in &model.applications {
        assert!(one.returned <= one.price - one.waived, "never more back than it cost");
        assert!(!one.handed || settled, "handed over and not settled");
    }
    let expected = match () {
        () if model.applications.iter().all(|one| one.ended) => OrderState::Cancelled,
        () if !model.open => OrderState::Quoted,
        () if model.spent > 0 && returned == model.spent => OrderState::Refunded,
        () if settled => OrderState::Paid,
        () if model.spent == 0 => OrderState::Due,
        () => OrderState::PartPaid,
    };
    assert_eq!(bill.order.state, expected);
    assert_eq!(bill.order.received.get(), model.spent);
    assert_eq!(bill.order.refunded.get(), returned);
}

/// The order becomes another one, when it can; to the model, that is nothing at all.
fn collect(bill: Bill, number: u8, book: &mut Book) -> Bill {
    let id = OrderId::new(Time::from_secs(1), [number; 10]);
    let order = Order { id, ..bill.order.clone() };
    match Bill::collected(order, vec![bill.clone()]) {
        Ok(collected) => {
            collected.postings.iter().for_each(|posting| book.post(posting));
            assert_eq!(collected.emptied[0].order.state, OrderState::Cancelled);
            assert_eq!(book.of(&Account::Order(bill.order.id)), 0, "nothing is left behind");
            collected.into
        }
        Err(_) => bill,
    }
}

#[test]
fn money_always_adds_up() {
    let sequences = std::env::var("QIANYIN_SEQUENCES").map_or(SEQUENCES, |text| text.parse().unwrap());
    let mut reached = BTreeSet::new();
    for sequence in 0..sequences {
        let mut dice = Dice(sequence);
        let (mut bill, mut model) = world(&mut dice);
        let mut book = Book::default();
        for step in 0..STEPS {
            if dice.roll(12) == 0 {
                bill = collect(bill, u8::try_from(step).unwrap(), &mut book);
                check(&bill, &model, &book);
            }
            let credit = book.of(&Account::Credit(bill.order.payer.clone()));
            let (command, before) = (command(&mut dice, credit), bill.clone());
            match bill.apply(&command) {
                Ok(postings) => {
                    postings.iter().for_each(|posting| book.post(posting));
                    follow(&mut model, &command, &before);
                    reached.insert(bill.order.state.name());
                }
                Err(_) => assert_eq!(bill, before, "a refusal changes nothing"),
            }
            check(&bill, &model, &book);
        }
    }
    assert_eq!(reached.len(), OrderState::ALL.len(), "{reached:?}");
}

/// State × command, for a person to read.
#[test]
fn the_whole_table() {
    let mut table = String::new();
    for state in OrderState::ALL {
        let (_, bill) = (0..10_000)
            .map(|seed| reach(state, seed))
            .find_map(|bill| bill.map(|bill| (state, bill)))
            .unwrap();
        let application = bill.charges[0].application.clone();
        for command in [
            BillCommand::Open,
            BillCommand::Requote { prices: vec![(application.clone(), Fen::new(20_000))] },
            BillCommand::Receive { method: PaymentMethod::Cash, amount: Fen::new(1) },
            BillCommand::Draw { credit: Fen::new(i64::MAX) },
            BillCommand::Waive { application: application.clone(), amount: Fen::new(1) },
            BillCommand::Cancel { application: application.clone() },
            BillCommand::Refund { application: application.clone(), amount: Fen::new(1), into_credit: false },
            BillCommand::Deliver { application },
        ] {
            let mut after = bill.clone();
            let outcome = match after.apply(&command) {
                Ok(_) => after.order.state.name().to_owned(),
                Err(refusal) => format!("refused: {refusal}"),
            };
            table.push_str(&format!("{:<9} {:<8} {outcome}\n", state.name(), command.name()));
        }
    }
    insta::assert_snapshot!(table);
}

/// One order with one application of 20,000 fen that is in `state` after some steps.
fn reach(state: OrderState, seed: u64) -> Option<Bill> {
    let mut dice = Dice(seed);
    let (mut bill, _) = world(&mut dice);
    if bill.charges.len() != 1 || bill.order.total != Fen::new(20_000) {
        return None;
    }
    for _ in 0..STEPS {
        if bill.order.state == state && bill.order.waived == Fen::ZERO {
            return Some(bill);
        }
        let command = command(&mut dice, 0);
        if !matches!(command, BillCommand::Requote { .. }) {
            bill.apply(&command).ok();
        }
    }
    None
}
