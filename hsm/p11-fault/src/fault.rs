//! Which call fails, and when: read once from `P11_FAULT`, or from the file `P11_FAULT_CONTROL` whenever it changes.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use cryptoki_sys::CK_RV;

use crate::journal;

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
    end: End,
}

/// What the caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// This answer.
    Answer(CK_RV),
    /// Nothing: the process is killed, and nothing is unwound, flushed or closed.
    Kill,
    /// Nothing: the module itself crashes, and the process with it.
    Abort,
    /// Nothing until it is released; then what the real module says.
    Hang,
    /// What the real module says; the token was exchanged for another one meanwhile.
    Swap,
    /// "Done", with one bit of the signature wrong.
    Flip,
    /// "Done", with half of the signature, or of the object's value.
    Truncate,
}

/// How often a call that hangs looks whether it is released.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl End {
    /// What happens at the moment of the fault. `Some` is the answer instead of the real one, if the process lives to give
    /// any; with `None` the call goes on.
    pub(crate) fn happen(self) -> Option<CK_RV> {
        match self {
            Self::Answer(code) => Some(code),
            Self::Kill => {
                let killed =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                // Going on would make the test lie.
                unreachable!("SIGKILL to itself: {killed:?}")
            }
            Self::Abort => std::process::abort(),
            Self::Hang => {
                while !file("P11_FAULT_RELEASE").is_some_and(|release| release.exists()) {
                    std::thread::sleep(LOOK_AGAIN);
                }
                None
            }
            Self::Swap => {
                if let (Some(next), Some(gone)) = (file("P11_FAULT_SWAP"), file("P11_FAULT_GONE")) {
                    let swapped = std::fs::rename(&next, gone);
                    assert!(swapped.is_ok(), "{}: {swapped:?}", next.display());
                }
                None
            }
            Self::Flip | Self::Truncate => None,
        }
    }

    /// Whether this can happen at this function and moment.
    fn fits(self, function: &str, moment: Moment) -> bool {
        let signs = ["C_Sign", "C_SignFinal"].contains(&function);
        match self {
            Self::Flip => signs && moment == Moment::After,
            Self::Truncate => {
                (signs && moment == Moment::After)
                    || (function == "C_CreateObject" && moment == Moment::Before)
            }
            _ => true,
        }
    }
}

fn file(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

const FORM: &str = "FUNCTION:NTH:before|after:CKR|kill|abort|hang|swap|flip|truncate";

static FAULTS: OnceLock<Vec<Fault>> = OnceLock::new();
static CALLS: Mutex<BTreeMap<&str, u64>> = Mutex::new(BTreeMap::new());

/// What the control file says now; calls are counted from its last change.
struct Control {
    text: String,
    faults: Vec<Fault>,
    calls: BTreeMap<&'static str, u64>,
}

static CONTROL: Mutex<Option<Control>> = Mutex::new(None);

/// With a control file one process goes through many faults.
fn by_control(path: &str, function: &'static str) -> Option<(Moment, End)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut control = CONTROL.lock().unwrap_or_else(PoisonError::into_inner);
    let known = control.take().filter(|known| known.text == text);
    let mut known = known.unwrap_or_else(|| {
        let faults = parse(text.trim()).unwrap_or_else(|| {
            eprintln!("{path}: {FORM} is needed, found {text}");
            std::process::abort()
        });
        Control { text, faults, calls: BTreeMap::new() }
    });
    let count = known.calls.entry(function).or_default();
    *count += 1;
    let count = *count;
    journal::call(function, count);
    let fault = known.faults.iter().find(|fault| fault.function == function && fault.nth == count);
    let struck = fault.map(|fault| (fault.moment, fault.end));
    *control = Some(known);
    struck
}

/// Counts a call, and says whether it is to fail.
pub(crate) fn strikes(function: &'static str) -> Option<(Moment, End)> {
    if let Ok(path) = std::env::var("P11_FAULT_CONTROL") {
        return by_control(&path, function);
    }
    let faults = FAULTS.get_or_init(|| {
        let text = std::env::var("P11_FAULT").unwrap_or_default();
        // A test whose fault is misspelt would pass for the wrong reason.
        parse(&text).unwrap_or_else(|| {
            eprintln!("P11_FAULT: {FORM} is needed, found {text}");
            std::process::abort()
        })
    });
    let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
    let count = calls.entry(function).or_default();
    *count += 1;
    journal::call(function, *count);
    let fault = faults.iter().find(|fault| fault.function == function && fault.nth == *count)?;
    Some((fault.moment, fault.end))
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
    let end = match code {
        "kill" => End::Kill,
        "abort" => End::Abort,
        "hang" => End::Hang,
        "swap" => End::Swap,
        "flip" => End::Flip,
        "truncate" => End::Truncate,
        code => End::Answer(CK_RV::from_str_radix(code.strip_prefix("0x")?, 16).ok()?),
    };
    let possible = crate::forward::knows(function) && end.fits(function, moment);
    possible.then(|| Fault { function: function.to_owned(), nth, moment, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_strictly() {
        let read = parse("C_Sign:2:after:0x30,C_GenerateKeyPair:1:before:0x32").unwrap_or_default();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].nth, read[0].moment, read[0].end), (2, Moment::After, End::Answer(0x30)));
        assert_eq!((read[1].function.as_str(), read[1].moment), ("C_GenerateKeyPair", Moment::Before));
        let kill = parse("C_Login:1:before:kill").unwrap_or_default();
        assert_eq!(kill[0].end, End::Kill);
        assert_eq!(parse(""), Some(Vec::new()));
        for bad in [
            "C_Sign",
            "C_Sign:0:after:0x30",
            "C_Sign:1:during:0x30",
            "C_Sign:1:after:30",
            "C_Sign:1:after:killed",
            "C_Dance:1:after:0x30",
            "C_Sign:1:before:flip",
            "C_Login:1:after:flip",
            "C_CreateObject:1:after:truncate",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
