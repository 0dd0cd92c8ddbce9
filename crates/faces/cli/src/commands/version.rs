//! `version`: what the client and the engine are.

use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::format;
use crate::output;
use crate::program::Program;
use crate::session::Session;
use crate::table;
use client::Response;
use engine_api::StringMap;
use engine_api::system::{ComponentVersion, SystemVersion};
use engine_api::version;
use flags::{Flag, Typed};
use serde_json::{Value, json};
use template::Template;

/// `version`.
pub(crate) static VERSION: Command =
    Command::new("[OPTIONS]", "Show the Docker version information", Words::None, run)
        .flags(&[&[Flag::text("format", format::INSPECT_HELP).short('f')]]);

/// Exit code for a template that is none.
const BAD_TEMPLATE: u8 = 64;
const UNKNOWN: &str = "unknown";

/// The client's own version: Docker's where Docker's client is expected.
fn own_version(program: Program) -> &'static str {
    match program {
        Program::Docker => version::DOCKER_VERSION,
        Program::Gantry => env!("CARGO_PKG_VERSION"),
    }
}

/// What `--version` prints.
pub(crate) fn one_line(program: Program) -> String {
    match program {
        Program::Docker => {
            format!("Docker version {}, build gantry-{}", own_version(program), env!("CARGO_PKG_VERSION"))
        }
        Program::Gantry => format!("Gantry version {}, build {}", own_version(program), build_info::COMMIT),
    }
}

