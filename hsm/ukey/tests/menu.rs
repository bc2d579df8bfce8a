//! The menu at a pseudo-terminal, key by key. `script` (util-linux) is the terminal.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    io::{Read, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use hsm::{
    Pin, PinState,
    testing::{SoftHsm, in_softhsm},
};
use serde_json::json;

use common::{
    Ca, Reply, Server, personalised,
    plain::plain,
    program::{run, ukey},
};

const DOWN: &str = "\x1b[B";
const UP: &str = "\x1b[A";
const PATIENCE: Duration = Duration::from_secs(20);

/// A person at a terminal.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<String>>,
    /// What was looked at before.
    seen: usize,
}

impl Terminal {
    fn start(home: &Path, locale: &str, module: bool) -> Self {
        let mut command = Command::new("script");
        command.args(["-qfec", env!("CARGO_BIN_EXE_ukey"), "/dev/null"]);
        for name in ["LC_ALL", "LC_MESSAGES", "PKCS11_MODULE", "TOKEN_LABEL", "RUST_LOG", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.env("LANG", locale).env("HOME", home).env("TERM", "xterm");
        if module {
            command.env("PKCS11_MODULE", SoftHsm::module_path());
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let shown = Arc::new(Mutex::new(String::new()));
        let copy = Arc::clone(&shown);
        std::thread::spawn(move || {
            let (mut octets, mut buffer) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                octets.extend_from_slice(&buffer[..count]);
                *copy.lock().unwrap() = String::from_utf8_lossy(&octets).into_owned();
            }
        });
        Self { child, keys, shown, seen: 0 }
    }

    /// Waits until this stands on the screen after what was waited for before; gives what came up to it.
    fn wait(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let shown = self.shown.lock().unwrap().clone();
            let new = shown.get(self.seen..).unwrap_or_default();
            if let Some(place) = new.find(text) {
                let (before, end) = (new[..place].to_owned(), self.seen + place + text.len());
                self.seen = end;
                return before;
            }
            assert!(Instant::now() < until, "{text} did not come: {new}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, keys: &str) {
        // What is pressed before the program asks for it would be shown.
        std::thread::sleep(Duration::from_millis(100));
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// After a question.
    fn answer(&mut self, question: &str, text: &str) {
        self.wait(question);
        self.press(&format!("{text}\n"));
    }

    fn ends(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap();
        (code, self.shown.lock().unwrap().clone())
    }
}

fn accepts(token: &hsm::Token, text: &str) -> bool {
    token.module().reinitialise().unwrap();
    token.session(&Pin::new(text.to_owned()).unwrap()).is_ok()
}

#[test]
fn keys_choose_errors_come_back_to_the_menu_and_no_pin_is_shown() {
    in_softhsm("keys_choose_errors_come_back_to_the_menu_and_no_pin_is_shown", |softhsm| {
        let ca = Ca::new();
        let token = personalised(softhsm, &ca, "南京签印科技", "ec-p256");
        let mut person = Terminal::start(softhsm.dir(), "zh_CN.UTF-8", true);
        person.wait("▶ 1  查看 U-key 与证书状态");
        person.wait("  8  退出");
        person.press("1");
        person.wait("不需要口令");
        person.wait("有效至 4096-01-01");
        person.wait("按任意键返回菜单");
        person.press(" ");
        person.wait("  8  退出");

        // The old PIN is wrong: tried once, told, and the menu is there again.
        person.press(DOWN);
        person.wait("▶ 2  激活证书");
        person.press(DOWN);
        person.wait("▶ 3  修改口令");
        person.press("\r");
        person.answer("的口令（状态：正常）：", "998877");
        person.answer("新口令（至少六位）：", "161803");
        person.answer("再输入一次新口令：", "161803");
        person.wait("错误：U-key ");
        person.wait("口令只试了一次");
        person.wait("按任意键返回菜单");
        person.press("x");
        person.wait("▶ 3  修改口令");
        person.wait("  8  退出");
        token.module().reinitialise().unwrap();
        assert_eq!(token.info().unwrap().pin, PinState::CountLow);

        person.press("3");
        person.answer("的口令（状态：已输错过，连续输错将被锁定）：", "271828");
        person.answer("新口令（至少六位）：", "161803");
        person.answer("再输入一次新口令：", "161803");
        person.wait("的口令已修改");
        person.wait("按任意键返回菜单");
        person.press(" ");
        person.wait("  8  退出");
        for (key, marked) in [(UP, "▶ 2"), (UP, "▶ 1"), (UP, "▶ 8")] {
            person.press(key);
            person.wait(marked);
        }
        person.press("\r");
        let (code, shown) = person.ends();
        assert_eq!(code, 0);
        for pin in ["998877", "271828", "161803"] {
            assert!(!shown.contains(pin), "{shown}");
        }
        assert!(accepts(&token, "161803"));
    });
}

#[test]
fn what_is_typed_once_is_remembered() {
    in_softhsm("what_is_typed_once_is_remembered", |softhsm| {
        let ca = Ca::new();
        personalised(softhsm, &ca, "unit", "ec-p256");
        let portal = Server::start(&ca, |_, _| Reply::Json(200, json!({ "name": "Unit" })));
        let root = ca.root_pem(softhsm.dir());
        let install = ["root", "install", "--file", root.to_str().unwrap(), "--fingerprint"];
        let mut command = ukey(&[&install[..], &[&ca_core::fingerprint(&ca.root)]].concat());
        command.env("HOME", softhsm.dir()).env_remove("XDG_CONFIG_HOME").env("PATH", "/nonexistent");
        assert_eq!(run(command).0, 0);

        let mut person = Terminal::start(softhsm.dir(), "en_GB.UTF-8", false);
        person.wait("press a digit");
        person.press("5");
        person.answer("(.so, .dll or .dylib): ", SoftHsm::module_path().to_str().unwrap());
        person.answer("The portal, https://...: ", &portal.url);
        person.answer(", in order: ", "271828");
        person.wait("All hold: this token can be used.");
        person.wait("Press any key");
        person.press(" ");
        person.wait("  8  Quit");
        person.press("q");
        assert_eq!(person.ends().0, 0);

        let mut person = Terminal::start(softhsm.dir(), "en_GB.UTF-8", false);
        person.wait("press a digit");
        person.press("5");
        person.wait(&format!("(Enter for {})", portal.url));
        person.press("\n");
        person.answer(", in order: ", "271828");
        person.wait("✓ Login: done, as Unit");
        person.wait("Press any key");
        person.press(" ");
        person.wait("  8  Quit");
        person.press("\x1b");
        assert_eq!(person.ends().0, 0);
    });
}

#[test]
fn a_root_is_compared_at_the_terminal() {
    in_softhsm("a_root_is_compared_at_the_terminal", |softhsm| {
        let ca = Ca::new();
        let url = plain("200 OK", "", ca.root.clone());
        let kept = softhsm.dir().join(".config/qianyin/root.pem");
        let mut person = Terminal::start(softhsm.dir(), "zh_CN.UTF-8", true);
        for (answer, says) in [("否", "指纹未确认一致，什么也没有改动"), ("是", "撤销：ukey root remove")]
        {
            person.wait("直接按数字");
            person.press("6");
            person.answer("根证书地址", &url);
            let compared = person.wait("完全一致吗？（是/否）");
            let groups = ca_core::fingerprint(&ca.root);
            assert!(compared.contains(&groups[..39]) && compared.contains(&groups[40..]), "{compared}");
            assert!(!kept.exists());
            person.press(&format!("{answer}\n"));
            person.wait(says);
            person.wait("按任意键返回菜单");
            person.press(" ");
        }
        assert!(kept.exists());
        person.wait("  8  退出");
        person.press("8");
        assert_eq!(person.ends().0, 0);
    });
}

#[test]
fn a_certificate_is_revoked_only_after_the_word() {
    in_softhsm("a_certificate_is_revoked_only_after_the_word", |softhsm| {
        let ca = Ca::new();
        let token = personalised(softhsm, &ca, "南京签印科技", "ec-p256");
        let server = Server::start(&ca, |number, _| match number {
            0 => Reply::Json(200, json!({ "challenge": "Y2g" })),
            _ => Reply::Json(200, json!({ "revoked_at": "2026-11-26T12:00:00Z" })),
        });
        let settings = softhsm.dir().join(".config/qianyin");
        std::fs::create_dir_all(&settings).unwrap();
        std::fs::copy(ca.root_pem(softhsm.dir()), settings.join("root.pem")).unwrap();
        let mut person = Terminal::start(softhsm.dir(), "zh_CN.UTF-8", true);
        for (word, says) in
            [("是", "没有确认，什么也没有吊销。"), ("吊销", "已吊销（2026-11-26T12:00:00Z）。")]
        {
            person.wait("  8  退出");
            person.press("7");
            person.answer("CA 服务器地址，https://…", &server.url);
            person.wait("有效至 4096-01-01");
            person.answer("请输入“吊销”后按回车：", word);
            if word == "吊销" {
                person.answer("的口令（状态：正常）：", "271828");
            }
            person.wait(says);
            person.wait("按任意键返回菜单");
            person.press(" ");
            assert_eq!(server.received().len(), if word == "吊销" { 2 } else { 0 });
        }
        person.wait("  8  退出");
        person.press("8");
        let (code, shown) = person.ends();
        assert_eq!((code, shown.contains("271828")), (0, false));
        assert_eq!(token.info().unwrap().pin, PinState::Ok);
    });
}

#[test]
fn without_a_terminal_there_is_the_help() {
    let (code, out, error) = run(ukey(&[]));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(error.contains("Usage: ukey [OPTIONS] <COMMAND>"), "{error}");
}
