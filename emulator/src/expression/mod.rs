//! The language of calculated fields: text to tree (`lexer`, `parser`), tree and event to value (`eval`,
//! `functions`, `dates`). The subset of Data Prep's language that its public function list names for this
//! job; an unknown function is an invalid expression.

mod dates;
mod eval;
mod functions;
mod lexer;
mod parser;
mod path;
#[cfg(test)]
mod tests;

pub(crate) use dates::{iso, read_iso};
pub(crate) use eval::{Scope, evaluate};
pub(crate) use functions::CATALOGUE;
pub(crate) use parser::{Expr, parse};
pub(crate) use path::Path;

/// Longest calculated field, in characters.
pub(crate) const MAX_LENGTH: usize = 4096;
