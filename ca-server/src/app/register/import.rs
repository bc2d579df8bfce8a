//! The import: the file is read twice, first for its digest and encoding, then line by line. Lines are staged some
//! thousands at a time, and in force all at once. Killed and started again it reads the file again, checks every line
//! again, and writes only what is not written yet: the report is whole whenever it comes to its end.

use std::{
    fs::File,
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use ca_core::{Action, AuditEntry, ImportCommand, ImportState, policy::EligibilityRules};
use ca_store::{RegisterImport, RegisterRow, Store, WriteSite};

use super::{
    super::{About, audited},
    row::Checker,
};
use crate::{
    permit::{ImportRegister, Permit},
    problem::{Failure, Problem},
    rule::{Language, Rule},
    sheet::{self, Finding, Limits, Lines, guarded, scan},
    wire,
};

const LIMITS: Limits = Limits { lines: 2_000_000, columns: 20, cell: 400 };
const FILE_MAX: u64 = 1024 * 1024 * 1024;
/// Lines in one transaction.
const CHUNK: usize = 5_000;
/// Lines whose rows are deleted in one transaction.
const PURGE: i32 = 5_000;

/// What the operator accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accept {
    /// Bad lines, in per cent of all.
    pub(crate) max_bad: u32,
    /// Any number of bad lines.
    pub(crate) bad: bool,
    /// A register of less than half the size.
    pub(crate) shrink: bool,
}

/// One run of the import.
pub(crate) struct Import<'a> {
    pub(crate) store: &'a Store,
    pub(crate) agencies: &'a EligibilityRules,
    pub(crate) permit: Permit<ImportRegister>,
    pub(crate) file: &'a Path,
    /// Where the lines go that a person must know of.
    pub(crate) report: Option<&'a Path>,
    pub(crate) accept: Accept,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) number: i64,
    /// Lines that an earlier run had staged.
    pub(crate) resumed_at: i64,
    pub(crate) lines: i64,
    pub(crate) good: i64,
    pub(crate) bad: i64,
    pub(crate) review: i64,
}

impl Import<'_> {
    /// Stages what is not staged yet and activates it. `progress` hears of octets that are read, of how many.
    pub(crate) async fn run(&self, progress: impl Fn(u64, u64)) -> Result<Done, Problem> {
        let open = || File::open(self.file).map_err(|error| Failure::file(self.file, error));
        let size = open()?.metadata().map_err(|error| Failure::file(self.file, error))?.len();
        if size > FILE_MAX {
            let problem = Problem::new(Rule::SheetTooLarge).with("what", "字节数 (octets)");
            return Err(problem.with("limit", FILE_MAX));
        }
        let scanned = scan(open()?)?;
        let about = About {
            actor: self.permit.actor(),
            action: Action::ImportRegister,
            object: "register",
            id: &hex::encode(scanned.sha256),
        };
        let read = Counted { file: open()?, read: 0, size: scanned.octets, progress: &progress };
        let mut lines = Lines::new(read, &scanned, LIMITS);
        // A file that is no register is refused before anything is written.
        let begin = async {
            let checker = Checker::new(&lines.header()?, self.agencies)?;
            Ok((checker, self.begin(scanned.sha256).await?))
        };
        let (checker, import) = audited(self.store, about, begin).await?;
        let done = audited(self.store, about, self.stage(import, checker, &mut lines)).await?;
        audited(self.store, about, self.activate(done)).await?;
        purge(self.store).await?;
        Ok(done)
    }

    /// The import of this file that is being staged, or a new one.
    async fn begin(&self, sha256: [u8; 32]) -> Result<RegisterImport, Problem> {
        let (permit, now) = (self.permit.clone(), wire::now());
        self.store
            .write(WriteSite::StageRegister, move |tx| {
                let same = |import: &RegisterImport| import.file_sha256 == sha256;
                if let Some(import) = tx.register_import(ImportState::Staging)? {
                    if same(&import) {
                        return Ok(import);
                    }
                    let problem = Problem::new(Rule::RegisterOtherFile);
                    return Err(problem.with("lines", import.staged_lines));
                }
                if tx.register_import(ImportState::Active)?.is_some_and(|import| same(&import)) {
                    return Err(Problem::new(Rule::RegisterInForce));
                }
                let number = tx.insert_register_import(sha256, &permit.actor().to_string(), now)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::ImportRegister, "register", number);
                tx.append_audit(&entry.with("step", "start").with("sha256", hex::encode(sha256)))?;
                let import = tx.register_import(ImportState::Staging)?;
                import.ok_or_else(|| Failure::inconsistent("the import is not there").into())
            })
            .await
    }

    async fn stage(
        &self,
        mut import: RegisterImport,
        mut checker: Checker<'_>,
        lines: &mut Lines<impl Read>,
    ) -> Result<Done, Problem> {
        let mut report = self.report.map(Report::open).transpose()?;
        let mut done = Done {
            number: import.number,
            resumed_at: import.staged_lines,
            lines: 0,
            good: 0,
            bad: 0,
            review: 0,
        };
        let mut rows = Vec::with_capacity(CHUNK);
        let mut waiting = 0;
        while let Some(line) = lines.next()? {
            let (row, findings) = checker.check(&line);
            done.lines += 1;
            done.review += i64::from(row.is_some() && !findings.is_empty());
            if let Some(report) = &mut report {
                report.add(line.number, &findings)?;
            }
            let old = done.lines <= done.resumed_at;
            match row {
                Some(row) => {
                    done.good += 1;
                    if !old {
                        rows.push(row);
                    }
                }
                None => done.bad += 1,
            }
            waiting += usize::from(!old);
            if waiting == CHUNK {
                import = self.chunk(import, std::mem::take(&mut rows), done).await?;
                waiting = 0;
            }
        }
        if waiting > 0 {
            self.chunk(import, rows, done).await?;
        }
        if let Some(report) = report {
            report.finish()?;
        }
        Ok(done)
    }

    async fn chunk(
        &self,
        import: RegisterImport,
        rows: Vec<RegisterRow>,
        done: Done,
    ) -> Result<RegisterImport, Problem> {
        self.store
            .write(WriteSite::StageRegister, move |tx| {
                tx.stage_register_rows(&import, rows, (done.lines, done.good, done.bad))?;
                let (staged_lines, good, bad) = (done.lines, done.good, done.bad);
                Ok(RegisterImport { staged_lines, good, bad, ..import })
            })
            .await
    }

    /// One transaction: until it is committed everybody reads the old register, from then on the new one.
    async fn activate(&self, done: Done) -> Result<(), Problem> {
        if done.good == 0 {
            return Err(Problem::new(Rule::RegisterNoRows));
        }
        let (permit, accept, now) = (self.permit.clone(), self.accept, wire::now());
        if done.bad * 100 > done.lines * i64::from(accept.max_bad) && !accept.bad {
            let problem = Problem::new(Rule::RegisterBad).with("bad", done.bad).with("lines", done.lines);
            return Err(problem.with("limit", accept.max_bad));
        }
        self.store
            .write(WriteSite::ActivateRegister, move |tx| {
                let before = tx.register_import(ImportState::Active)?;
                if let Some(before) = &before {
                    if done.good * 2 < before.good && !accept.shrink {
                        let problem = Problem::new(Rule::RegisterShrinks).with("rows", done.good);
                        return Err(problem.with("before", before.good));
                    }
                    let next = before.state.transition(ImportCommand::Supersede)?;
                    tx.move_register_import(before.number, before.state, next, now)?;
                }
                let next = ImportState::Staging.transition(ImportCommand::Activate)?;
                tx.move_register_import(done.number, ImportState::Staging, next, now)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::ImportRegister, "register", done.number);
                let entry = entry.with("step", "activate").with("rows", done.good).with("bad", done.bad);
                tx.append_audit(&match before {
                    Some(before) => entry.with("supersedes", before.number),
                    None => entry,
                })?;
                Ok(())
            })
            .await
    }
}

