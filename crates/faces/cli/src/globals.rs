//! The flags that stand before the command, and which daemon they mean.

use crate::config::{self, Config};
use crate::failure::{Failure, fail};
use crate::output;
use crate::program::Program;
use client::Address;
use flags::{Flag, Typed};
use std::path::{Path, PathBuf};

/// The socket of an engine that `gantry` started.
pub(crate) const GANTRY_SOCKET: &str = "unix:///run/gantry/gantry.sock";
const DOCKER_SOCKET: &str = "unix:///var/run/docker.sock";

const LOG_LEVELS: &[&str] = &["panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"];

/// The global flags of Docker's client.
pub(crate) const FLAGS: &[Flag] = &[
    Flag::text("config", "Location of client config files"),
    Flag::text(
        "context",
        "Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and default context set with \"docker context use\")",
    )
    .short('c'),
    Flag::switch("debug", "Enable debug mode").short('D'),
    Flag::text("host", "Daemon socket to connect to").short('H'),
    Flag::text("log-level", r#"Set the logging level ("debug", "info", "warn", "error", "fatal")"#)
        .short('l')
        .default("info"),
    Flag::switch("tls", "Use TLS; implied by --tlsverify"),
    Flag::text("tlscacert", "Trust certs signed only by this CA"),
    Flag::text("tlscert", "Path to TLS certificate file"),
    Flag::text("tlskey", "Path to TLS key file"),
    Flag::switch("tlsverify", "Use TLS and verify the remote"),
    Flag::switch("version", "Print version information and quit").short('v'),
];

/// The global flag that only `gantry` has.
pub(crate) const GANTRY_FLAGS: &[Flag] =
    &[Flag::switch("no-autostart", "Never start an engine in the background")];

/// What the global flags and the environment say.
#[derive(Debug, Clone)]
pub(crate) struct Globals {
    /// The configuration.
    pub(crate) config: Config,
    /// The context in use; `default` if none was chosen.
    pub(crate) context: String,
    /// The daemon's address, or why there is none.
    pub(crate) address: Result<Address, String>,
    /// Whether the address is the one that nothing chose.
    pub(crate) is_default_address: bool,
    /// Whether an engine may be started in the background.
    pub(crate) may_start: bool,
    /// `--debug`.
    pub(crate) debug: bool,
}

/// Defaults of the global flags that depend on the user, for help.
pub(crate) fn defaults() -> Vec<(&'static str, String)> {
    let folder = config::default_folder();
    let certificates = match std::env::var_os("DOCKER_CERT_PATH").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => folder.clone(),
    };
    let file = |name: &str| certificates.join(name).display().to_string();
    vec![
        ("config", folder.display().to_string()),
        ("tlscacert", file("ca.pem")),
        ("tlscert", file("cert.pem")),
        ("tlskey", file("key.pem")),
    ]
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Globals {
    /// Makes sense of the global flags.
    ///
    /// # Errors
    /// Flags that contradict each other, or ask for what is not there.
    pub(crate) fn resolve(program: Program, typed: &Typed) -> Result<Globals, Failure> {
        if !LOG_LEVELS.contains(&typed.text("log-level").to_lowercase().as_str()) {
            return Err(fail!("Unable to parse logging level: {}", typed.text("log-level")));
        }
        let folder = typed.given("config").map_or_else(config::default_folder, PathBuf::from);
        let (config, warning) = Config::load(&folder);
        if let Some(warning) = warning {
            output::error_line(&warning);
        }
        if typed.has("context") && typed.has("host") {
            return Err(Failure::new("conflicting options: cannot specify both --host and --context"));
        }
        let wants_tls = typed.is_on("tls")
            || typed.has("tlsverify")
            || variable("DOCKER_TLS").is_some()
            || variable("DOCKER_TLS_VERIFY").is_some();
        let (context, address, is_default_address) = choose(program, typed, &config, &folder);
        let address = match address {
            Ok(Address::Tcp { .. }) if wants_tls => {
                Err("TLS connections to the daemon are not supported yet: use a unix socket".to_owned())
            }
            other => other,
        };
        Ok(Globals {
            config,
            context,
            address,
            is_default_address,
            may_start: program == Program::Gantry && !typed.is_on("no-autostart"),
            debug: typed.is_on("debug"),
        })
    }
}

/// The context, the address, and whether nothing chose it: `-c`, `-H`, `DOCKER_HOST`, `DOCKER_CONTEXT`, the
/// configuration, in this order.
fn choose(
    program: Program,
    typed: &Typed,
    config: &Config,
    folder: &Path,
) -> (String, Result<Address, String>, bool) {
    let unresolved = |why: &dyn std::fmt::Display| {
        format!("Failed to initialize: unable to resolve docker endpoint: {why}")
    };
    let parse = |text: &str| Address::parse(text).map_err(|error| unresolved(&error));
    let direct = typed.given("host").map(str::to_owned).or_else(|| variable("DOCKER_HOST"));
    let named = variable("DOCKER_CONTEXT").unwrap_or_else(|| config.current_context.clone());
    let named = match (typed.given("context"), &direct) {
        (Some(context), _) => context.to_owned(),
        (None, Some(_)) => String::new(),
        (None, None) => named,
    };
    if !matches!(named.as_str(), "" | "default") {
        let address = config::context_address(folder, &named).map_err(|error| unresolved(&error));
        return (named, address.and_then(|text| parse(&text)), false);
    }
    let context = "default".to_owned();
    match direct.filter(|text| !text.trim().is_empty()) {
        Some(text) => (context, parse(&text), false),
        None => {
            let socket = if program == Program::Gantry { GANTRY_SOCKET } else { DOCKER_SOCKET };
            (context, parse(socket), true)
        }
    }
}
