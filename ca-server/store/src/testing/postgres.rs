//! A PostgreSQL server of a test's own, on a Unix socket in a temporary directory, without a TCP port.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use super::{Directory, must};

const INSTALL: &str = "install PostgreSQL's server and setpriv: `apt-get install postgresql util-linux`";
/// Of the initialised cluster; there is no TCP port and the directory is the test's own.
const USER: &str = "qianyin";

/// A running server. Dropped, it is stopped and its directory removed; when the test is killed, the server ends
/// with it.
pub struct Postgres {
    directory: Directory,
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Postgres {
    /// Starts a server that does not wait for the disk: fast, and enough for every test that kills programs only.
    ///
    /// # Panics
    /// When it cannot be started; the message says what to install.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("fsync=off")
    }

    /// Starts a server that keeps what it has acknowledged, for measurements.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    #[must_use]
    pub fn start_durable() -> Self {
        Self::start_with("fsync=on")
    }

    fn start_with(fsync: &str) -> Self {
        let binaries = binaries();
        let directory = Directory::new("pg");
        give_to_server(directory.path());
        let data = directory.path().join("data");
        initialise(&binaries, &data);
        let mut command = as_server(&binaries.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(directory.path());
        command.args(["-c", "listen_addresses=", "-c", fsync, "-c", "max_connections=64"]);
        let (stop, stopped) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        // A thread of its own, because the server ends with the thread that started it (PR_SET_PDEATHSIG).
        let mut halt = as_server(&binaries.join("pg_ctl"));
        // Not SIGKILL: that would leave its shared memory behind.
        halt.args(["stop", "-w", "-m", "immediate", "-D"]).arg(&data);
        let keeper = thread::spawn(move || keep(&mut command, &ready, &stopped, &mut halt));
        match started.recv() {
            Ok(Ok(())) => Self { directory, stop: Some(stop), keeper: Some(keeper) },
            Ok(Err(log)) => panic!("PostgreSQL does not start: {INSTALL}\n{log}"),
            Err(_) => panic!("PostgreSQL does not start: {INSTALL}"),
        }
    }

    /// URL of its empty database.
    #[must_use]
    pub fn url(&self) -> String {
        let host = self.directory.path().display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{host}/postgres")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The keeper takes the closed channel for the word to stop.
        self.stop = None;
        if let Some(keeper) = self.keeper.take() {
            // Its panic has been printed; the directory goes in any case.
            drop(keeper.join());
        }
    }
}

/// Runs the server until told to stop.
fn keep(
    command: &mut Command,
    ready: &mpsc::Sender<Result<(), String>>,
    stopped: &mpsc::Receiver<()>,
    halt: &mut Command,
) {
    let mut server = match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn() {
        Ok(server) => server,
        Err(error) => {
            // Nobody listens any more when the test has given up.
            drop(ready.send(Err(error.to_string())));
            return;
        }
    };
    let drain = announce(&mut server, ready.clone());
    // Returns when the sender is dropped.
    let _ = stopped.recv();
    // Fails when the server has ended by itself.
    drop(halt.stdin(Stdio::null()).output());
    must(server.wait(), "wait for PostgreSQL");
    if let Some(drain) = drain {
        drop(drain.join());
    }
}

/// Reads the server's log, so that it never blocks on it; tells when it is ready or has ended before.
fn announce(server: &mut Child, ready: mpsc::Sender<Result<(), String>>) -> Option<JoinHandle<()>> {
    let log = server.stderr.take()?;
    Some(thread::spawn(move || {
        let mut seen = String::new();
        let mut ready = Some(ready);
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains("database system is ready to accept connections") {
                if let Some(ready) = ready.take() {
                    drop(ready.send(Ok(())));
                }
            } else if ready.is_some() {
                seen.push_str(&line);
                seen.push('\n');
            }
        }
        if let Some(ready) = ready {
            drop(ready.send(Err(seen)));
        }
    }))
}

fn initialise(binaries: &Path, data: &Path) {
    let mut command = as_server(&binaries.join("initdb"));
    command.arg("-D").arg(data);
    command.args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
    let made =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("initdb: {error}: {INSTALL}"));
    assert!(made.status.success(), "initdb: {INSTALL}\n{}", String::from_utf8_lossy(&made.stderr));
}

/// The newest version that is installed.
fn binaries() -> PathBuf {
    let versions =
        fs::read_dir("/usr/lib/postgresql").unwrap_or_else(|_| panic!("no PostgreSQL here: {INSTALL}"));
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.flatten().map(|entry| entry.path()).max_by_key(version);
    let binaries = newest.unwrap_or_else(|| panic!("no PostgreSQL here: {INSTALL}")).join("bin");
    assert!(binaries.join("initdb").exists(), "no PostgreSQL server here: {INSTALL}");
    binaries
}

/// PostgreSQL refuses to run as root: there it gets the user that its package made.
fn as_server(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg("--pdeathsig=QUIT").arg(program).current_dir("/");
    command
}

fn give_to_server(directory: &Path) {
    if is_root() {
        let given = Command::new("chown").arg("postgres:postgres").arg(directory).status();
        assert!(given.is_ok_and(|status| status.success()), "no user postgres: {INSTALL}");
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
