//! One flag as a command declares it: name, shorthand, kind, default and help text.

/// Checks one value of a flag; the error is the text after `invalid argument "x" for "--flag" flag: `.
pub type Check = fn(&str) -> Result<(), String>;

/// What a flag's values look like, and how the help page names them.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// On or off; takes a value only as `--flag=false`.
    Switch,
    /// Any text.
    Text,
    /// A signed 64-bit number; decimal, or with `0x`, `0o`, `0b` in front.
    Int,
    /// An unsigned number of that many bits.
    Uint(u32),
    /// A Go duration: `1m30s`.
    Duration,
    /// Comma-separated texts that may also be repeated (`strings` in help).
    Strings,
    /// A grammar of the command's own, with the type's name as help shows it (`list`, `bytes`, `map`, …).
    Other(&'static str, Check),
}

/// One flag of a command.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// The long name, without dashes.
    pub name: &'static str,
    /// The one-letter name.
    pub short: Option<char>,
    /// What values it takes.
    pub kind: Kind,
    /// The value when it was not typed, as help shows it.
    pub default: &'static str,
    /// The description; a word in back quotes replaces the type's name in help.
    pub help: &'static str,
    /// Left out of help.
    pub hidden: bool,
    /// Says what to use instead; typing the flag then gives a notice.
    pub deprecated: Option<&'static str>,
    /// The first Engine API version that understands it, such as `1.41`.
    pub since: Option<&'static str>,
    /// The operating system whose engines understand it.
    pub os: Option<&'static str>,
    /// Needs an engine with experimental features.
    pub experimental: bool,
    /// Needs an engine that manages a cluster.
    pub swarm: bool,
}

fn anything(_: &str) -> Result<(), String> {
    Ok(())
}

impl Flag {
    const fn new(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
        Flag {
            name,
            short: None,
            kind,
            default,
            help,
            hidden: false,
            deprecated: None,
            since: None,
            os: None,
            experimental: false,
            swarm: false,
        }
    }

    /// A boolean, off unless typed.
    pub const fn switch(name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Switch, "false", help)
    }

    /// A text, empty unless typed.
    pub const fn text(name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Text, "", help)
    }

    /// A signed number, 0 unless typed.
    pub const fn int(name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Int, "0", help)
    }

    /// An unsigned number of 64 bits, 0 unless typed.
    pub const fn uint(name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Uint(64), "0", help)
    }

    /// A Go duration, none unless typed.
    pub const fn duration(name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Duration, "0s", help)
    }

    /// Comma-separated texts (`strings`).
    pub const fn strings(name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Strings, "[]", help)
    }

    /// A repeated value of any text (`list`).
    pub const fn list(name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Other("list", anything), "", help)
    }

    /// A value with a grammar of its own, named `type_name` in help, checked as it is typed.
    pub const fn other(
        name: &'static str,
        type_name: &'static str,
        check: Check,
        help: &'static str,
    ) -> Flag {
        Flag::new(name, Kind::Other(type_name, check), "", help)
    }

    /// A value of any text under a type name of its own.
    pub const fn named(name: &'static str, type_name: &'static str, help: &'static str) -> Flag {
        Flag::new(name, Kind::Other(type_name, anything), "", help)
    }

    /// Adds the one-letter name.
    pub const fn short(mut self, short: char) -> Flag {
        self.short = Some(short);
        self
    }

    /// Sets the default, as help shows it.
    pub const fn default(mut self, default: &'static str) -> Flag {
        self.default = default;
        self
    }

    /// Checks each value as it is typed; turns a `list` or text into one with a grammar.
    pub const fn check(mut self, check: Check) -> Flag {
        let name = match self.kind {
            Kind::Other(name, _) => name,
            Kind::Switch => "bool",
            Kind::Text | Kind::Strings => "string",
            Kind::Int | Kind::Uint(_) => "int",
            Kind::Duration => "duration",
        };
        self.kind = Kind::Other(name, check);
        self
    }

    /// Leaves the flag out of help.
    pub const fn hidden(mut self) -> Flag {
        self.hidden = true;
        self
    }

    /// Leaves the flag out of help, and says `advice` when it is typed.
    pub const fn deprecated(mut self, advice: &'static str) -> Flag {
        self.deprecated = Some(advice);
        self.hidden = true;
        self
    }

    /// Names the first API version that understands the flag.
    pub const fn since(mut self, version: &'static str) -> Flag {
        self.since = Some(version);
        self
    }

    /// Names the only operating system whose engines understand the flag.
    pub const fn os(mut self, os: &'static str) -> Flag {
        self.os = Some(os);
        self
    }

    /// Marks a flag that only experimental engines understand.
    pub const fn experimental(mut self) -> Flag {
        self.experimental = true;
        self
    }

    /// Marks a flag that only managers of a cluster understand.
    pub const fn swarm(mut self) -> Flag {
        self.swarm = true;
        self
    }

    /// How errors name the flag: `-m, --memory`, or `--rm`.
    pub(crate) fn label(&self) -> String {
        match self.short {
            Some(short) => format!("-{short}, --{}", self.name),
            None => format!("--{}", self.name),
        }
    }
}