/// The client's part, as templates see it.
pub(super) fn client_part(session: &Session, api_version: Option<String>) -> Value {
    let mut part = json!({
        "Platform": {"Name": format!("Gantry {}", env!("CARGO_PKG_VERSION"))},
        "Version": own_version(session.program),
        "ApiVersion": api_version.clone().unwrap_or_default(),
        "DefaultAPIVersion": version::MAX.to_string(),
        "GitCommit": build_info::COMMIT,
        "GoVersion": "none",
        "Os": std::env::consts::OS,
        "Arch": architecture(),
        "BuildTime": if build_info::TIME.is_empty() { UNKNOWN.to_owned() } else { ansi_date(build_info::TIME) },
        "Context": session.globals.context,
    });
    if let (None, Value::Object(fields)) = (api_version, &mut part) {
        fields.remove("ApiVersion");
    }
    part
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `2026-11-21T03:17:00Z` as C's `asctime` writes it: `Sat Nov 21 03:17:00 2026`.
fn ansi_date(text: &str) -> String {
    let stamp: Option<jiff::Timestamp> = text.parse().ok();
    let civil = stamp.map(|stamp| jiff::tz::Offset::UTC.to_datetime(stamp));
    civil.map_or_else(|| text.to_owned(), |civil| civil.strftime("%a %b %e %H:%M:%S %Y").to_string())
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let text = match typed.text("format") {
        "json" => "{{json .}}",
        text => text,
    };
    let template = match text {
        "" => None,
        text => Some(
            Template::parse(text)
                .map_err(|error| fail!("template parsing error: {error}").with_code(BAD_TEMPLATE))?,
        ),
    };
    let client = session.client()?;
    let own = client_part(session, Some(client.version()));
    let answer = client.get("/version").send().and_then(Response::json::<SystemVersion>).map(completed);
    match &template {
        None => output::text(&table::align(&pretty(&own, answer.as_ref().ok()), table::VERSION)),
        Some(template) => {
            let server =
                answer.as_ref().ok().and_then(|server| serde_json::to_value(server).ok()).unwrap_or_default();
            let value = json!({"Client": own, "Server": server});
            match template.execute(&with_go_names(value)) {
                Ok(shown) => output::line(&table::align(&shown, table::VERSION)),
                Err(error) if answer.is_ok() => return Err(Failure::new(error.to_string())),
                Err(_) => output::line(""),
            }
        }
    }
    answer.map(drop).map_err(Failure::from)
}

/// Templates name fields as Go does (`.Client.APIVersion`), JSON as the API does (`ApiVersion`): give both.
fn with_go_names(mut value: Value) -> Value {
    for part in ["Client", "Server"] {
        if let Some(Value::Object(fields)) = value.get_mut(part)
            && let Some(version) = fields.get("ApiVersion").cloned()
        {
            fields.insert("APIVersion".to_owned(), version);
        }
    }
    value
}

/// Makes sure that the engine is among the components, with a readable date.
fn completed(mut server: SystemVersion) -> SystemVersion {
    let has_engine = server.components.iter().any(|component| component.name == "Engine");
    if !has_engine {
        let details = [
            ("ApiVersion", server.api_version.clone()),
            ("MinAPIVersion", server.min_api_version.clone()),
            ("GitCommit", server.git_commit.clone()),
            ("GoVersion", server.go_version.clone()),
            ("Os", server.os.clone()),
            ("Arch", server.arch.clone()),
            ("BuildTime", server.build_time.clone()),
            ("Experimental", server.experimental.to_string()),
        ];
        server.components.push(ComponentVersion {
            name: "Engine".to_owned(),
            version: server.version.clone(),
            details: Some(details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        });
    }
    for component in server.components.iter_mut().filter(|component| component.name == "Engine") {
        if let Some(date) = component.details.as_mut().and_then(|details| details.get_mut("BuildTime")) {
            *date = ansi_date(date);
        }
    }
    server
}

/// The page that is shown without a template, cells parted by tabs.
fn pretty(own: &Value, server: Option<&SystemVersion>) -> String {
    let field = |name: &str| own.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let platform = own.pointer("/Platform/Name").and_then(Value::as_str).unwrap_or_default();
    let downgraded = match field("ApiVersion") == field("DefaultAPIVersion") {
        true => String::new(),
        false => format!(" (downgraded from {})", field("DefaultAPIVersion")),
    };
    let mut lines = vec![
        format!("Client: {platform}"),
        format!(" Version:\t{}", field("Version")),
        format!(" API version:\t{}{downgraded}", field("ApiVersion")),
        format!(" Go version:\t{}", field("GoVersion")),
        format!(" Git commit:\t{}", field("GitCommit")),
        format!(" Built:\t{}", field("BuildTime")),
        format!(" OS/Arch:\t{}/{}", field("Os"), field("Arch")),
        format!(" Context:\t{}", field("Context")),
    ];
    if let Some(server) = server {
        lines.push(String::new());
        let name = &server.platform.name;
        lines.push(if name.is_empty() { "Server:".to_owned() } else { format!("Server: {name}") });
        lines.extend(server.components.iter().flat_map(component_lines));
    }
    lines.join("\n") + "\n"
}

fn component_lines(component: &ComponentVersion) -> Vec<String> {
    let none = StringMap::new();
    let details = component.details.as_ref().unwrap_or(&none);
    let detail = |name: &str| details.get(name).map_or("", String::as_str);
    let mut lines = vec![format!(" {}:", component.name), format!("  Version:\t{}", component.version)];
    if component.name == "Engine" {
        let least = detail("MinAPIVersion");
        lines.extend([
            format!("  API version:\t{} (minimum version {least})", detail("ApiVersion")),
            format!("  Go version:\t{}", detail("GoVersion")),
            format!("  Git commit:\t{}", detail("GitCommit")),
            format!("  Built:\t{}", detail("BuildTime")),
            format!("  OS/Arch:\t{}/{}", detail("Os"), detail("Arch")),
            format!("  Experimental:\t{}", detail("Experimental")),
        ]);
    } else {
        lines.extend(details.iter().map(|(name, value)| format!("  {name}:\t{value}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_shown_in_columns() {
        let own = json!({"Platform": {"Name": "Gantry 1"}, "Version": "1", "ApiVersion": "1.44", "DefaultAPIVersion": "1.51",
            "GoVersion": "none", "GitCommit": "abc", "BuildTime": "now", "Os": "linux", "Arch": "amd64", "Context": "default"});
        let server = completed(SystemVersion {
            version: "28.5.2".to_owned(),
            api_version: "1.44".to_owned(),
            build_time: "2026-11-21T03:17:00Z".to_owned(),
            ..SystemVersion::default()
        });
        let page = table::align(&pretty(&own, Some(&server)), table::VERSION);
        assert!(
            page.starts_with(
                "Client: Gantry 1\n Version:           1\n API version:       1.44 (downgraded from 1.51)\n"
            ),
            "{page}"
        );
        assert!(page.contains("\nServer:\n Engine:\n  Version:          28.5.2\n"), "{page}");
        assert!(page.contains("  Built:            Sat Nov 21 03:17:00 2026\n"), "{page}");
    }
}
