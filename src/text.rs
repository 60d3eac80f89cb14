//! Text from outside, made safe for people's eyes. It stands at the crate's root because every module that names a file,
//! a photo or a machine needs it, and it shares no other.
//!
//! File names, labels, networks, records of others, workers and drivers may hold characters that no one sees and that do
//! something: a terminal obeys escape sequences, overrides of the writing direction and invisible letters make one name
//! look like another, line breaks forge lines. They are shown as JSON writes them: `\u001b`, `\n`. One form for all, so
//! that JSON on its way to a terminal stays the same JSON.
//!
//! - [`visible`] is for a word within a line: a cell, a name, a label.
//! - [`visible_lines`] is for text with line breaks of its own, such as an error or a page.
//! - [`ShownPath`] is for paths; `Path::display` is not used here (`clippy.toml` says so).
//! - [`VisibleWriter`] stands before standard output, and lets nothing else through.

use std::{
    borrow::Cow,
    ffi::OsStr,
    fmt::{self, Display, Write as _},
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
};

/// `text` for a place within a line: line breaks and tabs are shown as signs too.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c, around| {
        matches!(c, '\n' | '\t') || is_hidden(c) || (is_joiner(c) && !joins(around))
    })
}

/// `text` of one or more lines: line breaks and tabs stay.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c, around| is_hidden(c) || (is_joiner(c) && !joins(around)))
}

/// Whether [`visible`] shows `text` as it is.
pub fn is_visible(text: &str) -> bool {
    matches!(visible(text), Cow::Borrowed(_))
}

/// A file's name; bytes that are no UTF-8 are shown as `\xff`.
pub fn file_name(name: &OsStr) -> String {
    let mut shown = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        shown.push_str(&visible(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// Paths in messages.
pub trait ShownPath {
    /// The path as a person may see it: see [`file_name`].
    fn shown(&self) -> impl Display;
}

impl ShownPath for Path {
    fn shown(&self) -> impl Display {
        struct Shown<'a>(&'a Path);
        impl Display for Shown<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&file_name(self.0.as_os_str()))
            }
        }
        Shown(self)
    }
}

/// Whether a terminal, a reader or a parser of XML takes `c` for something else than a letter of the text. Line breaks and
/// tabs are not among them.
fn is_hidden(c: char) -> bool {
    let kept = matches!(c, '\n' | '\t');
    // Two of each plane, and a row, are no characters.
    let none = u32::from(c) & 0xfffe == 0xfffe || matches!(c, '\u{fdd0}'..='\u{fdef}');
    // A soft hyphen, a joiner of graphemes, fillers and vowels without a form, the Mongolian separator.
    let formless = matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180e}'
            | '\u{3164}'
            | '\u{ffa0}'
    );
    // What steers the writing direction, ends lines or has no width.
    let steering = matches!(
        c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    // Annotations, shorthand, music and tags.
    let format = matches!(
        c,
        '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}'
    );
    !kept && (c.is_control() || none || formless || steering || format)
}

/// The two signs that join letters, or keep them apart, and are not seen themselves.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Whether a joiner between these two has work to do: Persian and Indic words need it, and so do emoji.
fn joins((before, after): (Option<char>, Option<char>)) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !is_joiner(c) && !is_hidden(c));
    letter(before) && letter(after)
}

/// `text` with those characters escaped that `chosen` takes; it is given the characters before and after each too.
fn escaped(text: &str, chosen: impl Fn(char, (Option<char>, Option<char>)) -> bool) -> Cow<'_, str> {
    // Nearly every text is plain.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut shown: Option<String> = None;
    let mut before = None;
    for (place, c) in text.char_indices() {
        let after = || text[place + c.len_utf8()..].chars().next();
        if chosen(c, (before, is_joiner(c).then(after).flatten())) {
            let shown = shown.get_or_insert_with(|| text[..place].to_owned());
            push_escape(shown, c);
        } else if let Some(shown) = &mut shown {
            shown.push(c);
        }
        before = Some(c);
    }
    shown.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// `c` as JSON writes it.
