//! `facebench checks`: every check, what it means and its limit.

use std::io::{self, Write};

use crate::record::RULES;

/// Lists the rules as text, or as the Markdown of `docs/checks.md`.
pub fn list(markdown: bool, out: &mut dyn Write) -> io::Result<()> {
    if markdown {
        return self::markdown(out);
    }
    for rule in RULES {
        writeln!(out, "{} ({})", rule.id, rule.consequence.name())?;
        for (name, text) in [
            ("", rule.question),
            ("limit: ", &rule.limit()),
            ("observed: ", rule.observed),
        ] {
            for (number, line) in wrapped(&format!("{name}{text}"), 106).iter().enumerate() {
                writeln!(out, "    {}{line}", if number > 0 { "  " } else { "" })?;
            }
        }
    }
    writeln!(
        out,
        "\nA failed check makes its arm invalid (the figures are not of what was requested) or unstable (they may be chance),\n\
         or is only noted. A check that could not be made is unknown: it changes nothing and is shown with the figures."
    )
}

fn markdown(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "# Checks\n\nEvery check of an arm's figures; `facebench checks` lists them too. A failed check makes its arm `invalid` (the\n\
         figures are not of what was requested) or `unstable` (they may be chance), or is only noted. A check that could not\n\
         be made is `unknown`: it changes nothing, and is shown with the figures.\n\nThis page is written by \
         `facebench checks --markdown`.\n"
    )?;
    for rule in RULES {
        writeln!(
            out,
            "## {}\n\n{} A failure makes the arm: **{}**.\n\n- Limit: {}.\n- Observed: {}.\n",
            rule.id,
            rule.question,
            rule.consequence.name(),
            rule.limit(),
            rule.observed
        )?;
        if let Some((_, text)) = NOTES.iter().find(|(id, _)| *id == rule.id) {
            writeln!(out, "{text}\n")?;
        }
    }
    Ok(())
}

/// What the page says of a rule beyond the rule itself.
const NOTES: &[(&str, &str)] = &[(
    "agreement",
    "The check is about answers, not about how they are found: an arm that finds the same faces with the same embeddings agrees.\n\
     So a smaller canvas passes where no face needs the larger one. On the embedded photos, whose faces are large, canvases of\n\
     320 to 576 pixels find the same faces as 640 and pass; this is meant. On photos with small faces they lose some, and fail:\n\
     measure photos like your own, and compare arms whose canvas is the same where that is to be no difference.",
)];

/// Text in lines of at most `width` characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
