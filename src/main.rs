//! The program: arguments in, exit status out.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::{CommandFactory, Parser};
use facebench::{
    cli::{Cli, Command, DatasetsCommand, ModelsCommand},
    commands::{self, Failure, home, progress::notify},
    model::fetch::FetchOptions,
    runtime::onnxruntime::telemetry,
    text::{self, VisibleWriter},
    worker,
};

fn main() -> ExitCode {
    // Before anything starts a thread.
    telemetry::switch_off();
    // A panic's words may quote what came from outside.
    std::panic::set_hook(Box::new(|panic| notify(&format!("internal error: {panic}"))));
    match run() {
        Ok(code) => code.into(),
        Err(error) => {
            // A reader such as head or less that closes the pipe early is not an error.
            if broken_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            notify(&format!("error: {}", in_full(&error)));
            error
                .downcast_ref::<Failure>()
                .map_or(1, Failure::exit_code)
                .into()
        }
    }
}

/// The error and its causes, except those that its text repeats.
fn in_full(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) {
            text
        } else if text.is_empty() {
            cause
        } else {
            format!("{text}: {cause}")
        }
    })
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        let written = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>();
        written.or_else(|| json.and_then(serde_json::Error::io_error_kind))
    };
    error
        .chain()
        .any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
}

fn run() -> anyhow::Result<u8> {
    // For the record; a path need not be UTF-8.
    let argv = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let arguments = match Cli::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let mut out = VisibleWriter::new(io::BufWriter::new(io::stdout().lock()));
    match arguments.command {
        Command::Worker => {
            drop(out);
            return Ok(u8::from(!worker::main()));
        }
        Command::Demo(args) => return Ok(commands::demo::demo(*args, &home()?, argv, &mut out)?),
        Command::Run(args) => return Ok(commands::run::run(*args, &home()?, argv, &mut out)?),
        Command::Tenants(args) => return Ok(commands::tenants::tenants(*args, &home()?, argv, &mut out)?),
        Command::Tune(args) => return Ok(commands::tune::tune(*args, &home()?, argv, &mut out)?),
        Command::Report(args) => commands::report::report(&args, &mut out)?,
        Command::Compare(args) => return Ok(commands::compare::compare(&args, &mut out)?),
        Command::Merge(args) => commands::compare::merge(&args, &mut out)?,
        Command::Size(args) => commands::size::size(&args, &mut out)?,
        Command::Monitor(args) => commands::monitor::monitor(args.output, args.interval, args.duration)?,
        Command::Audit { record } => return Ok(commands::compare::audit(&record, &mut out)?),
        Command::Checks { markdown } => {
            commands::checks::list(markdown, &mut out).context("cannot write the answer")?;
        }
        Command::Serve(args) => {
            drop(out);
            commands::serve::serve(*args, &home()?, &mut io::stdout())?;
            return Ok(0);
        }
        Command::Faces(args) => commands::faces::faces(args, &home()?, &mut out)?,
        Command::Devices(args) => {
            commands::devices::list(&mut out, args.json, args.metadata, &home()?)?;
        }
        Command::Models { command } => models(command, &mut out)?,
        Command::Datasets {
            command: DatasetsCommand::Render(args),
        } => commands::datasets::render(&args, &mut out)?,
        Command::Setup { flavor } => commands::setup::setup(flavor, &home()?, &mut out)?,
        Command::Bundle(args) => commands::bundle::bundle(&args, &home()?, &mut out)?,
        Command::Completions { shell } => {
            // It panics where its writer fails.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "facebench", &mut script);
            out.write_all(&script).context("cannot write the answer")?;
        }
    }
    out.flush().context("cannot write the answer")?;
    Ok(0)
}

/// What clap has to say: help and version, or what is wrong with the arguments, which it quotes as they are.
fn usage(error: &clap::Error) -> anyhow::Result<u8> {
    let words: Vec<_> = std::env::args_os().collect();
    let plain = words
        .iter()
        .all(|word| word.to_str().is_some_and(text::is_visible));
    if !error.use_stderr() {
        error.print().context("cannot write the answer")?;
    } else if plain {
        // If no one can read it, the exit status still counts.
        let _ = error.print();
    } else {
        notify(error.render().to_string().trim_end());
    }
    Ok(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn models(command: ModelsCommand, out: &mut dyn Write) -> Result<(), Failure> {
    let home = home()?;
    match command {
        ModelsCommand::List { json } => commands::models::list(out, json, &home)?,
        ModelsCommand::Quantize(args) => commands::quantize::quantize(&args, &home, out)?,
        ModelsCommand::Verify => commands::models::verify(out, &home)?,
        ModelsCommand::Fetch(args) => {
            let options = FetchOptions {
                accept_license: args.accept_license,
                sha256: args.sha256,
                url: args.url,
                timeout: args.timeout,
                within: args.within,
            };
            let bar = io::stderr().is_terminal().then(|| indicatif::ProgressBar::new(0));
            let mut progress = |done: u64, total: Option<u64>| {
                if let Some(bar) = &bar {
                    bar.set_length(total.unwrap_or(done));
                    bar.set_position(done);
                }
            };
            let log = &mut VisibleWriter::new(io::stderr());
            commands::models::fetch(out, log, &args.name, &home, &options, &mut progress)?;
        }
    }
    Ok(())
}
