//! Files with secrets: mode 0600 from their first octet, whole or not there.

use std::{
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use ca_store::kill_point;
use zeroize::Zeroizing;

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

/// Reads a one-line secret, such as a PIN, without its line end. Its memory is wiped when it is dropped.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<String>, Failure> {
    hsm::read_secret(path).map_err(|error| Failure::file(path, error))
}

/// Reads a one-line key without its line end. Refuses a file that others than its owner can read or change, and what is
/// not one line of `least` to `most` visible ASCII characters: with other octets, nobody could say whether a line end at
/// the end is part of the key.
pub(crate) fn read_key(path: &Path, least: usize, most: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error| Failure::file(path, error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_file() || mode & 0o077 != 0 {
        return Err(Failure::Refused(format!(
            "密钥文件 {} 的权限是 {mode:04o}，其他用户可以访问。请执行 chmod 600。\n\
             The key file {} has mode {mode:04o}: others can reach it. Run chmod 600.",
            path.display(),
            path.display(),
        )));
    }
    // Its room is there from the beginning: a vector that grows leaves copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(most + 3));
    file.take(u64::try_from(most + 3).unwrap_or(u64::MAX)).read_to_end(&mut octets).map_err(failed)?;
    // A longer file was not read to its end: what looks like the end is none.
    let whole = octets.len() < most + 3;
    let end = octets.iter().rposition(|octet| !matches!(octet, b'\r' | b'\n')).map_or(0, |last| last + 1);
    octets.truncate(end);
    if !whole || !(least..=most).contains(&octets.len()) || !octets.iter().all(u8::is_ascii_graphic) {
        return Err(Failure::Refused(format!(
            "密钥文件 {} 应为一行 {least} 至 {most} 个可见 ASCII 字符，例如 openssl rand -hex 32 的输出。\n\
             The key file {} must be one line of {least} to {most} visible ASCII characters, as openssl rand -hex 32 \
             makes it.",
            path.display(),
            path.display(),
        )));
    }
    Ok(octets)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_their_owners_and_one_line() {
        let number = crate::wire::random::<8>().unwrap();
        let file = std::env::temp_dir().join(format!("qianyin-key-{}", hex::encode(number)));
        let read = |content: &[u8]| {
            write_secret(&file, content).unwrap();
            read_key(&file, 4, 8).map_err(|failure| failure.to_string())
        };
        for content in [&b"12345678"[..], b"12345678\n", b"12345678\r\n"] {
            assert_eq!(read(content).unwrap().as_slice(), b"12345678");
        }
        for content in [
            &b""[..],
            b"123",
            b"123\n",
            b"123456789",
            b"1234 678",
            b"1234\n678",
            b"\xff2345678",
            b"12345678\n\n\n\nX",
        ] {
            let refusal = read(content).unwrap_err().replace(&*file.to_string_lossy(), "FILE");
            assert!(refusal.contains("4 to 8 visible ASCII") && !refusal.contains("123"), "{refusal}");
        }
        for mode in [0o640, 0o604, 0o620, 0o666] {
            write(&file, b"12345678", mode).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let refusal = read_key(&file, 4, 8).unwrap_err().to_string();
            assert!(refusal.contains("chmod 600") && refusal.contains(&format!("{mode:04o}")), "{refusal}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(read_key(&file, 4, 8).is_err());
    }
}
