//! 大写金额: amounts in Chinese capital numerals, which cannot be altered by a stroke (财政部《支付结算办法》, annex 1:
//! 正确填写票据和结算凭证的基本规定).

use crate::{Error, Fen};

const DIGITS: [char; 10] = ['零', '壹', '贰', '叁', '肆', '伍', '陆', '柒', '捌', '玖'];
/// Within a group of four digits, the last one first.
const PLACES: [&str; 4] = ["", "拾", "佰", "仟"];
/// Of groups of four digits, the last one first.
const GROUPS: [&str; 3] = ["元", "万", "亿"];
/// A million million yuan: there the three groups end.
const LIMIT: i64 = 100_000_000_000_000;

impl Fen {
    /// The amount in capital numerals, such as 壹佰伍拾元整. Zeros between digits are said once; 整 closes what does not
    /// end in 分, so that nothing can be added.
    ///
    /// # Errors
    /// [`Error::Overflow`] below nothing, and from a million million yuan on.
    pub fn in_capitals(self) -> Result<String, Error> {
        let fen = u64::try_from(self.get()).ok().filter(|_| self.get() < LIMIT).ok_or(Error::Overflow)?;
        let (yuan, jiao, fen) = (fen / 100, fen / 10 % 10, fen % 10);
        let mut text = whole(yuan);
        // 角 of zero between a whole yuan and 分 is said; so is a zero at the end of the yuan (rule 4 allows both there).
        if yuan > 0 && ((jiao == 0 && fen > 0) || (jiao > 0 && yuan % 10 == 0)) {
            text.push('零');
        }
        if jiao > 0 {
            text.push(digit(jiao));
            text.push('角');
        }
        if fen > 0 {
            text.push(digit(fen));
            text.push('分');
            return Ok(text);
        }
        if text.is_empty() {
            text.push_str("零元");
        }
        text.push('整');
        Ok(text)
    }
}

/// The yuan, with their unit; nothing for none.
fn whole(yuan: u64) -> String {
    let mut text = String::new();
    let mut gap = false;
    for (group, unit) in GROUPS.iter().enumerate().rev() {
        let four = yuan / power(group * 4) % 10_000;
        for (place, name) in PLACES.iter().enumerate().rev() {
            let one = four / power(place) % 10;
            if one == 0 {
                gap = !text.is_empty();
                continue;
            }
            if std::mem::take(&mut gap) {
                text.push('零');
            }
            text.push(digit(one));
            text.push_str(name);
        }
        if four > 0 || (group == 0 && !text.is_empty()) {
            text.push_str(unit);
            // 壹拾万伍仟元: a zero that ends a group is not said.
            gap &= !four.is_multiple_of(10) || four == 0;
        }
    }
    text
}

fn power(places: usize) -> u64 {
    (0..places).fold(1, |power, _| power * 10)
}

fn digit(one: u64) -> char {
    usize::try_from(one).ok().and_then(|one| DIGITS.get(one)).copied().unwrap_or('零')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn capitals(fen: i64) -> String {
        Fen::new(fen).in_capitals().unwrap()
    }

    #[test]
    fn the_examples_of_the_rule() {
        for (fen, text) in [
            (0, "零元整"),
            (5, "伍分"),
            (50, "伍角整"),
            (55, "伍角伍分"),
            (15_000, "壹佰伍拾元整"),
            (140_950, "壹仟肆佰零玖元伍角整"),
            (600_714, "陆仟零柒元壹角肆分"),
            (168_032, "壹仟陆佰捌拾元零叁角贰分"),
            (10_700_053, "壹拾万柒仟元零伍角叁分"),
            (1_640_902, "壹万陆仟肆佰零玖元零贰分"),
            (32_504, "叁佰贰拾伍元零肆分"),
            (10_000, "壹佰元整"),
            (10_005, "壹佰元零伍分"),
            (1_000_000, "壹万元整"),
            (1_000_100, "壹万零壹元整"),
            (10_000_500, "壹拾万零伍元整"),
            (100_000_000, "壹佰万元整"),
            (100_500_000, "壹佰万伍仟元整"),
            (10_000_000_000, "壹亿元整"),
            (10_000_000_001, "壹亿元零壹分"),
            (10_005_000_000, "壹亿零伍万元整"),
            (10_000_050_000, "壹亿零伍佰元整"),
            (1_000_000_000_000, "壹佰亿元整"),
            (99_999_999_999_999, "玖仟玖佰玖拾玖亿玖仟玖佰玖拾玖万玖仟玖佰玖拾玖元玖角玖分"),
        ] {
            assert_eq!(capitals(fen), text, "{fen}");
        }
        for fen in [-1, LIMIT, i64::MIN, i64::MAX] {
            assert_eq!(Fen::new(fen).in_capitals(), Err(Error::Overflow), "{fen}");
        }
    }

    /// Reads capitals as a person does; written apart from the writer.
    fn read(text: &str) -> i64 {
        let (mut sum, mut group, mut one) = (0, 0, 0);
        for c in text.chars() {
            if let Some(value) = "零壹贰叁肆伍陆柒捌玖".chars().position(|known| known == c) {
                one = i64::try_from(value).unwrap();
                continue;
            }
            match c {
                '拾' => group += one * 10,
                '佰' => group += one * 100,
                '仟' => group += one * 1_000,
                '万' => sum += (group + one) * 1_000_000,
                '亿' => sum += (group + one) * 10_000_000_000,
                '元' => sum += (group + one) * 100,
                '角' => sum += one * 10,
                '分' => sum += one,
                '整' => {}
                _ => panic!("{c}"),
            }
            one = 0;
            if "万亿元".contains(c) {
                group = 0;
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn every_amount_is_read_back(
            fen in prop_oneof![0..1_000_000_000_001_i64, 0..100_000_i64, 0..LIMIT],
            zeros in 0_u32..12,
        ) {
            let power = 10_i64.pow(zeros);
            // Round amounts, too, and such with a hole in the middle.
            for fen in [fen, fen / power * power, fen / 10 / power * 10 * power + fen % 10] {
                let text = capitals(fen);
                prop_assert_eq!(read(&text), fen, "{}", text);
                prop_assert!(!text.contains("零零"), "{}", text);
                prop_assert!(fen == 0 || !["零万", "零亿", "零元", "零整"].iter().any(|bad| text.contains(bad)), "{}", text);
                prop_assert_eq!(text.ends_with('整'), fen % 10 == 0, "{}", text);
                prop_assert!(fen == 0 || !text.starts_with('零'), "{}", text);
            }
        }
    }
}
