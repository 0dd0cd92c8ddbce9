//! Limits that no kernel takes, refused in runc's words before anything is made.

use oci_spec::runtime::Resources;

use crate::error::CgroupError;
use crate::layout::Version;

pub(crate) fn check(version: Version, resources: &Resources) -> Result<(), CgroupError> {
    let refuse = |text: String| Err(CgroupError::Unsupported(text));
    if version == Version::V1 {
        if !resources.unified.is_empty() {
            return refuse("invalid configuration: cannot use unified on cgroup v1".to_owned());
        }
        let shares = resources.cpu.as_ref().and_then(|cpu| cpu.shares).filter(|shares| *shares != 0);
        if shares.is_some_and(|shares| shares < 2) {
            return refuse("the minimum allowed cpu-shares is 2".to_owned());
        }
        if shares.is_some_and(|shares| shares > 262_144) {
            return refuse("the maximum allowed cpu-shares is 262144".to_owned());
        }
    }
    // The size becomes part of a file's name.
    let is_size = |text: &str| {
        let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        text.ends_with('B')
            && text.len() < 32
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    if let Some(odd) = resources.hugepage_limits.iter().find(|limit| !is_size(&limit.page_size)) {
        return refuse(format!("invalid hugepage size {:?}", odd.page_size));
    }
    let Some(memory) = &resources.memory else { return Ok(()) };
    if let Some(swappiness) = memory.swappiness.filter(|value| *value > 100 && *value != u64::MAX) {
        return refuse(format!("invalid memory swappiness value: {swappiness} (valid range is 0-100)"));
    }
    if let (Some(limit @ 1..), Some(swap @ 1..)) = (memory.limit, memory.swap)
        && swap < limit
    {
        return refuse("memory+swap limit should be >= memory limit".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_limits_are_refused_in_runcs_words() {
        let check = |version, json: &str| check(version, &serde_json::from_str(json).unwrap());
        let refused = |json: &str| check(Version::V1, json).unwrap_err().to_string();
        assert_eq!(refused(r#"{"cpu": {"shares": 1}}"#), "the minimum allowed cpu-shares is 2");
        assert_eq!(refused(r#"{"cpu": {"shares": 300000}}"#), "the maximum allowed cpu-shares is 262144");
        assert!(refused(r#"{"memory": {"swappiness": 101}}"#).contains("valid range is 0-100"));
        assert!(refused(r#"{"memory": {"limit": 10, "swap": 5}}"#).contains("should be >= memory limit"));
        let unified = r#"{"unified": {"memory.high": "1"}}"#;
        assert_eq!(refused(unified), "invalid configuration: cannot use unified on cgroup v1");
        for size in ["", "MB", "2", "../2MB", "2MB/x", "2/../../MB"] {
            let json = format!(r#"{{"hugepageLimits": [{{"pageSize": "{size}", "limit": 1}}]}}"#);
            assert!(refused(&json).starts_with("invalid hugepage size"), "{size}");
        }
        check(Version::V1, r#"{"hugepageLimits": [{"pageSize": "64KB", "limit": 1}]}"#).unwrap();
        // The weight of v2 takes any number of shares.
        check(Version::V2, r#"{"cpu": {"shares": 1}, "unified": {"memory.high": "1"}}"#).unwrap();
    }
}
