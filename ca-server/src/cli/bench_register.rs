//! `bench`, second part: how many rows a second the register's import takes, with a list made for it. Every row is a unit
//! of its own with a code whose check digit fits; one line in a thousand is bad, as in a list of the world.

use std::{
    io::{BufWriter, Write},
    path::Path,
    time::Instant,
};

use ca_verifier::Uscc;

use super::{Stop, operator};
use crate::{
    app::{
        App,
        register::{Accept, Import},
    },
    permit::Permit,
    problem::Failure,
};

/// Imports `rows` rows and prints the rate.
pub(super) async fn run(app: &App, dir: &Path, rows: u32, kind: &str) -> Result<(), Stop> {
    let file = dir.join("register.csv");
    generate(&file, rows).map_err(|error| Failure::file(&file, error))?;
    let import = Import {
        store: &app.store,
        agencies: app.policies.eligibility(),
        permit: Permit::of_operator(&operator()),
        file: &file,
        report: Some(&dir.join("report.csv")),
        accept: Accept { max_bad: 1, bad: false, shrink: true },
    };
    let start = Instant::now();
    let done = import.run(|_, _| {}).await?;
    let elapsed = start.elapsed();
    let rate = f64::from(rows) / elapsed.as_secs_f64();
    println!(
        "register  {kind:<10} {rows} lines in {:.1} s  {rate:>7.0} rows/s  {} units, {} bad lines",
        elapsed.as_secs_f64(),
        done.good,
        done.bad
    );
    Ok(())
}

fn generate(file: &Path, rows: u32) -> std::io::Result<()> {
    let mut sink = BufWriter::new(std::fs::File::create(file)?);
    writeln!(sink, "统一社会信用代码,劳动保障证号,单位名称,参保经办机构,区划")?;
    for number in 0..rows {
        let labour_no = 10_000_000 + number;
        // Not in the order of the file, as in real lists.
        let scattered = number.wrapping_mul(2_654_435_761) % 1_000_000_000;
        let code = uscc(&format!("91320106{scattered:09}"));
        let agency = if number % 1000 == 999 { "未知" } else { "gulou" };
        writeln!(sink, "{code},{labour_no},南京第{number}号示例有限公司,{agency},320106")?;
    }
    sink.flush()
}

/// A body of 17 characters with the check digit that fits.
fn uscc(body: &str) -> String {
    let candidates = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars().map(|check| format!("{body}{check}"));
    candidates.into_iter().find(|code| Uscc::parse(code).is_ok()).unwrap_or_default()
}
