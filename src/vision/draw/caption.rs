//! A caption's letters in the order in which they are drawn, for every script that a name may have.
//!
//! Letters come from two typefaces, both in the program, so that a photo looks the same on every machine: outlines for
//! Latin, Greek and Cyrillic, and GNU Unifont's bitmaps for the rest of Unicode's first plane. No single typeface of a
//! size that can be shipped has all scripts, and a machine without a screen has none. What is written from right to left
//! is drawn so; Arabic letters are joined. Signs above and below letters that the outlines lack stand beside them. A
//! character of another plane is drawn as its number, `U+20BB7`.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, ScaleFont, point};
use unicode_bidi::{BidiInfo, Level};

use crate::text::visible;

/// The outlines; a test holds that they can be read.
pub(super) static FONT: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).ok());

/// The rows of a bitmap.
pub(super) const ROWS: usize = 16;

/// Stands where the middle of a long caption was.
const ELLIPSIS: char = '…';

/// A letter with its place.
pub(super) enum Letter {
    /// From the outlines.
    Outline(Glyph),
    /// A bitmap, and where it begins.
    Bitmap(f32, &'static unifont::Glyph),
}

/// One line that begins at (0, 0).
#[derive(Default)]
pub(super) struct Caption {
    /// Its letters.
    pub(super) letters: Vec<Letter>,
    /// Its length in pixels.
    pub(super) width: f32,
}

impl Caption {
    /// `text` in letters of `size` pixels, at most `room` pixels wide: the middle is left out where it is wider.
    pub(super) fn new(text: &str, size: f32, room: f32) -> Self {
        let letters = drawn(text);
        let whole = Self::of(&letters, size);
        if whole.width <= room {
            return whole;
        }
        // The end is kept as well as the beginning: it tells how alike the faces are.
        let fitting = (0..letters.len()).rev().find_map(|count| {
            let (head, tail) = (count - count / 2, count / 2);
            let mut short = letters[..head].to_vec();
            short.push(ELLIPSIS);
            short.extend(&letters[letters.len() - tail..]);
            let short = Self::of(&short, size);
            (short.width <= room).then_some(short)
        });
        fitting.unwrap_or_default()
    }

    fn of(text: &[char], size: f32) -> Self {
        let mut caption = Self::default();
        let Some(font) = FONT.as_ref() else {
            return caption;
        };
        let font = font.as_scaled(size);
        for letter in text {
            let (id, begin) = (font.glyph_id(*letter), caption.width);
            if id.0 > 0 {
                let at = point(begin, font.ascent());
                caption
                    .letters
                    .push(Letter::Outline(id.with_scale_and_position(size, at)));
                caption.width += font.h_advance(id);
            } else if let Some(bitmap) = unifont::get_glyph(*letter) {
                caption.letters.push(Letter::Bitmap(begin, bitmap));
                caption.width += bitmap.get_width() as f32 * size / ROWS as f32;
            }
        }
        caption
    }
}

/// The letters of `text` from left to right; what cannot be drawn is spelled.
fn drawn(text: &str) -> Vec<char> {
    let spelled: String = visible(text)
        .chars()
        .map(|letter| {
            if can_draw(letter) {
                letter.to_string()
            } else {
                format!("U+{:X}", u32::from(letter))
            }
        })
        .collect();
    let joined = unifont::i18n::preprocess_text(&spelled);
    // The number at a caption's end stays there, whichever way the name is written.
    let number = joined.rfind(' ').filter(|space| joined[*space..].is_ascii());
    let (name, number) = joined.split_at(number.unwrap_or(joined.len()));
    let bidi = BidiInfo::new(name, Some(Level::ltr()));
    let lines = bidi.paragraphs.iter();
    let name: String = lines
        .map(|line| bidi.reorder_line(line, line.range.clone()))
        .collect();
    name.chars().chain(number.chars()).collect()
}

fn can_draw(letter: char) -> bool {
    // Joiners have done their work when letters have their forms.
    let outline = FONT.as_ref().is_some_and(|font| font.glyph_id(letter).0 > 0);
    outline || unifont::get_glyph(letter).is_some()
}

/// The characters of `text` that captions spell by their numbers.
pub fn undrawable(text: &str) -> Vec<char> {
    visible(text)
        .chars()
        .filter(|letter| !can_draw(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        drawn(text).into_iter().collect()
    }

    #[test]
    fn letters_are_drawn_from_left_to_right_and_arabic_ones_are_joined() {
        assert_eq!(line("Zoë 0.93"), "Zoë 0.93");
        assert_eq!(line("שרה 0.93"), "הרש 0.93");
        let arabic = line("سلام 0.93");
        assert!(
            arabic.ends_with(" 0.93") && arabic.starts_with('\u{fee1}'),
            "{arabic:?}"
        );
        assert_eq!(line("漢字"), "漢字");
    }

    #[test]
    fn what_has_no_letter_is_spelled() {
        assert!(undrawable("Zoë 漢字 سلام").is_empty());
        assert_eq!(undrawable("𠮷田"), ['𠮷']);
        assert_eq!(line("𠮷田"), "U+20BB7田");
        assert_eq!(line("a\u{1b}"), "a\\u001b");
    }

    #[test]
    fn a_wide_caption_loses_its_middle() {
        let whole = Caption::new("0123456789", 16.0, 1e9);
        let short = Caption::new("0123456789", 16.0, whole.width - 1.0);
        assert!(short.width < whole.width && short.letters.len() > 5);
        assert!(Caption::new("0123456789", 16.0, 0.0).letters.is_empty());
    }
}
