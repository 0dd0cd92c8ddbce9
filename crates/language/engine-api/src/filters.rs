//! The `filters` parameter: `{"label":{"a=b":true}}`, or in old clients `{"label":["a=b"]}`.

use std::collections::{BTreeMap, BTreeSet};

/// A filter that the call does not know or whose value is wrong, in Docker's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Not JSON of either form.
    #[error("invalid filter")]
    Malformed,
    /// A name that the call does not know.
    #[error("invalid filter '{0}'")]
    Unknown(String),
    /// A value outside the filter's grammar.
    #[error("invalid filter '{name}=[{}]'", values.join(" "))]
    Value {
        /// Name of the filter.
        name: String,
        /// The values given.
        values: Vec<String>,
    },
}

/// Filters by name; each with the values of which one (or all: the call decides) must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

impl Filters {
    /// Reads the parameter's text; an empty text is no filter.
    pub fn parse(text: &str) -> Result<Filters, FilterError> {
        if text.is_empty() {
            return Ok(Filters::default());
        }
        if let Ok(map) =
            crate::json::decode::<Option<BTreeMap<String, BTreeMap<String, bool>>>>(text.as_bytes())
        {
            let fields = map.unwrap_or_default().into_iter();
            return Ok(Filters(fields.map(|(name, values)| (name, values.into_keys().collect())).collect()));
        }
        crate::json::decode::<BTreeMap<String, BTreeSet<String>>>(text.as_bytes())
            .map(Filters)
            .map_err(|_| FilterError::Malformed)
    }

    /// The parameter's text in the map form; empty when there is no filter.
    pub fn to_json(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let map: BTreeMap<&str, BTreeMap<&str, bool>> = self
            .0
            .iter()
            .map(|(name, values)| (name.as_str(), values.iter().map(|v| (v.as_str(), true)).collect()))
            .collect();
        serde_json::to_string(&map).unwrap_or_default()
    }

    /// Adds a value.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.entry(name.into()).or_default().insert(value.into());
    }

    /// Drops a filter.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Whether no filter is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the filter is set.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The values of a filter, sorted; none if it is not set.
    pub fn get(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// All filters, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.0.iter().map(|(name, values)| (name.as_str(), values))
    }

    /// Refuses names that are not in `accepted`.
    pub fn validate(&self, accepted: &[&str]) -> Result<(), FilterError> {
        match self.0.keys().find(|name| !accepted.contains(&name.as_str())) {
            Some(name) => Err(FilterError::Unknown(name.clone())),
            None => Ok(()),
        }
    }

    /// A yes-or-no filter (`1`, `true`, `0`, `false`), or `default` when not set.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, FilterError> {
        let Some(values) = self.0.get(name) else { return Ok(default) };
        let is = |words: [&str; 2]| words.iter().any(|word| values.contains(*word));
        match (is(["1", "true"]), is(["0", "false"])) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(FilterError::Value { name: name.to_owned(), values: values.iter().cloned().collect() }),
        }
    }

    /// Whether `source` equals one of the values; true when the filter is not set or empty.
    pub fn exact(&self, name: &str, source: &str) -> bool {
        self.0.get(name).is_none_or(|values| values.is_empty() || values.contains(source))
    }

    /// Whether the labels fulfil *all* values (`key` or `key=value`) of the filter; true when it is not set.
    pub fn labels(&self, name: &str, labels: &crate::StringMap) -> bool {
        self.get(name).all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|have| have == value),
            None => labels.contains_key(wanted),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_mean_the_same() {
        let new = Filters::parse(r#"{"label":{"a=b":true,"c":true}}"#);
        let old = Filters::parse(r#"{"label":["c","a=b"]}"#);
        assert_eq!(new, old);
        assert_eq!(new.unwrap().to_json(), r#"{"label":{"a=b":true,"c":true}}"#);
        for nothing in ["", "{}", "null"] {
            assert_eq!(Filters::parse(nothing), Ok(Filters::default()), "{nothing}");
        }
    }

    #[test]
    fn wrong_filters_are_refused_in_dockers_words() {
        for bad in ["{", "[]", "\"x\"", "{\"a\":1}", "{\"a\":[1]}"] {
            assert_eq!(Filters::parse(bad), Err(FilterError::Malformed), "{bad}");
        }
        let filters = Filters::parse(r#"{"dangling":["maybe"]}"#).unwrap();
        assert_eq!(filters.validate(&["label"]).unwrap_err().to_string(), "invalid filter 'dangling'");
        assert_eq!(
            filters.flag("dangling", false).unwrap_err().to_string(),
            "invalid filter 'dangling=[maybe]'"
        );
    }

    #[test]
    fn labels_must_all_match() {
        let filters = Filters::parse(r#"{"label":["a=b","c"]}"#).unwrap();
        let labels = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<crate::StringMap>()
        };
        assert!(filters.labels("label", &labels(&[("a", "b"), ("c", "")])));
        assert!(!filters.labels("label", &labels(&[("a", "x"), ("c", "")])));
        assert!(!filters.labels("label", &labels(&[("a", "b")])));
    }
}
