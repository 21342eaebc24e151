use super::*;

fn problem(at: usize) -> MappingProblem {
    MappingProblem {
        row: Some(at),
        source: format!("s{at}"),
        destination: format!("_t.f{at}"),
        reason: "no such field".into(),
    }
}

#[test]
fn a_refusal_shows_each_row_with_the_platform_s_own_words_and_stays_short() {
    let one = refusal(&[problem(0)], "The flow goes on.");
    assert_eq!(
        (one.reason, one.stalled),
        (Reason::RejectedByPlatform, true)
    );
    assert!(
        one.message
            .contains("a row of spec.mapping: s0 -> _t.f0: no such field. Correct"),
        "{}",
        one.message
    );
    let many: Vec<_> = (0..25).map(problem).collect();
    let many = refusal(&many, "").message;
    assert!(
        many.contains("25 rows") && many.contains("s9 -> ") && many.contains("and 15 more"),
        "{many}"
    );
    assert!(!many.contains("s10 -> "), "{many}");
}
