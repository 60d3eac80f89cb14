//! Holds the house's one-way imports: which room may know which.
//!
//! Rust sees no rooms inside a package, so this test reads the sources. It collects every path that begins with
//! `crate`, `super` or `self` (in `use` and inline, test code too), and compares its room with the table.
//! Comments, strings and doc links are no imports.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What each room may import from the others. `room` stands for all of it; `room::Type` for the names that it
/// shows at its own top, such as traits and plain types, and not for the modules below it; `*` for every room.
const RULES: &[(&str, &[&str])] = &[
    ("vision", &[]),
    ("machine", &[]),
    ("runtime", &[]),
    ("dataset", &["vision"]),
    ("model", &["vision", "runtime::Type"]),
    ("record", &["machine"]),
    ("pipeline", &["vision", "model", "runtime"]),
    (
        "analysis",
        &[
            "vision", "dataset", "record", "machine", "runtime", "worker", "study",
        ],
    ),
    (
        "worker",
        &[
            "vision", "model", "runtime", "dataset", "machine", "record", "pipeline",
        ],
    ),
    (
        "study",
        &[
            "vision", "model", "runtime", "dataset", "machine", "record", "pipeline", "worker", "analysis",
        ],
    ),
    (
        "sharing",
        &[
            "dataset", "runtime", "machine", "record", "pipeline", "worker", "analysis", "study",
        ],
    ),
    ("sizing", &["record", "analysis"]),
    ("report", &["record"]),
    ("commands", &["*"]),
    ("cli", &["*"]),
    ("main", &["*"]),
    ("lib", &["*"]),
];

#[test]
fn imports_point_one_way() {
    let mut sources = Vec::new();
    collect(
        Path::new(env!("CARGO_MANIFEST_DIR")),
        Path::new("src"),
        &mut sources,
    );
    sources.sort();
    assert!(sources.len() > 1, "no sources were found under src/");
    let violations: Vec<String> = sources
        .iter()
        .flat_map(|(file, text)| violations(file, text))
        .collect();
    let mut told = String::new();
    for violation in &violations {
        let _ = writeln!(told, "  {violation}");
    }
    assert!(
        violations.is_empty(),
        "imports that the house forbids (see RULES in tests/it/layering.rs):\n{told}"
    );
}

fn collect(package: &Path, folder: &Path, sources: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(package.join(folder)).expect("a source folder can be listed") {
        let entry = entry.expect("a source folder's entry can be read");
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            collect(package, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(entry.path()).expect("a source file is UTF-8");
            let name = path
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect::<Vec<_>>();
            sources.push((name.join("/"), text));
        }
    }
}

/// Every forbidden import of one file, as `file:line: path: rule`.
fn violations(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let room = match file {
        "src/lib.rs" => "lib",
        "src/main.rs" => "main",
        _ => module[0].as_str(),
    };
    let Some((_, allowed)) = RULES.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{file}:1: the room `{room}` has no row in RULES")];
    };
    let list = if allowed.is_empty() {
        "no other room".to_owned()
    } else {
        allowed.join(", ")
    };
    imports(&module, text)
        .into_iter()
        .filter(|import| !permitted(room, allowed, &import.path))
        .map(|import| {
            format!(
                "{file}:{}: crate::{}: `{room}` may import {list}",
                import.line,
                import.path.join("::")
            )
        })
        .collect()
}

fn permitted(room: &str, allowed: &[&str], path: &[String]) -> bool {
    allowed.contains(&"*")
        || path.first().is_some_and(|target| {
            let shown = path
                .get(1)
                .is_some_and(|name| name.starts_with(|first: char| first.is_uppercase()));
            target == room
                || allowed.contains(&target.as_str())
                || (shown && allowed.contains(&format!("{target}::Type").as_str()))
        })
}

/// `src/machine/cpu.rs` is the module `machine::cpu`; `src/machine/mod.rs` is `machine`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// A path from the crate's root, and where it stands.
#[derive(Debug, PartialEq)]
struct Import {
    line: usize,
    path: Vec<String>,
}

