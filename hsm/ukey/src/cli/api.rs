//! `ukey api`: any call of the CA's API with the certificate on a token. The answer's body goes to standard output.

use std::{io::Read, path::PathBuf};

use clap::Args;
use hsm::Module;
use hyper::Method;
use serde_json::Value;
use ukey::{Error, tls::Identity};

use super::{ServerArguments, TokenArguments};
use crate::report::Voice;

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
    /// 幂等键：同一键重复提交只办一次 / Idempotency-Key: the same key is carried out once
    #[arg(long, value_name = "KEY", value_parser = header_value)]
    idempotency_key: Option<String>,
}

pub(super) fn run(module: &Module, arguments: Arguments, voice: &Voice) -> Result<(), Error> {
    let anchors = arguments.server.anchors()?;
    let body = arguments.data.map(read_json).transpose()?;
    let token = arguments.token.find(module)?;
    let pin = arguments.token.pin(&token, voice)?;
    let identity = Identity::open(&token, pin, arguments.server.chain.as_deref())?;
    let method: Method = arguments.method.to_ascii_uppercase().parse().unwrap_or(Method::GET);
    let headers: Vec<_> =
        arguments.idempotency_key.iter().map(|key| ("idempotency-key", key.as_str())).collect();
    let answer = super::runtime()?.block_on(async {
        let mut client = arguments.server.connect(&anchors, &identity).await?;
        client.request(method, &arguments.path, body.as_ref(), &headers).await
    })?;
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

fn path(text: &str) -> Result<String, &'static str> {
    let printable = text.bytes().all(|octet| octet.is_ascii_graphic());
    if text.starts_with('/') && printable { Ok(text.to_owned()) } else { Err("a path begins with '/'") }
}

fn header_value(text: &str) -> Result<String, &'static str> {
    let printable = text.bytes().all(|octet| octet.is_ascii_graphic());
    if (1..=100).contains(&text.len()) && printable {
        Ok(text.to_owned())
    } else {
        Err("1 to 100 printable characters")
    }
}
