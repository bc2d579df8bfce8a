//! Files with secrets: mode 0600 from their first octet, whole or not there.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use ca_store::kill_point;

use crate::problem::Failure;

/// Writes a file that only its owner can read; replaces an earlier one in one step.
pub(crate) fn write_secret(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write(path, content, 0o600)
}

/// Writes a file for everybody; replaces an earlier one in one step.
pub(crate) fn write_public(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write(path, content, 0o644)
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let failed = |error| Failure::file(path, error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = Path::new(&name);
    // A leftover of a crash may have another mode: `mode` below counts for new files only.
    match std::fs::remove_file(temporary) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(temporary)
        .map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    kill_point("write-file:before");
    std::fs::rename(temporary, path).map_err(failed)?;
    // The name, too, must be there after a power cut: a commit that follows counts on the file.
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    kill_point("write-file:after");
    Ok(())
}

/// Reads a one-line secret, such as a PIN, without its line end.
pub(crate) fn read_secret(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads one certificate, PEM or DER.
pub(crate) fn read_certificate(path: &Path) -> Result<Vec<u8>, Failure> {
    read_pem_or_der(path, "CERTIFICATE")
}

/// Reads one PEM block of a kind, or the file as DER when it is not PEM.
pub(crate) fn read_pem_or_der(path: &Path, kind: &str) -> Result<Vec<u8>, Failure> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let octets = std::fs::read(path).map_err(|error| Failure::file(path, error))?;
    let Ok(text) = std::str::from_utf8(&octets) else { return Ok(octets) };
    let broken = || Failure::Config { file: path.to_owned(), detail: format!("no PEM block {kind}") };
    let begin = format!("-----BEGIN {kind}-----");
    let Some((_, rest)) = text.split_once(&begin) else {
        return if text.contains("-----BEGIN ") { Err(broken()) } else { Ok(octets) };
    };
    let (body, _) = rest.split_once("-----END ").ok_or_else(broken)?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).map_err(|_| broken())
}
