//! The CA's own server: started, watched, stopped.

use std::{
    fs::{File, OpenOptions},
    process::Command,
};

use super::{Ca, curl, wait};

impl Ca {
    /// Starts the server; `variables` may say where it is to crash. Waits until it serves or has crashed.
    pub(crate) fn serve(&mut self, variables: &[(&str, &str)]) {
        self.stop_server();
        let mut known = self.log_octets();
        self.start_server(variables);
        let url = format!("http://{}/readyz", self.http);
        wait(60, &format!("the server at {url}"), || {
            if !self.server_is_gone() {
                return curl(&["-fsS", &url]).status.success();
            }
            // Tests at once have all their connections from the ports that a server may be given, too: one of them was faster,
            // and will be gone.
            let log = std::fs::read(self.path("server.log")).unwrap();
            let taken = String::from_utf8_lossy(&log[known..]).contains("Address already in use");
            if taken {
                known = log.len();
                self.start_server(variables);
            }
            !taken
        });
    }

    fn start_server(&mut self, variables: &[(&str, &str)]) {
        let log = self.server_log();
        let mut command = self.ca_server_command(&["serve"]);
        command.envs(variables.iter().copied()).stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(command.spawn().unwrap());
    }

    fn server_log(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.path("server.log")).unwrap()
    }

    fn log_octets(&self) -> usize {
        self.server_log().metadata().unwrap().len().try_into().unwrap()
    }

    pub(crate) fn server_is_gone(&mut self) -> bool {
        self.server.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    pub(crate) fn stop_server(&mut self) {
        if let Some(mut child) = self.server.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}
