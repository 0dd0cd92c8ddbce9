//! Resource limits by name.

/// The kernel's number of `RLIMIT_NOFILE` and the like (asm-generic/resource.h).
#[must_use]
pub(crate) fn parse(name: &str) -> Option<u32> {
    let names = [
        "CPU",
        "FSIZE",
        "DATA",
        "STACK",
        "CORE",
        "RSS",
        "NPROC",
        "NOFILE",
        "MEMLOCK",
        "AS",
        "LOCKS",
        "SIGPENDING",
        "MSGQUEUE",
        "NICE",
        "RTPRIO",
        "RTTIME",
    ];
    let name = name.strip_prefix("RLIMIT_")?;
    names.iter().position(|known| *known == name).and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_kernels_numbers() {
        assert_eq!(parse("RLIMIT_NOFILE"), Some(7));
        assert_eq!(parse("RLIMIT_RTTIME"), Some(15));
        assert_eq!(parse("NOFILE"), None);
    }
}
