//! Reading JSON the way Docker's daemon does, so that every body that Docker accepts is accepted, and refused
//! bodies are refused in the same words.
//!
//! - `null` is the empty value of any type;
//! - field names match without regard to case; of two that match the later wins;
//! - unknown fields are ignored;
//! - lists of a fixed length may be shorter or longer.
//!
//! Nesting is bounded (128 levels), so a hostile body cannot exhaust the stack.

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};
use std::fmt;

mod syntax;

/// Why a text could not be read; `Display` has Docker's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("{0}")]
    Syntax(String),
    /// Nothing there.
    #[error("EOF")]
    Empty,
    /// JSON, and more behind it.
    #[error("unexpected content after JSON")]
    Trailing,
    /// JSON of another shape.
    #[error("{0}")]
    Shape(String),
}

impl de::Error for JsonError {
    fn custom<T: fmt::Display>(text: T) -> JsonError {
        JsonError::Shape(text.to_string())
    }
}

/// Reads one JSON document.
pub fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    let value = parse(text)?;
    from_value(&value)
}

/// Reads a typed value out of parsed JSON.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, JsonError> {
    T::deserialize(Lenient { value, place: Place::ROOT })
}

/// Parses without giving a type.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    match <Value as de::Deserialize>::deserialize(&mut reader) {
        Ok(value) if reader.end().is_ok() => Ok(value),
        Ok(_) => Err(JsonError::Trailing),
        Err(_) if text.iter().all(u8::is_ascii_whitespace) => Err(JsonError::Empty),
        Err(cause) => Err(JsonError::Syntax(syntax::complaint(text).unwrap_or_else(|| cause.to_string()))),
    }
}

/// Where in the document we are, for messages.
#[derive(Clone, Copy)]
struct Place<'a> {
    step: Step<'a>,
    parent: Option<&'a Place<'a>>,
}

/// The last step towards a place.
#[derive(Clone, Copy)]
enum Step<'a> {
    /// The document itself, with the name that Docker gives its type.
    Root(&'static str),
    Field(&'static str),
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    const ROOT: Place<'static> = Place { step: Step::Root(""), parent: None };

    fn child(&'a self, step: Step<'a>) -> Place<'a> {
        Place { step, parent: Some(self) }
    }

    /// `.HostConfig.PortBindings.80~1tcp.0`: a dot before each step, slashes written as in JSON pointers.
    fn path(&self) -> String {
        let before = self.parent.map(Place::path).unwrap_or_default();
        match self.step {
            Step::Root(name) => name.to_owned(),
            Step::Field(name) => format!("{before}.{name}"),
            Step::Key(key) => format!("{before}.{}", key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => format!("{before}.{index}"),
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self.step {
            Step::Field(name) => Some(name),
            _ => None,
        }
    }
}

/// A deserializer over parsed JSON with Go's leniency.
#[derive(Clone, Copy)]
struct Lenient<'a> {
    value: &'a Value,
    place: Place<'a>,
}

const NULL: Value = Value::Null;

/// Docker's name of a field's type where serde's word for it is too general.
fn go_type<'a>(field: Option<&'static str>, parent: Option<&'static str>, wanted: &'a str) -> &'a str {
    match (field, parent) {
        (Some("ExposedPorts"), _) => "nat.PortSet",
        (Some("PortBindings"), _) => "nat.PortMap",
        (None, Some("PortBindings")) => "[]nat.PortBinding",
        (Some("Volumes"), _) => "map[string]struct {}",
        (Some("Mounts"), _) => "[]mount.Mount",
        (Some("Devices"), _) => "[]container.DeviceMapping",
        (Some("DeviceRequests"), _) => "[]container.DeviceRequest",
        (Some("Ulimits"), _) => "[]*container.Ulimit",
        (Some("BlkioWeightDevice"), _) => "[]*blkiodev.WeightDevice",
        (Some(name), _) if name.starts_with("BlkioDevice") => "[]*blkiodev.ThrottleDevice",
        (Some("EndpointsConfig"), _) => "map[string]*network.EndpointSettings",
        (Some("StopTimeout" | "OomScoreAdj" | "MaximumRetryCount" | "Retries" | "GwPriority"), _) => "int",
        _ => wanted,
    }
}

impl<'a> Lenient<'a> {
    /// Docker's words for "`value` is no `wanted`".
    fn mismatch(&self, wanted: &str) -> JsonError {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if wanted.contains("int") => format!("number {number}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        let parent = self.place.parent.and_then(Place::field);
        let wanted = go_type(self.place.field(), parent, wanted);
        let path = self.place.path();
        JsonError::Shape(match self.place.step {
            Step::Root(_) => format!("json: cannot unmarshal {found} into Go value of type {wanted}"),
            Step::Index(_) => format!("json: cannot unmarshal {found} into {path} of type {wanted}"),
            _ => format!("json: cannot unmarshal {found} into Go struct field {path} of type {wanted}"),
        })
    }

    fn list(self, wanted: &str) -> Result<&'a [Value], JsonError> {
        match self.value {
            Value::Null => Ok(&[]),
            Value::Array(items) => Ok(items),
            _ => Err(self.mismatch(wanted)),
        }
    }

