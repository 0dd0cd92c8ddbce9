//! Messages of D-Bus: header fields around a body that zbus lays out (D-Bus Specification, "Message Protocol").

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{BE, DynamicType, LE, OwnedVariant, Type, Variant, to_bytes};
use zbus::{ObjectPath, Signature};

use super::bus::BusError;
use super::properties::{Property, PropertyValue};

/// Bytes before the array of header fields' contents.
pub(super) const HEAD: usize = 16;
/// More than systemd ever says to us.
const MOST: usize = 1 << 20;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SENDER: u8 = 7;
const SIGNATURE: u8 = 8;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    Return,
    Error,
    Signal,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Call, Self::Return, Self::Error, Self::Signal];

    fn number(self) -> u8 {
        match self {
            Self::Call => 1,
            Self::Return => 2,
            Self::Error => 3,
            Self::Signal => 4,
        }
    }
}

/// Who is called, or who speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) path: String,
    pub(super) interface: String,
    pub(super) member: String,
    pub(super) error: String,
    pub(super) reply_to: Option<u32>,
    pub(super) destination: String,
    /// Filled in by the bus.
    pub(super) sender: String,
}

/// A message as it came.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    #[cfg_attr(not(test), expect(dead_code, reason = "only who is called needs it, to answer"))]
    pub(super) serial: u32,
    pub(super) header: Header,
    body: Data<'static, 'static>,
}

/// The value of a header field.
enum Field<'a> {
    Value(Variant<'a>),
    /// The signature of a body: its arguments side by side, which by itself is no complete type.
    Arguments(String),
}

impl Type for Field<'_> {
    const SIGNATURE: &'static Signature = &Signature::Variant;
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Arguments(signature) => {
                let mut variant = serializer.serialize_struct("Variant", 2)?;
                variant.serialize_field("signature", &Signature::Signature)?;
                variant.serialize_field("value", signature)?;
                variant.end()
            }
        }
    }
}