/// Every path of the text that leads through the crate's root or a parent, resolved from the root. Paths that only
/// name visibility, as in `pub(crate)`, are none.
fn imports(module: &[String], text: &str) -> Vec<Import> {
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    // Where we are: the file's module and the inline modules opened since, each with the depth of its brace.
    let mut here = module.to_vec();
    let mut opened: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut in_use = false;
    let mut at = 0;
    while at < tokens.len() {
        match word(at) {
            "mod" if word(at + 2) == "{" => {
                here.push(word(at + 1).to_owned());
                opened.push(depth + 1);
                at += 1;
            }
            "{" => depth += 1,
            "}" => {
                if opened.last() == Some(&depth) {
                    opened.pop();
                    here.pop();
                }
                depth = depth.saturating_sub(1);
            }
            "use" if word(at + 1) != "<" => in_use = true,
            ";" => in_use = false,
            "crate" | "super" | "self" if at == 0 || word(at - 1) != "::" => {
                let visibility = at >= 2 && word(at - 1) == "(" && word(at - 2) == "pub";
                let start = at;
                let mut leaves = Vec::new();
                at = path_from(&tokens, at, &here, Vec::new(), &mut leaves);
                if !visibility && (word(start + 1) == "::" || in_use) {
                    found.extend(
                        leaves
                            .into_iter()
                            .filter(|import| in_use || !import.path.is_empty()),
                    );
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Follows one path, or the tree of a `use`, from the token `at`; gives the token after it.
fn path_from(
    tokens: &[Token],
    mut at: usize,
    here: &[String],
    so_far: Vec<String>,
    leaves: &mut Vec<Import>,
) -> usize {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut path = so_far;
    let mut first = path.is_empty();
    let line = tokens.get(at).map_or(0, |token| token.line);
    loop {
        match word(at) {
            "crate" if first => path = Vec::new(),
            "self" if first => path = here.to_vec(),
            "super" if first => path = here[..here.len().saturating_sub(1)].to_vec(),
            "super" => {
                path.pop();
            }
            "self" => {}
            "{" => {
                at += 1;
                while at < tokens.len() && word(at) != "}" {
                    at = if word(at) == "," {
                        at + 1
                    } else {
                        group_member(tokens, at, here, &path, leaves)
                    };
                }
                return at + 1;
            }
            name => path.push(name.to_owned()),
        }
        first = false;
        at += 1;
        if word(at) == "::" && (word(at + 1) == "{" || word(at + 1) == "*" || is_name(word(at + 1))) {
            at += 1;
        } else {
            leaves.push(Import { line, path });
            return at;
        }
    }
}

/// One member of a braced group: its own path on top of the group's, and whatever follows up to the comma.
fn group_member(
    tokens: &[Token],
    at: usize,
    here: &[String],
    path: &[String],
    leaves: &mut Vec<Import>,
) -> usize {
    // A group at the root starts from nothing, and a name in it must not be taken for a path's beginning.
    let mut below = path.to_vec();
    below.insert(0, String::new());
    let before = leaves.len();
    let mut at = path_from(tokens, at, here, below, leaves);
    for leaf in &mut leaves[before..] {
        leaf.path.retain(|part| !part.is_empty());
    }
    while tokens
        .get(at)
        .is_some_and(|token| token.text != "," && token.text != "}")
    {
        at += 1;
    }
    at
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

struct Token {
    line: usize,
    text: String,
}

/// Names, `::` and single signs; comments, strings, characters and lifetimes are passed over.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest).unwrap_or_else(|| {
            let name = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let length = if name > 0 {
                name
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                tokens.push(Token {
                    line,
                    text: rest[..length].to_owned(),
                });
            }
            length
        });
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The length of the comment, string, character or lifetime that `rest` begins with.
fn skipped(rest: &str) -> Option<usize> {
    let to = |end: &str, from: usize| {
        rest[from..]
            .find(end)
            .map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        let mut depth = 1;
        let mut at = 2;
        while depth > 0 && at < rest.len() {
            let (open, close) = (rest[at..].starts_with("/*"), rest[at..].starts_with("*/"));
            depth = depth + usize::from(open) - usize::from(close);
            at += if open || close {
                2
            } else {
                rest[at..].chars().next().map_or(1, char::len_utf8)
            };
        }
        return Some(at);
    }
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| {
        rest.strip_prefix(prefix)
            .is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
    });
    let prefix = prefix.unwrap_or_default();
    let body = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        return Some(to(
            &format!("\"{}", "#".repeat(hashes)),
            prefix.len() + hashes + 1,
        ));
    }
    if let Some(inside) = body.strip_prefix('"') {
        return Some(prefix.len() + 1 + closing(inside, '"'));
    }
    let inside = rest.strip_prefix('\'')?;
    let mut characters = inside.chars();
    let character = characters.next()?;
    if character == '\\' || characters.next() == Some('\'') {
        return Some(1 + closing(inside, '\''));
    }
    // A lifetime: the sign and the name after it.
    Some(
        1 + inside
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(inside.len()),
    )
}

/// The length up to and with the closing sign, minding backslashes.
fn closing(inside: &str, sign: char) -> usize {
    let mut escaped = false;
    for (at, character) in inside.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == sign => return at + character.len_utf8(),
            _ => {}
        }
    }
    inside.len()
}

