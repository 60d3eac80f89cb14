//! Which module may use which: imports point one way, and pure modules stay pure.
//!
//! Rust has no such rule within a package, so this test reads the sources: every path that begins with `crate`, `super`,
//! `self` or `std`, in `use` and inline, test code too. The lexer leaves comments out, and strings are no paths.

use std::{fs, path::Path};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What each module may import from the others. `module` stands for all of it; `module::Type` for the names that it
/// shows at its own top, such as traits and plain types, and not for the modules below it; `*` for every module.
const RULES: &[(&str, &[&str])] = &[
    (ANYWHERE, &[]),
    (TEXT, &[]),
    ("vision", &[]),
    ("record", &[]),
    ("machine", &["record"]),
    ("runtime", &[]),
    ("dataset", &["vision"]),
    ("model", &["vision", "runtime::Type"]),
    ("pipeline", &["vision", "model", "runtime"]),
    ("analysis", &["vision", "dataset", "record", "runtime"]),
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

/// Modules that only compute: the same input gives the same output, on any machine and at any time.
const PURE: &[&str] = &["analysis"];

/// What these modules may not import.
const IMPURE: &[&str] = &["std::env", "std::fs", "std::net", "std::process", "std::thread"];
const CLOCKS: &[&str] = &["std::time::Instant", "std::time::SystemTime"];

/// What every other module may import: how files are written, which is not for those that only compute.
const ANYWHERE: &str = "files";

/// And how text from outside is shown, which is for all.
const TEXT: &str = "text";

#[test]
fn imports_point_one_way() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut violations = Vec::new();
    let mut files = 0;
    for entry in walkdir::WalkDir::new(package.join("src")) {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(package).unwrap().to_str().unwrap();
            violations.extend(violations_in(file, &fs::read_to_string(&path).unwrap()));
            files += 1;
        }
    }
    assert!(files > 1, "no sources were found under src/");
    assert!(
        violations.is_empty(),
        "imports that the table forbids (see RULES in tests/it/layering.rs):\n{}",
        violations.join("\n")
    );
}

/// Every forbidden import of one file, as `file:line: path: rule`.
fn violations_in(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let top = match file {
        "src/lib.rs" => "lib",
        "src/main.rs" => "main",
        _ => module[0].as_str(),
    };
    let Some((_, allowed)) = RULES.iter().find(|(name, _)| *name == top) else {
        return vec![format!("{file}:1: the module `{top}` has no row in RULES")];
    };
    let mut imports = Vec::new();
    find(text.parse().unwrap(), &module, &mut imports);
    imports
        .into_iter()
        .filter_map(|(line, path)| {
            let rule = forbidden(top, allowed, &path)?;
            Some(format!("{file}:{line}: {path}: `{top}` {rule}"))
        })
        .collect()
}

/// The rule that an import breaks.
fn forbidden(top: &str, allowed: &[&str], path: &str) -> Option<String> {
    if path.starts_with("std::") {
        let impure = IMPURE.iter().any(|module| path.starts_with(module)) || CLOCKS.contains(&path);
        return (impure && PURE.contains(&top)).then(|| "only computes".to_owned());
    }
    let mut names = path.split("::").skip(1);
    let (target, name) = (names.next().unwrap_or(""), names.next().unwrap_or(""));
    let shown = name.starts_with(|first: char| first.is_uppercase());
    let fits = |allowed: &&str| {
        *allowed == "*" || *allowed == target || (shown && allowed.strip_suffix("::Type") == Some(target))
    };
    let anywhere = (target == ANYWHERE && !PURE.contains(&top)) || target == TEXT;
    if target == top || anywhere || allowed.iter().any(fits) {
        return None;
    }
    let list = if allowed.is_empty() {
        "no other module".to_owned()
    } else {
        allowed.join(", ")
    };
    Some(format!("may import {list}"))
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

/// Every path in `tokens` that leads through the crate's root, a parent or `std`, with its line. They stand in the
/// module `here`.
fn find(tokens: TokenStream, here: &[String], found: &mut Vec<(usize, String)>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            [
                TokenTree::Ident(ident),
                TokenTree::Ident(name),
                TokenTree::Group(body),
                ..,
            ] if ident == "mod" => {
                find(body.stream(), &[here, &[name.to_string()]].concat(), found);
                at += 3;
            }
            // Visibility, as in `pub(crate)`, is no import.
            [TokenTree::Ident(ident), TokenTree::Group(within), ..]
                if ident == "pub" && within.delimiter() == Delimiter::Parenthesis =>
            {
                at += 2;
            }
            [TokenTree::Group(group), ..] => {
                find(group.stream(), here, found);
                at += 1;
            }
            [TokenTree::Ident(ident), rest @ ..]
                if ident == "crate"
                    || (["super", "self", "std"].iter().any(|root| ident == root) && is_path(rest)) =>
            {
                at += follow(&tokens[at..], here.to_vec(), found);
            }
            _ => at += 1,
        }
    }
}

