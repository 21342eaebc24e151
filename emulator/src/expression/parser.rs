//! Tokens to tree, by precedence. Function names and numbers of arguments are checked here, so that a
//! mapping set with a bad expression is refused when it is written, not when an event comes.

use serde_json::Value;

use super::lexer::{Token, tokens};
use super::path::{Path, Step};
use super::{MAX_LENGTH, functions};

/// Deepest nesting: beyond it an expression is refused, since both parser and evaluator recurse.
const MAX_DEPTH: usize = 64;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Literal(Value),
    Path(Path),
    Call(String, Vec<Self>),
    Not(Box<Self>),
    Negate(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    Choice(Box<Self>, Box<Self>, Box<Self>),
    Array(Vec<Self>),
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Operators by precedence, weakest first.
const LEVELS: &[&[(&str, Operator)]] = &[
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("eq", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("ne", Operator::NotEqual),
    ],
    &[
        ("<=", Operator::LessOrEqual),
        ("le", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("ge", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        ("lt", Operator::Less),
        (">", Operator::Greater),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("%", Operator::Remainder),
        ("mod", Operator::Remainder),
    ],
];

/// Reads an expression; the error says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    if text.chars().count() > MAX_LENGTH {
        return Err(format!(
            "The expression is longer than {MAX_LENGTH} characters"
        ));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let expr = parser.expression()?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(format!("Unexpected {} after the expression", show(token))),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

fn show(token: &Token) -> String {
    match token {
        Token::Number(text) | Token::Name(text) => format!("'{text}'"),
        Token::Text(text) => format!("\"{text}\""),
        Token::Quoted(text) => format!("'${{{text}}}'"),
        Token::Symbol(symbol) => format!("'{symbol}'"),
    }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(next)) if *next == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.accept(symbol) {
            return Ok(());
        }
        match self.peek() {
            Some(token) => Err(format!("Expected '{symbol}' before {}", show(token))),
            None => Err(format!("Expected '{symbol}' at the end")),
        }
    }

    fn expression(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("The expression is nested too deeply".to_owned());
        }
        let condition = self.level(0)?;
        let expr = if self.accept("?") {
            let yes = self.expression()?;
            self.expect(":")?;
            Expr::Choice(
                Box::new(condition),
                Box::new(yes),
                Box::new(self.expression()?),
            )
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn level(&mut self, level: usize) -> Result<Expr, String> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        while let Some(operator) = self.operator(operators) {
            let right = self.level(level + 1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        let word = match self.peek()? {
            Token::Symbol(symbol) => symbol,
            Token::Name(name) => name.as_str(),
            _ => return None,
        };
        let operator = operators.iter().find(|(symbol, _)| *symbol == word)?.1;
        self.at += 1;
        Some(operator)
    }

    fn unary(&mut self) -> Result<Expr, String> {
        let not =
            self.accept("!") || matches!(self.peek(), Some(Token::Name(name)) if name == "not");
        if not {
            self.at += usize::from(matches!(self.peek(), Some(Token::Name(name)) if name == "not"));
        }
        if not || self.accept("-") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err("The expression is nested too deeply".to_owned());
            }
            let inner = Box::new(self.unary()?);
            self.depth -= 1;
            return Ok(if not {
                Expr::Not(inner)
            } else {
                Expr::Negate(inner)
            });
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr, String> {
        match self.take() {
            Some(Token::Number(text)) => number(&text),
            Some(Token::Text(text)) => Ok(Expr::Literal(Value::String(text))),
            Some(Token::Symbol("(")) => {
                let expr = self.expression()?;
                self.expect(")")?;
                Ok(expr)
            }
            Some(Token::Symbol("[")) => Ok(Expr::Array(self.list("]")?)),
            Some(Token::Name(name)) => match name.as_str() {
                "true" => Ok(Expr::Literal(Value::Bool(true))),
                "false" => Ok(Expr::Literal(Value::Bool(false))),
                "null" => Ok(Expr::Literal(Value::Null)),
                _ if self.accept("(") => {
                    let arguments = self.list(")")?;
                    functions::check(&name, arguments.len())?;
                    Ok(Expr::Call(name, arguments))
                }
                _ => self.path(name),
            },
            Some(Token::Quoted(name)) => self.path(name),
            Some(token) => Err(format!("Unexpected {}", show(&token))),
            None => Err("The expression ends too early".to_owned()),
        }
    }

    fn list(&mut self, close: &str) -> Result<Vec<Expr>, String> {
        let mut list = Vec::new();
        if self.accept(close) {
            return Ok(list);
        }
        loop {
            list.push(self.expression()?);
            if self.accept(close) {
                return Ok(list);
            }
            self.expect(",")?;
        }
    }

    fn path(&mut self, first: String) -> Result<Expr, String> {
        let mut steps = vec![Step::Name(first)];
        loop {
            if self.accept(".") {
                match self.take() {
                    Some(Token::Name(name) | Token::Quoted(name)) => steps.push(Step::Name(name)),
                    _ => return Err("A path ends with a dot".to_owned()),
                }
            } else if self.accept("[") {
                steps.push(match self.take() {
                    Some(Token::Symbol("*")) => Step::All,
                    Some(Token::Number(index)) => Step::Index(
                        index
                            .parse()
                            .map_err(|_| format!("'{index}' is not an array index"))?,
                    ),
                    _ => return Err("An array index must be a number or *".to_owned()),
                });
                self.expect("]")?;
            } else {
                return Ok(Expr::Path(Path { steps }));
            }
        }
    }
}

fn number(text: &str) -> Result<Expr, String> {
    let invalid = || format!("'{text}' is not a number");
    let value = if text.contains('.') {
        Value::from(text.parse::<f64>().map_err(|_| invalid())?)
    } else {
        Value::from(text.parse::<i64>().map_err(|_| invalid())?)
    };
    Ok(Expr::Literal(value))
}
