//! Progress for the person in front of the terminal.

use std::io::Write as _;

/// Writes one line to stderr. Not `eprintln!`: the test harness swallows that, and a build of minutes must be seen there
/// too. A closed stderr is no reason to stop.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "playground: {text}");
}