/// Throws away what is staged; gives its number.
pub(crate) async fn abandon(store: &Store, permit: Permit<ImportRegister>) -> Result<i64, Problem> {
    let now = wire::now();
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ImportRegister, object: "register", id: "staging" };
    let work = store.write(WriteSite::ActivateRegister, move |tx| {
        let import = tx.register_import(ImportState::Staging)?;
        let import = import.ok_or_else(|| Problem::new(Rule::RegisterNothing))?;
        let next = import.state.transition(ImportCommand::Abandon)?;
        tx.move_register_import(import.number, import.state, next, now)?;
        let entry = AuditEntry::done(now, permit.actor(), Action::ImportRegister, "register", import.number);
        tx.append_audit(&entry.with("step", "abandon").with("lines", import.staged_lines))?;
        Ok(import.number)
    });
    let number = audited(store, about, work).await?;
    purge(store).await?;
    Ok(number)
}

/// Rows that nobody reads any more; what a kill leaves behind, the next import deletes.
async fn purge(store: &Store) -> Result<(), Problem> {
    let some =
        || store.write(WriteSite::StageRegister, |tx| Ok::<_, Problem>(tx.delete_register_rows(PURGE)?));
    while some().await? > 0 {}
    Ok(())
}

/// A file that says how much of it was read.
struct Counted<'a, P> {
    file: File,
    read: u64,
    size: u64,
    progress: &'a P,
}

impl<P: Fn(u64, u64)> Read for Counted<'_, P> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(into)?;
        self.read += u64::try_from(count).unwrap_or(0);
        (self.progress)(self.read, self.size);
        Ok(count)
    }
}

/// The report: a CSV beside its name until it is whole.
struct Report<'a> {
    file: &'a Path,
    part: PathBuf,
    writer: ::csv::Writer<BufWriter<File>>,
}

impl<'a> Report<'a> {
    fn open(file: &'a Path) -> Result<Self, Failure> {
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let failed = |error| Failure::file(&part, error);
        let mut sink = BufWriter::new(File::create(&part).map_err(failed)?);
        // Without the mark a spreadsheet takes it for the encoding of its country.
        sink.write_all("\u{feff}".as_bytes()).map_err(failed)?;
        let mut writer = ::csv::Writer::from_writer(sink);
        let header = ["line", "column", "result", "rule", "reason_zh", "reason_en"];
        writer.write_record(header).map_err(Failure::inconsistent)?;
        Ok(Self { file, part, writer })
    }

    fn add(&mut self, line: u32, findings: &[Finding]) -> Result<(), Failure> {
        for Finding { column, problem, review } in findings {
            let [zh, en] = [Language::Zh, Language::En].map(|language| sheet::reason(problem, language));
            let result = if *review { "review" } else { "refused" };
            let row = [&line.to_string(), *column, result, problem.rule.name(), &guarded(&zh), &guarded(&en)];
            self.writer.write_record(row).map_err(Failure::inconsistent)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Failure> {
        let sink = self.writer.into_inner().map_err(Failure::inconsistent)?;
        let file = sink.into_inner().map_err(|error| Failure::file(&self.part, error.into_error()))?;
        let failed = |error| Failure::file(self.file, error);
        file.sync_all().map_err(failed)?;
        std::fs::rename(&self.part, self.file).map_err(failed)
    }
}
