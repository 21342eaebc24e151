//! Takes secrets out of words that are not ours, should a service ever repeat what it was sent.
//!
//! It was sent the secret in a form or in JSON, and may repeat it in that spelling or in another: each character is
//! looked for as it is, percent-encoded and with JSON's escapes.

const MARK: &[u8] = b"[redacted]";

/// The text with a mark in place of every secret.
pub(super) fn redact(text: String, secrets: &[&str]) -> String {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    secrets.fold(text, |text, secret| without(&text, secret))
}

fn without(text: &str, secret: &str) -> String {
    let mut rest = text.as_bytes();
    let mut kept = Vec::with_capacity(rest.len());
    while let [first, others @ ..] = rest {
        if let Some(length) = spelled(rest, secret.as_bytes()) {
            kept.extend_from_slice(MARK);
            rest = &rest[length..];
        } else {
            kept.push(*first);
            rest = others;
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// How much of the text's beginning is the secret, in whichever spelling.
fn spelled(text: &[u8], secret: &[u8]) -> Option<usize> {
    if text.starts_with(secret) {
        return Some(secret.len());
    }
    secret
        .iter()
        .try_fold(0, |at, byte| Some(at + escaped(&text[at..], *byte)?))
}

/// How much of the text's beginning is this byte.
fn escaped(text: &[u8], byte: u8) -> Option<usize> {
    let is = |high: &u8, low: &u8| {
        let digit = |it: &u8| char::from(*it).to_digit(16);
        digit(high)
            .zip(digit(low))
            .map(|(high, low)| high * 16 + low)
            == Some(byte.into())
    };
    match text {
        [b'%', high, low, ..] if is(high, low) => Some(3),
        [b'\\', b'u', b'0', b'0', high, low, ..] if is(high, low) => Some(6),
        [b'\\', it, ..] if *it == byte => Some(2),
        [it, ..] if *it == byte => Some(1),
        [b'+', ..] if byte == b' ' => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_in_every_spelling() {
        let secret = "a/b+c \"d\"%é~";
        for spelling in [
            secret,
            "a%2Fb%2Bc+%22d%22%25%C3%A9%7E",
            "a%2fb%2bc%20%22d%22%25%c3%a9~",
            r#"a/b+c \"d\"%é~"#,
            r"a\/b\u002bc \u0022d\u0022%é~",
        ] {
            let text = format!("secret={spelling}&ä={spelling}");
            assert_eq!(
                redact(text, &["", secret]),
                "secret=[redacted]&ä=[redacted]"
            );
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in ["", "a/b", "a%2", "100 % of ä\\", "a%2Fc", "aab"] {
            assert_eq!(redact(text.to_owned(), &["a/bc", "ab%", ""]), text);
        }
        assert_eq!(redact("aab".to_owned(), &["ab", "b"]), "a[redacted]");
    }
}
