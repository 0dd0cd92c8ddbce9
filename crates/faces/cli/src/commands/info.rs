//! `info`, `system info`: the engine and its host.

use super::version;
use crate::auth;
use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::format;
use crate::listing;
use crate::output;
use crate::session::Session;
use engine_api::system::{SwarmInfo, SystemInfo};
use flags::{Flag, Typed, quote};
use serde_json::{Value, json};
use template::Template;

/// `info`.
pub(crate) static INFO: Command =
    Command::new("[OPTIONS]", "Display system-wide information", Words::None, run)
        .aliases("system info, info")
        .flags(&[&[Flag::text("format", format::INSPECT_HELP).short('f')]]);

/// Exit code for a template that is none.
const BAD_TEMPLATE: u8 = 64;

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    match typed.text("format") {
        "" => show(session),
        "json" => show_by(session, "{{json .}}"),
        text => show_by(session, text),
    }
}

/// The client's part, as templates see it.
fn client_part(session: &Session) -> Value {
    let mut part = json!({"Debug": session.globals.debug});
    if let (Value::Object(fields), Value::Object(version)) = (&mut part, version::client_part(session, None))
    {
        fields.extend(version);
        fields.extend([("Plugins".to_owned(), json!([])), ("Warnings".to_owned(), Value::Null)]);
    }
    part
}

fn show_by(session: &Session, text: &str) -> Result<(), Failure> {
    let template = Template::parse(text)
        .map_err(|error| fail!("template parsing error: {error}").with_code(BAD_TEMPLATE))?;
    let own = json!({"ClientInfo": client_part(session)});
    // What only says something of the client needs no daemon.
    if text != "{{json .}}"
        && text.contains("{{")
        && let Ok(shown) = template.execute(&own)
    {
        output::line(&shown);
        return Ok(());
    }
    let (mut value, failure) = match session.client()?.get("/info").send().and_then(client::Response::value) {
        Ok(value) => (value, None),
        Err(error) => (serde_json::to_value(SystemInfo::default()).unwrap_or_default(), Some(error)),
    };
    if let (Value::Object(fields), Value::Object(own)) = (&mut value, own) {
        if let Some(error) = failure.as_ref().filter(|error| !error.is_connection()) {
            fields.insert("ServerErrors".to_owned(), json!([error.to_string()]));
        }
        fields.extend(own);
    }
    let shown = template.execute(&value);
    output::line(shown.as_deref().unwrap_or(""));
    match (failure, shown) {
        (Some(error), _) => Err(error.into()),
        (None, shown) => {
            shown.map(drop).map_err(|error| Failure::new(listing::describe(&error, "system.dockerInfo")))
        }
    }
}

fn show(session: &Session) -> Result<(), Failure> {
    let own = client_part(session);
    let field = |name: &str| own.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let platform = own.pointer("/Platform/Name").and_then(Value::as_str).unwrap_or_default();
    output::text(&format!(
        "Client: {platform}\n Version:    {}\n Context:    {}\n Debug Mode: {}\n\nServer:\n",
        field("Version"),
        field("Context"),
        session.globals.debug
    ));
    let answer = session.client()?.get("/info").send().and_then(client::Response::json::<SystemInfo>);
    let info = match answer {
        Ok(info) => info,
        Err(error) if error.is_connection() => return Err(error.into()),
        Err(error) => {
            output::error_line(&format!("ERROR: {error}"));
            return Err(Failure::new("errors pretty printing info"));
        }
    };
    let user = auth::for_registry(&session.globals.config, auth::DOCKER_HUB).username;
    let page = server_page(&info, &user, session.globals.debug).map_err(|error| {
        output::error_line(&format!("ERROR: {error}"));
        Failure::new("errors pretty printing info")
    })?;
    output::text(&page);
    for warning in info.warnings.iter().flatten() {
        output::error_line(warning);
    }
    Ok(())
}

/// A page of `name: value` lines.
#[derive(Default)]
struct PageText(String);

