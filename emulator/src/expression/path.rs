//! Attribute paths: `data.identifiers.email`, `items[0].name`, `${odd name}.x`, `with\\.dot`.

use std::fmt;

use serde_json::Value;

/// A way into an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Path {
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Index(usize),
    /// Every member of an array.
    All,
}

impl Path {
    /// Reads a plain attribute path; the error says why it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let name;
            if let Some(after) = rest.strip_prefix("${") {
                let end = after.find('}').ok_or("A ${ is not closed")?;
                name = after[..end].to_owned();
                rest = &after[end + 1..];
            } else {
                let mut taken = String::new();
                while let Some(letter) = rest.chars().next() {
                    if let Some(after) = rest
                        .strip_prefix("\\\\.")
                        .or_else(|| rest.strip_prefix("\\."))
                    {
                        taken.push('.');
                        rest = after;
                    } else if super::lexer::is_name(letter) || letter == '-' {
                        taken.push(letter);
                        rest = &rest[letter.len_utf8()..];
                    } else {
                        break;
                    }
                }
                name = taken;
            }
            if name.is_empty() {
                return Err(format!("'{text}' is not an attribute path"));
            }
            steps.push(Step::Name(name));
            while let Some(after) = rest.strip_prefix('[') {
                let end = after.find(']').ok_or("A [ is not closed")?;
                steps.push(match &after[..end] {
                    "*" => Step::All,
                    index => Step::Index(
                        index
                            .parse()
                            .map_err(|_| format!("'{index}' is not an array index"))?,
                    ),
                });
                rest = &after[end + 1..];
            }
            match rest.strip_prefix('.') {
                Some(after) => rest = after,
                None if rest.is_empty() => return Ok(Self { steps }),
                None => return Err(format!("'{text}' is not an attribute path")),
            }
        }
    }

    /// What the event has there: `None` when it is missing, `Some(Null)` when it is null.
    pub(crate) fn find(&self, event: &Value) -> Option<Value> {
        find(event, &self.steps)
    }
}

fn find(value: &Value, steps: &[Step]) -> Option<Value> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(value.clone());
    };
    match step {
        Step::Name(name) => find(value.get(name)?, rest),
        Step::Index(index) => find(value.get(*index)?, rest),
        Step::All => {
            let members = value
                .as_array()?
                .iter()
                .filter_map(|member| find(member, rest));
            Some(Value::Array(members.collect()))
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.steps.iter().enumerate() {
            match step {
                Step::Name(name) if place > 0 => write!(formatter, ".{name}")?,
                Step::Name(name) => write!(formatter, "{name}")?,
                Step::Index(index) => write!(formatter, "[{index}]")?,
                Step::All => write!(formatter, "[*]")?,
            }
        }
        Ok(())
    }
}

impl Path {
    /// Writes a value there, making objects and arrays on the way.
    pub(crate) fn put(&self, record: &mut Value, value: Value) {
        let mut place = record;
        for step in &self.steps {
            place = match step {
                Step::Name(name) => {
                    if !place.is_object() {
                        *place = Value::Object(serde_json::Map::new());
                    }
                    match place {
                        Value::Object(fields) => fields.entry(name.clone()).or_insert(Value::Null),
                        _ => return,
                    }
                }
                Step::Index(_) | Step::All => {
                    let index = if let Step::Index(index) = step {
                        (*index).min(1_000)
                    } else {
                        0
                    };
                    if !place.is_array() {
                        *place = Value::Array(Vec::new());
                    }
                    match place {
                        Value::Array(items) => {
                            while items.len() <= index {
                                items.push(Value::Null);
                            }
                            &mut items[index]
                        }
                        _ => return,
                    }
                }
            };
        }
        *place = value;
    }

    /// What a JSON schema says about the field there.
    pub(crate) fn field<'a>(&self, schema: &'a Value) -> Option<&'a Value> {
        self.steps
            .iter()
            .try_fold(schema, |schema, step| match step {
                Step::Name(name) => schema.get("properties")?.get(name),
                Step::Index(_) | Step::All => schema.get("items"),
            })
    }
}