/// The bytes of a message.
pub(super) fn encode<B>(kind: Kind, serial: u32, header: &Header, body: &B) -> Result<Vec<u8>, BusError>
where
    B: ?Sized + Serialize + DynamicType,
{
    let signature = body.signature();
    let body = to_bytes(Context::new(LE, 0), body).map_err(malformed)?;
    let mut fields = Vec::<(u8, Field<'_>)>::new();
    if !header.path.is_empty() {
        let path = ObjectPath::try_from(header.path.as_str()).map_err(malformed)?;
        fields.push((PATH, Field::Value(path.into())));
    }
    let texts = [
        (INTERFACE, &header.interface),
        (MEMBER, &header.member),
        (ERROR_NAME, &header.error),
        (DESTINATION, &header.destination),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    fields.extend(texts.map(|(key, text)| (key, Field::Value(text.as_str().into()))));
    fields.extend(header.reply_to.map(|serial| (REPLY_SERIAL, Field::Value(serial.into()))));
    if !body.bytes().is_empty() {
        fields.push((SIGNATURE, Field::Arguments(signature.to_string_no_parens())));
    }
    let length = u32::try_from(body.len()).map_err(|_| BusError::Malformed)?;
    let head = (b'l', kind.number(), 0u8, 1u8, length, serial, fields);
    let mut bytes = to_bytes(Context::new(LE, 0), &head).map_err(malformed)?.bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend_from_slice(body.bytes());
    Ok(bytes)
}

/// How many bytes follow the first [`HEAD`] ones of a message.
pub(super) fn rest_length(head: [u8; HEAD]) -> Result<usize, BusError> {
    let number = |at: usize| {
        let bytes: [u8; 4] = head.get(at..at + 4)?.try_into().ok()?;
        let number = if head[0] == b'B' { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        usize::try_from(number).ok().filter(|length| *length <= MOST)
    };
    let (Some(body), Some(fields)) = (number(4), number(12)) else { return Err(BusError::Malformed) };
    Ok(fields.next_multiple_of(8) + body)
}

/// Reads a message.
pub(super) fn decode(bytes: Vec<u8>) -> Result<Message, BusError> {
    type Head = (u8, u8, u8, u8, u32, u32, Vec<(u8, OwnedVariant)>);
    let context = match bytes.first() {
        Some(b'l') => Context::new(LE, 0),
        Some(b'B') => Context::new(BE, 0),
        _ => return Err(BusError::Malformed),
    };
    let data = Data::new(bytes, context);
    let (head, length): (Head, usize) = data.deserialize().map_err(malformed)?;
    let (_, kind, _, _, _, serial, fields) = head;
    let kind = Kind::ALL.into_iter().find(|known| known.number() == kind).ok_or(BusError::Malformed)?;
    let mut header = Header::default();
    for (key, value) in fields {
        let text = |value: &OwnedVariant| match &**value {
            Variant::Str(text) => text.to_string(),
            Variant::ObjectPath(path) => path.to_string(),
            _ => String::new(),
        };
        match key {
            PATH => header.path = text(&value),
            INTERFACE => header.interface = text(&value),
            MEMBER => header.member = text(&value),
            ERROR_NAME => header.error = text(&value),
            DESTINATION => header.destination = text(&value),
            SENDER => header.sender = text(&value),
            REPLY_SERIAL => {
                header.reply_to = match &*value {
                    Variant::U32(serial) => Some(*serial),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    let body = data.bytes().get(length.next_multiple_of(8)..).unwrap_or_default().to_vec();
    Ok(Message { kind, serial, header, body: Data::new(body, context) })
}

impl Message {
    /// The arguments.
    pub(super) fn body<'m, T: Deserialize<'m> + Type>(&'m self) -> Result<T, BusError> {
        self.body.deserialize().map(|(body, _)| body).map_err(malformed)
    }
}

fn malformed<E>(_: E) -> BusError {
    BusError::Malformed
}

/// A property as the arguments of calls have it.
pub(super) fn argument(property: &Property) -> (&str, Variant<'_>) {
    let value = match &property.value {
        PropertyValue::Bool(value) => (*value).into(),
        PropertyValue::Byte(value) => (*value).into(),
        PropertyValue::I16(value) => (*value).into(),
        PropertyValue::U16(value) => (*value).into(),
        PropertyValue::I32(value) => (*value).into(),
        PropertyValue::U32(value) => (*value).into(),
        PropertyValue::I64(value) => (*value).into(),
        PropertyValue::U64(value) => (*value).into(),
        PropertyValue::F64(value) => (*value).into(),
        PropertyValue::Text(value) => value.as_str().into(),
        PropertyValue::Bytes(value) => value.as_slice().into(),
        PropertyValue::Numbers(value) => value.as_slice().into(),
        PropertyValue::Texts(value) => value.iter().map(String::as_str).collect::<Vec<_>>().into(),
        PropertyValue::Pairs(value) => value.clone().into(),
    };
    (property.name.as_str(), value)
}

#[cfg(test)]
mod unit {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let header = Header {
            path: "/org/freedesktop/systemd1".to_owned(),
            interface: "org.freedesktop.systemd1.Manager".to_owned(),
            member: "StopUnit".to_owned(),
            destination: "org.freedesktop.systemd1".to_owned(),
            reply_to: Some(7),
            ..Header::default()
        };
        let bytes = encode(Kind::Call, 3, &header, &("a.scope", "replace")).unwrap();
        let head: [u8; HEAD] = bytes[..HEAD].try_into().unwrap();
        assert_eq!(rest_length(head).unwrap(), bytes.len() - HEAD);
        let message = decode(bytes).unwrap();
        assert_eq!((message.kind, message.serial, &message.header), (Kind::Call, 3, &header));
        assert_eq!(message.body::<(String, String)>().unwrap(), ("a.scope".into(), "replace".into()));
    }

    #[test]
    fn values_have_the_types_that_systemd_wants() {
        let signature = |value| argument(&Property::new("P", value)).1.value_signature().to_string();
        assert_eq!(signature(PropertyValue::Pairs(Vec::new())), "a(ss)");
        assert_eq!(signature(PropertyValue::Numbers(vec![1])), "au");
        assert_eq!(signature(PropertyValue::Bytes(vec![1])), "ay");
        assert_eq!(signature(PropertyValue::Texts(Vec::new())), "as");
        assert_eq!(signature(PropertyValue::U64(1)), "t");
    }

    proptest! {
        #[test]
        fn no_bytes_are_fatal(bytes in proptest::collection::vec(any::<u8>(), 0..96), order in any::<bool>()) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = if order { b'l' } else { b'B' };
            }
            if let Some(head) = bytes.get(..HEAD) {
                let _ = rest_length(head.try_into().unwrap());
            }
            if let Ok(message) = decode(bytes) {
                let _ = message.body::<(u32, String)>();
            }
        }
    }
}
