//! Access to devices: a list of rules folded into one default and its exceptions.

use std::fmt;

use oci_spec::runtime::DeviceRule;

use crate::error::CgroupError;

/// Kinds of access, as bits of `BPF_DEVCG_ACC_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Access(pub u8);

impl Access {
    /// Making nodes.
    pub const MAKE: Self = Self(1);
    /// Reading.
    pub const READ: Self = Self(2);
    /// Writing.
    pub const WRITE: Self = Self(4);
    /// All three.
    pub const ALL: Self = Self(7);

    /// Letters that mean nothing are passed over, as runc does.
    fn parse(text: &str) -> Self {
        if text.is_empty() {
            return Self::ALL;
        }
        text.chars().fold(Self(0), |access, letter| {
            let bit = match letter {
                'r' => Self::READ,
                'w' => Self::WRITE,
                'm' => Self::MAKE,
                _ => Self(0),
            };
            Self(access.0 | bit.0)
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [(Self::READ, 'r'), (Self::WRITE, 'w'), (Self::MAKE, 'm')] {
            if self.0 & bit.0 != 0 {
                write!(formatter, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// Block or character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// Block device.
    Block,
    /// Character device.
    Char,
}

/// Devices that differ from the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// Kind.
    pub kind: DeviceKind,
    /// Major number; none is any.
    pub major: Option<u32>,
    /// Minor number; none is any.
    pub minor: Option<u32>,
    /// The access allowed (or denied).
    pub access: Access,
}

impl fmt::Display for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DeviceKind::Block => 'b',
            DeviceKind::Char => 'c',
        };
        let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
        write!(formatter, "{kind} {}:{} {}", number(self.major), number(self.minor), self.access)
    }
}

/// What a group may do with devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DevicePolicy {
    /// Nothing but these.
    DenyBut(Vec<Exception>),
    /// Everything but these.
    AllowBut(Vec<Exception>),
}

/// What every container may do, as runc has it: make any node; use null, zero, full, random, urandom, tty, ptmx
/// and pseudo-terminals.
const ALWAYS: [(Option<u32>, Option<u32>, Access); 9] = [
    (None, None, Access::MAKE),
    (Some(1), Some(3), Access::ALL),
    (Some(1), Some(8), Access::ALL),
    (Some(1), Some(7), Access::ALL),
    (Some(5), Some(0), Access::ALL),
    (Some(1), Some(5), Access::ALL),
    (Some(1), Some(9), Access::ALL),
    (Some(136), None, Access::ALL),
    (Some(5), Some(2), Access::ALL),
];

impl DevicePolicy {
    /// Folds rules, later ones winning, as writes to `devices.allow` and `devices.deny` would; then adds what every
    /// container may do. Begins with everything denied.
    ///
    /// # Errors
    /// Unknown kinds and numbers.
    pub fn from_rules(rules: &[DeviceRule]) -> Result<Self, CgroupError> {
        let mut policy = Self::DenyBut(Vec::new());
        for rule in rules {
            policy.add(rule)?;
        }
        if let Self::DenyBut(exceptions) = &mut policy {
            merge(
                exceptions,
                Exception { kind: DeviceKind::Block, major: None, minor: None, access: Access::MAKE },
            );
            for (major, minor, access) in ALWAYS {
                merge(exceptions, Exception { kind: DeviceKind::Char, major, minor, access });
            }
        }
        Ok(policy)
    }

