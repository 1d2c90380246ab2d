//! Reads Rust text as far as the architecture test needs: words without comments and strings,
//! paths with their groups taken apart, modules declared, and what is test code.
//!
//! It is no parser. Code that hides a name from it (a macro that pastes identifiers) would hide it
//! from a reader too, and has no place here.

/// A word, literal or mark, and the line it stands on (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub line: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier, keyword or number.
    Word(String),
    /// A string literal, without its quotes.
    Text(String),
    /// `::`
    Separator,
    /// Any other character.
    Mark(char),
}

impl Token {
    pub fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own == word)
    }

    pub fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    pub fn is_separator(&self) -> bool {
        self.kind == Kind::Separator
    }

    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// A path as written, one for each leaf of its groups: `a::{b, c::d}` is `a::b` and `a::c::d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub line: usize,
    pub segments: Vec<String>,
    /// Modules opened inside the file around it.
    pub inside: Vec<String>,
    /// It stands in code that only tests compile.
    pub test: bool,
    /// `as` follows.
    pub renamed: bool,
}

/// A module that lies in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    pub name: String,
    /// `#[path = "…"]`.
    pub at: Option<String>,
    pub inside: Vec<String>,
    pub test: bool,
}

/// What the rules look at in one file.
#[derive(Debug, Default)]
pub struct Scan {
    pub tokens: Vec<Token>,
    pub paths: Vec<Path>,
    pub declared: Vec<Declared>,
}

/// Reads one file.
pub fn scan(text: &str) -> Scan {
    let tokens = tokens(text);
    let mut scan = Scan::default();
    let mut blocks: Vec<Block> = Vec::new();
    let mut attribute = Attribute::default();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        let inside = || blocks.iter().filter_map(|block| block.module.clone()).collect();
        let test = attribute.test || blocks.iter().any(|block| block.test);
        match rest {
            [hash, open, ..] if hash.is_mark('#') && open.is_mark('[') => {
                let length = closing(rest, 1, ('[', ']')) + 1;
                attribute.read(&rest[..length]);
                at += length;
                continue;
            }
            [key, Token { kind: Kind::Word(name), .. }, end, ..]
                if key.is_word("mod") && end.is_mark(';') =>
            {
                let (name, at) = (name.clone(), attribute.path.take());
                scan.declared.push(Declared { name, at, inside: inside(), test });
                attribute = Attribute::default();
            }
            [key, Token { kind: Kind::Word(name), .. }, open, ..]
                if key.is_word("mod") && open.is_mark('{') =>
            {
                blocks.push(Block { module: Some(name.clone()), test });
                attribute = Attribute::default();
                at += 3;
                continue;
            }
            [open, ..] if open.is_mark('{') => {
                blocks.push(Block { module: None, test });
                attribute = Attribute::default();
            }
            [close, ..] if close.is_mark('}') => {
                blocks.pop();
            }
            [end, ..] if end.is_mark(';') => attribute = Attribute::default(),
            [Token { kind: Kind::Word(_), line }, ..] => {
                let (length, found) = leaves(rest);
                let (line, inside): (_, Vec<_>) = (*line, inside());
                let renamed = rest.get(length).is_some_and(|next| next.is_word("as"));
                scan.paths.extend(found.into_iter().map(|segments| {
                    let inside = inside.clone();
                    Path { line, segments, inside, test, renamed }
                }));
                at += length;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    scan.tokens = tokens;
    scan
}

struct Block {
    module: Option<String>,
    test: bool,
}

/// Attributes that wait for their item.
#[derive(Default)]
struct Attribute {
    test: bool,
    path: Option<String>,
}

impl Attribute {
    fn read(&mut self, tokens: &[Token]) {
        let is_cfg = tokens.iter().any(|t| t.is_word("cfg"));
        let is_negated = tokens.windows(3).any(|t| t[0].is_word("not") && t[2].is_word("test"));
        self.test |= is_cfg && !is_negated && tokens.iter().any(|t| t.is_word("test"));
        if tokens.iter().any(|t| t.is_word("path")) {
            self.path = tokens.iter().find_map(|t| match &t.kind {
                Kind::Text(text) => Some(text.clone()),
                _ => None,
            });
        }
    }
}

/// Where the bracket that opens at `from` closes, or the last token.
fn closing(tokens: &[Token], from: usize, (open, close): (char, char)) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        depth += usize::from(token.is_mark(open));
        depth -= usize::from(token.is_mark(close));
        if depth == 0 {
            return at;
        }
    }
    tokens.len() - 1
}

