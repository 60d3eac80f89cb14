//! The rules behind the figures, each with an address that numbers link to.

use maud::{Markup, html};

use crate::record::{Consequence, RULES, rule};

/// How a figure is made.
struct Method {
    /// Its name in links.
    id: &'static str,
    name: &'static str,
    text: &'static str,
}

const fn method(id: &'static str, name: &'static str, text: &'static str) -> Method {
    Method { id, name, text }
}

/// How figures other than checks are made.
const METHODS: &[Method] = &[
    method(
        "status",
        "status",
        "valid: no check failed. unstable: a check failed, so that the figures may be chance. invalid: a check failed, \
         so that they are figures of something else than what was requested. failed: the figures are not complete. A check \
         that could not be observed is unknown, never passed, and is shown beside the figures.",
    ),
    method(
        "interval",
        "95 % interval",
        "The unit is the process: each arm is measured in several processes, and the images a second of one process are \
         one value. The interval is Student's t on the logarithms of these values, turned back into images a second. \
         With one process there is none.",
    ),
    method(
        "ratio",
        "ratio",
        "Images a second of the arm over those of the baseline. Processes of one study are paired by their order, and the \
         interval is Student's t on the differences of their logarithms; arms of different studies are compared unpaired.",
    ),
    method(
        "verdict",
        "verdict",
        "faster or slower: the whole 95 % interval of the ratio lies outside the margin (2 %, or the machine's noise floor \
         where that is larger). equivalent: two one-sided tests (TOST) place the ratio inside the margin. Otherwise \
         inconclusive. With several comparisons the verdicts are corrected by Holm's method, so that a difference found by \
         chance stays as rare as with one comparison. A star: the comparison may not be quoted, and the remarks say why.",
    ),
    method(
        "bound",
        "images a second at a latency bound",
        "The most images a second at which that percentage of the arm's answers came within the bound: the best \
         of the measured points that hold it, or in the server scenario the highest rate of arrivals that holds it. Most \
         services have such a bound to keep; without one, any device looks better with more photos at a time.",
    ),
    method(
        "latency",
        "latency",
        "Response: from the query to its answer, in the server scenario from the scheduled arrival, so that waiting in a \
         queue counts. Service: the work on one photo, without waiting.",
    ),
    method(
        "cost",
        "cost",
        "The price of an hour, as it was given, over the images of an hour without a latency bound. The interval is that of \
         images a second.",
    ),
    method(
        "cores",
        "what a device is worth",
        "Images a second of the arm, over what the fp32 CPU arm gives for each host core that it could use: the \
         number of such cores that do the same work. No interval is given; it is a figure for planning.",
    ),
    method(
        "ceiling",
        "what the stages allow",
        "Each stage does several photos in a row before the next begins, with all streams at work, on the same photos and \
         in the same processes as the blocks. On the host the stages share the cores: streams over the sum of their times \
         is what they allow. Beside a device it is the least of what the host cores prepare and the device runs. reached: \
         images a second of the blocks over that. networks alone: bare runs on tensors that are already prepared. harness: \
         what a bare loop over the networks loses when facebench hands out its work and times it.",
    ),
    method(
        "stages",
        "stages",
        "Mean time of a photo in each stage, in one stream. Streams work side by side, so images a second are more than \
         one over the sum.",
    ),
    method(
        "strata",
        "strata of photos",
        "Images a second that the arm would give if all photos were of that stratum. A single photo of a crowd can hold half of all faces.",
    ),
];

/// Whether there is a rule of this name.
pub(super) fn explains(id: &str) -> bool {
    rule(id).is_some() || METHODS.iter().any(|method| method.id == id)
}

/// The section.
pub(super) fn section() -> Markup {
    html! {
        h2 id="rules" { "Rules" }
        h3 { "How figures are made" }
        dl {
            @for method in METHODS {
                dt id={ "rule-" (method.id) } { (method.name) }
                dd { (method.text) }
            }
        }
        h3 { "Checks" }
        dl {
            @for rule in RULES {
                dt id={ "rule-" (rule.id) } { (rule.id) }
                dd {
                    (rule.question) br;
                    b { "Passes with:" } " " (rule.limit()) "." br;
                    b { "Observed by:" } " " (rule.observed) "." br;
                    b { "Its failure" } " " (consequence(rule.consequence)) "."
                }
            }
        }
    }
}

fn consequence(consequence: Consequence) -> &'static str {
    match consequence {
        Consequence::Invalid => "makes the arm invalid",
        Consequence::Unstable => "makes the arm unstable",
        Consequence::Note => "is shown, and changes no status",
    }
}
