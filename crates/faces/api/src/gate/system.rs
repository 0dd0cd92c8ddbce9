//! The answer of `GET /info`.

use crate::error::ApiError;
use engine_api::system::SystemInfo;
use engine_api::version::ApiVersion;
use http::StatusCode;
use serde_json::{Value, json};

/// What the daemon says of itself.
pub(crate) fn info(version: ApiVersion, mut info: SystemInfo) -> Result<Value, ApiError> {
    if version.before(25) {
        for option in &mut info.security_options {
            let name = option.split(',').find_map(|part| part.strip_prefix("name="));
            *option = name.unwrap_or(option).to_owned();
        }
    }
    if version.before(44) {
        for runtime in info.runtimes.values_mut() {
            runtime.status.clear();
        }
    }
    if version.before(46) {
        info.containerd = None;
    }
    if version.before(49) {
        info.firewall_backend = None;
    }
    let mut answer = serde_json::to_value(&info)
        .map_err(|cause| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()))?;
    if version.before(47) {
        answer["RegistryConfig"]["AllowNondistributableArtifactsCIDRs"] = Value::Null;
        answer["RegistryConfig"]["AllowNondistributableArtifactsHostnames"] = Value::Null;
    }
    if version.before(49) {
        for commit in ["ContainerdCommit", "RuncCommit", "InitCommit"] {
            answer[commit]["Expected"] = answer[commit]["ID"].clone();
        }
    }
    if version.before(50) {
        answer["BridgeNfIptables"] = json!(false);
        answer["BridgeNfIp6tables"] = json!(false);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_api::version::MAX;

    #[test]
    fn old_clients_find_the_fields_they_know() {
        let told = SystemInfo {
            security_options: vec!["name=seccomp,profile=builtin".to_owned()],
            ..SystemInfo::default()
        };
        let old = info(ApiVersion::v1(24), told.clone()).unwrap();
        assert_eq!(old["SecurityOptions"], json!(["seccomp"]));
        assert_eq!((&old["BridgeNfIptables"], &old["RuncCommit"]["Expected"]), (&json!(false), &json!("")));
        let new = info(MAX, told).unwrap();
        assert_eq!(new["SecurityOptions"], json!(["name=seccomp,profile=builtin"]));
        assert!(new.get("BridgeNfIptables").is_none());
    }
}
