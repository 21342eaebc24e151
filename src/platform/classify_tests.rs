//! Every documented code, and the bodies of every shape.

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(n, v)| {
            (
                header::HeaderName::from_static(n),
                header::HeaderValue::from_static(v),
            )
        })
        .collect()
}

fn of(method: &Method, status: u16, body: &str) -> ApiError {
    let status = StatusCode::from_u16(status).unwrap();
    classify("op", method, status, &HeaderMap::new(), body.as_bytes())
}

fn flow_body(code: &str) -> String {
    format!(
        r#"{{"type":"https://ns.adobe.com/aep/errors/{code}","title":"Title","status":400,
            "report":{{"detailed-message":"the words","request-id":"req-1"}},
            "errorMessage":"other words","errorDetails":"more"}}"#
    )
}

const UNAVAILABLE: Class = Class::Unavailable { retry_after: None };

#[test]
fn every_documented_flow_service_code_has_its_class() {
    let table: &[(&str, &[u32], u16, Class)] = &[
        ("entitlement", &[1100], 400, Class::Permission),
        ("internal", &[1102, 2117, 2200, 2250], 500, UNAVAILABLE),
        ("unavailable", &[1103], 503, UNAVAILABLE),
        ("timeout", &[1104], 504, UNAVAILABLE),
        ("If-Match missing", &[1403], 400, Class::Stale),
        ("stale", &[1404, 1013, 1107, 1607], 412, Class::Stale),
        ("patch of an unknown field", &[1455], 400, Class::Stale),
        (
            "state, mapping version, specs",
            &[1410, 1412, 1413, 1414],
            400,
            Class::Rejected,
        ),
        (
            "between states",
            &[1416, 1417, 1456, 1420, 1421, 1422, 1444],
            400,
            Class::Busy,
        ),
        ("in use", &[1418, 1447], 400, Class::Busy),
        ("finalizing", &[1457, 1458], 400, Class::Busy),
        ("mapping or schema", &[1419, 1425], 400, Class::Rejected),
        ("missing", &[1430, 1439], 400, Class::NotFound),
        ("missing", &[1430, 1439], 404, Class::NotFound),
        ("organization", &[2000], 401, Class::Permission),
        ("token", &[2114, 2115], 400, Class::Credentials),
        ("headers", &[2001, 2002], 401, Class::Unexpected),
        ("headers", &[2105, 2110], 400, Class::Unexpected),
        ("sandbox", &[2100, 2101, 2103], 404, Class::SandboxNotFound),
        (
            "permission",
            &[2111, 2118, 2120, 2121],
            403,
            Class::Permission,
        ),
        (
            "filters",
            &[1401, 1432, 1433, 1440, 1443],
            400,
            Class::Rejected,
        ),
        (
            "filters",
            &[1448, 1449, 1450, 1451, 1452, 1453, 1454],
            400,
            Class::Rejected,
        ),
        (
            "bodies",
            &[1307, 1325, 1327, 1332, 1300, 1365, 1368],
            400,
            Class::Rejected,
        ),
    ];
    for (what, numbers, status, class) in table {
        for number in *numbers {
            for prefix in ["FLOW-", "CONNECTOR-", ""] {
                let code = format!("{prefix}{number}-{status}");
                let error = of(&Method::POST, *status, &flow_body(&code));
                assert_eq!(error.class, *class, "{what}: {code}");
                assert_eq!(error.code.as_deref(), Some(code.as_str()));
                assert_eq!(
                    (error.detail.as_str(), error.request_id.as_deref()),
                    ("the words", Some("req-1"))
                );
            }
        }
    }
}