    fn add(&mut self, rule: &DeviceRule) -> Result<(), CgroupError> {
        let access = Access::parse(&rule.access);
        let kind = match rule.kind.as_str() {
            "" | "a" => {
                *self = if rule.allow { Self::AllowBut(Vec::new()) } else { Self::DenyBut(Vec::new()) };
                return Ok(());
            }
            "c" | "u" => DeviceKind::Char,
            "b" => DeviceKind::Block,
            other => return Err(CgroupError::Unsupported(format!("invalid device type {other:?}"))),
        };
        let exception = Exception { kind, major: number(rule.major)?, minor: number(rule.minor)?, access };
        if access == Access(0) {
            return Ok(());
        }
        match (self, rule.allow) {
            (Self::DenyBut(exceptions), true) | (Self::AllowBut(exceptions), false) => {
                merge(exceptions, exception)
            }
            (Self::DenyBut(exceptions), false) | (Self::AllowBut(exceptions), true) => {
                subtract(exceptions, exception)
            }
        }
        Ok(())
    }
}

fn number(number: Option<i64>) -> Result<Option<u32>, CgroupError> {
    match number {
        None | Some(-1) => Ok(None),
        Some(number) => u32::try_from(number)
            .map(Some)
            .map_err(|_| CgroupError::Unsupported(format!("invalid device number {number}"))),
    }
}

fn is_same_device(one: &Exception, other: &Exception) -> bool {
    (one.kind, one.major, one.minor) == (other.kind, other.major, other.minor)
}

fn merge(exceptions: &mut Vec<Exception>, new: Exception) {
    match exceptions.iter_mut().find(|known| is_same_device(known, &new)) {
        Some(known) => known.access.0 |= new.access.0,
        None => exceptions.push(new),
    }
}

fn subtract(exceptions: &mut Vec<Exception>, gone: Exception) {
    for known in exceptions.iter_mut().filter(|known| is_same_device(known, &gone)) {
        known.access.0 &= !gone.access.0;
    }
    exceptions.retain(|known| known.access.0 != 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, kind: &str, major: i64, minor: i64, access: &str) -> DeviceRule {
        DeviceRule { allow, kind: kind.into(), major: Some(major), minor: Some(minor), access: access.into() }
    }

    fn lines(policy: &DevicePolicy) -> Vec<String> {
        let (DevicePolicy::DenyBut(exceptions) | DevicePolicy::AllowBut(exceptions)) = policy;
        exceptions.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_is_denied_but_the_usual_devices() {
        let policy = DevicePolicy::from_rules(&[]).unwrap();
        assert!(matches!(policy, DevicePolicy::DenyBut(_)));
        let expected = [
            "b *:* m",
            "c *:* m",
            "c 1:3 rwm",
            "c 1:8 rwm",
            "c 1:7 rwm",
            "c 5:0 rwm",
            "c 1:5 rwm",
            "c 1:9 rwm",
            "c 136:* rwm",
            "c 5:2 rwm",
        ];
        assert_eq!(lines(&policy), expected);
    }

    #[test]
    fn later_rules_win_and_equal_devices_merge() {
        let rules = [
            DeviceRule { allow: false, access: "rwm".into(), ..DeviceRule::default() },
            rule(true, "c", 10, 229, "r"),
            rule(true, "c", 10, 229, "w"),
            rule(true, "b", 8, -1, "rwm"),
            rule(false, "b", 8, -1, "w"),
        ];
        let policy = DevicePolicy::from_rules(&rules).unwrap();
        assert_eq!(lines(&policy)[..2], ["c 10:229 rw", "b 8:* rm"]);
    }

    #[test]
    fn a_privileged_container_may_use_everything() {
        let all = DeviceRule { allow: true, access: "rwm".into(), ..DeviceRule::default() };
        let policy =
            DevicePolicy::from_rules(&[rule(true, "c", 1, 1, "r"), all, rule(false, "b", 7, 0, "")]).unwrap();
        assert!(matches!(policy, DevicePolicy::AllowBut(_)));
        assert_eq!(lines(&policy), ["b 7:0 rwm"]);
    }

    #[test]
    fn letters_that_mean_nothing_are_passed_over() {
        let policy = DevicePolicy::from_rules(&[rule(true, "c", 9, 9, "rwa"), rule(true, "c", 8, 8, "z")]);
        let lines = lines(&policy.unwrap());
        assert!(lines.contains(&"c 9:9 rw".to_owned()), "{lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with("c 8:8")), "{lines:?}");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(DevicePolicy::from_rules(&[rule(true, "x", 1, 1, "r")]).is_err());
        assert!(DevicePolicy::from_rules(&[rule(true, "c", -5, 1, "r")]).is_err());
    }
}
