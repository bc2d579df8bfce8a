//! Which open order a line of a statement pays. Unsure means that a person looks: a wrong match gives one unit's money
//! to another.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{BankRow, folded, folded_text};
use crate::{Fen, OrderId};

/// A shorter code could stand in a remark by chance; an order that has one is found by its payer only.
const CODE_MIN: usize = 4;
/// More candidates help nobody.
const CANDIDATES_MAX: usize = 10;

/// An order that waits for money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// The order.
    pub id: OrderId,
    /// What the payer is asked to write into the remark.
    pub code: String,
    /// The name of the unit that is to pay.
    pub payer: String,
    /// Another unit is called the same: the name does not say whose money it is.
    pub payer_shared: bool,
    /// What is still to be paid.
    pub outstanding: Fen,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementVerdict {
    /// It pays this order in full.
    Matched {
        /// The order.
        order: OrderId,
        /// How it was found.
        by: MatchedBy,
    },
    /// A person must look.
    Unmatched {
        /// Why.
        reason: UnmatchedReason,
        /// What it may be for, ten at most, in the orders' own order.
        candidates: Vec<Candidate>,
    },
    /// The bank's number was counted before, in this file or in an earlier one.
    Duplicate,
}

/// How an order was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedBy {
    /// The remark holds its code, and the amount is what is due.
    Code,
    /// It is the only open order of this payer and this amount, and nobody else has the payer's name.
    Payer,
}

/// Why a line pays no order by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmatchedReason {
    /// The money went out.
    Outgoing,
    /// The order is found, and its amount is another.
    AmountDiffers,
    /// Orders of this amount are other payers'.
    NameDiffers,
    /// More than one order fits.
    Several,
    /// An earlier line of this file paid the order.
    PaidAbove,
    /// The bank's number was counted with another amount.
    NumberUsed,
    /// Nothing is open that it could be for.
    Unknown,
}

impl UnmatchedReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Outgoing,
        Self::AmountDiffers,
        Self::NameDiffers,
        Self::Several,
        Self::PaidAbove,
        Self::NumberUsed,
        Self::Unknown,
    ];

    /// Reads a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The name in the API and in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing",
            Self::AmountDiffers => "amount-differs",
            Self::NameDiffers => "name-differs",
            Self::Several => "several",
            Self::PaidAbove => "paid-above",
            Self::NumberUsed => "number-used",
            Self::Unknown => "unknown",
        }
    }
}

/// An order that a line may be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The order.
    pub order: OrderId,
    /// What is due for it.
    pub outstanding: Fen,
}

/// The verdict on each line of a statement, in the lines' order. `counted` holds the bank's numbers of earlier files with
/// their amounts, so that the same file again is nothing but duplicates.
#[must_use]
pub fn match_statement(
    open: &[OpenOrder],
    counted: &HashMap<String, Fen>,
    rows: &[BankRow],
) -> Vec<StatementVerdict> {
    let index = Index::of(open);
    let mut seen: HashMap<&str, Fen> = HashMap::new();
    let mut paid: HashSet<usize> = HashSet::new();
    rows.iter()
        .map(|row| {
            // First of all: a reversal has the number of what it takes back, and must not stand in its way.
            if row.is_outgoing() {
                return index.unmatched(UnmatchedReason::Outgoing, &[]);
            }
            let number = row.transaction();
            match counted.get(number).or_else(|| seen.get(number)) {
                Some(amount) if *amount == row.amount() => return StatementVerdict::Duplicate,
                Some(_) => return index.unmatched(UnmatchedReason::NumberUsed, &[]),
                None => seen.insert(number, row.amount()),
            };
            match index.find(row) {
                Ok((at, _)) if paid.contains(&at) => index.unmatched(UnmatchedReason::PaidAbove, &[at]),
                Ok((at, by)) => {
                    paid.insert(at);
                    StatementVerdict::Matched { order: index.order(at).id.clone(), by }
                }
                Err((reason, candidates)) => index.unmatched(reason, &candidates),
            }
        })
        .collect()
}

/// Open orders by what a line can say of them: 50,000 lines against as many orders must not be all pairs.
struct Index<'a> {
    open: &'a [OpenOrder],
    by_code: HashMap<Vec<char>, Vec<usize>>,
    code_lengths: BTreeSet<usize>,
    by_payer: HashMap<String, Vec<usize>>,
    by_amount: HashMap<Fen, Vec<usize>>,
}

type Unmatched = (UnmatchedReason, Vec<usize>);

