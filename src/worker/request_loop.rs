//! Takes the study's requests one after the other and has each done.

use std::{
    io::{self, BufRead},
    path::Path,
    sync::mpsc,
    thread,
};

use super::{
    WorkerError,
    answer_queries::QueryLines,
    background_load::BackgroundLoad,
    loaded_arm::{LoadedArm, probe},
    parallel::NoThread,
    protocol::{Reply, Request},
    reply_writer::ReplyWriter,
};
use crate::machine;

/// Reads requests from standard input until the one to finish; returns whether all went well. When the study dies its
/// end of the pipe closes, and the worker ends with it, even in the middle of a block.
pub fn main() -> bool {
    let (sender, mut requests) = mpsc::channel();
    let reading = thread::Builder::new().spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                return;
            }
        }
        std::process::exit(1);
    });
    let Ok(writer) = ReplyWriter::take_stdout() else {
        return false;
    };
    match reading
        .map_err(|error| NoThread::from(error).into())
        .and_then(|_| serve(&mut requests, &writer))
    {
        Ok(()) => true,
        Err(error) => {
            let _ = writer.send(&Reply::Failed {
                reason: error.to_string(),
            });
            false
        }
    }
}

fn serve(requests: &mut mpsc::Receiver<String>, writer: &ReplyWriter) -> Result<(), WorkerError> {
    let mut arm: Option<LoadedArm> = None;
    let mut load: Option<BackgroundLoad> = None;
    while let Ok(line) = requests.recv() {
        let request: Request =
            serde_json::from_str(&line).map_err(|e| WorkerError::Protocol(e.to_string()))?;
        let reply = match (request, arm.as_mut()) {
            (Request::Probe(job), _) => {
                probe(&job)?;
                Reply::Probed
            }
            (Request::Prepare(job), _) => {
                let alive = || Ok(writer.send(&Reply::Progress { images: 0 })?);
                let (ready, loaded) = LoadedArm::load(*job, &alive)?;
                arm = Some(loaded);
                Reply::Ready(Box::new(ready))
            }
            (Request::PrepareBackgroundLoad(job), _) => {
                load = Some(BackgroundLoad::prepare(&job)?);
                Reply::BackgroundLoadReady
            }
            (Request::BackgroundLoad(call), _) => {
                let load = load.take().ok_or_else(|| {
                    WorkerError::Protocol("a background load that was not prepared".to_owned())
                })?;
                match load.work(call, |began_us| {
                    Ok(writer.send(&Reply::BackgroundLoadBegan { began_us })?)
                })? {}
            }
            (Request::Observe, Some(arm)) => Reply::Observed {
                profile: arm.observe(writer)?,
            },
            (Request::Recognize, Some(arm)) => {
                arm.answer_all(writer)?;
                Reply::Observed { profile: None }
            }
            (Request::Serve, Some(arm)) => {
                arm.answer_queries(&mut QueryLines::new(requests), &mut writer.lines(), &|error| {
                    // Streams that wait for queries cannot be stopped, and the study should learn of it at once.
                    let reason = error.to_string();
                    let _ = writer.send(&Reply::Failed { reason });
                    std::process::exit(1);
                })?;
                Reply::Served
            }
            (Request::WarmUp(call), Some(arm)) => Reply::WarmedUp(arm.warm_up(writer, call)?),
            (Request::Block(spec), Some(arm)) => Reply::Block(Box::new(arm.block(writer, spec)?)),
            (Request::Ceiling(call), Some(arm)) => {
                Reply::Ceiling(Box::new(arm.ceiling(writer, call.duration)?))
            }
            (Request::Window(call), Some(arm)) => {
                Reply::Completions(Box::new(arm.work_in_window(writer, call)?))
            }
            (Request::Finish, _) => {
                let rss_peak_bytes = machine::peak_rss_bytes(Path::new("/"));
                writer.send(&Reply::Finished { rss_peak_bytes })?;
                return Ok(());
            }
            (other, None) => return Err(WorkerError::Protocol(format!("{other:?} before prepare"))),
        };
        writer.send(&reply)?;
    }
    Ok(())
}
