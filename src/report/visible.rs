//! The door through which records, and parts of them, come to be shown: each of their strings as a person may see it
//! (`crate::text`), on one line. Every renderer takes its record through here, so none needs to think of it again.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::text;

/// `data` with every string visible; itself where all are, which is nearly always.
pub fn visible<T: Serialize + DeserializeOwned + Clone>(data: &T) -> Cow<'_, T> {
    let Ok(json) = serde_json::to_string(data) else {
        return Cow::Borrowed(data);
    };
    // JSON spells line breaks and most control characters by a backslash; one before a quote or another hides nothing.
    let spelled = json
        .as_bytes()
        .windows(2)
        .any(|pair| pair[0] == b'\\' && !matches!(pair[1], b'"' | b'\\'));
    if !spelled && text::is_visible(&json) {
        return Cow::Borrowed(data);
    }
    let shown = serde_json::to_value(data).and_then(|mut value| {
        walk(&mut value);
        serde_json::from_value(value)
    });
    // What does not survive its own JSON came from no file; what draws it escapes what a terminal obeys.
    shown.map_or(Cow::Borrowed(data), Cow::Owned)
}

fn walk(value: &mut Value) {
    match value {
        Value::String(string) => {
            if let Cow::Owned(shown) = text::visible(string) {
                *string = shown;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(walk),
        Value::Object(map) => {
            for (key, mut value) in std::mem::take(map) {
                walk(&mut value);
                map.insert(text::visible(&key).into_owned(), value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, tests::record};
    use super::*;

    #[test]
    fn a_plain_record_is_shown_as_it_is() {
        assert!(matches!(visible(&record(fixture::full())), Cow::Borrowed(_)));
    }

    #[test]
    fn strings_and_keys_are_shown_on_one_line() {
        let mut full = record(fixture::full());
        full.arms[0].label = "a\u{1b}[2J\nb".to_owned();
        full.host
            .unavailable
            .insert("x\u{202e}".to_owned(), "back\\n".to_owned());
        let shown = visible(&full);
        assert_eq!(shown.arms[0].label, "a\\u001b[2J\\nb");
        assert_eq!(shown.host.unavailable["x\\u202e"], "back\\n");
    }
}