#[test]
fn every_documented_gateway_code_has_its_class() {
    for (code, status, class) in [
        ("403010", 403, Class::Unexpected),
        ("401013", 401, Class::Credentials),
        ("401013", 403, Class::Credentials),
        ("403000", 403, Class::Credentials),
        ("403003", 403, Class::Credentials),
        ("400003", 400, Class::Credentials),
        ("403025", 403, Class::Permission),
        ("429050", 429, Class::Throttled { retry_after: None }),
        ("404000", 404, Class::Unexpected),
    ] {
        let error = of(
            &Method::GET,
            status,
            &format!(r#"{{"error_code":"{code}","message":"the words"}}"#),
        );
        assert_eq!(
            (error.class, error.code.as_deref()),
            (class, Some(code)),
            "{code}"
        );
        assert_eq!(error.detail, "the words");
    }
    let number = of(&Method::GET, 403, r#"{"error_code":403025,"message":"m"}"#);
    assert_eq!(
        (number.class, number.code.as_deref()),
        (Class::Permission, Some("403025"))
    );
}

#[test]
fn the_status_decides_when_the_code_is_unknown() {
    for (status, class) in [
        (301, Class::Unexpected),
        (400, Class::Rejected),
        (401, Class::Credentials),
        (403, Class::Permission),
        (404, Class::NotFound),
        (405, Class::Rejected),
        (408, UNAVAILABLE),
        (409, Class::Rejected),
        (412, Class::Stale),
        (422, Class::Rejected),
        (423, Class::Busy),
        (429, Class::Throttled { retry_after: None }),
        (500, UNAVAILABLE),
        (502, UNAVAILABLE),
        (599, UNAVAILABLE),
    ] {
        assert_eq!(of(&Method::GET, status, "").class, class, "{status}");
        assert_eq!(
            of(&Method::GET, status, &flow_body("FLOW-9999-999")).class,
            class,
            "{status}"
        );
    }
}

#[test]
fn the_numbers_of_other_services_are_not_those_of_the_flow_service() {
    let body = r#"{"type":"http://ns.adobe.com/aep/errors/XDM-1439-400","title":"t","detail":"the words",
        "report":{"registryRequestId":"reg-1","detailed-message":"long words"}}"#;
    let error = of(&Method::GET, 400, body);
    assert_eq!(error.class, Class::Rejected);
    assert_eq!(
        (error.detail.as_str(), error.request_id.as_deref()),
        ("long words", Some("reg-1"))
    );
    assert_eq!(error.code.as_deref(), Some("XDM-1439-400"));
}

#[test]
fn every_body_shape_gives_its_words() {
    for (body, detail, code) in [
        (
            r#"{"message":"Mapping set not found"}"#,
            "Mapping set not found",
            None,
        ),
        (
            r#"{"type":"/placeholder/type/uri","status":400,"title":"BadRequestError","detail":"A valid content-type"}"#,
            "A valid content-type",
            None,
        ),
        (r#"{"title":"Only a title"}"#, "Only a title", None),
        (
            r#"{"code":"X-1","description":"catalog words"}"#,
            "catalog words",
            Some("X-1"),
        ),
        (r#"{"odd":[1]}"#, r#"{"odd":[1]}"#, None),
        ("plain\r\nwords", "plain words", None),
        ("", "Bad Request", None),
        ("[]", "[]", None),
    ] {
        let error = of(&Method::GET, 400, body);
        assert_eq!(
            (error.detail.as_str(), error.code.as_deref()),
            (detail, code),
            "{body}"
        );
    }
}

#[test]
fn a_page_keeps_its_status_and_never_proves_that_an_object_is_gone() {
    let page = "<html><head><TITLE>502 Bad Gateway</TITLE></head><body>x</body></html>";
    let error = of(&Method::POST, 502, page);
    assert_eq!(
        (error.status, error.class, error.outcome_unknown),
        (Some(502), UNAVAILABLE, true)
    );
    assert!(
        error.detail.contains("502 Bad Gateway") && !error.detail.contains("body"),
        "{}",
        error.detail
    );
    assert_eq!(of(&Method::DELETE, 404, page).class, Class::Unexpected);
    assert_eq!(of(&Method::DELETE, 404, "").class, Class::NotFound);
}

#[test]
fn only_a_write_without_a_definite_refusal_has_an_unknown_outcome() {
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for (status, unknown) in [
            (301, true),
            (400, false),
            (404, false),
            (408, true),
            (412, false),
            (429, false),
            (500, true),
            (503, true),
        ] {
            assert_eq!(
                of(&method, status, "").outcome_unknown,
                unknown,
                "{method} {status}"
            );
        }
    }
    assert!(!of(&Method::GET, 503, "").outcome_unknown);
}

#[test]
fn a_refused_token_is_told_from_other_refusals() {
    let refused = |status, body: &str| token_refused(&of(&Method::POST, status, body));
    assert!(refused(401, ""));
    assert!(refused(
        401,
        r#"{"error_code":"401013","message":"Oauth token is not valid"}"#
    ));
    assert!(refused(403, r#"{"error_code":"401013","message":"m"}"#));
    assert!(refused(400, &flow_body("FLOW-2114-400")) && refused(400, &flow_body("FLOW-2115-400")));
    assert!(!refused(403, r#"{"error_code":"403025","message":"m"}"#));
    assert!(!refused(400, &flow_body("FLOW-1425-400")) && !refused(500, "") && !refused(403, ""));
}

#[test]
fn retry_after_is_seconds_or_a_date_measured_by_the_answers_own_clock() {
    let wait = |pairs: &[_]| retry_after(&headers(pairs));
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(
        wait(&[("retry-after", " 7 ")]),
        Some(Duration::from_secs(7))
    );
    assert_eq!(
        wait(&[
            ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"),
            ("date", date)
        ]),
        Some(Duration::from_secs(30))
    );
    assert_eq!(
        wait(&[
            ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"),
            ("date", date)
        ]),
        Some(Duration::ZERO)
    );
    assert_eq!(wait(&[("retry-after", date)]), None);
    assert_eq!(wait(&[("retry-after", "soon"), ("date", date)]), None);
    assert_eq!(wait(&[("retry-after", "999999999")]), Some(RETRY_AFTER_MAX));
    assert_eq!(wait(&[]), None);
    let throttled = classify(
        "op",
        &Method::POST,
        StatusCode::TOO_MANY_REQUESTS,
        &headers(&[("retry-after", "3")]),
        b"",
    );
    assert_eq!(throttled.retry_after(), Some(Duration::from_secs(3)));
    let down = classify(
        "op",
        &Method::POST,
        StatusCode::SERVICE_UNAVAILABLE,
        &headers(&[("retry-after", "3")]),
        b"",
    );
    assert_eq!(down.retry_after(), Some(Duration::from_secs(3)));
}

#[test]
fn the_request_id_of_the_header_serves_when_the_body_has_none() {
    let error = classify(
        "op",
        &Method::GET,
        StatusCode::BAD_GATEWAY,
        &headers(&[("x-request-id", "hdr-1")]),
        b"<html>",
    );
    assert_eq!(error.request_id.as_deref(), Some("hdr-1"));
}

#[test]
fn secrets_are_taken_out_before_the_words_are_cut() {
    // The secret lies across the cut: cutting first would leave half of it.
    let body = format!(
        r#"{{"message":"{} s3cr3t-token","error_code":"s3cr3t-token"}}"#,
        "x".repeat(DETAIL_CHARS - 8)
    );
    let error = classify_redacted(
        "op",
        &Method::GET,
        StatusCode::BAD_REQUEST,
        &HeaderMap::new(),
        body.as_bytes(),
        &["s3cr3t-token", ""],
    );
    assert!(!format!("{error:?}").contains("s3cr"), "{error:?}");
    assert!(error.detail.chars().count() <= DETAIL_CHARS);
}

#[test]
fn ims_refusals_are_told_apart() {
    let ims = |status: u16, body: &str| {
        classify_ims(
            "request_token",
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
            &["hunter2"],
        )
    };
    let body = r#"{"error":"invalid_client","error_description":"invalid client_secret parameter hunter2"}"#;
    for status in [400, 401, 403] {
        let error = ims(status, body);
        assert_eq!(
            (error.class, error.code.as_deref()),
            (Class::Credentials, Some("invalid_client"))
        );
        assert_eq!(error.detail, "invalid client_secret parameter [redacted]");
    }
    assert_eq!(ims(401, "").class, Class::Credentials);
    assert_eq!(ims(403, "<html>blocked</html>").class, Class::Unexpected);
    assert_eq!(ims(404, body).class, Class::Unexpected);
    assert_eq!(ims(302, "").class, Class::Unexpected);
    assert_eq!(ims(429, "").class, Class::Throttled { retry_after: None });
    assert_eq!(ims(503, "<html>").class, UNAVAILABLE);
    assert!(!ims(503, "").outcome_unknown);
}

#[test]
fn the_registry_s_reasons_are_kept_whatever_shape_they_have() {
    let body = r#"{"type":"http://ns.adobe.com/aep/errors/XDM-1999-400","title":"t","status":400,"detail":"the words",
        "report":{"registryRequestId":"reg-1","detailed-message":"the words","sub-errors":
            ["plain", {"message": "field a"}, {"detail": "field b", "code": 1}, {"odd": 1}, 7, "the words"]}}"#;
    let error = of(&Method::PATCH, 400, body);
    assert_eq!(error.detail, "the words; plain; field a; field b");
    assert_eq!(
        (error.class, error.outcome_unknown, error.is_title_taken()),
        (Class::Rejected, false, false)
    );
}

#[test]
fn a_taken_title_is_told_by_its_code() {
    let body = r#"{"type":"http://ns.adobe.com/aep/errors/XDM-1521-400","title":"Title not unique","status":400,
        "detail":"The title must be unique; it is already used by https://ns.adobe.com/t/schemas/9b"}"#;
    let error = of(&Method::POST, 400, body);
    assert!(error.is_title_taken());
    assert!(error.detail.contains("https://ns.adobe.com/t/schemas/9b"));
    assert_eq!(error.class, Class::Rejected);
}
