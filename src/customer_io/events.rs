//! The events that a webhook can ask for, and what patterns make of them.
//!
//! Facts: the App API specification's list of 72 names, as of 2026-09. The list grows with Customer.io, so a name
//! that is not in it is passed on and reported, not refused.

use std::collections::BTreeSet;

/// Every event of the App API's specification, in order.
pub const EVENTS: [&str; 72] = [
    "customer_subscribed",
    "customer_subscription_preferences_changed",
    "customer_unsubscribed",
    "email_attempted",
    "email_bounced",
    "email_clicked",
    "email_converted",
    "email_deferred",
    "email_delivered",
    "email_drafted",
    "email_dropped",
    "email_failed",
    "email_opened",
    "email_sent",
    "email_spammed",
    "email_undeliverable",
    "email_unsubscribed",
    "in_app_attempted",
    "in_app_clicked",
    "in_app_converted",
    "in_app_drafted",
    "in_app_failed",
    "in_app_opened",
    "in_app_sent",
    "in_app_undeliverable",
    "push_attempted",
    "push_bounced",
    "push_clicked",
    "push_converted",
    "push_delivered",
    "push_drafted",
    "push_dropped",
    "push_failed",
    "push_opened",
    "push_sent",
    "push_undeliverable",
    "slack_attempted",
    "slack_clicked",
    "slack_converted",
    "slack_drafted",
    "slack_failed",
    "slack_sent",
    "sms_attempted",
    "sms_bounced",
    "sms_clicked",
    "sms_converted",
    "sms_delivered",
    "sms_drafted",
    "sms_dropped",
    "sms_failed",
    "sms_replied",
    "sms_sent",
    "sms_undeliverable",
    "webhook_attempted",
    "webhook_clicked",
    "webhook_converted",
    "webhook_drafted",
    "webhook_failed",
    "webhook_sent",
    "webhook_undeliverable",
    "whatsapp_attempted",
    "whatsapp_bounced",
    "whatsapp_clicked",
    "whatsapp_converted",
    "whatsapp_delivered",
    "whatsapp_drafted",
    "whatsapp_dropped",
    "whatsapp_failed",
    "whatsapp_opened",
    "whatsapp_replied",
    "whatsapp_sent",
    "whatsapp_undeliverable",
];

/// What patterns come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The events to ask for, sorted, each once. Empty, which the App API refuses, if no pattern matches anything.
    pub events: Vec<String>,
    /// What is likely a mistake, in the order given: names that are not in [`EVENTS`], though asked for all the
    /// same, and patterns that match none of them.
    pub unknown: Vec<String>,
}

/// Resolves names and patterns. In a pattern `*` stands for any run of characters, also none: `email_*`,
/// `*_clicked`, `*`. Case counts; white space around does not.
pub fn resolve<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Resolved {
    let (mut events, mut unknown) = (BTreeSet::new(), Vec::new());
    for pattern in patterns {
        let pattern = pattern.as_ref().trim();
        let matching: Vec<&str> = EVENTS
            .into_iter()
            .filter(|event| matches(pattern, event))
            .collect();
        if matching.is_empty() && !unknown.iter().any(|it| it == pattern) {
            unknown.push(pattern.to_owned());
        }
        if matching.is_empty() && !pattern.is_empty() && !pattern.contains('*') {
            events.insert(pattern.to_owned());
        }
        events.extend(matching.into_iter().map(str::to_owned));
    }
    Resolved {
        events: events.into_iter().collect(),
        unknown,
    }
}

/// The pieces between the stars, each found at its first place: the earliest leaves most for the next.
fn matches(pattern: &str, event: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == event;
    };
    let Some(mut left) = event.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(patterns: &[&str]) -> Vec<String> {
        resolve(patterns).events
    }

    #[test]
    fn the_catalogue_is_sorted_and_has_every_name_once() {
        assert!(EVENTS.is_sorted_by(|one, other| one < other));
        assert_eq!(names(&["*"]), EVENTS);
        let families = [
            "customer_*",
            "email_*",
            "in_app_*",
            "push_*",
            "slack_*",
            "sms_*",
            "whatsapp_*",
            "webhook_*",
        ];
        let sizes = families.map(|family| names(&[family]).len());
        assert_eq!(sizes, [3, 14, 8, 11, 6, 11, 12, 7]);
        assert_eq!(names(&families), EVENTS);
    }

    #[test]
    fn patterns_and_names_come_to_a_sorted_list_without_repetition() {
        let resolved = resolve([
            "slack_*",
            "customer_subscribed",
            "*_clicked",
            "slack_sent",
            " sms_*d ",
        ]);
        assert_eq!(
            resolved.events,
            [
                "customer_subscribed",
                "email_clicked",
                "in_app_clicked",
                "push_clicked",
                "slack_attempted",
                "slack_clicked",
                "slack_converted",
                "slack_drafted",
                "slack_failed",
                "slack_sent",
                "sms_attempted",
                "sms_bounced",
                "sms_clicked",
                "sms_converted",
                "sms_delivered",
                "sms_drafted",
                "sms_dropped",
                "sms_failed",
                "sms_replied",
                "webhook_clicked",
                "whatsapp_clicked",
            ]
        );
        assert!(resolved.unknown.is_empty());
    }

    #[test]
    fn an_unknown_name_is_asked_for_and_reported_and_a_pattern_without_a_match_only_reported() {
        let resolved = resolve([
            "email_teleported",
            "fax_*",
            "Email_*",
            "push_sent",
            "fax_*",
            "",
        ]);
        assert_eq!(resolved.events, ["email_teleported", "push_sent"]);
        assert_eq!(
            resolved.unknown,
            ["email_teleported", "fax_*", "Email_*", ""]
        );
        let none = resolve(["fax_*"]);
        assert!(none.events.is_empty());
    }

    #[test]
    fn pieces_of_a_pattern_do_not_overlap() {
        for (pattern, event, fits) in [
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("*", "", true),
            ("**", "x", true),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "xbxax", false),
            ("a*bc*bc", "abc", false),
            ("a*bc*bc", "abcbc", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, event), fits, "{pattern} {event}");
        }
    }

    proptest! {
        /// Against the same thing said as a regular expression would be overkill: against the definition.
        #[test]
        fn a_pattern_matches_as_its_definition_says(pattern in "[ab*]{0,6}", event in "[ab]{0,8}") {
            fn defined(pattern: &[u8], event: &[u8]) -> bool {
                match (pattern.first(), event.first()) {
                    (None, first) => first.is_none(),
                    (Some(b'*'), _) => (0..=event.len()).any(|skip| defined(&pattern[1..], &event[skip..])),
                    (Some(one), Some(other)) => one == other && defined(&pattern[1..], &event[1..]),
                    (Some(_), None) => false,
                }
            }
            prop_assert_eq!(matches(&pattern, &event), defined(pattern.as_bytes(), event.as_bytes()));
        }

        #[test]
        fn resolving_what_was_resolved_changes_nothing(patterns in prop::collection::vec("[a-z_*]{0,12}", 0..6)) {
            let once = resolve(&patterns);
            prop_assert_eq!(&resolve(&once.events).events, &once.events);
        }
    }
}