impl PageText {
    fn line(&mut self, text: impl AsRef<str>) {
        self.0.push_str(text.as_ref());
        self.0.push('\n');
    }

    fn entry(&mut self, name: &str, value: impl std::fmt::Display) {
        self.line(format!("{name}: {value}"));
    }

    fn entry_if_set(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.entry(name, value);
        }
    }

    fn list(&mut self, title: &str, items: impl IntoIterator<Item = String>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.line(format!(" {title}:"));
            items.for_each(|item| self.line(format!("  {item}")));
        }
    }
}

fn server_page(info: &SystemInfo, user: &str, debug: bool) -> Result<String, String> {
    let mut page = PageText::default();
    state(&mut page, info);
    plugins(&mut page, info);
    swarm(&mut page, &info.swarm);
    runtimes(&mut page, info)?;
    host(&mut page, info);
    if info.debug || debug {
        page.entry("  File Descriptors", info.n_fd);
        page.entry("  Goroutines", info.n_goroutines);
        page.entry("  System Time", &info.system_time);
        page.entry("  EventsListeners", info.n_events_listener);
    }
    page.entry_if_set(" HTTP Proxy", &info.http_proxy);
    page.entry_if_set(" HTTPS Proxy", &info.https_proxy);
    page.entry_if_set(" No Proxy", &info.no_proxy);
    page.entry_if_set(" Username", user);
    page.list("Labels", info.labels.iter().cloned());
    page.entry(" Experimental", info.experimental_build);
    registries(&mut page, info);
    page.entry(" Live Restore Enabled", info.live_restore_enabled);
    page.entry_if_set(" Product License", &info.product_license);
    let pools =
        info.default_address_pools.iter().map(|pool| format!(" Base: {}, Size: {}", pool.base, pool.size));
    page.list("Default Address Pools", pools);
    page.line("");
    Ok(page.0)
}

fn state(page: &mut PageText, info: &SystemInfo) {
    page.entry(" Containers", info.containers);
    page.entry("  Running", info.containers_running);
    page.entry("  Paused", info.containers_paused);
    page.entry("  Stopped", info.containers_stopped);
    page.entry(" Images", info.images);
    page.entry_if_set(" Server Version", &info.server_version);
    page.entry_if_set(" Storage Driver", &info.driver);
    for [name, value] in &info.driver_status {
        page.line(format!("  {name}: {value}"));
    }
    page.entry_if_set(" Logging Driver", &info.logging_driver);
    page.entry_if_set(" Cgroup Driver", &info.cgroup_driver);
    page.entry_if_set(" Cgroup Version", &info.cgroup_version);
}

fn plugins(page: &mut PageText, info: &SystemInfo) {
    let words = |list: &Option<Vec<String>>| list.as_deref().unwrap_or_default().join(" ");
    page.line(" Plugins:");
    page.entry("  Volume", words(&info.plugins.volume));
    page.entry("  Network", words(&info.plugins.network));
    page.entry_if_set("  Authorization", &words(&info.plugins.authorization));
    page.entry("  Log", words(&info.plugins.log));
    page.list("CDI spec directories", info.cdi_spec_dirs.iter().cloned());
}

fn swarm(page: &mut PageText, swarm: &SwarmInfo) {
    page.entry(" Swarm", &swarm.local_node_state);
    if matches!(swarm.local_node_state.as_str(), "inactive" | "locked") {
        return;
    }
    page.entry("  NodeID", &swarm.node_id);
    page.entry_if_set("  Error", &swarm.error);
    page.entry("  Is Manager", swarm.control_available);
    page.entry("  Node Address", &swarm.node_addr);
}

