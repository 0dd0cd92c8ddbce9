//! The help page in Docker's layout.
//!
//! ```text
//! Usage:  docker ps [OPTIONS]
//!
//! List containers
//!
//! Aliases:
//!   docker container ls, docker ps
//!
//! Options:
//!   -a, --all             Show all containers (default shows just running)
//!   -f, --filter filter   Filter output based on conditions provided
//! ```

use crate::flag::{Flag, Kind};
use crate::value::quote;

/// A titled list of commands and what they do.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    /// The heading, without its colon.
    pub title: &'a str,
    /// Names and one-line descriptions, in the order to show.
    pub commands: Vec<(&'a str, &'a str)>,
}

/// What a help page says; empty parts are left out.
#[derive(Clone, Default)]
pub struct Page<'a> {
    /// The usage line: `docker ps [OPTIONS]`.
    pub usage: &'a str,
    /// What the command does.
    pub about: &'a str,
    /// All names of the command, separated by `, `.
    pub aliases: &'a str,
    /// Lists of subcommands.
    pub sections: Vec<Section<'a>>,
    /// The heading above the flags: `Options` or `Global Options`; they stand before the sections if the former.
    pub options_title: &'a str,
    /// The flags.
    pub tables: &'a [&'static [Flag]],
    /// Defaults known only at run time, by flag name.
    pub defaults: &'a [(&'a str, String)],
    /// Which of the flags to show; all that are not hidden, if none is said.
    pub shows: Option<&'a dyn Fn(&Flag) -> bool>,
    /// Paragraphs after everything else.
    pub footers: Vec<String>,
}

impl Page<'_> {
    /// Renders the page for a terminal of `columns` columns.
    pub fn render(&self, columns: usize) -> String {
        let mut parts = vec![format!("Usage:  {}", self.usage), self.about.trim().to_owned()];
        if !self.aliases.is_empty() {
            parts.push(format!("Aliases:\n  {}", self.aliases));
        }
        let shows = |flag: &Flag| self.shows.is_none_or(|shows| shows(flag));
        let options = text_of(self.tables, self.defaults, columns, &shows);
        let options =
            (!options.is_empty()).then(|| format!("{}:\n{}", self.options_title, options.trim_end()));
        let global = self.options_title != "Options";
        if !global {
            parts.extend(options.clone());
        }
        for section in self.sections.iter().filter(|section| !section.commands.is_empty()) {
            let lines: Vec<String> =
                section.commands.iter().map(|(name, about)| format!("  {name:<11} {about}")).collect();
            parts.push(format!("{}:\n{}", section.title, lines.join("\n")));
        }
        if global {
            parts.extend(options);
        }
        parts.extend(self.footers.iter().cloned());
        parts.join("\n\n") + "\n"
    }
}

