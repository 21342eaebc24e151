//! Tree and event to value. An error here is a transform error: the field becomes null, with a warning.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::functions;
use super::parser::{Expr, Operator};
use crate::ids::Ids;

/// What an expression can see.
pub(crate) struct Scope<'a> {
    /// The event.
    pub(crate) event: &'a Value,
    /// The moment, epoch milliseconds.
    pub(crate) now: u64,
    /// Source of `uuid()`.
    pub(crate) ids: &'a mut Ids,
}

/// Computes an expression. A missing attribute is null here.
pub(crate) fn evaluate(expr: &Expr, scope: &mut Scope<'_>) -> Result<Value, String> {
    match expr {
        Expr::Literal(value) => Ok(value.clone()),
        Expr::Path(path) => Ok(path.find(scope.event).unwrap_or(Value::Null)),
        Expr::Array(items) => items
            .iter()
            .map(|item| evaluate(item, scope))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array),
        Expr::Call(name, arguments) => functions::call(name, arguments, scope),
        Expr::Not(inner) => Ok(Value::Bool(!truth(&evaluate(inner, scope)?)?)),
        Expr::Negate(inner) => arithmetic(
            Operator::Subtract,
            &Value::from(0),
            &evaluate(inner, scope)?,
        ),
        Expr::Choice(condition, yes, no) => {
            let branch = if truth(&evaluate(condition, scope)?)? {
                yes
            } else {
                no
            };
            evaluate(branch, scope)
        }
        Expr::Binary(operator, left, right) => binary(*operator, left, right, scope),
    }
}

fn binary(
    operator: Operator,
    left: &Expr,
    right: &Expr,
    scope: &mut Scope<'_>,
) -> Result<Value, String> {
    let left = evaluate(left, scope)?;
    match operator {
        Operator::Or => {
            return Ok(Value::Bool(
                truth(&left)? || truth(&evaluate(right, scope)?)?,
            ));
        }
        Operator::And => {
            return Ok(Value::Bool(
                truth(&left)? && truth(&evaluate(right, scope)?)?,
            ));
        }
        _ => {}
    }
    let right = evaluate(right, scope)?;
    let compared = |accept: fn(Ordering) -> bool| {
        compare(&left, &right).map(|order| Value::Bool(accept(order)))
    };
    match operator {
        Operator::Equal => Ok(Value::Bool(equal(&left, &right))),
        Operator::NotEqual => Ok(Value::Bool(!equal(&left, &right))),
        Operator::Less => compared(Ordering::is_lt),
        Operator::LessOrEqual => compared(Ordering::is_le),
        Operator::Greater => compared(Ordering::is_gt),
        Operator::GreaterOrEqual => compared(Ordering::is_ge),
        // Assumed: a plus with a text on either side joins.
        Operator::Add if left.is_string() || right.is_string() => {
            Ok(Value::String(shown(&left) + &shown(&right)))
        }
        _ => arithmetic(operator, &left, &right),
    }
}

/// A condition's value.
pub(super) fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Null => Ok(false),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        other => Err(format!("{other} is not a condition")),
    }
}

/// Equality, numbers by value.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left_number), Some(right_number)) => {
            left == right || left_number.total_cmp(&right_number).is_eq()
        }
        _ => left == right,
    }
}

fn compare(left: &Value, right: &Value) -> Result<Ordering, String> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
        _ => match (left.as_f64(), right.as_f64()) {
            (Some(left), Some(right)) => Ok(left.total_cmp(&right)),
            _ => Err(format!("{left} and {right} cannot be compared")),
        },
    }
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value, String> {
    let wrong = |value: &Value| format!("{value} is not a number");
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        let exact = match operator {
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            Operator::Divide | Operator::Remainder if right == 0 => {
                return Err("Division by zero".to_owned());
            }
            Operator::Divide if left % right == 0 => left.checked_div(right),
            Operator::Remainder => left.checked_rem(right),
            _ => None,
        };
        if let Some(exact) = exact {
            return Ok(Value::from(exact));
        }
    }
    let left_number = left.as_f64().ok_or_else(|| wrong(left))?;
    let right_number = right.as_f64().ok_or_else(|| wrong(right))?;
    let result = match operator {
        Operator::Add => left_number + right_number,
        Operator::Subtract => left_number - right_number,
        Operator::Multiply => left_number * right_number,
        Operator::Divide => left_number / right_number,
        _ => left_number % right_number,
    };
    Number::from_f64(result)
        .map(Value::Number)
        .ok_or_else(|| "The result is not a number".to_owned())
}

/// A value as text: null is empty.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