fn runtimes(page: &mut PageText, info: &SystemInfo) -> Result<(), String> {
    if !info.runtimes.is_empty() {
        page.entry(" Runtimes", info.runtimes.keys().map(String::as_str).collect::<Vec<_>>().join(" "));
        page.entry(" Default Runtime", &info.default_runtime);
    }
    if info.os_type != "linux" {
        return Ok(());
    }
    page.entry(" Init Binary", &info.init_binary);
    page.entry(" containerd version", &info.containerd_commit.id);
    page.entry(" runc version", &info.runc_commit.id);
    page.entry(" init version", &info.init_commit.id);
    if info.security_options.is_empty() {
        return Ok(());
    }
    page.line(" Security Options:");
    for option in &info.security_options {
        let (name, profiles) = security_option(option)?;
        page.line(format!("  {name}"));
        profiles.iter().for_each(|profile| page.entry("   Profile", profile));
    }
    Ok(())
}

/// `name=seccomp,profile=builtin` → the name and its profiles.
fn security_option(text: &str) -> Result<(String, Vec<String>), String> {
    if !text.contains('=') {
        return Ok((text.to_owned(), Vec::new()));
    }
    let (mut name, mut profiles) = (String::new(), Vec::new());
    for part in text.split(',') {
        match part.split_once('=') {
            None => return Err(format!("invalid security option {}", quote(part))),
            Some(("", _) | (_, "")) => return Err("invalid empty security option".to_owned()),
            Some(("name", value)) => value.clone_into(&mut name),
            Some(("profile", value)) => profiles.push(value.to_owned()),
            Some(_) => {}
        }
    }
    Ok((name, profiles))
}

fn host(page: &mut PageText, info: &SystemInfo) {
    page.entry_if_set(" Kernel Version", &info.kernel_version);
    page.entry_if_set(" Operating System", &info.operating_system);
    page.entry_if_set(" OSType", &info.os_type);
    page.entry_if_set(" Architecture", &info.architecture);
    page.entry(" CPUs", info.n_cpu);
    page.entry(" Total Memory", units::bytes::binary(u64::try_from(info.mem_total).unwrap_or(0)));
    page.entry_if_set(" Name", &info.name);
    page.entry_if_set(" ID", &info.id);
    page.entry(" Docker Root Dir", &info.docker_root_dir);
    page.entry(" Debug Mode", info.debug);
}

fn registries(page: &mut PageText, info: &SystemInfo) {
    let registries = &info.registry_config;
    if !registries.insecure_registry_cidrs.is_empty() || !registries.index_configs.is_empty() {
        page.line(" Insecure Registries:");
        let names = registries.index_configs.values().filter(|index| !index.secure).map(|index| &index.name);
        names.chain(&registries.insecure_registry_cidrs).for_each(|name| page.line(format!("  {name}")));
    }
    page.list("Registry Mirrors", registries.mirrors.iter().flatten().cloned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_dockers_lines() {
        let text = br#"{"Containers": 2, "ContainersRunning": 1, "Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]],
            "Plugins": {"Volume": ["local"], "Network": ["bridge", "host"], "Log": ["json-file"]}, "MemTotal": 2147483648,
            "SecurityOptions": ["name=seccomp,profile=builtin"], "OSType": "linux", "NCPU": 2, "Runtimes": {"runc": {}},
            "RegistryConfig": {"IndexConfigs": {"docker.io": {"Name": "docker.io", "Secure": true}}, "InsecureRegistryCIDRs": ["127.0.0.0/8"]}}"#;
        let info: SystemInfo = engine_api::json::decode(text).unwrap();
        let page = server_page(&info, "", false).unwrap();
        assert!(page.starts_with(" Containers: 2\n  Running: 1\n  Paused: 0\n  Stopped: 0\n Images: 0\n Storage Driver: overlay2\n  Backing Filesystem: extfs\n"), "{page}");
        assert!(page.contains(" Swarm: inactive\n Runtimes: runc\n"), "{page}");
        assert!(page.contains(" Security Options:\n  seccomp\n   Profile: builtin\n"), "{page}");
        assert!(page.contains(" Total Memory: 2GiB\n"), "{page}");
        assert!(page.contains(" Insecure Registries:\n  127.0.0.0/8\n"), "{page}");
        assert!(page.ends_with(" Live Restore Enabled: false\n\n"), "{page}");
    }
}
