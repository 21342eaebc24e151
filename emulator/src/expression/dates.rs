//! Dates: Java patterns written and read, always in UTC. A date travels through an expression as its ISO
//! text.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use serde_json::Value;

/// `dformat`: epoch milliseconds by a pattern.
pub(super) fn format_millis(millis: &Value, pattern: &Value) -> Result<Value, String> {
    let millis = match millis {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| format!("{millis} is not a time in milliseconds"))?;
    write(millis, text(pattern)?).map(Value::String)
}

/// `format`: a date by a pattern.
pub(super) fn format_date(date: &Value, pattern: &Value) -> Result<Value, String> {
    if date.is_null() {
        return Ok(Value::Null);
    }
    write(read_iso(text(date)?)?, text(pattern)?).map(Value::String)
}

/// `date`: a text by a pattern, or a default.
pub(super) fn date(
    source: &Value,
    pattern: Option<&Value>,
    default: Option<&Value>,
) -> Result<Value, String> {
    let millis = match (source, pattern) {
        (Value::Null, _) => None,
        (Value::Number(number), None) => number.as_i64(),
        (Value::String(source), Some(Value::String(pattern))) => Some(read(source, pattern)?),
        (Value::String(source), None) => Some(read_iso(source)?),
        _ => return Err(format!("{source} is not a date")),
    };
    match (millis, default) {
        (Some(millis), _) => iso(millis).map(Value::String),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Ok(Value::Null),
    }
}

/// Epoch milliseconds as ISO text.
pub(crate) fn iso(millis: i64) -> Result<String, String> {
    write(millis, "yyyy-MM-dd'T'HH:mm:ss.SSSX")
}

/// ISO text as epoch milliseconds.
pub(crate) fn read_iso(text: &str) -> Result<i64, String> {
    let wrong = || format!("'{text}' is not a date");
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_millisecond());
    }
    let local: DateTime = text.parse().map_err(|_| wrong())?;
    Ok(local
        .to_zoned(TimeZone::UTC)
        .map_err(|_| wrong())?
        .timestamp()
        .as_millisecond())
}

fn text(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("{value} is not a text"))
}

/// A piece of a pattern.
enum Piece {
    Field(char, usize),
    Literal(String),
}

/// Takes a Java pattern apart: runs of letters, literals in quotes, two quotes for one.
fn pieces(pattern: &str) -> Result<Vec<Piece>, String> {
    let letters: Vec<char> = pattern.chars().collect();
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        if letter == '\'' {
            let mut literal = String::new();
            at += 1;
            if letters.get(at) == Some(&'\'') {
                literal.push('\'');
                at += 1;
            } else {
                loop {
                    match (letters.get(at), letters.get(at + 1)) {
                        (Some('\''), Some('\'')) => {
                            literal.push('\'');
                            at += 2;
                        }
                        (Some('\''), _) => {
                            at += 1;
                            break;
                        }
                        (Some(letter), _) => {
                            literal.push(*letter);
                            at += 1;
                        }
                        (None, _) => {
                            return Err(format!("A quote is not closed in the pattern {pattern}"));
                        }
                    }
                }
            }
            pieces.push(Piece::Literal(literal));
        } else if letter.is_ascii_alphabetic() {
            let run = letters[at..]
                .iter()
                .take_while(|next| **next == letter)
                .count();
            if !"yuMdHhmsSXxZzaED".contains(letter) {
                return Err(format!("Unknown letter {letter} in the pattern {pattern}"));
            }
            pieces.push(Piece::Field(letter, run));
            at += run;
        } else {
            pieces.push(Piece::Literal(letter.to_string()));
            at += 1;
        }
    }
    Ok(pieces)
}

