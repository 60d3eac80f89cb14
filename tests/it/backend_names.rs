//! A backend is one row of the table, an execution provider one file: no other source compares a string with a backend's
//! name, or names a provider.

use std::{fs, path::Path};

use facebench::runtime::{
    descriptor::BackendDescriptor,
    table::{BACKENDS, provider_named},
};
use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};

/// Files that may compare: the rows of the backends, and sources that read the kernel's own names, such as `cpu`.
const MAY_COMPARE: &[&str] = &["src/runtime/table.rs", "src/machine/"];

/// The providers' own files; and what tests measure instead of a machine.
const MAY_NAME: &[&str] = &["src/runtime/onnxruntime/providers/", "src/report/fixture.rs"];

/// Methods that compare a string with their argument.
const COMPARING: &[&str] = &["contains", "eq", "starts_with", "strip_prefix"];

#[test]
fn no_backend_name_is_compared_outside_the_table() {
    let compared = in_sources_besides(MAY_COMPARE, names_compared_in);
    assert!(
        compared.is_empty(),
        "what differs between backends belongs to BackendDescriptor or ExecutionProvider:\n{}",
        compared.join("\n")
    );
}

#[test]
fn no_provider_is_named_outside_its_file() {
    let named = in_sources_besides(MAY_NAME, providers_named_in);
    assert!(
        named.is_empty(),
        "what differs between providers belongs to ExecutionProvider:\n{}",
        named.join("\n")
    );
    let planted = r#"const OF: &[&str] = &["CUDAExecutionProvider"]; // "CPUExecutionProvider""#;
    assert_eq!(providers_named_in(planted), ["1: \"CUDAExecutionProvider\""]);
}

/// What `find` returns for every source whose path does not begin with one of `exempt`.
fn in_sources_besides(exempt: &[&str], find: fn(&str) -> Vec<String>) -> Vec<String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    let mut files = 0;
    for entry in walkdir::WalkDir::new(package.join("src")) {
        let path = entry.unwrap().into_path();
        let file = path.strip_prefix(package).unwrap().to_str().unwrap();
        let is_exempt = exempt.iter().any(|start| file.starts_with(start));
        if !is_exempt && path.extension().is_some_and(|extension| extension == "rs") {
            let found = find(&fs::read_to_string(&path).unwrap());
            all.extend(found.into_iter().map(|found| format!("{file}:{found}")));
            files += 1;
        }
    }
    assert!(files > 1, "no sources were found under src/");
    all
}

#[test]
fn a_planted_comparison_is_found() {
    for planted in [
        r#"fn f(name: &str) -> bool { name == "cuda" }"#,
        r#"fn f(name: &str) -> bool { "cuda" != name }"#,
        r#"fn f(name: &str) -> u8 { match name { "cuda" => 1, _ => 0 } }"#,
        r#"fn f(name: &str) -> bool { matches!(name, "x" | "cuda") }"#,
        r#"fn f(name: &str) -> u8 { match name { "cuda" if name.len() > 1 => 1, _ => 0 } }"#,
        r#"fn f(name: &str) -> u8 { match (name, 1) { ("cuda", _) => 1, _ => 0 } }"#,
        r#"fn f(name: &str) -> bool { ["x", "cuda"].contains(&name) }"#,
        r#"fn f(name: &str) -> bool { name.starts_with("cuda") }"#,
    ] {
        assert_eq!(names_compared_in(planted), ["1: \"cuda\""], "{planted}");
    }
    for innocent in [
        r#"fn f() -> Spec { Spec::bare("cuda") }"#,
        r#"const NAME: &str = "cuda";"#,
        r#"#[cfg(feature = "tract")] mod tract;"#,
        r#"fn f(name: &str) -> bool { name == "names" }"#,
        r#"mod tests { fn f(name: &str) { assert!(name == "cuda"); } }"#,
    ] {
        assert!(names_compared_in(innocent).is_empty(), "{innocent}");
    }
}

/// Every backend's name that is compared with something outside the tests of a source, as `line: "name"`.
fn names_compared_in(text: &str) -> Vec<String> {
    assert!(BACKENDS.len() > 1);
    let mut found = Vec::new();
    find(text.parse().unwrap(), false, &mut |literal, is_compared| {
        if is_compared && BackendDescriptor::find(&content(literal)).is_some() {
            found.push(shown(literal));
        }
    });
    found
}

/// Every name of an execution provider outside the tests of a source, as `line: "name"`.
fn providers_named_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    find(text.parse().unwrap(), false, &mut |literal, _| {
        if provider_named(&content(literal)).is_some() {
            found.push(shown(literal));
        }
    });
    found
}

/// The text between the quotes of a string; nothing for other literals.
fn content(literal: &Literal) -> String {
    let text = literal.to_string();
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inside.unwrap_or_default().to_owned()
}

fn shown(literal: &Literal) -> String {
    format!("{}: {literal}", literal.span().start().line)
}

/// Calls `visit` for each literal outside tests, with whether it is compared with something. `compares` is whether
/// every literal in `tokens` is compared.
fn find(tokens: TokenStream, compares: bool, visit: &mut dyn FnMut(&Literal, bool)) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let (before, after) = (&tokens[..at], &tokens[at + 1..]);
        match token {
            TokenTree::Group(group) => {
                let is_tests = before.last().is_some_and(|name| name.to_string() == "tests");
                if !is_tests {
                    let is_list = group.delimiter() == Delimiter::Bracket && begins_with(after, ". contains");
                    let compares = compares || is_list || is_argument(before) || is_pattern(after);
                    find(group.stream(), compares, visit);
                }
            }
            TokenTree::Literal(literal) => {
                let is_compared = compares
                    || ends_with(before, "= =")
                    || ends_with(before, "! =")
                    || begins_with(after, "= =")
                    || begins_with(after, "! =")
                    || is_alternative(before, after)
                    || is_pattern(after);
                visit(literal, is_compared);
            }
            _ => {}
        }
    }
}

/// Whether `after` shows that the tokens before it are a pattern: `=>`, or `if` with an arrow later.
fn is_pattern(after: &[TokenTree]) -> bool {
    let is_guarded = begins_with(after, "if") && after.windows(2).any(|pair| begins_with(pair, "= >"));
    begins_with(after, "= >") || is_guarded
}

/// `"a" | "b"`.
fn is_alternative(before: &[TokenTree], after: &[TokenTree]) -> bool {
    let is_literal = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Literal(_)));
    (ends_with(before, "|") && is_literal(before.iter().rev().nth(1)))
        || (begins_with(after, "|") && is_literal(after.get(1)))
}

/// Whether the tokens after `before` are the argument of a method that compares.
fn is_argument(before: &[TokenTree]) -> bool {
    before
        .last()
        .is_some_and(|name| COMPARING.contains(&name.to_string().as_str()))
}

fn begins_with(tokens: &[TokenTree], pattern: &str) -> bool {
    let mut tokens = tokens.iter();
    pattern
        .split(' ')
        .all(|part| tokens.next().is_some_and(|token| token.to_string() == part))
}

fn ends_with(tokens: &[TokenTree], pattern: &str) -> bool {
    let count = pattern.split(' ').count();
    tokens.len() >= count && begins_with(&tokens[tokens.len() - count..], pattern)
}
