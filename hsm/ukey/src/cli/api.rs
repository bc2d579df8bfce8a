//! `ukey api`: any call of the CA's API with the certificate on a token. The answer's body goes to standard output.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::Args;
use hsm::Module;
use hyper::{Method, body::Bytes};
use serde_json::Value;
use ukey::{Error, tls::Identity};

use super::{ServerArguments, TokenArguments};
use crate::report::Voice;

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 方法 / Method
    #[arg(value_parser = super::methods(), ignore_case = true)]
    method: String,
    /// 路径，如 /api/v1/units / Path, such as /api/v1/units
    #[arg(value_parser = path)]
    path: String,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    token: TokenArguments,
    /// 作为请求正文的 JSON 文件，“-”为标准输入 / JSON file to send, `-` for standard input
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// 作为请求正文的表格文件（.csv 或 .xlsx） / Table to send, .csv or .xlsx
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    file: Option<PathBuf>,
    /// 应答正文原样写入文件 / File that the answer's body goes to as it is
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// 希望的应答格式，如 text/csv / Media type that is asked for, such as text/csv
    #[arg(long, value_name = "TYPE", value_parser = header_value)]
    accept: Option<String>,
    /// 幂等键：同一键重复提交只办一次 / Idempotency-Key: the same key is carried out once
    #[arg(long, value_name = "KEY", value_parser = header_value)]
    idempotency_key: Option<String>,
}

pub(super) fn run(module: &Module, arguments: Arguments, voice: &Voice) -> Result<(), Error> {
    let anchors = arguments.server.anchors()?;
    let json = arguments.data.map(read_json).transpose()?;
    let json = json.map(|value| ("application/json", Bytes::from(value.to_string())));
    let body = match &arguments.file {
        Some(path) => Some(read_table(path)?),
        None => json,
    };
    let token = arguments.token.find(module)?;
    let pin = arguments.token.pin(&token, voice)?;
    let identity = Identity::open(&token, pin, arguments.server.chain.as_deref())?;
    let method: Method = arguments.method.to_ascii_uppercase().parse().unwrap_or(Method::GET);
    let key = arguments.idempotency_key.iter().map(|key| ("idempotency-key", key.as_str()));
    let accept = arguments.accept.iter().map(|accept| ("accept", accept.as_str()));
    let headers: Vec<_> = key.chain(accept).collect();
    let answer = super::runtime()?.block_on(async {
        let mut client = arguments.server.connect(&anchors, &identity).await?;
        client.send(method, &arguments.path, body, &headers).await
    })?;
    if let Some(path) = arguments.output.filter(|_| answer.status < 400) {
        let failed = |error| Error::File { path: path.clone(), error };
        return std::fs::write(&path, &answer.body).map_err(failed);
    }
    voice.answer(&answer);
    // The document itself has been printed; what is left to say is what to do.
    answer.accepted().map(drop)
}

fn read_json(path: PathBuf) -> Result<Value, Error> {
    let failed = |error| Error::File { path: path.clone(), error };
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
    } else {
        text = std::fs::read_to_string(&path).map_err(failed)?;
    }
    serde_json::from_str(&text).map_err(|_| Error::Json { path })
}

fn read_table(path: &Path) -> Result<(&'static str, Bytes), Error> {
    let octets = std::fs::read(path).map_err(|error| Error::File { path: path.to_owned(), error })?;
    let xlsx = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx"));
    Ok((if xlsx { XLSX } else { "text/csv" }, Bytes::from(octets)))
}

/// What a person types: Chinese characters and spaces are written as URLs have them (RFC 3986 §2.1).
fn path(text: &str) -> Result<String, &'static str> {
    if !text.starts_with('/') || text.chars().any(char::is_control) {
        return Err("路径须以 / 开头，不含控制字符 / a path begins with '/' and has no control characters");
    }
    let mut path = String::new();
    for octet in text.bytes() {
        match octet {
            b'!'..=b'~' => path.push(char::from(octet)),
            _ => path.push_str(&format!("%{octet:02X}")),
        }
    }
    Ok(path)
}

fn header_value(text: &str) -> Result<String, &'static str> {
    let printable = text.bytes().all(|octet| octet.is_ascii_graphic());
    if (1..=100).contains(&text.len()) && printable {
        Ok(text.to_owned())
    } else {
        Err("1 to 100 printable characters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_people_type_them() {
        assert_eq!(path("/api/v1/units?q=南京 a").unwrap(), "/api/v1/units?q=%E5%8D%97%E4%BA%AC%20a");
        assert_eq!(path("/api/v1/units?q=%E5").unwrap(), "/api/v1/units?q=%E5");
        for bad in ["", "api", "/a\r\nHost: b", "/\u{7f}"] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
    }
}
