//! The answers of `GET /images/{name}/json`, `GET /images/json` and `GET /system/df`.

use crate::error::ApiError;
use engine_api::image::{ImageInspect, ImageSummary};
use engine_api::system::DiskUsage;
use engine_api::version::ApiVersion;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

fn to_value<T: Serialize>(document: &T) -> Result<Value, ApiError> {
    serde_json::to_value(document)
        .map_err(|cause| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()))
}

/// Members of a container's configuration that an image's configuration carried before 1.50, never set.
const LEGACY_CONFIG: [(&str, Value); 9] = [
    ("AttachStderr", Value::Bool(false)),
    ("AttachStdin", Value::Bool(false)),
    ("AttachStdout", Value::Bool(false)),
    ("Domainname", Value::Null),
    ("Hostname", Value::Null),
    ("Image", Value::Null),
    ("OpenStdin", Value::Bool(false)),
    ("StdinOnce", Value::Bool(false)),
    ("Tty", Value::Bool(false)),
];

/// One image.
pub(crate) fn image_inspect(version: ApiVersion, mut image: ImageInspect) -> Result<Value, ApiError> {
    if version.before(44) && image.created.is_empty() {
        "0001-01-01T00:00:00Z".clone_into(&mut image.created);
    }
    if version.before(48) {
        image.descriptor = None;
    }
    let mut answer = to_value(&image)?;
    if version.before(44) {
        answer["VirtualSize"] = json!(image.size);
    }
    if version.before(50) {
        for (name, value) in LEGACY_CONFIG {
            answer["Config"][name] = if value.is_null() { json!("") } else { value };
        }
        if let Some(config) = answer["Config"].as_object_mut() {
            config.sort_keys();
        }
    }
    Ok(answer)
}

/// The list of images.
pub(crate) fn image_list(version: ApiVersion, images: Vec<ImageSummary>) -> Result<Vec<Value>, ApiError> {
    let gated = images.into_iter().map(|mut image| {
        if version.before(43) && image.repo_tags.is_empty() && image.repo_digests.is_empty() {
            image.repo_tags.push("<none>:<none>".to_owned());
            image.repo_digests.push("<none>@<none>".to_owned());
        }
        if version.before(48) {
            image.descriptor = None;
        }
        if version.before(51) {
            image.containers = -1;
        }
        let mut answer = to_value(&image)?;
        if version.before(44) {
            answer["VirtualSize"] = json!(image.size);
        }
        Ok(answer)
    });
    gated.collect()
}

/// What objects take on the disk.
pub(crate) fn disk_usage(version: ApiVersion, usage: &DiskUsage) -> Result<Value, ApiError> {
    let mut answer = to_value(usage)?;
    if version.before(44) {
        for image in answer["Images"].as_array_mut().into_iter().flatten() {
            image["VirtualSize"] = image["Size"].clone();
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_api::version::MAX;

    #[test]
    fn old_clients_find_the_fields_they_know() {
        let image = ImageInspect { size: 7, ..ImageInspect::default() };
        let old = image_inspect(ApiVersion::v1(43), image.clone()).unwrap();
        assert_eq!((&old["VirtualSize"], &old["Config"]["Hostname"]), (&json!(7), &json!("")));
        assert_eq!(old["Created"], "0001-01-01T00:00:00Z");
        let new = image_inspect(MAX, image).unwrap();
        assert!(new.get("VirtualSize").is_none() && new["Config"].get("Hostname").is_none());
        assert!(new["Config"].get("Cmd").is_some_and(Value::is_null));
    }

    #[test]
    fn nameless_images_are_shown_as_the_version_shows_them() {
        let image = ImageSummary { containers: 3, ..ImageSummary::default() };
        let old = image_list(ApiVersion::v1(42), vec![image.clone()]).unwrap();
        assert_eq!((&old[0]["RepoTags"], &old[0]["Containers"]), (&json!(["<none>:<none>"]), &json!(-1)));
        let new = image_list(MAX, vec![image]).unwrap();
        assert_eq!((&new[0]["RepoTags"], &new[0]["Containers"]), (&json!([]), &json!(3)));
    }
}
