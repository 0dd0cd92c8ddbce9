//! What a running command has at hand.

use crate::autostart;
use crate::command::Engine;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::program::Program;
use client::{Client, Options};
use engine_api::version;
use flags::Typed;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::SystemTime;

/// One run of the program.
pub(crate) struct Session {
    /// What the program is called.
    pub(crate) program: Program,
    /// The global flags and the configuration.
    pub(crate) globals: Globals,
    /// When the user asked.
    pub(crate) asked_at: SystemTime,
    /// Whether the command starts an engine.
    pub(crate) engine: Engine,
    /// The command's path: `docker container run`.
    pub(crate) path: String,
    /// The name by which the command was called: `images`, `ls`.
    pub(crate) called: String,
    client: OnceCell<Arc<Client>>,
}

impl Session {
    /// A session of one command.
    pub(crate) fn new(program: Program, globals: Globals, asked_at: SystemTime, engine: Engine) -> Session {
        Session {
            program,
            globals,
            asked_at,
            engine,
            path: String::new(),
            called: String::new(),
            client: OnceCell::new(),
        }
    }

    /// The daemon.
    ///
    /// # Errors
    /// No address could be made out, or no engine could be started.
    pub(crate) fn client(&self) -> Result<&Arc<Client>, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = self.connect()?;
        Ok(self.client.get_or_init(|| Arc::new(client)))
    }

    /// The daemon, without starting one.
    ///
    /// # Errors
    /// No address could be made out.
    pub(crate) fn quiet_client(&self) -> Result<Client, Failure> {
        let address = self.globals.address.clone().map_err(Failure::new)?;
        let fixed = std::env::var("DOCKER_API_VERSION").ok().filter(|version| !version.is_empty());
        Ok(Client::new(Options {
            address,
            version: fixed.map(|version| version.trim_start_matches('v').to_owned()),
            user_agent: user_agent(self.program),
            headers: self.globals.config.http_headers.clone().into_iter().collect(),
        }))
    }

    fn connect(&self) -> Result<Client, Failure> {
        let client = self.quiet_client()?;
        let may_start = self.globals.may_start && self.globals.is_default_address;
        if self.engine == Engine::StartIfAbsent && may_start && autostart::is_allowed() {
            autostart::ensure(&client)?;
        }
        Ok(client)
    }

    /// A connection that could not be taken over, as the program's users expect to read it.
    pub(crate) fn explain_hijack(&self, error: client::Error) -> Failure {
        match (self.program, &error) {
            // Docker's client drops the daemon's reason.
            (Program::Docker, client::Error::Refused { status, .. }) => {
                Failure::new(client::Error::NotUpgraded(*status).to_string())
            }
            _ => error.into(),
        }
    }

    /// Refuses typed flags that the daemon is too old for.
    ///
    /// # Errors
    /// One line for each such flag.
    pub(crate) fn check_support(&self, typed: &Typed) -> Result<(), Failure> {
        let flags = typed.flags();
        if flags.iter().all(|flag| flag.since.is_none() && flag.os.is_none() && !flag.experimental) {
            return Ok(());
        }
        let client = self.client()?;
        let mut complaints = Vec::new();
        for flag in flags {
            let ours = client.version();
            let too_old = |since: &str| match (ours.parse::<version::ApiVersion>(), since.parse()) {
                (Ok(ours), Ok(since)) => ours < since,
                _ => false,
            };
            if let Some(since) = flag.since.filter(|since| too_old(since)) {
                complaints.push(format!(
                    "\"--{}\" requires API version {since}, but the Docker daemon API version is {ours}",
                    flag.name
                ));
            } else if let Some(os) = flag.os.filter(|os| *os != "linux") {
                let theirs = client.ping()?.os.clone();
                if !theirs.is_empty() && theirs != os {
                    complaints.push(format!(
                        "\"--{}\" is only supported on a Docker daemon running on {os}, but the Docker daemon is running on {theirs}",
                        flag.name
                    ));
                }
            } else if flag.experimental && !client.ping()?.experimental {
                complaints.push(format!(
                    "\"--{}\" is only supported on a Docker daemon with experimental features enabled",
                    flag.name
                ));
            }
        }
        if complaints.is_empty() { Ok(()) } else { Err(Failure::new(complaints.join("\n"))) }
    }
}

fn user_agent(program: Program) -> String {
    match program {
        Program::Docker => format!("Docker-Client/{} (linux)", version::DOCKER_VERSION),
        Program::Gantry => format!("Gantry-Client/{} (linux)", env!("CARGO_PKG_VERSION")),
    }
}
