//! `--security-opt`, understood. Pure.

use super::logging::parse_bool;

/// How a container is confined, beside its capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Security {
    pub(crate) no_new_privileges: bool,
    pub(crate) seccomp: Filter,
    /// Empty for the default one, where the host has AppArmor.
    pub(crate) apparmor: String,
    pub(crate) writable_cgroups: Option<bool>,
}

/// The system call filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) enum Filter {
    /// Docker's profile.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// A profile in JSON.
    Profile(String),
}

/// An option that is none. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecurityError {
    #[error("invalid --security-opt 1: {0:?}")]
    Form(String),
    #[error("invalid --security-opt 2: {0:?}")]
    Value(String),
    #[error("SELinux labels come with a later version: {0:?}")]
    Label(String),
}

/// Reads all options; a later one of a kind replaces an earlier one.
pub(crate) fn parse(options: &[String]) -> Result<Security, SecurityError> {
    let mut all = Security::default();
    for option in options {
        match option.as_str() {
            "no-new-privileges" => all.no_new_privileges = true,
            "writable-cgroups" => all.writable_cgroups = Some(true),
            "disable" => {}
            _ => parse_pair(option, &mut all)?,
        }
    }
    Ok(all)
}

fn parse_pair(option: &str, all: &mut Security) -> Result<(), SecurityError> {
    let separator = if option.contains('=') { '=' } else { ':' };
    let (name, value) = option.split_once(separator).ok_or_else(|| SecurityError::Form(option.to_owned()))?;
    let flag = || parse_bool(value).ok_or_else(|| SecurityError::Value(option.to_owned()));
    match name {
        "seccomp" => {
            all.seccomp = match value {
                "unconfined" => Filter::Unconfined,
                "" | "builtin" => Filter::Default,
                profile => Filter::Profile(profile.to_owned()),
            }
        }
        "apparmor" => value.clone_into(&mut all.apparmor),
        "no-new-privileges" => all.no_new_privileges = flag()?,
        "writable-cgroups" => all.writable_cgroups = Some(flag()?),
        // Without SELinux on the host a label has nothing to act on, and `disable` asks for just that.
        "label" if value == "disable" => {}
        "label" => return Err(SecurityError::Label(option.to_owned())),
        _ => return Err(SecurityError::Value(option.to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[&str]) -> Result<Security, SecurityError> {
        parse(&options.iter().map(|&option| option.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn both_separators_are_read() {
        let all =
            read(&["no-new-privileges:true", "seccomp=unconfined", "apparmor:unconfined", "label=disable"]);
        let expected = Security {
            no_new_privileges: true,
            seccomp: Filter::Unconfined,
            apparmor: "unconfined".to_owned(),
            writable_cgroups: None,
        };
        assert_eq!(all, Ok(expected));
    }

    #[test]
    fn what_is_no_option_is_refused_in_dockers_words() {
        assert_eq!(read(&["fast"]).unwrap_err().to_string(), "invalid --security-opt 1: \"fast\"");
        assert_eq!(read(&["a=b"]).unwrap_err().to_string(), "invalid --security-opt 2: \"a=b\"");
        assert_eq!(
            read(&["no-new-privileges=perhaps"]).unwrap_err().to_string(),
            "invalid --security-opt 2: \"no-new-privileges=perhaps\""
        );
    }
}
