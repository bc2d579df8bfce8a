//! Which call fails, and when: read once from `P11_FAULT`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use cryptoki_sys::CK_RV;

/// When the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The real function is not called.
    Before,
    /// The real function has done its work.
    After,
}

#[derive(Debug, PartialEq, Eq)]
struct Fault {
    function: String,
    nth: u64,
    moment: Moment,
    code: CK_RV,
}

static FAULTS: OnceLock<Vec<Fault>> = OnceLock::new();
static CALLS: Mutex<BTreeMap<&str, u64>> = Mutex::new(BTreeMap::new());

/// Counts a call, and says whether it is to fail.
pub(crate) fn strikes(function: &'static str) -> Option<(Moment, CK_RV)> {
    let faults = FAULTS.get_or_init(|| {
        let text = std::env::var("P11_FAULT").unwrap_or_default();
        // A test whose fault is misspelt would pass for the wrong reason.
        parse(&text).unwrap_or_else(|| {
            eprintln!("P11_FAULT: FUNCTION:NTH:before|after:CKR is needed, found {text}");
            std::process::abort()
        })
    });
    let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
    let count = calls.entry(function).or_default();
    *count += 1;
    let fault = faults.iter().find(|fault| fault.function == function && fault.nth == *count)?;
    Some((fault.moment, fault.code))
}

fn parse(text: &str) -> Option<Vec<Fault>> {
    text.split(',').filter(|one| !one.is_empty()).map(parse_one).collect()
}

fn parse_one(text: &str) -> Option<Fault> {
    let [function, nth, moment, code] = text.split(':').collect::<Vec<_>>().try_into().ok()?;
    let moment = match moment {
        "before" => Moment::Before,
        "after" => Moment::After,
        _ => return None,
    };
    let nth = nth.parse().ok().filter(|nth| *nth > 0)?;
    let code = CK_RV::from_str_radix(code.strip_prefix("0x")?, 16).ok()?;
    crate::forward::knows(function).then(|| Fault { function: function.to_owned(), nth, moment, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_strictly() {
        let read = parse("C_Sign:2:after:0x30,C_GenerateKeyPair:1:before:0x32").unwrap_or_default();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].nth, read[0].moment, read[0].code), (2, Moment::After, 0x30));
        assert_eq!((read[1].function.as_str(), read[1].moment), ("C_GenerateKeyPair", Moment::Before));
        assert_eq!(parse(""), Some(Vec::new()));
        for bad in [
            "C_Sign",
            "C_Sign:0:after:0x30",
            "C_Sign:1:during:0x30",
            "C_Sign:1:after:30",
            "C_Dance:1:after:0x30",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