fn push_escape(shown: &mut String, c: char) {
    match c {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        c => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
}

/// Writes text on to `inner`, everything escaped that a terminal would obey. JSON stays the same JSON.
pub struct VisibleWriter<W: Write> {
    inner: W,
    /// The beginning of a character whose rest has not come yet.
    rest: Vec<u8>,
}

impl<W: Write> VisibleWriter<W> {
    /// Nothing reaches `inner` but through it.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            rest: Vec::new(),
        }
    }
}

impl<W: Write> Write for VisibleWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
        if self.rest.is_empty() && bytes.iter().all(plain) {
            self.inner.write_all(bytes)?;
            return Ok(bytes.len());
        }
        let mut held = std::mem::take(&mut self.rest);
        held.extend_from_slice(bytes);
        let mut shown = String::with_capacity(held.len());
        let mut chunks = held.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            // What a joiner joins may come with the next piece: the places that know the whole word look after it.
            shown.push_str(&escaped(chunk.valid(), |c, _| is_hidden(c)));
            let broken = chunk.invalid();
            let unfinished = chunks.peek().is_none()
                && std::str::from_utf8(broken).is_err_and(|error| error.error_len().is_none());
            if unfinished {
                broken.clone_into(&mut self.rest);
            } else {
                for byte in broken {
                    let _ = write!(shown, "\\x{byte:02x}");
                }
            }
        }
        self.inner.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_shown() {
        for (text, shown) in [
            ("plain, Zoë, Łukasz, Жанна, 漢字, بهرام, हिन्दी", None),
            ("\u{1b}[31mred\u{7}", Some("\\u001b[31mred\\u0007")),
            ("one\ntwo\r\tthree", Some("one\\ntwo\\r\\tthree")),
            ("\u{7f}\u{9b}31m", Some("\\u007f\\u009b31m")),
            ("gpj.\u{202e}exe", Some("gpj.\\u202eexe")),
            ("\u{2066}a\u{2069}\u{2028}", Some("\\u2066a\\u2069\\u2028")),
            ("c\u{200b}pu\u{feff}", Some("c\\u200bpu\\ufeff")),
            ("flag \u{e0067}", Some("flag \\udb40\\udc67")),
            ("\u{ffff}", Some("\\uffff")),
        ] {
            assert_eq!(visible(text), shown.unwrap_or(text));
            assert_eq!(is_visible(text), shown.is_none(), "{text:?}");
        }
        assert_eq!(visible_lines("one\n\ttwo\u{1b}"), "one\n\ttwo\\u001b");
    }

    #[test]
    fn joiners_stay_where_they_join() {
        let (persian, emoji) = ("می\u{200c}خواهم", "👩\u{200d}🚀");
        assert_eq!((visible(persian), visible(emoji)), (persian.into(), emoji.into()));
        assert_eq!(visible("cu\u{200d}da"), "cu\\u200dda");
        assert_eq!(visible("ी\u{200d}\u{200d}ी"), "ी\\u200d\\u200dी");
    }

    #[test]
    fn a_path_need_not_be_utf_8() {
        let path = Path::new(OsStr::from_bytes(b"a\xff/\x1b[2Jb.jpg"));
        assert_eq!(path.shown().to_string(), "a\\xff/\\u001b[2Jb.jpg");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_passes_and_json_stays_json() {
        let value = serde_json::json!({ "name": "é\u{9b}2J\u{202e}\u{7f}\u{e0041}\u{1b}\n漢" });
        let text = value.to_string();
        let mut out = Vec::new();
        let mut writer = VisibleWriter::new(&mut out);
        // Byte by byte, as no writer would.
        for byte in text.as_bytes() {
            writer.write_all(&[*byte]).unwrap();
        }
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(shown, visible(&shown), "{shown:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        let mut out = Vec::new();
        VisibleWriter::new(&mut out).write_all(b"a\xffb\n").unwrap();
        assert_eq!(out, b"a\\xffb\n");
    }
}
