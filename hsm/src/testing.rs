//! SoftHSM2 for tests: each test has its own tokens, in a folder that goes away with it. [`in_kryoptic`]: the same with
//! kryoptic, which keeps another database, counts wrong PINs and locks, and gives a token a new serial number at C_InitToken.
//!
//! SoftHSM reads SOFTHSM2_CONF at C_Initialize, and a process cannot safely set its own environment, so
//! [`in_softhsm`] runs the test's body in a second process of the same test binary.
#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use crate::{Module, Pin, SoPin, Token, TokenSerial};

const CONF: &str = "SOFTHSM2_CONF";
const KRYOPTIC_CONF: &str = "KRYOPTIC_CONF";
/// Names kryoptic's module; it is in no distribution (docs/contributing.md).
const KRYOPTIC_MODULE: &str = "KRYOPTIC_MODULE";
/// Names the test whose body the second process runs.
const BODY: &str = "QIANYIN_SOFTHSM_TEST";
/// Written at the end of the body: without it a test that ran nothing would pass.
const DONE: &str = "done";
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

/// A SoftHSM2 with a folder of its own.
#[derive(Debug)]
pub struct SoftHsm {
    dir: PathBuf,
    /// The process that made the folder deletes it.
    owner: bool,
}

impl SoftHsm {
    /// A new one in a folder of its own under [`temporary`], deleted on drop.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("qianyin-softhsm-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = temporary().join(name);
        // A process of the same number may have died before its own cleaning up.
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("tokens")).expect("temporary folder");
        let conf = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
            dir.join("tokens").display()
        );
        std::fs::write(dir.join("softhsm2.conf"), conf).expect("softhsm2.conf");
        let new = Self { dir, owner: true };
        new.add_kryoptic_slot();
        new
    }

    /// The one that another process made in `dir`; it is left in place.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), owner: false }
    }

    /// Its folder; a test may keep files of its own there.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the tokens' files lie, one folder each.
    #[must_use]
    pub fn tokens_dir(&self) -> PathBuf {
        self.dir.join("tokens")
    }

    /// The variable that makes a child process use it: `Command::env(name, value)`.
    #[must_use]
    pub fn env(&self) -> (&'static str, PathBuf) {
        (CONF, self.dir.join("softhsm2.conf"))
    }

    /// Where the module lies; `SOFTHSM2_MODULE` overrides the usual places.
    ///
    /// # Panics
    /// When SoftHSM2 is not installed.
    #[must_use]
    pub fn module_path() -> PathBuf {
        let known = std::env::var_os("SOFTHSM2_MODULE").map(PathBuf::from);
        let usual = MODULES.iter().map(PathBuf::from).find(|path| path.exists());
        known.or(usual).expect("SoftHSM2 is installed (apt install softhsm2)")
    }

    /// The module, loaded into this process; only inside [`in_softhsm`].
    ///
    /// # Panics
    /// When it does not load, or when this process would use other tokens than this SoftHSM's.
    #[must_use]
    pub fn module(&self) -> Module {
        assert_eq!(
            std::env::var_os(CONF).map(PathBuf::from),
            Some(self.env().1),
            "call this inside in_softhsm"
        );
        Module::load(Self::module_path()).expect("SoftHSM2 loads")
    }

    /// A new token with label, SO PIN and user PIN.
    ///
    /// # Panics
    /// When SoftHSM2 refuses.
    #[must_use]
    pub fn init_token(&self, label: &str, so_pin: &str, pin: &str) -> Token {
        let so_pin = SoPin::new(so_pin.to_owned()).expect("SO PIN");
        let blank = TokenSerial::new("");
        if std::env::var_os(KRYOPTIC_CONF).is_some() && self.module().token(&blank).is_err() {
            self.add_kryoptic_slot();
            self.module().reinitialise().expect("C_Initialize");
        }
        let blank = self.module().token(&blank).expect("one blank token");
        let token = blank.init(&so_pin, label).expect("C_InitToken");
        let pin = Pin::new(pin.to_owned()).expect("PIN");
        token.so_session(&so_pin).expect("SO login").init_user_pin(&pin).expect("C_InitPIN");
        token
    }
}

/// In memory where the system has such a folder and nobody named another one: SoftHSM waits for the disk at each write.
fn temporary() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let named = std::env::var_os("TMPDIR").is_some();
    if !named && memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