    fn object(self, wanted: &str) -> Result<Option<&'a Map<String, Value>>, JsonError> {
        match self.value {
            Value::Null => Ok(None),
            Value::Object(members) => Ok(Some(members)),
            _ => Err(self.mismatch(wanted)),
        }
    }
}

/// Items of a list, padded with `null` up to `at_least`.
struct Items<'a> {
    items: &'a [Value],
    at_least: usize,
    next: usize,
    place: Place<'a>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, JsonError> {
        let index = self.next;
        self.next += 1;
        let value = match self.items.get(index) {
            Some(value) => value,
            None if index < self.at_least => &NULL,
            None => return Ok(None),
        };
        seed.deserialize(Lenient { value, place: self.place.child(Step::Index(index)) }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len().min(4096))
    }
}

/// Members of an object whose keys are data.
struct Members<'a> {
    members: Option<serde_json::map::Iter<'a>>,
    current: (&'a str, &'a Value),
    place: Place<'a>,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        let Some((key, value)) = self.members.as_mut().and_then(Iterator::next) else { return Ok(None) };
        self.current = (key, value);
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        let (key, value) = self.current;
        seed.deserialize(Lenient { value, place: self.place.child(Step::Key(key)) })
    }
}

/// Members of an object whose keys are known fields.
struct Fields<'a> {
    found: Vec<(&'static str, &'a Value)>,
    next: usize,
    place: &'a Place<'a>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        let Some((name, _)) = self.found.get(self.next) else { return Ok(None) };
        self.next += 1;
        seed.deserialize((*name).into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        let (name, value) = self.found[self.next - 1];
        seed.deserialize(Lenient { value, place: self.place.child(Step::Field(name)) })
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty => $name:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            let number = match self.value {
                Value::Null => Some(0),
                Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                    (Some(signed), _) => <$type>::try_from(signed).ok(),
                    (None, Some(unsigned)) => <$type>::try_from(unsigned).ok(),
                    (None, None) => None,
                },
                _ => None,
            };
            number.map_or_else(|| Err(self.mismatch($name)), |number| visitor.$visit(number))
        }
    )*};
}

impl<'de> Deserializer<'de> for Lenient<'_> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(signed), ..) => visitor.visit_i64(signed),
                (None, Some(unsigned), _) => visitor.visit_u64(unsigned),
                (None, None, real) => visitor.visit_f64(real.unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => {
                visitor.visit_seq(Items { items, at_least: 0, next: 0, place: self.place })
            }
            Value::Object(members) => visitor.visit_map(Members {
                members: Some(members.iter()),
                current: ("", &NULL),
                place: self.place,
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Value::Null => visitor.visit_bool(false),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            _ => Err(self.mismatch("bool")),
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8 => "int8";
        deserialize_i16 visit_i16 i16 => "int16";
        deserialize_i32 visit_i32 i32 => "int";
        deserialize_i64 visit_i64 i64 => "int64";
        deserialize_u8 visit_u8 u8 => "uint8";
        deserialize_u16 visit_u16 u16 => "uint16";
        deserialize_u32 visit_u32 u32 => "uint";
        deserialize_u64 visit_u64 u64 => "uint64";
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Value::Null => visitor.visit_f64(0.0),
            Value::Number(number) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            _ => Err(self.mismatch("float64")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Value::Null => visitor.visit_str(""),
            Value::String(text) => visitor.visit_str(text),
            _ => Err(self.mismatch("string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let items = self.list("[]string")?;
        visitor.visit_seq(Items { items, at_least: 0, next: 0, place: self.place })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, JsonError> {
        let items = self.list(&format!("[{len}]uint"))?;
        let items = &items[..items.len().min(len)];
        visitor.visit_seq(Items { items, at_least: len, next: 0, place: self.place })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let members = self.object("map[string]string")?.map(Map::iter);
        visitor.visit_map(Members { members, current: ("", &NULL), place: self.place })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let mut found: Vec<(&'static str, &Value)> = Vec::new();
        for (key, value) in self.object(name)?.into_iter().flatten() {
            let field = fields
                .iter()
                .find(|field| *field == key)
                .or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(key)));
            let Some(field) = field else { continue };
            match found.iter_mut().find(|(have, _)| have == field) {
                Some(slot) => slot.1 = value,
                None => found.push((field, value)),
            }
        }
        let mut place = self.place;
        if let Step::Root(root) = &mut place.step {
            // Docker reads the body of a container's creation through an interface, which has no name.
            let short = name.rsplit('.').next().unwrap_or_default();
            *root = if name == "container.CreateRequest" { "" } else { short };
        }
        visitor.visit_map(Fields { found, next: 0, place: &place })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit unit_struct enum identifier }
}

#[cfg(test)]
mod tests;