/// Renders the flags, sorted by name and wrapped for a terminal of `columns` columns; one line each, or more.
pub fn options_text(tables: &[&'static [Flag]], defaults: &[(&str, String)], columns: usize) -> String {
    text_of(tables, defaults, columns, &|_| true)
}

fn text_of(
    tables: &[&'static [Flag]],
    defaults: &[(&str, String)],
    columns: usize,
    shows: &dyn Fn(&Flag) -> bool,
) -> String {
    let mut flags: Vec<&Flag> =
        tables.iter().flat_map(|table| table.iter()).filter(|flag| !flag.hidden && shows(flag)).collect();
    flags.sort_by_key(|flag| flag.name);
    let lines: Vec<(String, String)> = flags.into_iter().map(|flag| line(flag, defaults)).collect();
    let widest = lines.iter().map(|(left, _)| left.len() + 1).max().unwrap_or(0);
    let wrapped = columns.saturating_sub(1);
    lines
        .iter()
        .map(|(left, right)| {
            format!("{left}{}{}\n", " ".repeat(widest - left.len() + 2), wrap(widest + 2, wrapped, right))
        })
        .collect()
}

/// The left and the right half of a flag's line.
fn line(flag: &Flag, defaults: &[(&str, String)]) -> (String, String) {
    let (type_name, mut usage) = describe(flag);
    let mut left = match flag.short {
        Some(short) => format!("  -{short}, --{}", flag.name),
        None => format!("      --{}", flag.name),
    };
    if !type_name.is_empty() {
        left.push(' ');
        left.push_str(&type_name);
    }
    let default = defaults
        .iter()
        .find(|(name, _)| *name == flag.name)
        .map_or(flag.default, |(_, value)| value.as_str());
    if !is_zero(flag.kind, default) {
        let shown = match flag.kind {
            Kind::Text | Kind::Other("string", _) => quote(default),
            _ => default.to_owned(),
        };
        usage.push_str(&format!(" (default {shown})"));
    }
    (left, usage)
}

/// The name of the value's type and the description: a word in back quotes names the type.
fn describe(flag: &Flag) -> (String, String) {
    let mut parts = flag.help.splitn(3, '`');
    if let (Some(before), Some(name), Some(after)) = (parts.next(), parts.next(), parts.next()) {
        return (name.to_owned(), format!("{before}{name}{after}"));
    }
    let name = match flag.kind {
        Kind::Switch => "",
        Kind::Text => "string",
        Kind::Int => "int",
        Kind::Uint(16) => "uint16",
        Kind::Uint(_) => "uint",
        Kind::Duration => "duration",
        Kind::Strings => "strings",
        Kind::Other("bool", _) => "",
        Kind::Other(name, _) => name,
    };
    (name.to_owned(), flag.help.to_owned())
}

fn is_zero(kind: Kind, default: &str) -> bool {
    match kind {
        Kind::Switch => default == "false",
        Kind::Text => default.is_empty(),
        Kind::Int | Kind::Uint(_) => default == "0",
        Kind::Duration => matches!(default, "0" | "0s"),
        Kind::Strings => default == "[]",
        Kind::Other(..) => matches!(default, "" | "0" | "false" | "<nil>"),
    }
}

/// Wraps `text` between column `indent` and `width`; a line may run five columns over rather than orphan a word.
fn wrap(indent: usize, width: usize, text: &str) -> String {
    const NARROWEST: usize = 24;
    const SLACK: usize = 5;
    let (indent, mut out) = match width.checked_sub(indent) {
        Some(room) if room >= NARROWEST => (indent, String::new()),
        _ => (16, format!("\n{}", " ".repeat(16))),
    };
    let Some(room) = width.checked_sub(indent).filter(|room| *room >= NARROWEST) else {
        return text.replace('\n', &out);
    };
    let margin = format!("\n{}", " ".repeat(indent));
    let mut rest = text;
    loop {
        let (line, after) = split_line(room - SLACK, SLACK, rest);
        out.push_str(&line.replace('\n', &margin));
        if after.is_empty() {
            return out;
        }
        out.push_str(&margin);
        rest = after;
    }
}

/// Cuts one line of at most `at` bytes off `text`, at a line end or the last blank.
fn split_line(at: usize, slack: usize, text: &str) -> (&str, &str) {
    if at + slack > text.len() {
        return (text, "");
    }
    let head = &text.as_bytes()[..at];
    let blank = head.iter().rposition(|byte| matches!(byte, b' ' | b'\t' | b'\n')).unwrap_or(0);
    if blank == 0 {
        return (text, "");
    }
    match head.iter().rposition(|byte| *byte == b'\n') {
        Some(end) if end > 0 && end < blank => (&text[..end], &text[end + 1..]),
        _ => (&text[..blank], &text[blank + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGS: &[Flag] = &[
        Flag::switch("follow", "Follow log output").short('f'),
        Flag::text(
            "since",
            r#"Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)"#,
        ),
        Flag::switch("timestamps", "Show timestamps").short('t'),
        Flag::switch("details", "Show extra details provided to logs"),
        Flag::text("tail", "Number of lines to show from the end of the logs").short('n').default("all"),
        Flag::text("until", "hidden one").hidden(),
    ];

    #[test]
    fn a_page_has_dockers_layout() {
        let page = Page {
            usage: "docker logs [OPTIONS] CONTAINER",
            about: "Fetch the logs of a container",
            aliases: "docker container logs, docker logs",
            options_title: "Options",
            tables: &[LOGS],
            ..Page::default()
        };
        assert_eq!(
            page.render(80),
            r#"Usage:  docker logs [OPTIONS] CONTAINER

Fetch the logs of a container

Aliases:
  docker container logs, docker logs

Options:
      --details        Show extra details provided to logs
  -f, --follow         Follow log output
      --since string   Show logs since timestamp (e.g.
                       "2013-01-02T13:23:37Z") or relative (e.g. "42m"
                       for 42 minutes)
  -n, --tail string    Number of lines to show from the end of the logs
                       (default "all")
  -t, --timestamps     Show timestamps
"#
        );
    }

    #[test]
    fn a_narrow_terminal_puts_descriptions_below() {
        let text = options_text(&[&LOGS[..1]], &[], 45);
        assert_eq!(text, "  -f, --follow   Follow log output\n");
    }

    #[test]
    fn defaults_may_be_known_late() {
        const CONFIG: &[Flag] = &[Flag::text("config", "Location of client config files")];
        let text = options_text(&[CONFIG], &[("config", "/home/me/.docker".to_owned())], 200);
        assert_eq!(
            text,
            "      --config string   Location of client config files (default \"/home/me/.docker\")\n"
        );
    }
}