/// The paths that begin at the first token, a word, and how many tokens they take.
fn leaves(tokens: &[Token]) -> (usize, Vec<Vec<String>>) {
    let mut stem = vec![tokens[0].word().unwrap_or_default().to_owned()];
    let mut at = 1;
    loop {
        let [separator, next, ..] = &tokens[at..] else { return (at, vec![stem]) };
        if !separator.is_separator() {
            return (at, vec![stem]);
        }
        match &next.kind {
            Kind::Word(word) => stem.push(word.clone()),
            Kind::Mark('*') => {
                stem.push("*".to_owned());
                return (at + 2, vec![stem]);
            }
            Kind::Mark('{') => {
                let end = at + 1 + closing(&tokens[at + 1..], 0, ('{', '}'));
                return (end + 1, group(&stem, &tokens[at + 2..end]));
            }
            _ => return (at, vec![stem]),
        }
        at += 2;
    }
}

/// The leaves of `stem::{tokens}`.
fn group(stem: &[String], tokens: &[Token]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (length, tails) = match &tokens[at].kind {
            Kind::Word(word) if word == "as" => (2, Vec::new()),
            Kind::Word(word) if word == "self" => (1, vec![Vec::new()]),
            Kind::Word(_) => leaves(&tokens[at..]),
            Kind::Mark('*') => (1, vec![vec!["*".to_owned()]]),
            _ => (1, Vec::new()),
        };
        found.extend(tails.into_iter().map(|tail| [stem, &tail].concat()));
        at += length;
    }
    found
}

/// Words, strings and marks; comments are gone.
fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Cursor { rest: text, line: 1 };
    let mut tokens = Vec::new();
    while let Some(first) = reader.rest.chars().next() {
        let line = reader.line;
        let kind = if reader.rest.starts_with("//") {
            reader.take(reader.rest.find('\n').unwrap_or(reader.rest.len()));
            None
        } else if reader.rest.starts_with("/*") {
            reader.block_comment();
            None
        } else if let Some(text) = reader.string() {
            Some(Kind::Text(text))
        } else if first == '\'' {
            reader.quote();
            None
        } else if first.is_alphanumeric() || first == '_' {
            Some(Kind::Word(reader.word()))
        } else if reader.rest.starts_with("::") {
            reader.take(2);
            Some(Kind::Separator)
        } else {
            reader.take(first.len_utf8());
            (!first.is_whitespace()).then_some(Kind::Mark(first))
        };
        tokens.extend(kind.map(|kind| Token { line, kind }));
    }
    tokens
}

struct Cursor<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn word(&mut self) -> String {
        let raw = self.rest.strip_prefix("r#").is_some_and(|rest| rest.starts_with(is_word));
        self.take(if raw { 2 } else { 0 });
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        self.take(end).to_owned()
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while !self.rest.is_empty() {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.take(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.take(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.take(self.rest.chars().next().map_or(0, char::len_utf8));
            }
        }
    }

    /// A string literal of any kind, if one begins here.
    fn string(&mut self) -> Option<String> {
        let prefix = self.rest.find(|c| !matches!(c, 'r' | 'b' | 'c'))?;
        let is_raw = self.rest[..prefix].contains('r');
        let marked = &self.rest[prefix..];
        let hashes = if is_raw { marked.len() - marked.trim_start_matches('#').len() } else { 0 };
        let body = marked[hashes..].strip_prefix('"')?;
        let length = if is_raw {
            body.find(&format!("\"{}", "#".repeat(hashes))).unwrap_or(body.len())
        } else {
            let mut escaped = false;
            body.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })
            .unwrap_or(body.len())
        };
        self.take(prefix + hashes + 1);
        let text = self.take(length).to_owned();
        self.take((1 + hashes).min(self.rest.len()));
        Some(text)
    }

    /// A character literal or a lifetime.
    fn quote(&mut self) {
        let mut after = self.rest.chars().skip(1);
        let (first, second) = (after.next(), after.next());
        self.take(1);
        if first == Some('\\') {
            self.take(2.min(self.rest.len()));
            let end = self.rest.find('\'').map_or(self.rest.len(), |at| at + 1);
            self.take(end);
        } else if second == Some('\'') {
            self.take(first.map_or(0, char::len_utf8) + 1);
        } else {
            self.word();
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