impl<'a> Index<'a> {
    fn of(open: &'a [OpenOrder]) -> Self {
        let (mut by_code, mut by_payer, mut by_amount) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut code_lengths = BTreeSet::new();
        for (at, order) in open.iter().enumerate() {
            let code: Vec<char> = folded_text(&order.code).chars().collect();
            if code.len() >= CODE_MIN {
                code_lengths.insert(code.len());
                by_code.entry(code).or_insert_with(Vec::new).push(at);
            }
            let payer = folded_text(&order.payer);
            if !payer.is_empty() {
                by_payer.entry(payer).or_insert_with(Vec::new).push(at);
            }
            by_amount.entry(order.outstanding).or_insert_with(Vec::new).push(at);
        }
        Self { open, by_code, code_lengths, by_payer, by_amount }
    }

    fn order(&self, at: usize) -> &'a OpenOrder {
        &self.open[at]
    }

    /// The one order that a line pays. What earlier lines paid is asked later: which order a line is for does not depend
    /// on the lines above it.
    fn find(&self, row: &BankRow) -> Result<(usize, MatchedBy), Unmatched> {
        let due = |at: &usize| self.order(*at).outstanding == row.amount();
        match self.with_code_in(row.remark())[..] {
            // Whose code it is, it is: a name or an amount that says otherwise is for a person.
            [at] if due(&at) => return Ok((at, MatchedBy::Code)),
            [at] => return Err((UnmatchedReason::AmountDiffers, vec![at])),
            [] => {}
            ref several => return Err((UnmatchedReason::Several, some(several))),
        }
        let payers = self.by_payer.get(&folded_text(row.payer())).map_or(&[][..], Vec::as_slice);
        let fitting: Vec<usize> = payers.iter().copied().filter(due).take(CANDIDATES_MAX).collect();
        match fitting[..] {
            [at] if !self.order(at).payer_shared => Ok((at, MatchedBy::Payer)),
            [] if !payers.is_empty() => Err((UnmatchedReason::AmountDiffers, some(payers))),
            [] => match self.by_amount.get(&row.amount()) {
                Some(others) => Err((UnmatchedReason::NameDiffers, some(others))),
                None => Err((UnmatchedReason::Unknown, Vec::new())),
            },
            _ => Err((UnmatchedReason::Several, fitting)),
        }
    }

    /// Orders whose code stands in a remark as a word of its own: not inside a longer number.
    fn with_code_in(&self, remark: &str) -> Vec<usize> {
        let text = folded(remark);
        let characters: Vec<char> = text.iter().map(|(_, c)| *c).collect();
        // Neighbours in the remark as it was written: a space between two characters parts them.
        let joined = |left: usize, right: usize| match (text.get(left), text.get(right)) {
            (Some((a, x)), Some((b, y))) => {
                a + 1 == *b && x.is_ascii_alphanumeric() && y.is_ascii_alphanumeric()
            }
            _ => false,
        };
        let mut found = BTreeSet::new();
        for length in &self.code_lengths {
            for (at, window) in characters.windows(*length).enumerate() {
                let parted = (at == 0 || !joined(at - 1, at)) && !joined(at + length - 1, at + length);
                if parted && let Some(orders) = self.by_code.get(window) {
                    found.extend(orders);
                }
            }
        }
        found.into_iter().collect()
    }

    fn unmatched(&self, reason: UnmatchedReason, candidates: &[usize]) -> StatementVerdict {
        let candidate = |at: &usize| {
            let order = self.order(*at);
            Candidate { order: order.id.clone(), outstanding: order.outstanding }
        };
        let candidates = candidates.iter().map(candidate).collect();
        StatementVerdict::Unmatched { reason, candidates }
    }
}

