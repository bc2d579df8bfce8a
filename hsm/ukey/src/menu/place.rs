//! What an entry of the menu needs besides the token: module, addresses. Asked for once and remembered.

use std::{io::Write, path::PathBuf, sync::Arc};

use clap::Parser;
use hsm::Module;
use ukey::{
    Error, certificate,
    home::{Home, Settings},
    trial,
};

use super::entry::Entry;
use crate::{
    cli::{self, Cli},
    report::Voice,
};

pub(super) struct Place<'a> {
    voice: &'a Arc<Voice>,
    home: Option<Home>,
    settings: Settings,
}

impl<'a> Place<'a> {
    pub(super) fn new(voice: &'a Arc<Voice>) -> Self {
        let home = Home::of_user();
        let settings = home.as_ref().map(Home::settings).unwrap_or_default();
        Self { voice, home, settings }
    }

    /// Does what the entry says, by its command.
    pub(super) fn act(&mut self, entry: Entry) -> Result<(), Error> {
        if entry == Entry::InstallRoot {
            let usual = self.root_address();
            let url = self.ask(self.voice.pick("根证书地址", "Address of the root certificate"), usual)?;
            return self.command(None, &["root", "install", "--server", &url]);
        }
        let module = self.module()?;
        // What was plugged in since is seen after C_Initialize only.
        Module::load(&module)?.reinitialise()?;
        let path = module.to_string_lossy().into_owned();
        let run = |words: &[&str]| self.command(Some(&path), words);
        match entry {
            Entry::Status => run(&["status"]),
            Entry::ChangePin => run(&["pin", "change"]),
            Entry::Activate | Entry::Renew | Entry::Revoke => {
                let word = match entry {
                    Entry::Activate => "activate",
                    Entry::Renew => "renew",
                    _ => "revoke",
                };
                let server = self.server()?;
                self.command(Some(&path), &[word, "--server", &server])
            }
            Entry::Test => {
                let portal = self.portal()?;
                self.command(Some(&path), &["test", "--portal", &portal])
            }
            Entry::InstallRoot | Entry::Quit => Ok(()),
        }
    }

    fn command(&self, module: Option<&str>, words: &[&str]) -> Result<(), Error> {
        let named = module.iter().flat_map(|path| ["--module", path]);
        match Cli::try_parse_from(["ukey"].into_iter().chain(named).chain(words.iter().copied())) {
            Ok(cli) => cli::run(cli, self.voice),
            Err(error) => Err(Error::System(std::io::Error::other(error))),
        }
    }

    fn module(&mut self) -> Result<PathBuf, Error> {
        if let Some(named) = Cli::module_named() {
            return Ok(named);
        }
        if let Some(known) = self.settings.module.clone().filter(|path| path.exists()) {
            return Ok(known);
        }
        let question = self.voice.pick(
            "U-key 厂商的 PKCS#11 模块文件（.so、.dll 或 .dylib）",
            "The PKCS#11 module of the U-key's vendor (.so, .dll or .dylib)",
        );
        let path = PathBuf::from(self.ask(question, None)?);
        Module::load(&path)?;
        self.settings.module = Some(path.clone());
        self.keep()?;
        Ok(path)
    }

    fn server(&mut self) -> Result<String, Error> {
        let question = self.voice.pick("CA 服务器地址，https://…", "The CA's server, https://...");
        let server = self.ask(question, self.settings.server.clone())?;
        self.settings.server = Some(server.clone());
        self.keep()?;
        Ok(server)
    }

    fn portal(&mut self) -> Result<String, Error> {
        let question = self.voice.pick("门户地址，https://…", "The portal, https://...");
        let portal = self.ask(question, self.settings.portal.clone())?;
        self.settings.portal = Some(portal.clone());
        self.keep()?;
        Ok(portal)
    }

    /// The certificate on the token says where its issuer's lies; the root lies beside it.
    fn root_address(&self) -> Option<String> {
        let module = Cli::module_named().or_else(|| self.settings.module.clone())?;
        let token = trial::find_token(&Module::load(module).ok()?, None).ok()?;
        let held = token.certificates().ok()?;
        let url = held.iter().find_map(|object| certificate::read(&object.der)?.issuer_url)?;
        let (folder, _) = url.rsplit_once('/')?;
        Some(format!("{folder}/root.cer"))
    }

    /// One line; an empty one means what is usual.
    fn ask(&self, question: &str, usual: Option<String>) -> Result<String, Error> {
        let (open, close) = (self.voice.pick("（直接回车用 ", " (Enter for "), self.voice.pick("）", ")"));
        let offered = usual.as_ref().map(|usual| format!("{open}{usual}{close}"));
        let mut out = std::io::stdout().lock();
        let colon = self.voice.pick("：", ": ");
        write!(out, "{question}{}{colon}", offered.unwrap_or_default()).map_err(Error::Prompt)?;
        out.flush().map_err(Error::Prompt)?;
        drop(out);
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(Error::Prompt)?;
        let typed = line.trim();
        match usual {
            Some(usual) if typed.is_empty() => Ok(usual),
            _ => Ok(typed.to_owned()),
        }
    }

    fn keep(&self) -> Result<(), Error> {
        self.home.as_ref().map_or(Ok(()), |home| home.keep_settings(&self.settings))
    }
}
