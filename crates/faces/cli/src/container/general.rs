//! What runs, as whom, with which variables and labels, and when it ends or starts again.

use super::{Wish, list};
use crate::keyvalue::{self, BareKey};
use engine_api::container::{RestartPolicy, StrSlice};
use flags::{Flag, Typed};

pub(super) const FLAGS: &[Flag] = &[
    Flag::list("attach", "Attach to STDIN, STDOUT or STDERR").short('a').check(check_attach),
    Flag::text("cidfile", "Write the container ID to the file"),
    Flag::text("domainname", "Container NIS domain name"),
    Flag::text("entrypoint", "Overwrite the default ENTRYPOINT of the image"),
    Flag::list("env", "Set environment variables").short('e').check(keyvalue::check_variable),
    Flag::list("env-file", "Read in a file of environment variables"),
    Flag::list("group-add", "Add additional groups to join"),
    Flag::text("hostname", "Container host name").short('h'),
    Flag::switch("init", "Run an init inside the container that forwards signals and reaps processes")
        .since("1.25"),
    Flag::switch("interactive", "Keep STDIN open even if not attached").short('i'),
    Flag::list("label", "Set meta data on a container").short('l').check(keyvalue::check_label),
    Flag::list("label-file", "Read in a line delimited file of labels"),
    Flag::named(
        "annotation",
        "map",
        "Add an annotation to the container (passed through to the OCI runtime)",
    )
    .default("map[]")
    .since("1.43"),
    Flag::text("restart", "Restart policy to apply when a container exits").default("no"),
    Flag::switch(
        "rm",
        "Automatically remove the container and its associated anonymous volumes when it exits",
    ),
    Flag::text("runtime", "Runtime to use for this container"),
    Flag::text("stop-signal", "Signal to stop the container"),
    Flag::int("stop-timeout", "Timeout (in seconds) to stop a container").since("1.25"),
    Flag::switch("tty", "Allocate a pseudo-TTY").short('t'),
    Flag::text("user", "Username or UID (format: <name|uid>[:<group|gid>])").short('u'),
    Flag::text("workdir", "Working directory inside the container").short('w'),
];

fn check_attach(text: &str) -> Result<(), String> {
    if matches!(text.to_lowercase().as_str(), "stdin" | "stdout" | "stderr") {
        return Ok(());
    }
    Err("valid streams are STDIN, STDOUT and STDERR".to_owned())
}

/// Which streams are attached: those of `-a`, or output always and input with `-i`.
pub(super) fn apply_streams(typed: &Typed, wish: &mut Wish) {
    let named = typed.all("attach");
    let attaches = |stream: &str| named.iter().any(|name| name.eq_ignore_ascii_case(stream));
    let config = &mut wish.config;
    config.open_stdin = typed.is_on("interactive");
    config.tty = typed.is_on("tty");
    config.attach_stdin = attaches("stdin") || config.open_stdin;
    config.attach_stdout = attaches("stdout") || named.is_empty();
    config.attach_stderr = attaches("stderr") || named.is_empty();
    // Input ends when the client that attached goes away.
    config.stdin_once = config.open_stdin && config.attach_stdin;
}

pub(super) fn apply(typed: &Typed, proxies: &[(String, String)], wish: &mut Wish) -> Result<(), String> {
    let variables = variables(typed, proxies)?;
    let labels = labels(typed)?;
    let config = &mut wish.config;
    if let Some((image, command)) = typed.positionals.split_first() {
        config.image.clone_from(image);
        config.cmd = (!command.is_empty()).then(|| StrSlice(command.to_vec()));
    }
    // An empty entrypoint resets the image's.
    config.entrypoint = typed.given("entrypoint").map(|path| StrSlice(vec![path.to_owned()]));
    config.env = (!variables.is_empty()).then_some(variables);
    config.labels = Some(keyvalue::to_map(labels));
    config.hostname = typed.text("hostname").to_owned();
    config.domainname = typed.text("domainname").to_owned();
    config.user = typed.text("user").to_owned();
    config.working_dir = typed.text("workdir").to_owned();
    config.stop_signal = typed.text("stop-signal").to_owned();
    config.stop_timeout = typed.has("stop-timeout").then(|| typed.int("stop-timeout"));
    let host = &mut wish.host;
    host.container_id_file = typed.text("cidfile").to_owned();
    host.group_add = list(typed, "group-add");
    host.runtime = typed.text("runtime").to_owned();
    host.init = typed.has("init").then(|| typed.is_on("init"));
    host.annotations = Some(keyvalue::to_map(typed.all("annotation")));
    Ok(())
}

/// The variables of files, then those of flags, then proxies; of those with flags, one for each name.
fn variables(typed: &Typed, proxies: &[(String, String)]) -> Result<Vec<String>, String> {
    let mut variables = Vec::new();
    for file in typed.all("env-file") {
        variables.extend(keyvalue::read_file(file, BareKey::Variable)?);
    }
    let mut set: Vec<String> = Vec::new();
    let name = |pair: &str| pair.split('=').next().unwrap_or(pair).to_owned();
    for text in typed.all("env") {
        let pair = keyvalue::variable(text);
        match set.iter_mut().find(|known| name(known) == name(&pair)) {
            Some(known) => *known = pair,
            None => set.push(pair),
        }
    }
    for (proxy, value) in proxies {
        if !set.iter().any(|known| name(known) == *proxy) {
            set.push(format!("{proxy}={value}"));
        }
    }
    variables.extend(set);
    Ok(variables)
}

fn labels(typed: &Typed) -> Result<Vec<String>, String> {
    let mut labels = Vec::new();
    for file in typed.all("label-file") {
        labels.extend(keyvalue::read_file(file, BareKey::Ignored)?);
    }
    labels.extend(typed.all("label").into_iter().map(str::to_owned));
    Ok(labels)
}

/// When the container starts again, and whether it is removed.
pub(super) fn apply_life(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let restart = typed.text("restart");
    if !restart.is_empty() {
        let (name, retries) = units::restart::split(restart).map_err(|error| error.to_string())?;
        wish.host.restart_policy = RestartPolicy { name, maximum_retry_count: retries };
    }
    wish.host.auto_remove = typed.is_on("rm");
    Ok(())
}

pub(super) fn check_life(wish: &Wish) -> Result<(), String> {
    let restarts = !matches!(wish.host.restart_policy.name.as_str(), "" | "no");
    if wish.host.auto_remove && restarts {
        return Err("conflicting options: cannot specify both --restart and --rm".to_owned());
    }
    Ok(())
}
