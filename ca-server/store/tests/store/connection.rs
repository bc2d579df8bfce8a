//! Opening, migrating, and connections that break at the worst moment.

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use ca_store::{
    Store, StoreError, WriteSite,
    testing::{Database, databases},
};
use diesel::{Connection as _, PgConnection, connection::SimpleConnection};

use crate::world::*;

#[test]
fn an_unmigrated_database_says_what_to_run() {
    for database in databases() {
        let error = Store::open(database.url()).unwrap_err();
        assert!(matches!(&error, StoreError::SchemaBehind { pending } if !pending.is_empty()), "{error:?}");
        assert!(error.to_string().contains("ca-server migrate"), "{error}");
        let applied = Store::migrate(database.url()).unwrap();
        assert_eq!(applied.len(), 24, "{applied:?}");
        assert_eq!(Store::migrate(database.url()).unwrap(), Vec::<String>::new(), "twice is once");
        Store::open(database.url()).unwrap();
    }
}

#[test]
fn migrations_at_once_take_turns() {
    for database in databases() {
        let url = database.url().to_owned();
        let migrations: Vec<_> = (0..4)
            .map(|_| {
                let url = url.clone();
                thread::spawn(move || Store::migrate(&url).unwrap().len())
            })
            .collect();
        let applied: usize = migrations.into_iter().map(|migration| migration.join().unwrap()).sum();
        assert_eq!(applied, 24, "{}", database.name());
    }
}

#[test]
fn wrong_urls_are_refused_and_not_repeated() {
    for url in
        ["", "sqlite:", "sqlite::memory:", "mysql://clerk:secret@db/ca", "postgres:secret", "/var/lib/ca.db"]
    {
        assert_eq!(Store::open(url).unwrap_err(), StoreError::WrongUrl, "{url}");
    }
    let error = Store::open("postgres://clerk:secret@%2Fnowhere/ca").unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

/// Failed and not done: the connection dies before COMMIT is sent.
#[test]
fn a_connection_lost_before_commit_is_replaced() {
    let database = Database::postgres();
    let store = database.store();
    let url = database.url().to_owned();
    enroll(&store);
    let error = refused(&store, move |tx| {
        tx.insert_application(&application(1))?;
        let mut other =
            PgConnection::establish(&url).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        other
            .batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
            )
            .unwrap();
        Ok(())
    });
    assert_eq!(error, StoreError::OutcomeUnknown, "the program cannot know");
    // Every connection is dead, idle ones included; nobody who comes later notices.
    for _ in 0..15 {
        assert_eq!(read(&store, |reader| reader.application(&application(1).id)), None);
        write(&store, |tx| tx.put_setting("a", "b"));
    }
}

/// Failed but done: COMMIT arrives, its answer does not.
#[test]
fn a_commit_without_answer_is_unknown_and_may_be_there() {
    let database = Database::postgres();
    enroll(&database.store());
    let proxy = Proxy::start(database.url());
    let store = Store::open(&proxy.url).unwrap();
    write(&store, |tx| tx.put_setting("before", "1"));
    proxy.cut.store(true, Ordering::SeqCst);
    let error =
        store.write_blocking(WriteSite::Import, |tx| tx.insert_application(&application(1))).unwrap_err();
    assert_eq!(error, StoreError::OutcomeUnknown);
    assert_eq!(read(&store, |reader| reader.application(&application(1).id)), Some(application(1)));
}

/// Stands between the store and PostgreSQL; once `cut` is set, the next COMMIT goes through and its answer is lost.
struct Proxy {
    url: String,
    directory: PathBuf,
    cut: Arc<AtomicBool>,
}

impl Proxy {
    fn start(url: &str) -> Self {
        let (user, rest) = url.split_once('@').unwrap();
        let (host, base) = rest.split_once('/').unwrap();
        let real = Path::new(&host.replace("%2F", "/")).join(".s.PGSQL.5432");
        let directory = std::env::temp_dir().join(format!("qianyin-proxy-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
        let cut = Arc::new(AtomicBool::new(false));
        let armed = Arc::clone(&cut);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = UnixStream::connect(&real).unwrap();
                forward(client, server, &armed);
            }
        });
        let url = format!("{user}@{}/{base}", directory.display().to_string().replace('/', "%2F"));
        Self { url, directory, cut }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

fn forward(client: UnixStream, server: UnixStream, armed: &Arc<AtomicBool>) {
    let lost = Arc::new(AtomicBool::new(false));
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (armed, losing) = (Arc::clone(armed), Arc::clone(&lost));
    thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let sent = &buffer[..length];
            // Not BEGIN's "READ COMMITTED".
            if sent.windows(8).any(|window| window == b"; COMMIT") && armed.swap(false, Ordering::SeqCst) {
                losing.store(true, Ordering::SeqCst);
            }
            if to.write_all(sent).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        let (mut from, mut to) = (server, client);
        let mut buffer = [0; 65536];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            // The server has answered, so it has committed.
            if lost.load(Ordering::SeqCst) || to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // One of the two may have gone first.
        let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
    });
}

#[test]
fn an_sqlite_database_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    for database in databases().into_iter().filter(|database| database.name() == "sqlite") {
        let store = database.store();
        write(&store, |tx| tx.insert_unit(&unit()));
        let path = database.url().strip_prefix("sqlite:").unwrap();
        for file in [path.to_owned(), format!("{path}-wal"), format!("{path}-shm")] {
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}
