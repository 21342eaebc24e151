//! The functions of the language: a table of names, numbers of arguments and one line of help, and their
//! implementations. `iif`, `decode` and `coalesce` compute only the branch they need.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::dates;
use super::eval::{Scope, equal, evaluate, shown, truth};
use super::parser::Expr;

/// A function: name, least and most arguments, category, help.
pub(crate) type Entry = (&'static str, usize, usize, &'static str, &'static str);

const MANY: usize = usize::MAX;

/// Every function there is.
pub(crate) const CATALOGUE: &[Entry] = &[
    ("concat", 1, MANY, "String", "Joins texts."),
    ("lower", 1, 1, "String", "Lower case."),
    ("lcase", 1, 1, "String", "Lower case."),
    ("upper", 1, 1, "String", "Upper case."),
    ("ucase", 1, 1, "String", "Upper case."),
    (
        "trim",
        1,
        1,
        "String",
        "Takes off white space at both ends.",
    ),
    (
        "substr",
        2,
        3,
        "String",
        "Part of a text, from a place, of a length.",
    ),
    ("replace_str", 3, 3, "String", "Replaces a text by another."),
    ("split", 2, 2, "String", "Splits a text at a separator."),
    ("join", 2, 2, "String", "Joins an array with a separator."),
    ("iif", 3, 3, "Logical", "One of two values, by a condition."),
    (
        "decode",
        3,
        MANY,
        "Logical",
        "The value that belongs to a key, or a default.",
    ),
    (
        "coalesce",
        1,
        MANY,
        "Logical",
        "The first value that is not null.",
    ),
    ("nullify", 0, 1, "Logical", "Null."),
    (
        "is_empty",
        1,
        1,
        "Logical",
        "Whether a value is null or empty.",
    ),
    (
        "is_set",
        1,
        1,
        "Logical",
        "Whether the event has an attribute.",
    ),
    ("now", 0, 0, "Date / Time", "The current date."),
    (
        "timestamp",
        0,
        0,
        "Date / Time",
        "The current time in epoch milliseconds.",
    ),
    (
        "date",
        1,
        3,
        "Date / Time",
        "A date from a text, a pattern and a default.",
    ),
    (
        "format",
        2,
        2,
        "Date / Time",
        "A date as text by a pattern.",
    ),
    (
        "dformat",
        2,
        2,
        "Date / Time",
        "Epoch milliseconds as text by a pattern.",
    ),
    ("to_integer", 1, 1, "Type Conversions", "A whole number."),
    ("to_decimal", 1, 1, "Type Conversions", "A number."),
    ("sha256", 1, 2, "Hashing", "SHA-256 in hexadecimal."),
    ("uuid", 0, 0, "Unique Id", "A random id."),
    ("guid", 0, 0, "Unique Id", "A random id."),
    (
        "to_object",
        1,
        MANY,
        "Hierarchies - Objects",
        "An object from keys and values.",
    ),
    (
        "contains_key",
        2,
        2,
        "Hierarchies - Objects",
        "Whether an object has a key.",
    ),
    (
        "json_to_object",
        1,
        1,
        "Hierarchies - Objects",
        "An object from its JSON text.",
    ),
];

/// Checks a call when it is parsed.
pub(super) fn check(name: &str, arguments: usize) -> Result<(), String> {
    let Some((_, least, most, ..)) = CATALOGUE.iter().find(|entry| entry.0 == name) else {
        return Err(format!("Unknown function {name}"));
    };
    let odd_object = name == "to_object" && arguments % 2 == 1 && arguments > 1;
    if arguments < *least || arguments > *most || odd_object {
        return Err(format!(
            "Function {name} does not take {arguments} arguments"
        ));
    }
    Ok(())
}

/// Computes a call.
pub(super) fn call(name: &str, arguments: &[Expr], scope: &mut Scope<'_>) -> Result<Value, String> {
    match name {
        "iif" => {
            let branch = if truth(&evaluate(&arguments[0], scope)?)? {
                1
            } else {
                2
            };
            return evaluate(&arguments[branch], scope);
        }
        "coalesce" => {
            for argument in arguments {
                let value = evaluate(argument, scope)?;
                if !value.is_null() {
                    return Ok(value);
                }
            }
            return Ok(Value::Null);
        }
        "decode" => return decode(arguments, scope),
        "is_set" => {
            let set = matches!(&arguments[0], Expr::Path(path) if path.find(scope.event).is_some());
            return Ok(Value::Bool(set));
        }
        _ => {}
    }
    let values = arguments
        .iter()
        .map(|argument| evaluate(argument, scope))
        .collect::<Result<Vec<_>, _>>()?;
    let value = |place: usize| values.get(place).unwrap_or(&Value::Null);
    match name {
        "concat" => Ok(Value::String(values.iter().map(shown).collect())),
        "lower" | "lcase" => on_text(value(0), str::to_lowercase),
        "upper" | "ucase" => on_text(value(0), str::to_uppercase),
        "trim" => on_text(value(0), |text| text.trim().to_owned()),
        "substr" => substr(value(0), value(1), values.get(2)),
        "replace_str" => {
            let (search, replacement) = (shown(value(1)), shown(value(2)));
            on_text(value(0), |text| {
                if search.is_empty() {
                    text.to_owned()
                } else {
                    text.replace(&search, &replacement)
                }
            })
        }
        "split" => split(value(0), value(1)),
        "join" => join(value(0), value(1)),
        "nullify" => Ok(Value::Null),
        "is_empty" => Ok(Value::Bool(match value(0) {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        })),
        "now" => dates::iso(i64::try_from(scope.now).unwrap_or(i64::MAX)).map(Value::String),
        "timestamp" => Ok(Value::from(scope.now)),
        "date" => dates::date(value(0), values.get(1), values.get(2)),
        "format" => dates::format_date(value(0), value(1)),
        "dformat" => dates::format_millis(value(0), value(1)),
        "to_integer" => to_integer(value(0)),
        "to_decimal" => to_decimal(value(0)),
        "sha256" => match value(0) {
            Value::Null => Ok(Value::Null),
            other => Ok(Value::String(hex::encode(Sha256::digest(
                shown(other).as_bytes(),
            )))),
        },
        "uuid" | "guid" => Ok(Value::String(scope.ids.uuid())),
        "to_object" => {
            let pairs = values
                .chunks(2)
                .map(|pair| (shown(&pair[0]), pair.get(1).cloned().unwrap_or_default()));
            Ok(Value::Object(pairs.collect::<Map<_, _>>()))
        }
        "contains_key" => Ok(Value::Bool(value(0).get(shown(value(1))).is_some())),
        "json_to_object" => match value(0) {
            Value::String(text) => {
                serde_json::from_str(text).map_err(|error| format!("Not JSON: {error}"))
            }
            Value::Null => Ok(Value::Null),
            other => Err(format!("{other} is not a text")),
        },
        _ => Err(format!("Unknown function {name}")),
    }
}

fn decode(arguments: &[Expr], scope: &mut Scope<'_>) -> Result<Value, String> {
    let key = evaluate(&arguments[0], scope)?;
    let mut rest = &arguments[1..];
    while let [search, result, after @ ..] = rest {
        if equal(&key, &evaluate(search, scope)?) {
            return evaluate(result, scope);
        }
        rest = after;
    }
    match rest {
        [default] => evaluate(default, scope),
        _ => Ok(Value::Null),
    }
}

fn on_text(value: &Value, change: impl Fn(&str) -> String) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Array(_) | Value::Object(_) => Err(format!("{value} is not a text")),
        other => Ok(Value::String(change(&shown(other)))),
    }
}

