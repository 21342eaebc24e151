//! The expression language as a service: is this expression valid, and what is there to use.

use serde_json::{Value, json};

use super::invalid;
use crate::call::{Call, unknown_field};
use crate::expression::{CATALOGUE, parse};
use crate::options::BadMapping;
use crate::refusal::{Answer, Reply, json_reply};

/// `POST /languages/el/validate`: true or false; see `Options::bad_mapping`.
pub(super) fn validate(bad: BadMapping, call: &Call<'_>) -> Answer {
    let body = call.object(invalid)?;
    if let Some(name) = unknown_field(
        &body,
        &["expression", "mappingSetId", "sampleData", "sampleDataType"],
    ) {
        return Err(invalid(format!("Unrecognized field \"{name}\"")));
    }
    let Some(expression) = body.get("expression").and_then(Value::as_str) else {
        return Err(invalid("The field expression is required"));
    };
    match parse(expression) {
        // Assumed words: the specification has the status only.
        Err(reason) if bad == BadMapping::Refused => Err(invalid(reason)),
        verdict => Ok(json_reply(200, &json!(verdict.is_ok()))),
    }
}

/// `GET /languages/el/functions`.
pub(super) fn functions() -> Reply {
    let functions: Vec<Value> = CATALOGUE
        .iter()
        .map(|(name, _, _, category, description)| {
            json!({
                "category": category, "function": name, "description": description, "syntax": format!("{name}(...)"),
                "returns": "", "returnType": "java.lang.Object", "example": "", "result": "", "params": [], "since": 1
            })
        })
        .collect();
    json_reply(200, &Value::Array(functions))
}

/// `GET /languages/el/operators`.
pub(super) fn operators() -> Reply {
    let entry = |symbol: &str, method: &str, operands: u8, example: &str| {
        json!({"operatorSymbol": symbol, "methodName": method, "numberOfOperands": operands,
            "description": method, "example": example})
    };
    json_reply(
        200,
        &json!([
            entry("+", "add", 2, "1 + 2"),
            entry("-", "subtract", 2, "1 - 2"),
            entry("*", "multiply", 2, "1 * 2"),
            entry("/", "divide", 2, "1 / 2"),
            entry("%", "mod", 2, "3 % 2"),
            entry("-", "negate", 1, "-12"),
            entry("!", "not", 1, "!cond1"),
            entry("&&", "and", 2, "a && b"),
            entry("||", "or", 2, "a || b"),
            entry("==", "equals", 2, "a == b"),
            entry("!=", "notEquals", 2, "a != b"),
            entry("<", "lessThan", 2, "a < b"),
            entry("<=", "lessThanOrEqual", 2, "a <= b"),
            entry(">", "greaterThan", 2, "a > b"),
            entry(">=", "greaterThanOrEqual", 2, "a >= b")
        ]),
    )
}
