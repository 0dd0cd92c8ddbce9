//! `create`: a container that does not run yet; and what `run` shares with it.

use crate::command::{Command, Words};
use crate::container::{self, Wish};
use crate::failure::{Failure, USAGE, fail};
use crate::keyvalue::io_text;
use crate::output::{self, Channel};
use crate::platform::Platform;
use crate::program::Program;
use crate::pull::{self, Versions};
use crate::session::Session;
use crate::terminal;
use engine_api::container::ContainerCreateResponse;
use engine_api::mount::{BindOptions, Mount};
use flags::{Flag, Typed};
use reference::{AnyReference, Reference};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

/// The image that greets.
const HELLO: &str = "gantry/hello";

/// `create`.
pub(crate) static CREATE: Command =
    Command::new("[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container", Words::AtLeast(1), run)
        .aliases("container create, create")
        .flags(&TABLES)
        .flags_first()
        .starts_engine();

const TABLES: [&[Flag]; container::TABLES.len() + 2] =
    with_shared(&[Flag::text("pull", r#"Pull image before creating ("always", "|missing", "never")"#)
        .default("missing")]);

/// The tables of `create` or `run`: those of all containers, those of both commands, and the command's own.
pub(super) const fn with_shared(own: &'static [Flag]) -> [&'static [Flag]; container::TABLES.len() + 2] {
    let mut tables = [own; container::TABLES.len() + 2];
    let mut index = 0;
    while index < container::TABLES.len() {
        tables[index] = container::TABLES[index];
        index += 1;
    }
    tables[index] = SHARED;
    tables
}

const SHARED: &[Flag] = &[
    Flag::switch("disable-content-trust", "Skip image verification").default("true"),
    Flag::text("name", "Assign a name to the container"),
    Flag::text("platform", "Set platform if server is multi-platform capable").since("1.32"),
    Flag::switch("quiet", "Suppress the pull output").short('q'),
    Flag::switch("use-api-socket", "Bind mount Docker API socket and required auth"),
];

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let wish = parse(session, typed, "create")?;
    let id = create(session, typed, wish)?;
    output::line(&id);
    Ok(())
}

/// Adds the advice that Docker's client gives, and the exit code of wrong usage.
pub(super) fn with_help(session: &Session, text: &str, verb: &str) -> Failure {
    let name = session.program.name();
    fail!("{name}: {text}\n\nRun '{name} {verb} --help' for more information").with_code(USAGE)
}

/// What was typed, as a request.
pub(super) fn parse(session: &Session, typed: &Typed, verb: &str) -> Result<Wish, Failure> {
    let pull = typed.text("pull");
    if !matches!(pull, "" | "always" | "missing" | "never") {
        let text =
            format!("invalid pull option: '{pull}': must be one of \"always\", \"missing\" or \"never\"");
        return Err(with_help(session, &text, verb));
    }
    let address = session.globals.address.as_ref().map(ToString::to_string).unwrap_or_default();
    let proxies = session.globals.config.proxy_variables(&address);
    let mut wish = container::parse(typed, &proxies).map_err(|text| with_help(session, &text, verb))?;
    if session.program == Program::Gantry {
        prepare_greeting(session, &mut wish);
    }
    if typed.is_on("use-api-socket") {
        let socket = "/var/run/docker.sock".to_owned();
        wish.host.mounts.get_or_insert_default().push(Mount {
            kind: "bind".to_owned(),
            source: socket.clone(),
            target: socket,
            bind_options: Some(BindOptions::default()),
            ..Mount::default()
        });
    }
    Ok(wish)
}

/// `hello` means the embedded image, which says how long it took since the user asked.
fn prepare_greeting(session: &Session, wish: &mut Wish) {
    if wish.config.image == "hello" {
        HELLO.clone_into(&mut wish.config.image);
    }
    if wish.config.image == HELLO {
        let asked = session.asked_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let variable = format!("GANTRY_REQUESTED_AT={}", asked.as_nanos());
        wish.config.env.get_or_insert_default().push(variable);
    }
}

/// Creates the container and gives its ID; pulls the image where that is wanted or needed.
pub(super) fn create(session: &Session, typed: &Typed, mut wish: Wish) -> Result<String, Failure> {
    let id_file = IdFile::create(&wish.host.container_id_file)?;
    let image = match AnyReference::parse(&wish.config.image) {
        Ok(AnyReference::Named(image)) => Some(image.or_latest()),
        Ok(AnyReference::Id(_)) => None,
        Err(error) => return Err(Failure::new(error.to_string())),
    };
    let platform = platform(session, typed)?;
    let shown = if typed.is_on("quiet") { Channel::Nowhere } else { Channel::Error };
    let pull_platform = typed.given("platform").map_or_else(default_platform, str::to_owned);
    if let ("always", Some(image)) = (typed.text("pull"), &image) {
        pull::pull(session, image, Versions::One, &pull_platform, shown)?;
    }
    if let Some(size) = terminal::size() {
        wish.host.console_size = [u32::from(size.rows), u32::from(size.columns)];
    }
    let name = typed.text("name");
    let answer = match (call(session, &wish, name, &platform), &image, typed.text("pull")) {
        (Err(error), Some(image), "missing" | "") if error.is_not_found() => {
            if !typed.is_on("quiet") {
                output::error_line(&format!("Unable to find image '{}' locally", image.familiar()));
            }
            pull_or_greet(session, image, &pull_platform, shown, &mut wish)?;
            call(session, &wish, name, &platform)?
        }
        (answer, ..) => answer?,
    };
    let mut warnings = answer.warnings;
    warnings.extend(loopback_warning(wish.host.dns.as_deref().unwrap_or_default()));
    for warning in warnings {
        output::error_line(&format!("WARNING: {warning}"));
    }
    id_file.write(&answer.id)?;
    Ok(answer.id)
}

