//! JSON Patch (add, replace, remove) on plain JSON values; operation names in any case, as clients send both.

use serde_json::Value;

/// One instruction, checked in form.
#[derive(Debug)]
pub(crate) struct Instruction {
    pub(crate) op: Op,
    pub(crate) path: String,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Replace,
    Remove,
}

/// Reads a patch body; the error says what is wrong with it.
pub(crate) fn parse(body: Value) -> Result<Vec<Instruction>, String> {
    let Value::Array(instructions) = body else {
        return Err("The patch must be an array of instructions".to_owned());
    };
    if instructions.is_empty() {
        return Err("The request body cannot be null or empty. Please provide a request body and try again.".to_owned());
    }
    instructions.into_iter().map(instruction).collect()
}

fn instruction(value: Value) -> Result<Instruction, String> {
    let Value::Object(mut fields) = value else {
        return Err("A patch instruction must be an object".to_owned());
    };
    if let Some(unknown) = fields
        .keys()
        .find(|key| !matches!(key.as_str(), "op" | "path" | "value"))
    {
        return Err(format!(
            "Unknown field \"{unknown}\" in a patch instruction"
        ));
    }
    let name = fields.get("op").and_then(Value::as_str).unwrap_or_default();
    let op = match name.to_ascii_lowercase().as_str() {
        "add" => Op::Add,
        "replace" => Op::Replace,
        "remove" => Op::Remove,
        _ => {
            return Err(format!(
                "Unsupported operation '{name}' received. Please use one of the supported operation types and try again."
            ));
        }
    };
    let path = fields
        .get("path")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if !path.starts_with('/') {
        return Err("A patch instruction needs a path that starts with a slash".to_owned());
    }
    let value = fields.remove("value");
    if value.is_none() && op != Op::Remove {
        return Err("A patch instruction needs a value".to_owned());
    }
    Ok(Instruction {
        op,
        path,
        value: value.unwrap_or(Value::Null),
    })
}

/// Applies one instruction; the error names the field that is missing.
pub(crate) fn apply(document: &mut Value, instruction: &Instruction) -> Result<(), String> {
    let missing = || {
        format!(
            "Missing field \"{}\"",
            instruction.path.trim_start_matches('/')
        )
    };
    let segments: Vec<String> = instruction
        .path
        .trim_start_matches('/')
        .split('/')
        .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
        .collect();
    let (last, parents) = segments.split_last().ok_or_else(missing)?;
    let mut place = document;
    for parent in parents {
        place = match place {
            Value::Object(fields) => fields.get_mut(parent),
            Value::Array(items) => parent
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index)),
            _ => None,
        }
        .ok_or_else(missing)?;
    }
    match place {
        Value::Object(fields) => match instruction.op {
            Op::Add => {
                fields.insert(last.clone(), instruction.value.clone());
            }
            Op::Replace => *fields.get_mut(last).ok_or_else(missing)? = instruction.value.clone(),
            Op::Remove => drop(fields.remove(last).ok_or_else(missing)?),
        },
        Value::Array(items) => {
            let index = if last == "-" {
                Ok(items.len())
            } else {
                last.parse::<usize>()
            }
            .map_err(|_| missing())?;
            match instruction.op {
                Op::Add if index <= items.len() => items.insert(index, instruction.value.clone()),
                Op::Replace if index < items.len() => items[index] = instruction.value.clone(),
                Op::Remove if index < items.len() => drop(items.remove(index)),
                _ => return Err(missing()),
            }
        }
        _ => return Err(missing()),
    }
    Ok(())
}

/// JSON merge patch (RFC 7396).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(fields) = target {
        for (key, change) in changes {
            if change.is_null() {
                fields.remove(key);
            } else {
                merge(fields.entry(key.clone()).or_insert(Value::Null), change);
            }
        }
    }
}
