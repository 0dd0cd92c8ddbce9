//! Names of containers.

use crate::error::ContainerError;

/// The longest name of a file, and so of a container's folder.
const LONGEST: usize = 255;

/// Accepts what runc accepts: letters, digits, `_`, `+`, `-`, `.`; and nothing that means another folder.
pub(crate) fn check(id: &str) -> Result<(), ContainerError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    let is_good = !matches!(id, "" | "." | "..") && id.len() <= LONGEST && id.bytes().all(is_allowed);
    if is_good { Ok(()) } else { Err(ContainerError::InvalidId) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        for good in ["a", "A-1_b+c.d", "...", "-x"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a\0", "a:b", &"a".repeat(256)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
