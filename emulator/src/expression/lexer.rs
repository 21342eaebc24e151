//! Text to tokens.

/// A token of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(String),
    Text(String),
    /// A name or a path, with `${...}` quoting already taken off.
    Name(String),
    /// One part of a path that was written `${...}`: its dots are no separators.
    Quoted(String),
    Symbol(&'static str),
}

const SYMBOLS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "(", ")", "[", "]", ",", ".", "+", "-", "*", "/", "%", "<",
    ">", "!", "?", ":",
];

/// Splits an expression; the error says where it cannot be read.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else if first.is_ascii_digit() {
            let end = rest
                .find(|letter: char| !(letter.is_ascii_digit() || letter == '.'))
                .unwrap_or(rest.len());
            tokens.push(Token::Number(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if first == '"' || first == '\'' {
            let (value, after) = quoted(&rest[1..], first)?;
            tokens.push(Token::Text(value));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let end = after.find('}').ok_or("A ${ is not closed")?;
            tokens.push(Token::Quoted(after[..end].to_owned()));
            rest = &after[end + 1..];
        } else if first.is_alphabetic() || first == '_' || first == '$' || first == '@' {
            let end = rest
                .find(|letter: char| !is_name(letter))
                .unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            return Err(format!("Unexpected character '{first}'"));
        }
    }
    Ok(tokens)
}

/// Letters of a plain attribute name.
pub(super) fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '$' | '@')
}

/// A text literal up to its closing quote; a backslash keeps the next character.
fn quoted(rest: &str, quote: char) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            letter if letter == quote => return Ok((value, &rest[at + quote.len_utf8()..])),
            letter => value.push(letter),
        }
    }
    Err("A text literal is not closed".to_owned())
}
