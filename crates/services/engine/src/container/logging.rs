//! `--log-driver` and `--log-opt`: understood, checked, and put into words for the supervisor. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use engine_api::StringMap;
use engine_api::container::LogConfig;
use regex_lite::Regex;
use units::bytes;

use super::intent::Intent;

/// Why a log configuration was refused. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LogError {
    #[error("error looking up logging plugin {0}: plugin {0:?} not found")]
    NoDriver(String),
    #[error("logger: logging mode not supported: {0}")]
    Mode(String),
    #[error("logger: max-buffer-size option is only supported with 'mode=non-blocking'")]
    BufferWithoutMode,
    #[error("error parsing option max-buffer-size: {0}")]
    BufferSize(String),
    #[error("unknown log opt '{0}' for json-file log driver")]
    Option(String),
    #[error("{0}")]
    Value(String),
}

const JSON_FILE_OPTIONS: [&str; 8] =
    ["max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex", "tag"];
const COMMON_OPTIONS: [&str; 2] = ["mode", "max-buffer-size"];

/// Fills a container's log configuration from the daemon's and checks it.
pub(crate) fn plan(
    wanted: LogConfig,
    default_driver: &str,
    default_options: &BTreeMap<String, String>,
) -> Result<LogConfig, LogError> {
    let kind = if wanted.kind.is_empty() { default_driver.to_owned() } else { wanted.kind };
    let mut options = wanted.config.unwrap_or_default();
    if kind == default_driver {
        for (name, value) in default_options {
            options.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    check(&kind, &options)?;
    Ok(LogConfig { kind, config: Some(options) })
}

fn check(kind: &str, options: &StringMap) -> Result<(), LogError> {
    if kind == "none" {
        return Ok(());
    }
    check_mode(options)?;
    if kind != "json-file" {
        return Err(LogError::NoDriver(kind.to_owned()));
    }
    let known = |name: &str| JSON_FILE_OPTIONS.contains(&name) || COMMON_OPTIONS.contains(&name);
    match options.keys().find(|name| !known(name)) {
        Some(name) => Err(LogError::Option(name.clone())),
        None => Ok(()),
    }
}

fn check_mode(options: &StringMap) -> Result<(), LogError> {
    let mode = options.get("mode").map_or("", String::as_str);
    if !["", "blocking", "non-blocking"].contains(&mode) {
        return Err(LogError::Mode(mode.to_owned()));
    }
    if let Some(size) = options.get("max-buffer-size") {
        if mode != "non-blocking" {
            return Err(LogError::BufferWithoutMode);
        }
        bytes::parse(size).map_err(|error| LogError::BufferSize(error.to_string()))?;
    }
    Ok(())
}

/// What the supervisor shall do with the output of `intent`, whose folder is `folder`.
///
/// Values are judged when the container starts, as Docker does. A log that nobody bounded is bounded to
/// 5 files of 20 MB, without showing in the configuration; `max-size=-1` lifts the bound.
pub(crate) fn policy(intent: &Intent, folder: &Path) -> Result<shim::LogPolicy, LogError> {
    let config = &intent.host_config.log_config;
    if config.kind == "none" {
        return Ok(shim::LogPolicy::None);
    }
    let options = config.config.clone().unwrap_or_default();
    let value = |text: String| LogError::Value(text);
    let mut log = shim::JsonFile::bounded(folder.join(format!("{}-json.log", intent.id)));
    match options.get("max-size").map(String::as_str) {
        None => {}
        Some("-1") => log.max_size = None,
        Some(size) => {
            let size = bytes::parse_decimal(size).map_err(|error| value(error.to_string()))?;
            let size = u64::try_from(size).ok().filter(|size| *size > 0);
            log.max_size = Some(size.ok_or_else(|| value("max-size must be a positive number".to_owned()))?);
            log.max_files = 1;
        }
    }
    if let Some(count) = options.get("max-file") {
        let wrong = || value(format!("strconv.Atoi: parsing {count:?}: invalid syntax"));
        let count: i64 = count.parse().map_err(|_| wrong())?;
        let count = u32::try_from(count).ok().filter(|count| *count > 0);
        log.max_files = count.ok_or_else(|| value("max-file cannot be less than 1".to_owned()))?;
    }
    if let Some(word) = options.get("compress") {
        log.compress = parse_bool(word)
            .ok_or_else(|| value(format!("strconv.ParseBool: parsing {word:?}: invalid syntax")))?;
        if log.compress && (log.max_files < 2 || log.max_size.is_none()) {
            let text = "compress cannot be true when max-file is less than 2 or max-size is not set";
            return Err(value(text.to_owned()));
        }
    }
    log.attributes = attributes(intent, &options)?;
    Ok(shim::LogPolicy::JsonFile(log))
}

/// What each record repeats: chosen labels and variables, and the tag.
fn attributes(intent: &Intent, options: &StringMap) -> Result<BTreeMap<String, String>, LogError> {
    let mut all = BTreeMap::new();
    let labels = intent.config.labels.clone().unwrap_or_default();
    let variables: BTreeMap<&str, &str> =
        intent.config.env.iter().flatten().filter_map(|entry| entry.split_once('=')).collect();
    for name in listed(options, "labels") {
        if let Some(label) = labels.get(name) {
            all.insert(name.to_owned(), label.clone());
        }
    }
    for name in listed(options, "env") {
        if let Some(variable) = variables.get(name) {
            all.insert(name.to_owned(), (*variable).to_owned());
        }
    }
    if let Some(pattern) = pattern(options, "labels-regex")? {
        all.extend(
            labels.iter().filter(|(name, _)| pattern.is_match(name)).map(|(n, v)| (n.clone(), v.clone())),
        );
    }
    if let Some(pattern) = pattern(options, "env-regex")? {
        let chosen = variables.iter().filter(|(name, _)| pattern.is_match(name));
        all.extend(chosen.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }
    if let Some(tag) = options.get("tag").filter(|tag| !tag.is_empty()) {
        all.insert("tag".to_owned(), expand_tag(tag, intent));
    }
    Ok(all)
}

fn listed<'a>(options: &'a StringMap, name: &str) -> impl Iterator<Item = &'a str> {
    options.get(name).into_iter().flat_map(|list| list.split(',')).filter(|name| !name.is_empty())
}

fn pattern(options: &StringMap, name: &str) -> Result<Option<Regex>, LogError> {
    let text = options.get(name).filter(|text| !text.is_empty());
    text.map(|text| Regex::new(text).map_err(|error| LogError::Value(error.to_string()))).transpose()
}

/// Fills in the fields that Docker documents for tags.
fn expand_tag(tag: &str, intent: &Intent) -> String {
    let image_short = intent.image_id.trim_start_matches("sha256:").get(..12).unwrap_or_default();
    [
        ("{{.ID}}", intent.short_id()),
        ("{{.FullID}}", &intent.id),
        ("{{.Name}}", &intent.name),
        ("{{.ImageID}}", image_short),
        ("{{.ImageFullID}}", &intent.image_id),
        ("{{.ImageName}}", &intent.config.image),
        ("{{.DaemonName}}", "docker"),
    ]
    .iter()
    .fold(tag.to_owned(), |text, (field, value)| text.replace(field, value))
}

/// Go's idea of a boolean.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