fn write(millis: i64, pattern: &str) -> Result<String, String> {
    let moment =
        Timestamp::from_millisecond(millis).map_err(|_| format!("{millis} is out of range"))?;
    let date = Offset::UTC.to_datetime(moment);
    let mut out = String::new();
    for piece in pieces(pattern)? {
        let (letter, run) = match piece {
            Piece::Literal(literal) => {
                out.push_str(&literal);
                continue;
            }
            Piece::Field(letter, run) => (letter, run),
        };
        let number = |value: i64| format!("{value:0run$}");
        let month = || date.strftime(if run > 3 { "%B" } else { "%b" }).to_string();
        let field = match letter {
            'y' | 'u' if run == 2 => format!("{:02}", date.year().rem_euclid(100)),
            'y' | 'u' => number(date.year().into()),
            'M' if run > 2 => month(),
            'M' => number(date.month().into()),
            'd' => number(date.day().into()),
            'D' => number(date.date().day_of_year().into()),
            'H' => number(date.hour().into()),
            'h' => number(i64::from((date.hour() + 11) % 12 + 1)),
            'm' => number(date.minute().into()),
            's' => number(date.second().into()),
            'S' => format!("{:09}", date.subsec_nanosecond())
                .chars()
                .chain(std::iter::repeat('0'))
                .take(run)
                .collect(),
            'X' => "Z".to_owned(),
            'x' => match run {
                1 => "+00",
                3 | 5 => "+00:00",
                _ => "+0000",
            }
            .to_owned(),
            'Z' => "+0000".to_owned(),
            'z' => "UTC".to_owned(),
            'a' => if date.hour() < 12 { "AM" } else { "PM" }.to_owned(),
            _ => date.strftime(if run > 3 { "%A" } else { "%a" }).to_string(),
        };
        out.push_str(&field);
    }
    Ok(out)
}

fn read(source: &str, pattern: &str) -> Result<i64, String> {
    let wrong = || format!("'{source}' does not fit the pattern {pattern}");
    let (mut year, mut month, mut day, mut hour, mut minute, mut second, mut nanos) =
        (1970, 1, 1, 0, 0, 0, 0_i32);
    let (mut afternoon, mut offset) = (None, 0_i64);
    let mut rest = source;
    for piece in pieces(pattern)? {
        match piece {
            Piece::Literal(literal) => {
                rest = rest.strip_prefix(literal.as_str()).ok_or_else(wrong)?;
            }
            Piece::Field('X' | 'x' | 'Z', _) => {
                let (taken, after) = zone(rest).ok_or_else(wrong)?;
                (offset, rest) = (taken, after);
            }
            Piece::Field('a', _) => {
                let half = rest.get(..2).ok_or_else(wrong)?;
                afternoon = Some(half.eq_ignore_ascii_case("pm"));
                rest = &rest[2..];
            }
            Piece::Field(letter @ ('y' | 'u' | 'M' | 'd' | 'H' | 'h' | 'm' | 's' | 'S'), run)
                if letter != 'M' || run < 3 =>
            {
                let most = if run == 1 { 4 } else { run };
                let digits = rest
                    .chars()
                    .take(most)
                    .take_while(char::is_ascii_digit)
                    .count();
                let value: i32 = rest[..digits].parse().map_err(|_| wrong())?;
                rest = &rest[digits..];
                match letter {
                    'y' | 'u' => year = if run == 2 { 2000 + value } else { value },
                    'M' => month = value,
                    'd' => day = value,
                    'H' | 'h' => hour = value,
                    'm' => minute = value,
                    's' => second = value,
                    _ => {
                        let scale = 9_u32.saturating_sub(u32::try_from(digits).unwrap_or(9));
                        nanos = value.saturating_mul(10_i32.saturating_pow(scale));
                    }
                }
            }
            Piece::Field(letter, _) => {
                return Err(format!("The letter {letter} cannot be read in a pattern"));
            }
        }
    }
    if !rest.is_empty() {
        return Err(wrong());
    }
    if let Some(afternoon) = afternoon {
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let small = |value: i32| i8::try_from(value).map_err(|_| wrong());
    let year = i16::try_from(year).map_err(|_| wrong())?;
    let local = DateTime::new(
        year,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        nanos,
    )
    .map_err(|_| wrong())?;
    let moment = local
        .to_zoned(TimeZone::UTC)
        .map_err(|_| wrong())?
        .timestamp();
    Ok(moment.as_millisecond() - offset * 60_000)
}

/// `Z`, `+01`, `+0100` or `+01:00`, in minutes.
fn zone(rest: &str) -> Option<(i64, &str)> {
    if let Some(after) = rest.strip_prefix('Z') {
        return Some((0, after));
    }
    let sign = match rest.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let hours: i64 = rest.get(1..3)?.parse().ok()?;
    let after = &rest[3..];
    let minutes = after.strip_prefix(':').unwrap_or(after);
    match minutes
        .get(..2)
        .and_then(|digits| digits.parse::<i64>().ok())
    {
        Some(value) => Some((sign * (hours * 60 + value), &minutes[2..])),
        None => Some((sign * hours * 60, after)),
    }
}