/// No more than help: an amount that many orders have must not be copied for every line.
fn some(candidates: &[usize]) -> Vec<usize> {
    candidates.iter().copied().take(CANDIDATES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use ca_verifier::Time;
    use proptest::prelude::*;

    use super::*;
    use crate::BankRowCells;

    fn id(number: u8) -> OrderId {
        OrderId::new(Time::from_secs(1), [number; 10])
    }

    fn order(number: u8, code: &str, payer: &str, fen: i64) -> OpenOrder {
        OpenOrder {
            id: id(number),
            code: code.into(),
            payer: payer.into(),
            payer_shared: false,
            outstanding: Fen::new(fen),
        }
    }

    fn row(transaction: &str, fen: i64, payer: &str, remark: &str) -> BankRow {
        let sign = if fen < 0 { "-" } else { "" };
        let amount = format!("{sign}{}.{:02}", fen.unsigned_abs() / 100, fen.unsigned_abs() % 100);
        let booked = "2026-11-23";
        BankRow::parse(BankRowCells { booked, transaction, amount: &amount, payer, remark }).unwrap()
    }

    fn open() -> Vec<OpenOrder> {
        vec![
            order(1, "QY7K3M9P", "甲公司", 20_000),
            order(2, "QY7K3M9Q", "乙（南京）公司", 35_000),
            order(3, "QY000003", "丙公司", 20_000),
            order(4, "QY000004", "丙公司", 20_000),
            order(5, "12345678", "丁公司", 5_000),
        ]
    }

    fn one(fen: i64, payer: &str, remark: &str) -> StatementVerdict {
        match_statement(&open(), &HashMap::new(), &[row("T", fen, payer, remark)]).remove(0)
    }

    /// What a file of these lines counts.
    fn numbers(rows: &[BankRow]) -> HashMap<String, Fen> {
        let mut counted = HashMap::new();
        for row in rows.iter().filter(|row| !row.is_outgoing()) {
            counted.entry(row.transaction().to_owned()).or_insert(row.amount());
        }
        counted
    }

    fn matched(number: u8, by: MatchedBy) -> StatementVerdict {
        StatementVerdict::Matched { order: id(number), by }
    }

    fn reason(verdict: &StatementVerdict) -> (&'static str, usize) {
        match verdict {
            StatementVerdict::Unmatched { reason, candidates } => (reason.name(), candidates.len()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_code_in_the_remark_is_found_however_it_is_written() {
        for remark in [
            "QY7K3M9P",
            "qy7k3m9p",
            "ＱＹ７Ｋ３Ｍ９Ｐ",
            "数字证书费 QY7K 3M9P 谢谢",
            "费用QY7K3M9P，甲公司",
            "QY7K　3M9P",
            "(QY7K3M9P)",
            "订单QY7K3M9P费",
        ] {
            assert_eq!(one(20_000, "另一户名", remark), matched(1, MatchedBy::Code), "{remark}");
        }
        for remark in ["QY7K3M9", "XQY7K3M9P", "QY7K3M9PX", "", "QY7K-3M9P"] {
            assert_eq!(reason(&one(20_000, "另一户名", remark)), ("name-differs", 3), "{remark}");
        }
        assert_eq!(one(5_000, "", "912345678 12345678"), matched(5, MatchedBy::Code), "a word of its own");
        assert_eq!(reason(&one(5_000, "", "912345678")), ("name-differs", 1), "inside a longer number");
    }

    #[test]
    fn a_payer_is_found_by_name_and_amount_when_only_one_order_fits() {
        assert_eq!(one(20_000, "甲公司", "年费"), matched(1, MatchedBy::Payer));
        assert_eq!(one(35_000, "乙(南京) 公司", ""), matched(2, MatchedBy::Payer), "full-width and spaces");
        assert_eq!(reason(&one(20_000, "丙公司", "")), ("several", 2));
        assert_eq!(one(20_000, "丙公司", "QY000004"), matched(4, MatchedBy::Code));
    }

    #[test]
    fn what_does_not_fit_is_for_a_person() {
        assert_eq!(reason(&one(19_999, "甲公司", "QY7K3M9P")), ("amount-differs", 1));
        assert_eq!(
            reason(&one(20_000, "甲公司", "QY7K3M9Q")),
            ("amount-differs", 1),
            "the code wins over the name"
        );
        assert_eq!(reason(&one(1, "丙公司", "")), ("amount-differs", 2));
        assert_eq!(reason(&one(20_000, "甲公司", "QY7K3M9P QY7K3M9Q")), ("several", 2));
        assert_eq!(reason(&one(1, "某人", "")), ("unknown", 0));
        assert_eq!(reason(&one(-20_000, "甲公司", "QY7K3M9P")), ("outgoing", 0));
        let doubled = [order(1, "SAME01", "甲", 100), order(2, "same01", "乙", 100)];
        let verdicts = match_statement(&doubled, &HashMap::new(), &[row("T", 100, "甲", "SAME01")]);
        assert_eq!(reason(&verdicts[0]), ("several", 2));
        // No code, or hardly one, and no name are in every remark.
        let nameless = [order(1, "", "", 100), order(2, "CA", "", 200)];
        let verdicts =
            match_statement(&nameless, &HashMap::new(), &[row("T", 100, "", ""), row("U", 200, "", "CA")]);
        assert_eq!(
            verdicts.iter().map(reason).collect::<Vec<_>>(),
            [("name-differs", 1), ("name-differs", 1)]
        );
        let many: Vec<OpenOrder> = (0..30).map(|n| order(n, "", "甲", 100)).collect();
        assert_eq!(
            reason(&match_statement(&many, &HashMap::new(), &[row("T", 100, "甲", "")])[0]),
            ("several", 10)
        );
    }

    #[test]
    fn an_order_is_paid_once_and_a_line_counts_once() {
        let rows = [
            row("T1", 20_000, "甲公司", "QY7K3M9P"),
            row("T1", 20_000, "甲公司", "QY7K3M9P"),
            row("T2", 20_000, "甲公司", "QY7K3M9P"),
            row("T3", 20_000, "甲公司", ""),
        ];
        let verdicts = match_statement(&open(), &HashMap::new(), &rows);
        assert_eq!(verdicts[0], matched(1, MatchedBy::Code));
        assert_eq!(verdicts[1], StatementVerdict::Duplicate);
        assert_eq!(reason(&verdicts[2]), ("paid-above", 1));
        assert_eq!(reason(&verdicts[3]), ("paid-above", 1));
        let counted = numbers(&rows);
        let again = match_statement(&open(), &counted, &rows);
        assert!(again.iter().all(|verdict| *verdict == StatementVerdict::Duplicate));
    }

    #[test]
    fn a_reversal_does_not_stand_in_the_way_of_what_it_takes_back() {
        let rows = [row("N", -20_000, "甲公司", ""), row("N", 20_000, "甲公司", "QY7K3M9P")];
        let verdicts = match_statement(&open(), &HashMap::new(), &rows);
        assert_eq!(reason(&verdicts[0]), ("outgoing", 0));
        assert_eq!(verdicts[1], matched(1, MatchedBy::Code));
        let again = match_statement(&open(), &numbers(&rows), &rows);
        assert_eq!(reason(&again[0]), ("outgoing", 0), "told again, and never counted");
        assert_eq!(again[1], StatementVerdict::Duplicate);
    }

    #[test]
    fn a_known_number_with_another_amount_is_no_duplicate() {
        let rows = [
            row("N", 1, "某人", ""),
            row("N", 20_000, "甲公司", "QY7K3M9P"),
            row("N", 1, "某人", ""),
            row("M", 20_000, "甲公司", "QY7K3M9P"),
        ];
        let verdicts = match_statement(&open(), &HashMap::new(), &rows);
        assert_eq!(reason(&verdicts[0]), ("unknown", 0));
        assert_eq!(reason(&verdicts[1]), ("number-used", 0));
        assert_eq!(verdicts[2], StatementVerdict::Duplicate, "the first amount is the number's");
        assert_eq!(verdicts[3], matched(1, MatchedBy::Code), "what was not counted paid nothing");
        let counted = HashMap::from([("N".to_owned(), Fen::new(20_001))]);
        let verdicts = match_statement(&open(), &counted, &rows[..2]);
        assert!(verdicts.iter().all(|verdict| reason(verdict) == ("number-used", 0)));
    }

    #[test]
    fn a_name_that_two_units_have_says_nothing() {
        let shared = [OpenOrder { payer_shared: true, ..order(1, "QY7K3M9P", "甲公司", 20_000) }];
        let rows = [
            row("T", 20_000, "甲公司", ""),
            row("U", 1, "甲公司", ""),
            row("V", 20_000, "甲公司", "QY7K3M9P"),
        ];
        let verdicts = match_statement(&shared, &HashMap::new(), &rows);
        assert_eq!(reason(&verdicts[0]), ("several", 1));
        assert_eq!(reason(&verdicts[1]), ("amount-differs", 1));
        assert_eq!(verdicts[2], matched(1, MatchedBy::Code), "the code says whose it is");
    }

    #[test]
    fn a_year_of_lines_is_not_all_pairs() {
        let open: Vec<OpenOrder> = (0..50_000_u32)
            .map(|n| OpenOrder {
                id: OrderId::new(Time::from_secs(i64::from(n)), [1; 10]),
                code: format!("QY{n:06}"),
                payer: format!("单位{n}"),
                payer_shared: false,
                outstanding: Fen::new(20_000),
            })
            .collect();
        let rows: Vec<BankRow> = (0..50_000_u32)
            .map(|n| {
                row(
                    &format!("T{n}"),
                    20_000,
                    &format!("单位{n}"),
                    &if n % 2 == 0 { format!("费 QY{n:06}") } else { String::new() },
                )
            })
            .collect();
        let verdicts = match_statement(&open, &HashMap::new(), &rows);
        for (order, verdict) in open.iter().zip(&verdicts) {
            assert!(matches!(verdict, StatementVerdict::Matched { order: found, .. } if *found == order.id));
        }
    }

    fn statements() -> impl Strategy<Value = (Vec<OpenOrder>, HashMap<String, Fen>, Vec<BankRow>)> {
        let payers = prop_oneof![Just("甲公司"), Just("乙公司"), Just("")];
        let amounts = prop_oneof![Just(100_i64), Just(200), Just(-100)];
        let codes = prop_oneof![Just("QY0001"), Just("QY0002"), Just("QY0003"), Just("")];
        let orders =
            proptest::collection::vec((codes.clone(), payers.clone(), 1..3_i64, any::<bool>()), 0..6);
        let rows = proptest::collection::vec((0..12_u8, amounts, payers, codes.clone(), codes), 0..14);
        let number = (0..12_u8).prop_map(|n| format!("T{n}"));
        let counted =
            proptest::collection::hash_map(number, (1..3_i64).prop_map(|n| Fen::new(n * 100)), 0..4);
        (orders, counted, rows).prop_map(|(orders, counted, rows)| {
            let orders = (0..).zip(orders).map(|(n, (code, payer, hundreds, payer_shared))| OpenOrder {
                payer_shared,
                ..order(n, code, payer, hundreds * 100)
            });
            let rows = rows
                .into_iter()
                .map(|(n, fen, payer, one, two)| row(&format!("T{n}"), fen, payer, &format!("{one} {two}")));
            (orders.collect(), counted, rows.collect())
        })
    }

    proptest! {
        /// Every line has one verdict; nothing is lost or counted twice; what is matched is due, and each order once.
        #[test]
        fn every_fen_is_in_one_place((open, counted, rows) in statements()) {
            let verdicts = match_statement(&open, &counted, &rows);
            prop_assert_eq!(verdicts.len(), rows.len());
            let (mut matched, mut unmatched, mut duplicate) = (0, 0, 0);
            let (mut orders, mut known) = (HashSet::new(), counted.clone());
            for (row, verdict) in rows.iter().zip(&verdicts) {
                let fen = row.amount().get();
                let before = known.get(row.transaction()).copied();
                let why = match verdict {
                    StatementVerdict::Unmatched { reason, .. } => Some(*reason),
                    _ => None,
                };
                prop_assert_eq!(why == Some(UnmatchedReason::Outgoing), row.is_outgoing());
                prop_assert_eq!(
                    *verdict == StatementVerdict::Duplicate,
                    !row.is_outgoing() && before == Some(row.amount())
                );
                prop_assert_eq!(
                    why == Some(UnmatchedReason::NumberUsed),
                    !row.is_outgoing() && before.is_some_and(|amount| amount != row.amount())
                );
                if !row.is_outgoing() && before.is_none() {
                    known.insert(row.transaction().to_owned(), row.amount());
                }
                match verdict {
                    StatementVerdict::Matched { order, by } => {
                        let found = open.iter().find(|one| one.id == *order).unwrap();
                        prop_assert_eq!(found.outstanding.get(), fen);
                        prop_assert!(fen > 0 && orders.insert(order.clone()), "an order is paid once");
                        prop_assert!(*by == MatchedBy::Code || !found.payer_shared, "nobody else's name");
                        matched += fen;
                    }
                    StatementVerdict::Unmatched { candidates, .. } => {
                        prop_assert!(candidates.len() <= CANDIDATES_MAX);
                        unmatched += fen;
                    }
                    StatementVerdict::Duplicate => duplicate += fen,
                }
            }
            let all: i64 = rows.iter().map(|row| row.amount().get()).sum();
            prop_assert_eq!(all, matched + unmatched + duplicate);
            // The same file again counts nothing: what came is known, and what was told of the rest is told again.
            for (verdict, again) in verdicts.iter().zip(match_statement(&open, &known, &rows)) {
                let told = match verdict {
                    StatementVerdict::Unmatched {
                        reason: UnmatchedReason::Outgoing | UnmatchedReason::NumberUsed, ..
                    } => verdict.clone(),
                    _ => StatementVerdict::Duplicate,
                };
                prop_assert_eq!(again, told);
            }
        }
    }
}
