//! `property=` filters of Flow Service lists: a path, an operator, one or more values. Paths go through
//! objects with dots and through arrays with `[]`; repeated filters must all hold.

use serde_json::Value;

use crate::refusal::{Refusal, flow};
use crate::shelf::Object;

/// Fields by which anything can be filtered: the first segment of a path must be one of them.
const FIELDS: &[&str] = &[
    "id",
    "createdAt",
    "updatedAt",
    "createdBy",
    "updatedBy",
    "createdClient",
    "updatedClient",
    "sandboxId",
    "sandboxName",
    "imsOrgId",
    "name",
    "description",
    "state",
    "version",
    "etag",
    "flowSpec",
    "connectionSpec",
    "baseConnectionId",
    "providerId",
    "providerRefId",
    "sourceConnectionIds",
    "targetConnectionIds",
    "data",
    "params",
    "inheritedAttributes",
    "options",
    "transformations",
    "lastOperation",
    "lastRunDetails",
    "labels",
    "policy",
    "scheduleParams",
    "flowId",
    "metrics",
    "activities",
    "sourceConnectionSpecIds",
    "targetConnectionSpecIds",
];

/// One condition.
#[derive(Debug)]
pub(super) struct Filter {
    path: Vec<Step>,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug)]
struct Step {
    name: String,
    each: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let at = text.find(['=', '<', '>', '!', '~']).ok_or_else(|| {
            flow(
                "1453-400",
                format!("Invalid query value {text} provided in query param."),
            )
        })?;
        let (path, rest) = text.split_at(at);
        let symbol: String = rest
            .chars()
            .take_while(|letter| "=<>!~".contains(*letter))
            .collect();
        let value = &rest[symbol.len()..];
        let operator = match symbol.as_str() {
            "==" => Operator::Equal,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "~" => return Err(flow("1440-400", "Operator '~' not implemented.")),
            other => {
                return Err(flow(
                    "1450-400",
                    format!("Invalid operator {other} in filter params."),
                ));
            }
        };
        let path = steps(path)?;
        if value.is_empty() {
            return Err(flow(
                "1453-400",
                format!("Invalid query value {text} provided in query param."),
            ));
        }
        let values: Vec<String> = value.split(',').map(str::to_owned).collect();
        if operator != Operator::Equal {
            if values.len() > 1 {
                return Err(flow(
                    "1443-400",
                    format!("Operator '{symbol}' is not allowed for multiple values."),
                ));
            }
            if path.iter().any(|step| step.name == "id") {
                return Err(flow(
                    "1448-400",
                    format!("Operator {symbol} not supported for field id."),
                ));
            }
        }
        Ok(Self {
            path,
            operator,
            values,
        })
    }

    pub(super) fn accepts(&self, object: &Object) -> bool {
        let Some((first, rest)) = self.path.split_first() else {
            return false;
        };
        object
            .get(&first.name)
            .is_some_and(|value| self.step(value, first, rest))
    }

    /// The values, when this filter is `id==...`: a list then needs no scan.
    pub(super) fn ids(&self) -> Option<&[String]> {
        let by_id =
            self.operator == Operator::Equal && self.path.len() == 1 && self.path[0].name == "id";
        by_id.then_some(self.values.as_slice())
    }

    fn step(&self, value: &Value, here: &Step, rest: &[Step]) -> bool {
        if here.each {
            return value
                .as_array()
                .is_some_and(|items| items.iter().any(|item| self.walk(item, rest)));
        }
        self.walk(value, rest)
    }

    fn walk(&self, value: &Value, path: &[Step]) -> bool {
        match path.split_first() {
            None => self.holds(value),
            Some((next, rest)) => value
                .get(&next.name)
                .is_some_and(|value| self.step(value, next, rest)),
        }
    }

    fn holds(&self, value: &Value) -> bool {
        let shown = match value {
            Value::String(text) => std::borrow::Cow::Borrowed(text.as_str()),
            Value::Number(_) | Value::Bool(_) => std::borrow::Cow::Owned(value.to_string()),
            _ => return false,
        };
        if self.operator == Operator::Equal {
            return self.values.iter().any(|wanted| *wanted == shown);
        }
        let Some(wanted) = self.values.first() else {
            return false;
        };
        let order = match (shown.parse::<f64>(), wanted.parse::<f64>()) {
            (Ok(have), Ok(want)) => have.partial_cmp(&want),
            _ => Some(shown.as_ref().cmp(wanted.as_str())),
        };
        order.is_some_and(|order| match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
        })
    }
}

fn steps(path: &str) -> Result<Vec<Step>, Refusal> {
    let path: Vec<Step> = path
        .split('.')
        .map(|step| match step.strip_suffix("[]") {
            Some(name) => Step {
                name: name.to_owned(),
                each: true,
            },
            None => Step {
                name: step.to_owned(),
                each: false,
            },
        })
        .collect();
    match path.first() {
        Some(first) if FIELDS.contains(&first.name.as_str()) => Ok(path),
        first => {
            let name = first.map_or("", |step| step.name.as_str());
            Err(flow(
                "1449-400",
                format!("Invalid field {name} in filter params."),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Filter;

    fn accepts(filter: &str, object: &Value) -> bool {
        Filter::parse(filter)
            .unwrap()
            .accepts(object.as_object().unwrap())
    }

    #[test]
    fn filters_reach_nested_fields_and_members_of_arrays() {
        let flow = json!({
            "name": "a", "createdAt": 12, "sourceConnectionIds": ["s1"],
            "inheritedAttributes": {"sourceConnections": [{"connectionSpec": {"id": "spec"}}]},
            "transformations": [{"params": {"mappingId": "m", "mappingVersion": 0}}]
        });
        assert!(accepts("name==b,a", &flow));
        assert!(accepts("sourceConnectionIds[]==s1", &flow));
        assert!(!accepts("sourceConnectionIds[]==s2", &flow));
        assert!(accepts(
            "inheritedAttributes.sourceConnections[].connectionSpec.id==spec",
            &flow
        ));
        assert!(accepts("transformations[].params.mappingId==m", &flow));
        assert!(accepts("createdAt>9", &flow));
        assert!(!accepts("createdAt>=13", &flow));
        assert!(!accepts("options.inletUrl==x", &flow));
    }

    #[test]
    fn a_filter_that_the_service_cannot_read_is_refused() {
        for bad in [
            "name",
            "name==",
            "name~x",
            "name=x",
            "nosuch==1",
            "id>=1",
            "createdAt>1,2",
        ] {
            assert!(Filter::parse(bad).is_err(), "{bad}");
        }
    }
}
