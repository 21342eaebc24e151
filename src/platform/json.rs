//! Reading bodies that grow and vary: only what is needed is required.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// `null` counts as absent; any other value must fit. For fields that decide what is created or deleted: one
/// read as empty because its shape changed would hide an object of ours, or a user of one.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Any value that does not fit counts as absent, `null` included. For fields we can live without.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// A whole number that may come as text: the mapping version is a number in Adobe's examples and text in its
/// flow spec.
pub(super) fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::Number(n) => n.as_u64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// [`nullable`], and `{}` counts as absent too: Adobe's page on filters of the Catalog shows a property without a
/// value so.
pub(super) fn nullable_or_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(T::default()),
        Value::Object(fields) if fields.is_empty() => Ok(T::default()),
        value => serde_json::from_value(value).map_err(serde::de::Error::custom),
    }
}

/// [`integer`] for a required field.
pub(crate) fn required_integer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    integer(&value).ok_or_else(|| serde::de::Error::custom("expected a whole number"))
}
