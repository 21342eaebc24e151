//! The documentation against what it is about: reasons, alerts, fields, commands, links.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step fails the test, also in a helper"
)]

mod argo_cd;
mod commands;
mod pages;

use std::collections::BTreeSet;

use pages::{Page, all, read, section};

/// The words in backticks in the first cells of a section's tables.
fn first_cells(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    rows.flat_map(|row| {
        let cell = row.split(" | ").next().unwrap_or_default();
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn every_reason_has_its_cause_and_remedy_and_no_other_has() {
    let code = read("src/resources/conditions.rs");
    let reasons: BTreeSet<String> = code
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => \""))
        .filter_map(|(_, word)| Some(word.strip_suffix("\",")?.to_owned()))
        .collect();
    assert!(
        reasons.contains("Succeeded"),
        "the code is read: {reasons:?}"
    );
    let page = read("docs/operations.md");
    let mut told = first_cells(section(&page, "## Reasons"));
    told.extend(first_cells(section(&page, "## Do events land?")));
    assert_eq!(
        told, reasons,
        "rows of docs/operations.md, reasons of the code"
    );
}

#[test]
fn every_alert_has_its_runbook_and_no_other_has() {
    let rules = read("deploy/helm/aep-operator/files/alerts.yaml");
    let alerts: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(!alerts.is_empty());
    let page = read("docs/operations.md");
    let runbooks: BTreeSet<&str> = section(&page, "## Alerts")
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    assert_eq!(
        runbooks, alerts,
        "headings of docs/operations.md, alerts of the chart"
    );
}

#[test]
fn the_field_reference_is_what_the_definitions_say() {
    let page = playground::fields::page().unwrap();
    let path = "docs/fields.md";
    assert!(page == read(path), "{path} is old: run .ci/generate");
}

#[test]
fn every_link_leads_somewhere() {
    for page in all() {
        for target in page.links() {
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() {
                page.path.clone()
            } else {
                page.folder().join(file)
            };
            assert!(path.exists(), "{} links to {target}", page.name);
            if !anchor.is_empty() {
                let anchors = Page::at(&path).anchors();
                assert!(
                    anchors.contains(anchor),
                    "{} links to {target}; there are {anchors:?}",
                    page.name
                );
            }
        }
    }
}

#[test]
fn every_page_can_be_found_from_the_readme() {
    let readme = read("README.md");
    for page in all().iter().filter(|it| it.name.starts_with("docs/")) {
        assert!(
            readme.contains(&page.name),
            "README.md does not name {}",
            page.name
        );
    }
}