fn call(
    session: &Session,
    wish: &Wish,
    name: &str,
    platform: &str,
) -> Result<ContainerCreateResponse, client::Error> {
    // The session has connected by now: parsing asked for the version.
    let client = session.client().map_err(|failure| client::Error::Document(failure.text))?;
    let request = client.post("/containers/create").query_some("name", name).query_some("platform", platform);
    request.json(&wish.request(client.version().parse().ok())).send()?.json()
}

fn default_platform() -> String {
    std::env::var("DOCKER_DEFAULT_PLATFORM").unwrap_or_default()
}

/// The platform asked for, which calls understand from 1.41.
fn platform(session: &Session, typed: &Typed) -> Result<String, Failure> {
    let text = typed.given("platform").map_or_else(default_platform, str::to_owned);
    if text.is_empty() || session.client()?.is_before(41) {
        return Ok(String::new());
    }
    let parsed =
        Platform::parse(&text).map_err(|error| fail!("error parsing specified platform: {error}"))?;
    Ok(parsed.path())
}

/// Pulls the image; `hello-world` without a network becomes the embedded greeting.
fn pull_or_greet(
    session: &Session,
    image: &Reference,
    platform: &str,
    shown: Channel,
    wish: &mut Wish,
) -> Result<(), Failure> {
    let pulled = pull::pull(session, image, Versions::One, platform, shown);
    match pulled {
        Err(failure) if session.program == Program::Gantry && is_offline(image, &failure.text) => {
            output::error_line(&format!("No registry can be reached; greeting from {HELLO} instead"));
            HELLO.clone_into(&mut wish.config.image);
            prepare_greeting(session, wish);
            Ok(())
        }
        pulled => pulled,
    }
}

/// Whether the pull of Docker's own greeting failed for want of a network.
fn is_offline(image: &Reference, text: &str) -> bool {
    const SIGNS: &[&str] = &[
        "no such host",
        "network is unreachable",
        "connection refused",
        "no route to host",
        "i/o timeout",
        "timed out",
        "Temporary failure in name resolution",
        "failed to lookup",
        "server misbehaving",
        "deadline exceeded",
    ];
    image.familiar_name() == "hello-world" && SIGNS.iter().any(|sign| text.contains(sign))
}

fn loopback_warning(servers: &[String]) -> Option<String> {
    let is_loopback = |server: &&String| server.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    servers.iter().find(is_loopback).map(|server| format!("Localhost DNS ({server}) may fail in containers."))
}

/// The file that gets the container's ID; removed if nothing was created.
#[derive(Debug)]
struct IdFile(Option<(PathBuf, File)>);

impl IdFile {
    fn create(path: &str) -> Result<IdFile, Failure> {
        if path.is_empty() {
            return Ok(IdFile(None));
        }
        let path = PathBuf::from(path);
        if path.exists() {
            return Err(fail!(
                "container ID file found, make sure the other container isn't running or delete {}",
                path.display()
            ));
        }
        let file = File::create(&path).map_err(|error| {
            fail!("failed to create the container ID file: open {}: {}", path.display(), io_text(&error))
        })?;
        Ok(IdFile(Some((path, file))))
    }

    fn write(mut self, id: &str) -> Result<(), Failure> {
        let Some((_, mut file)) = self.0.take() else { return Ok(()) };
        file.write_all(id.as_bytes())
            .map_err(|error| fail!("failed to write the container ID to the file: {}", io_text(&error)))
    }
}

impl Drop for IdFile {
    fn drop(&mut self) {
        if let Some((path, _)) = &self.0 {
            drop(std::fs::remove_file(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_id_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id");
        let text = path.display().to_string();
        drop(IdFile::create(&text).unwrap());
        assert!(!path.exists());
        IdFile::create(&text).unwrap().write("abc").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "abc");
        assert!(IdFile::create(&text).unwrap_err().text.starts_with("container ID file found"));
    }

    #[test]
    fn only_the_greeting_falls_back() {
        let image = |name| Reference::parse(name).unwrap();
        assert!(is_offline(&image("hello-world"), "dial tcp: lookup registry-1.docker.io: no such host"));
        assert!(!is_offline(&image("busybox"), "dial tcp: lookup registry-1.docker.io: no such host"));
        assert!(!is_offline(&image("hello-world"), "unauthorized"));
    }

    #[test]
    fn loopback_name_servers_are_warned_of() {
        assert!(loopback_warning(&["127.0.0.53".to_owned()]).is_some());
        assert!(loopback_warning(&["10.0.0.1".to_owned()]).is_none());
    }
}
