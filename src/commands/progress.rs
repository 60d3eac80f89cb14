//! What is told while a command works: a bar on a terminal, plain lines elsewhere. Always on standard error.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{record::Block, study::Observer};

/// One line on standard error. Nobody reading it is no reason to lose a study.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A bar of so many steps, or the lines that stand for it.
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Something that takes `steps` steps.
    pub fn new(steps: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
            let form = "{bar:30} {pos}/{len} {elapsed_precise} {msg}";
            bar.set_style(
                ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.enable_steady_tick(std::time::Duration::from_millis(500));
            bar
        });
        Self { bar }
    }

    /// One line that stays.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(text)),
            None => tell(text),
        }
    }

    /// One step is done.
    pub fn step(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn phase(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => tell(text),
        }
    }

    fn notice(&self, text: &str) {
        self.line(text);
    }

    fn block(&self, label: &str, block: &Block) {
        let speed = block.images as f64 / block.seconds;
        let text = format!("process {}: {label}: {speed:.1} images/s", block.process + 1);
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                bar.set_message(text);
            }
            None => tell(&format!("  {text}")),
        }
    }
}
