//! What an author of calculated fields relies on.

use serde_json::{Value, json};

use super::{Path, Scope, evaluate, parse};
use crate::ids::Ids;

fn event() -> Value {
    json!({
        "event_id": "01KH2DJ2008ASKXWQ53H86E6C3", "metric": "sent", "timestamp": 1_770_681_600, "empty": "", "gone": null,
        "data": {"identifiers": {"email": "Olu@Example.org"}, "odd name": {"x.y": 7}, "list": [{"a": 1}, {"a": 2}]}
    })
}

fn run(text: &str) -> Result<Value, String> {
    let event = event();
    let expr = parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
    evaluate(
        &expr,
        &mut Scope {
            event: &event,
            now: 1_770_681_600_123,
            ids: &mut Ids::new(1),
        },
    )
}

fn check(cases: &[(&str, Value)]) {
    for (text, expected) in cases {
        assert_eq!(run(text).as_ref(), Ok(expected), "{text}");
    }
}

#[test]
fn the_candidate_for_date_fields_gives_iso_text() {
    check(&[(
        r#"dformat(timestamp*1000, "yyyy-MM-dd'T'HH:mm:ss.SSSX")"#,
        json!("2026-02-10T00:00:00.000Z"),
    )]);
}

#[test]
fn dates() {
    check(&[
        (
            "dformat(1790000000000, 'dd/MM/yy HH:mm')",
            json!("21/09/26 14:13"),
        ),
        (
            "dformat(1790000000000, \"EEE, d MMM yyyy h:mm a 'o''clock' xxx\")",
            json!("Mon, 21 Sep 2026 2:13 PM o'clock +00:00"),
        ),
        (
            "format(date('21/09/2026 14:13', 'dd/MM/yyyy HH:mm'), 'yyyy-MM-dd')",
            json!("2026-09-21"),
        ),
        (
            "date('2026-09-21T16:13:20+02:00')",
            json!("2026-09-21T14:13:20.000Z"),
        ),
        ("date(gone, 'yyyy', 'none')", json!("none")),
        ("timestamp()", json!(1_770_681_600_123_u64)),
        ("now()", json!("2026-02-10T00:00:00.123Z")),
    ]);
    assert!(run("dformat(gone, 'yyyy')").is_err(), "no time, no text");
    assert!(
        run("dformat(timestamp, 'qq')").is_err(),
        "an unknown pattern letter"
    );
    assert!(run("date('tomorrow', 'yyyy-MM-dd')").is_err());
}

#[test]
fn texts() {
    check(&[
        ("concat('a', metric, 1)", json!("asent1")),
        ("lower(data.identifiers.email)", json!("olu@example.org")),
        ("upper(trim('  x '))", json!("X")),
        ("substr('éloïse', 1, 3)", json!("loï")),
        ("replace_str('a-b-c', '-', '+')", json!("a+b+c")),
        ("join('/', split('a,b', ','))", json!("a/b")),
        (
            "sha256('abc')",
            json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ),
    ]);
}

#[test]
fn logic() {
    check(&[
        (
            "iif(metric == 'sent' && timestamp > 5, 'yes', 'no')",
            json!("yes"),
        ),
        ("iif(not (metric eq 'sent') or false, 1, 2)", json!(2)),
        ("metric != 'x' ? 1 : 2", json!(1)),
        (
            "decode(metric, 'opened', 'o', 'sent', 's', '?')",
            json!("s"),
        ),
        ("decode(metric, 'opened', 'o', '?')", json!("?")),
        ("coalesce(nowhere, gone, empty)", json!("")),
        ("nullify()", Value::Null),
        (
            "is_empty(empty) && !is_set(nowhere) && is_set(gone)",
            json!(true),
        ),
        ("iif(true, 1, dformat(gone, 'x'))", json!(1)),
    ]);
}

#[test]
fn numbers() {
    check(&[
        ("1 + 2 * 3 - -4", json!(11)),
        ("(1 + 2) * 3 % 4", json!(1)),
        ("7 / 2", json!(3.5)),
        ("to_integer('12') + to_integer(3.9)", json!(15)),
        ("to_decimal('1.5')", json!(1.5)),
    ]);
    assert!(run("to_integer('x')").is_err());
    assert!(run("1 / 0").is_err());
    assert!(run("gone * 2").is_err());
}

#[test]
fn objects_and_paths() {
    check(&[
        ("data.${odd name}.${x.y}", json!(7)),
        ("data.list[1].a", json!(2)),
        ("data.list[*].a", json!([1, 2])),
        (
            "to_object('a', 1, 'b', metric)",
            json!({"a": 1, "b": "sent"}),
        ),
        ("contains_key(data, 'list')", json!(true)),
        (r#"json_to_object("{\"a\": [1]}")"#, json!({"a": [1]})),
    ]);
    assert_eq!(run("uuid()").unwrap().as_str().unwrap().len(), 36);
    let quoted = Path::parse(r"data.${odd name}.x\\.y").unwrap();
    assert_eq!(quoted.find(&event()), Some(json!(7)));
}

#[test]
fn what_is_no_expression_is_refused_when_it_is_written() {
    let deep = "(".repeat(5_000);
    let long = format!("'{}'", "x".repeat(5_000));
    for text in [
        "",
        "concat(",
        "nosuch(1)",
        "lower()",
        "lower(1, 2)",
        "1 +",
        "'open",
        "a b",
        "${open",
        "#",
        deep.as_str(),
        long.as_str(),
        &"-".repeat(3_000),
    ] {
        assert!(parse(text).is_err(), "{}", &text[..text.len().min(20)]);
    }
}