#[test]
fn a_planted_violation_is_named_with_file_line_and_rule() {
    let text = "//! A room.\nuse std::fs;\n\nfn f() {\n    crate::study::run();\n}\n";
    assert_eq!(
        violations("src/vision/nms.rs", text),
        ["src/vision/nms.rs:5: crate::study::run: `vision` may import no other room"]
    );
}

#[test]
fn every_form_of_import_is_seen() {
    for planted in [
        "use crate::record;",
        "use crate::{vision, record::Record};",
        "use crate::{\n    vision::{self, face::{Face, *}},\n    record as r,\n};",
        "pub use crate::record::*;",
        "use super::super::record::Record;",
        "use super::{super::record::Record, error};",
        "fn f(x: &crate::record::Record) {}",
        "fn f<'a>(x: &'a str) -> char { let q = '\\''; let b = '\"'; crate::record::of(x, q, b) }",
        "#[cfg(test)]\nmod tests {\n    use crate::record::Record;\n}",
        "mod inner {\n    mod deeper { use super::super::super::super::record::Record; }\n}",
        "macro_rules! m { () => { $crate::record::Record }; }",
        "use crate as all;",
        "use crate::*;",
    ] {
        assert_eq!(violations("src/model/yunet.rs", planted).len(), 1, "{planted}");
    }
}

#[test]
fn what_is_no_import_is_left_alone() {
    for innocent in [
        "// use crate::record;\n/* crate::record::x /* nested */ crate::record::y */",
        "/// See [`crate::record::Record`].\nfn f() {}",
        "const TEXT: &str = \"use crate::record::Record; \\\" crate::record::x\";",
        "const RAW: &str = r#\"use crate::record::Record; \" crate::record::x\"#;",
        "pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::model) fn h() {}",
        "use super::catalog::Entry;\nuse self::inner::X;\nmod inner { use super::Y; }",
        "impl X { fn f(self) { self.record(); Self::record(); super::f(); } }",
        "use crate::vision::{face::Face, nms};\nuse crate::model::detector;",
        "use crate::runtime::{Backend, Session};\nfn f(s: &dyn crate::runtime::Session) {}",
    ] {
        assert_eq!(
            violations("src/model/yunet.rs", innocent),
            [] as [&str; 0],
            "{innocent}"
        );
    }
}

#[test]
fn a_model_knows_the_runtimes_traits_and_no_runtime() {
    for planted in [
        "use crate::runtime;",
        "use crate::runtime::onnxruntime::Ort;",
        "use crate::runtime::{Session, null::Null};",
    ] {
        let told = violations("src/model/yunet.rs", planted);
        assert_eq!(told.len(), 1, "{planted}: {told:?}");
        assert!(
            told[0].ends_with("`model` may import vision, runtime::Type"),
            "{told:?}"
        );
    }
}

#[test]
fn a_room_without_a_row_is_told() {
    assert_eq!(
        violations("src/cellar/mod.rs", ""),
        ["src/cellar/mod.rs:1: the room `cellar` has no row in RULES"]
    );
}
