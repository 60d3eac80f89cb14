//! Progress of a command, on standard error: a bar on a terminal, plain lines elsewhere; and what Ctrl-C does.

use std::{
    io::{IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    record::Block,
    study::{Observer, plan::Plan},
    text,
};

/// Lines on standard error: nothing else writes there but the bar, and nothing hidden passes. If no one can read them, the
/// study still goes on.
pub fn notify(lines: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text::visible_lines(lines));
}

/// A bar with a number of steps, or lines where there is no terminal.
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of `steps` steps.
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

    /// One step for each block of the study that `plan` describes.
    pub fn of_study(plan: &Plan) -> Self {
        let blocks = |arm| plan.blocks + plan.points(arm).len();
        let blocks: usize = plan.arms.iter().map(blocks).sum();
        Self::new((blocks * plan.processes) as u64)
    }

    /// One line that stays on the screen.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| notify(text)),
            None => notify(text),
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
            Some(bar) => bar.set_message(text::visible(text).into_owned()),
            None => notify(text),
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
                bar.set_message(text::visible(&text).into_owned());
            }
            None => notify(&format!("  {text}")),
        }
    }
}

/// A flag that Ctrl-C (or SIGTERM) sets, so that a study ends early and keeps what has been measured. The second time ends
/// the program at once.
pub fn on_interrupt() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let handler = ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        notify("stopping; what has been measured is kept (press Ctrl-C again to end at once)");
    });
    if let Err(error) = handler {
        notify(&format!("Ctrl-C will not keep what has been measured: {error}"));
    }
    flag
}