impl Default for SoftHsm {
    fn default() -> Self {
        Self::new()
    }
}

impl SoftHsm {
    /// Deletes every token: each that is there makes looking around slower.
    ///
    /// # Panics
    /// When the files cannot be deleted, or the module does not come back.
    pub fn forget_tokens(&self) {
        std::fs::remove_dir_all(self.tokens_dir()).expect("tokens");
        std::fs::create_dir(self.tokens_dir()).expect("tokens");
        let _ = std::fs::remove_file(self.kryoptic_conf());
        self.add_kryoptic_slot();
        self.module().reinitialise().expect("C_Initialize");
    }

    /// The token that is not blank, when there is only one: kryoptic's has another serial number after C_InitToken.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn only_token(&self) -> TokenSerial {
        let tokens = self.module().tokens().expect("C_GetSlotList");
        let mut serials = tokens.into_iter().map(|info| info.serial);
        serials.find(|serial| !serial.as_str().is_empty()).expect("a token")
    }

    fn kryoptic_conf(&self) -> PathBuf {
        self.dir.join("kryoptic.conf")
    }

    /// kryoptic has a slot for each token that it is told of.
    fn add_kryoptic_slot(&self) {
        let text = std::fs::read_to_string(self.kryoptic_conf()).unwrap_or_default();
        let number = text.matches("[[slots]]").count();
        let file = self.tokens_dir().join(format!("{number}.sql"));
        let slot =
            format!("[[slots]]\nslot = {number}\ndbtype = \"sqlite\"\ndbargs = \"{}\"\n", file.display());
        std::fs::write(self.kryoptic_conf(), text + &slot).expect("kryoptic.conf");
    }
}

impl Drop for SoftHsm {
    fn drop(&mut self) {
        if self.owner {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// Runs `body` in a second process of this test binary that uses a new SoftHSM2. `test` is the test's whole name as
/// the test runner prints it (`module::function`).
///
/// # Panics
/// When the body does, with its output; or when `test` names no test.
pub fn in_softhsm(test: &str, body: impl FnOnce(&SoftHsm)) {
    in_softhsm_with(test, &[], body);
}

/// As [`in_softhsm`], with further variables for the second process; `{dir}` in a value stands for the folder. May be
/// called several times in one test with other variables, but with the same body: the second process runs it once.
///
/// # Panics
/// As [`in_softhsm`].
pub fn in_softhsm_with(test: &str, variables: &[(&str, &str)], body: impl FnOnce(&SoftHsm)) {
    static RAN: AtomicBool = AtomicBool::new(false);
    if std::env::var_os(BODY).is_some_and(|name| name == test) {
        if RAN.swap(true, Ordering::SeqCst) {
            return;
        }
        let conf = PathBuf::from(std::env::var_os(CONF).expect("SOFTHSM2_CONF"));
        let softhsm = SoftHsm::at(conf.parent().expect("a folder"));
        body(&softhsm);
        std::fs::write(softhsm.dir.join(DONE), test).expect("mark of completion");
        return;
    }
    let softhsm = SoftHsm::new();
    let (name, conf) = softhsm.env();
    let mut command = Command::new(std::env::current_exe().expect("this test binary"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(name, conf).env(BODY, test);
    for (name, value) in variables {
        command.env(name, value.replace("{dir}", &softhsm.dir.display().to_string()));
    }
    let output = command.output().expect("second process");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test} failed in its own process {variables:?}:\n{said}");
    assert!(softhsm.dir.join(DONE).exists(), "no test is called {test}:\n{said}");
}

/// As [`in_softhsm_with`], with kryoptic as the module; says so and does nothing when `KRYOPTIC_MODULE` names none.
///
/// # Panics
/// As [`in_softhsm`].
pub fn in_kryoptic(test: &str, variables: &[(&str, &str)], body: impl FnOnce(&SoftHsm)) {
    let Ok(module) = std::env::var(KRYOPTIC_MODULE) else {
        eprintln!("{test}: SKIPPED, {KRYOPTIC_MODULE} names no module");
        return;
    };
    let kryoptic = [("SOFTHSM2_MODULE", module.as_str()), (KRYOPTIC_CONF, "{dir}/kryoptic.conf")];
    in_softhsm_with(test, &[&kryoptic[..], variables].concat(), body);
}
