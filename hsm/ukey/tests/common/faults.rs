//! One module with faults between it and the program, and cells of a matrix in it.

use std::{cell::Cell, collections::BTreeMap, fs, path::PathBuf, sync::OnceLock};

use hsm::{
    Module,
    testing::{SoftHsm, in_kryoptic, in_softhsm_with},
};
use p11_fault::table::{Half, functions};

use super::{
    Ca,
    personalisation::{Personalisation, from_factory, told},
    run,
};

pub(crate) const MOMENTS: [&str; 2] = ["before", "after"];

pub(crate) fn in_matrix(test: &str, body: impl FnOnce(&Matrix<'_>)) {
    in_faults(test, |softhsm| body(&Matrix::new(softhsm)));
}

/// SoftHSM with the module between; control files lie in its folder: `control`, `gone`, `release`, `swap`.
pub(crate) fn in_faults(test: &str, body: impl FnOnce(&SoftHsm)) {
    let real = SoftHsm::module_path();
    in_softhsm_with(test, &variables(real.to_str().unwrap()), body);
}

/// The same over kryoptic.
pub(crate) fn in_kryoptic_matrix(test: &str, body: impl FnOnce(&Matrix<'_>)) {
    let real = std::env::var("KRYOPTIC_MODULE").unwrap_or_default();
    in_kryoptic(test, &variables(&real), |softhsm| body(&Matrix::new(softhsm)));
}

fn variables(real: &str) -> [(&'static str, &str); 7] {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    let module = MODULE.get_or_init(|| p11_fault::shared_library().unwrap());
    [
        ("P11_FAULT_CALLS", "{dir}/calls"),
        ("P11_FAULT_CONTROL", "{dir}/control"),
        ("P11_FAULT_GONE", "{dir}/gone"),
        ("P11_FAULT_RELEASE", "{dir}/release"),
        ("P11_FAULT_SWAP", "{dir}/swap"),
        ("P11_FAULT_MODULE", real),
        ("SOFTHSM2_MODULE", module.to_str().unwrap()),
    ]
}

pub(crate) struct Matrix<'a> {
    pub(crate) softhsm: &'a SoftHsm,
    pub(crate) module: Module,
    pub(crate) ca: Ca,
    armed: Cell<usize>,
}

impl<'a> Matrix<'a> {
    fn new(softhsm: &'a SoftHsm) -> Self {
        fs::write(softhsm.dir().join("calls"), "").unwrap();
        Self { softhsm, module: softhsm.module(), ca: Ca::new(), armed: Cell::new(0) }
    }

    /// From now on. Calls are counted anew, also when the fault is the one before.
    pub(crate) fn arm(&self, fault: &str) {
        self.armed.set(self.armed.get() + 1);
        fs::write(self.softhsm.dir().join("calls"), "").unwrap();
        fs::write(
            self.softhsm.dir().join("control"),
            format!("{fault}{}", ",".repeat(1 + self.armed.get() % 2)),
        )
        .unwrap();
    }

    pub(crate) fn calls(&self) -> String {
        fs::read_to_string(self.softhsm.dir().join("calls")).unwrap()
    }

    /// Functions called since then.
    pub(crate) fn called(&self) -> Vec<String> {
        self.calls().lines().filter_map(|line| Some(line.strip_suffix(" 1")?.to_owned())).collect()
    }

    /// Which command calls a function first, when nothing is wrong.
    pub(crate) fn first_callers(&self) -> BTreeMap<String, usize> {
        let _ = from_factory(self.softhsm);
        let mut first = BTreeMap::new();
        let personalisation = Personalisation { ca: &self.ca, algorithm: "ec-p256", fault: "none" };
        let (told, der) = personalisation.finish(|number, _, command| {
            let serial = self.softhsm.only_token();
            self.arm("");
            let outcome = run(&self.module, serial.as_str(), command);
            for function in self.called() {
                first.entry(function).or_insert(number);
            }
            Ok(outcome)
        });
        assert!(told.iter().all(Vec::is_empty), "{told:?}");
        self.is_good(&personalisation, &der);
        first.retain(|function, _| functions(Half::Token).any(|known| known == function));
        first
    }

    /// The same fault at the first call of the function in each of the commands. `-`: it is not called there.
    pub(crate) fn disturbed(&self, algorithm: &str, function: &str, fault: &str) -> String {
        let _ = from_factory(self.softhsm);
        let personalisation = Personalisation { ca: &self.ca, algorithm, fault };
        let mut struck = [false; 4];
        let (codes, der) = personalisation.finish(|number, tried, command| {
            // Asked first: what it calls is not to be disturbed.
            let serial = self.softhsm.only_token();
            if tried == 0 {
                self.arm(fault);
            }
            let outcome = run(&self.module, serial.as_str(), command);
            struck[number] |= self.called().iter().any(|called| called == function);
            Ok(outcome)
        });
        self.arm("");
        self.is_good(&personalisation, &der);
        let cells: Vec<_> = struck
            .iter()
            .zip(&codes)
            .map(|(struck, codes)| if *struck { told(codes) } else { "-".to_owned() })
            .collect();
        cells.join(", ")
    }
    fn is_good(&self, personalisation: &Personalisation<'_>, der: &[u8]) {
        personalisation.is_good(&self.module.token(&self.softhsm.only_token()).unwrap(), der);
        self.softhsm.forget_tokens();
    }
}
