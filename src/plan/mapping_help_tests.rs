use super::super::test_support::row;
use super::*;

const SOURCE: u8 = 0;
const EXPRESSION: u8 = 1;
const VALUE: u8 = 2;
const GOOD: &str = r#"dformat(timestamp*1000, "yyyy-MM-dd'T'HH:mm:ss.SSSX")"#;

fn id() -> MappingRow {
    row(SOURCE, "event_id", "_id")
}

fn date() -> MappingRow {
    row(EXPRESSION, GOOD, "timestamp")
}

fn refused(rows: &[MappingRow], class: Option<&str>) -> String {
    let failure = advise(rows, class).failure();
    failure.map_or_else(String::new, |failure| {
        assert_eq!(
            (failure.reason, failure.stalled),
            (Reason::InvalidSpec, true)
        );
        failure.message
    })
}

#[test]
fn a_schema_of_events_needs_an_id_and_a_date_and_the_message_names_row_and_remedy() {
    let events = Some(EXPERIENCE_EVENT_CLASS);
    let both = refused(&[row(SOURCE, "metric", "_t.metric")], events);
    for needle in [
        "no row for _id",
        AN_ID,
        "no row for timestamp",
        "dformat(timestamp*1000",
        "ExperienceEvent",
    ] {
        assert!(both.contains(needle), "{needle}: {both}");
    }
    let no_date = refused(&[id()], events);
    assert!(
        no_date.contains("no row for timestamp") && !no_date.contains("no row for _id"),
        "{no_date}"
    );
    assert_eq!(refused(&[id(), date()], events), "");
}

#[test]
fn without_the_class_only_what_the_rows_themselves_tell_is_refused() {
    let custom = Some("https://ns.adobe.com/t/classes/0");
    for class in [None, custom] {
        // The tutorial's rows: neither an id nor a date.
        assert_eq!(refused(&[row(SOURCE, "metric", "_t.metric")], class), "");
        assert_eq!(refused(&[id()], class), "");
        let told = refused(&[date()], class);
        assert!(
            told.contains("no row for _id") && told.contains("is one of events"),
            "{told}"
        );
    }
    let profile = Some(PROFILE_CLASS);
    assert_eq!(refused(&[date()], profile), "");
    assert_eq!(refused(&[row(SOURCE, "metric", "_t.metric")], profile), "");
    assert_eq!(
        refused(&[], Some(EXPERIENCE_EVENT_CLASS)),
        "",
        "a mapping set made elsewhere has rows that nobody sees here"
    );
}

#[test]
fn a_timestamp_that_is_no_date_is_refused_and_one_that_may_be_none_is_doubted() {
    let judged = |row: MappingRow| {
        let advice = advise(&[id(), row], None);
        let word = match (advice.failure(), advice.doubts.is_empty()) {
            (Some(_), true) => "refused",
            (None, false) => "doubted",
            (None, true) => "taken",
            (Some(_), false) => "both",
        };
        (word, advice)
    };
    let table = [
        (SOURCE, "timestamp", "refused"),
        (SOURCE, "$.timestamp", "refused"),
        (SOURCE, "metric", "refused"),
        (SOURCE, "event_id", "refused"),
        (SOURCE, "data.sent_at", "taken"),
        (EXPRESSION, " timestamp ", "refused"),
        (EXPRESSION, GOOD, "taken"),
        (EXPRESSION, "timestamp*1000", "taken"),
        (EXPRESSION, "dformat( timestamp , \"yyyy\")", "doubted"),
        (EXPRESSION, "now()", "taken"),
        (VALUE, "now", "refused"),
        (VALUE, "12:30", "refused"),
        (VALUE, "2026-02-10T00:00:00Z", "taken"),
        (VALUE, "2026-02-10T00:00:00.123+01:00", "taken"),
        (VALUE, "2026-02-10", "doubted"),
        (VALUE, "01-Dec-2020", "doubted"),
        (VALUE, "1770681600000", "doubted"),
    ];
    for (kind, text, expected) in table {
        let (word, advice) = judged(row(kind, text, "timestamp"));
        assert_eq!(word, expected, "{text}: {advice:?}");
    }
    // A field of another name is nobody's business.
    let elsewhere = advise(&[row(SOURCE, "timestamp", "_t.timestampx")], None);
    assert_eq!(elsewhere, Advice::default());
}

#[test]
fn one_id_for_all_records_is_doubted() {
    let rows = [row(VALUE, "x", "_id"), date()];
    let advice = advise(&rows, None);
    assert_eq!(advice.failure(), None);
    assert!(advice.doubts[0].contains("the same _id"), "{advice:?}");
}
