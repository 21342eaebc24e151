//! The pages, and what is in them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands below a heading of the second order, up to the next one.
pub(crate) fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let from = page
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("there is no {heading:?}"));
    let below = &page[from + heading.len() + 2..];
    below.find("\n## ").map_or(below, |end| &below[..end])
}

/// One page.
pub(crate) struct Page {
    /// Its path in the repository.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The README, the samples' one, and all of `docs/`, in this order.
pub(crate) fn all() -> Vec<Page> {
    let mut docs: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .collect();
    docs.sort();
    let first = ["README.md", "deploy/samples/README.md"].map(|it| root().join(it));
    first.iter().chain(&docs).map(|it| Page::at(it)).collect()
}

impl Page {
    pub(crate) fn at(path: &Path) -> Self {
        let name = path.strip_prefix(root()).unwrap_or(path);
        Self {
            name: name.display().to_string(),
            path: path.to_owned(),
            // What is no text, such as a folder or a program, has no anchors.
            text: fs::read_to_string(path).unwrap_or_default(),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap()
    }

    /// Targets within the repository.
    pub(crate) fn links(&self) -> Vec<String> {
        let targets = self.text.split("](").skip(1);
        targets
            .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
            .filter(|target| !target.contains("://"))
            .collect()
    }

    /// What forges make of the headings.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|line| {
                let title = line.trim_start_matches('#').trim().to_lowercase();
                let kept = title
                    .chars()
                    .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
                kept.map(|c| if c == ' ' { '-' } else { c }).collect()
            })
            .collect()
    }

    /// The commands in blocks of `console`: lines after `$ ` where there are such, else all but comments.
    pub(crate) fn commands(&self) -> Vec<String> {
        let blocks = self.text.split("```").skip(1).step_by(2);
        blocks
            .filter_map(|block| block.strip_prefix("console\n"))
            .flat_map(|block| {
                // A backslash at the end of a line goes on in the next one.
                let block = block.replace("\\\n", "");
                let prompted = block.lines().any(|line| line.starts_with("$ "));
                let lines = block.lines().filter_map(move |line| {
                    if prompted {
                        line.strip_prefix("$ ")
                    } else {
                        Some(line)
                    }
                });
                lines
                    .map(str::trim)
                    .filter(|line| !line.is_empty() && !line.starts_with('#'))
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}