/// Follows the path, or the tree of a `use`, at the start of `tokens`, relative to `path`; returns how many it took.
fn follow(tokens: &[TokenTree], mut path: Vec<String>, found: &mut Vec<(usize, String)>) -> usize {
    let mut at = 0;
    loop {
        match &tokens[at] {
            TokenTree::Group(members) => {
                let members: Vec<TokenTree> = members.stream().into_iter().collect();
                for member in members
                    .split(|token| is(token, ','))
                    .filter(|member| !member.is_empty())
                {
                    follow(member, path.clone(), found);
                }
                return at + 1;
            }
            name => match name.to_string().as_str() {
                root @ ("crate" | "std") => path = vec![root.to_owned()],
                "super" => drop(path.pop()),
                "self" => {}
                name => path.push(name.to_owned()),
            },
        }
        at += 1;
        if !is_path(&tokens[at..]) {
            break;
        }
        at += 2;
    }
    let root = if matches!(path.first().map(String::as_str), Some("crate" | "std")) {
        ""
    } else {
        "crate::"
    };
    found.push((
        tokens[at - 1].span().start().line,
        format!("{root}{}", path.join("::")),
    ));
    at
}

/// Whether a path goes on here: `::` with a name, a group or a star after it.
fn is_path(tokens: &[TokenTree]) -> bool {
    let [first, second, next, ..] = tokens else {
        return false;
    };
    let goes_on = match next {
        TokenTree::Ident(_) => true,
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        other => is(other, '*'),
    };
    is(first, ':') && is(second, ':') && goes_on
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

#[test]
fn a_planted_violation_is_named_with_file_line_and_rule() {
    let text = "//! Pixels.\nuse std::fs;\n\nfn f() {\n    crate::study::run();\n}\n";
    assert_eq!(
        violations_in("src/vision/nms.rs", text),
        ["src/vision/nms.rs:5: crate::study::run: `vision` may import no other module"]
    );
    assert_eq!(
        violations_in("src/cellar/mod.rs", ""),
        ["src/cellar/mod.rs:1: the module `cellar` has no row in RULES"]
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
        "fn f() { assert!(x, \"{}\", crate::record::Record::new()); }",
        "fn f<'a>(x: &'a str) -> char { let q = '\\''; let b = '\"'; crate::record::of(x, q, b) }",
        "#[cfg(test)]\nmod tests {\n    use crate::record::Record;\n}",
        "mod inner {\n    mod deeper { use super::super::super::super::record::Record; }\n}",
        "macro_rules! m { () => { $crate::record::Record }; }",
        "use crate as all;",
        "use crate::*;",
    ] {
        assert_eq!(violations_in("src/model/yunet.rs", planted).len(), 1, "{planted}");
    }
}

#[test]
fn what_is_no_import_is_ignored() {
    for innocent in [
        "// use crate::record;\n/* crate::record::x /* nested */ crate::record::y */",
        "/// See [`crate::record::Record`].\nfn f() {}",
        "const TEXT: &str = \"use crate::record::Record; \\\" crate::record::x\";",
        "const RAW: &str = r#\"use crate::record::Record; \" crate::record::x\"#;",
        "pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::model) fn h() {}",
        "use super::catalog::Entry;\nuse self::inner::X;\nmod inner { use super::Y; }",
        "impl X { fn f(self) { self.record(); Self::record(); super::f(); } }",
        "use crate::vision::{face::Face, nms};\nuse crate::model::detector;",
        "use crate::runtime::{Runtime, Session};\nfn f(s: &dyn crate::runtime::Session) {}",
        "use std::{fs, time::Instant};",
    ] {
        assert_eq!(
            violations_in("src/model/yunet.rs", innocent),
            [] as [&str; 0],
            "{innocent}"
        );
    }
}

#[test]
fn a_model_knows_the_traits_of_runtimes_and_no_runtime() {
    for planted in [
        "use crate::runtime;",
        "use crate::runtime::onnxruntime::Ort;",
        "use crate::runtime::{Session, null::Null};",
    ] {
        let [violation] = &violations_in("src/model/yunet.rs", planted)[..] else {
            panic!("{planted}");
        };
        assert!(
            violation.ends_with("`model` may import vision, runtime::Type"),
            "{violation}"
        );
    }
}

#[test]
fn what_is_pure_reads_no_clock_and_no_file() {
    for planted in [
        "use std::fs;",
        "use std::{collections::BTreeMap, time::{Duration, Instant}};",
        "fn f() { std::thread::sleep(x); }",
    ] {
        assert_eq!(
            violations_in("src/analysis/figures.rs", planted).len(),
            1,
            "{planted}"
        );
    }
}
