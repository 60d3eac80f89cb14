//! Addresses of files on the network, as they may be shown and kept: without what lets one in.

/// `text` with the user's name and password of each address in it left out (`https://***@host/`), and what follows a question
/// mark (`https://host/file?***`), which may be a signature.
pub fn without_secrets(text: &str) -> String {
    const SCHEME: &str = "://";
    /// What may stand behind an address in a sentence.
    const ENDS: &[char] = &['"', '\'', '`', '<', '>', '(', ')', ','];
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME) {
        let (before, after) = rest.split_at(at + SCHEME.len());
        shown.push_str(before);
        let is_end = |c: char| c.is_whitespace() || c.is_control() || ENDS.contains(&c);
        let (address, following) = after.split_at(after.find(is_end).unwrap_or(after.len()));
        let (path, query) = address.split_at(address.find('?').unwrap_or(address.len()));
        let host_end = path.find('/').unwrap_or(path.len());
        let (authority, path) = match path.rfind('@') {
            // A password may have a slash in it where nobody has escaped it.
            Some(sign)
                if sign >= host_end && path[..host_end].contains(':') && !is_host(&path[..host_end]) =>
            {
                ("***", &path[sign..])
            }
            _ => match path[..host_end].rfind('@') {
                Some(sign) => ("***", &path[sign..]),
                None => ("", path),
            },
        };
        shown.push_str(authority);
        shown.push_str(path);
        if !query.is_empty() {
            shown.push_str("?***");
        }
        rest = following;
    }
    shown.push_str(rest);
    shown
}

/// Whether `text` is a host with or without a port, and not a user's name and the beginning of a password.
fn is_host(text: &str) -> bool {
    text.rsplit_once(':')
        .is_none_or(|(_, port)| port.parse::<u16>().is_ok() || text.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn names_passwords_and_signatures_are_left_out() {
        for (text, shown) in [
            ("https://host/file", "https://host/file"),
            ("http://host:8080/a@b", "http://host:8080/a@b"),
            ("http://[::1]:8080/a@b", "http://[::1]:8080/a@b"),
            ("https://user:secret@host/file", "https://***@host/file"),
            ("https://token@host", "https://***@host"),
            ("https://user:se/cret@host/file", "https://***@host/file"),
            ("https://user:s@cret@host/file", "https://***@host/file"),
            ("https://host/file?signature=secret&x=1", "https://host/file?***"),
            (
                "`https://a:secret@x/f`: proxy http://b:secret@y:3128 refuses, see (http://z/?secret).",
                "`https://***@x/f`: proxy http://***@y:3128 refuses, see (http://z/?***).",
            ),
            ("no address: a@b", "no address: a@b"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a:/@? \\[\u{e9}]{0,30}") {
            let _ = without_secrets(&text);
        }
    }
}
