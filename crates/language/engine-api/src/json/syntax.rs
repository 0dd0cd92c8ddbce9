//! What is wrong with a text that is not JSON, in the words that Docker's clients know.

/// Names the first offence in `text`; `None` if this reader sees none.
pub(super) fn complaint(text: &[u8]) -> Option<String> {
    let mut scan = Scan { text, at: 0, depth: 0 };
    scan.value("looking for beginning of value").err()
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

/// The nesting at which reading stops; the parser proper has the same bound.
const DEEPEST: usize = 127;

impl Scan<'_> {
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn offence(&self, context: &str) -> String {
        match self.text.get(self.at) {
            None => "unexpected EOF".to_owned(),
            Some(byte) => format!("invalid character {} {context}", quoted(*byte)),
        }
    }

    fn value(&mut self, context: &str) -> Result<(), String> {
        match self.peek() {
            Some(b'{') => self.nested(Scan::object),
            Some(b'[') => self.nested(Scan::array),
            Some(b'"') => self.string(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.offence(context)),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("exceeded max depth".to_owned());
        }
        self.at += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), String> {
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.offence("looking for beginning of object key string"));
            }
            self.string()?;
            if self.peek() != Some(b':') {
                return Err(self.offence("after object key"));
            }
            self.at += 1;
            self.value("looking for beginning of value")?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.offence("after object key:value pair")),
            }
        }
    }

    fn array(&mut self) -> Result<(), String> {
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value("looking for beginning of value")?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.offence("after array element")),
            }
        }
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) | None => return Err(self.offence("in string literal")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let start = self.at;
        let hex = self.text.get(start + 1) == Some(&b'u');
        let sequence = self.text.get(start..start + if hex { 6 } else { 2 });
        let right = match sequence {
            None => return Err("unexpected EOF".to_owned()),
            Some([_, _, digits @ ..]) if hex => digits.iter().all(u8::is_ascii_hexdigit),
            Some(sequence) => b"\"\\/bfnrt".contains(&sequence[1]),
        };
        if !right {
            let shown = String::from_utf8_lossy(sequence.unwrap_or_default());
            return Err(format!("invalid escape sequence `{shown}` in string"));
        }
        self.at += sequence.unwrap_or_default().len();
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        for (index, expected) in word.bytes().enumerate() {
            if self.text.get(self.at) != Some(&expected) {
                let context = format!("in literal {word} (expecting {})", quoted(word.as_bytes()[index]));
                return Err(self.offence(&context));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.offence("in numeric literal")),
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), String> {
        if !self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            return Err(self.offence("in numeric literal"));
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }
}

/// A character as Go quotes it.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        0x20..=0x7e => format!("'{}'", char::from(byte)),
        0x80.. => format!("'{}'", char::from(byte)),
        _ => format!("'\\x{byte:02x}'"),
    }
}