fn substr(text: &Value, start: &Value, length: Option<&Value>) -> Result<Value, String> {
    let place = |value: &Value| value.as_u64().and_then(|place| usize::try_from(place).ok());
    let start = place(start).ok_or("substr needs a start that is not negative")?;
    let length = match length {
        None => usize::MAX,
        Some(length) => place(length).ok_or("substr needs a length that is not negative")?,
    };
    on_text(text, |text| text.chars().skip(start).take(length).collect())
}

fn to_integer(value: &Value) -> Result<Value, String> {
    let wrong = || format!("{value} is not a whole number");
    match value {
        Value::Null => Ok(Value::Null),
        Value::String(text) => text
            .trim()
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| wrong()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(Value::from(whole)),
            (None, Some(decimal)) => format!("{:.0}", decimal.trunc())
                .parse::<i64>()
                .map(Value::from)
                .map_err(|_| wrong()),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn to_decimal(value: &Value) -> Result<Value, String> {
    match value {
        Value::Null | Value::Number(_) => Ok(value.clone()),
        Value::String(text) => text
            .trim()
            .parse::<f64>()
            .map(Value::from)
            .map_err(|_| format!("{value} is not a number")),
        _ => Err(format!("{value} is not a number")),
    }
}

fn split(text: &Value, separator: &Value) -> Result<Value, String> {
    match (text, separator) {
        (Value::String(text), Value::String(separator)) if !separator.is_empty() => Ok(text
            .split(separator.as_str())
            .map(|part| Value::String(part.to_owned()))
            .collect()),
        (Value::Null, _) => Ok(Value::Null),
        _ => Err("split takes a text and a separator".to_owned()),
    }
}

fn join(separator: &Value, items: &Value) -> Result<Value, String> {
    let items = items
        .as_array()
        .ok_or("join takes a separator and an array")?;
    Ok(Value::String(
        items
            .iter()
            .map(shown)
            .collect::<Vec<_>>()
            .join(&shown(separator)),
    ))
}
