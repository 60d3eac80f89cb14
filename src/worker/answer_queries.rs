//! A worker for load generators of others: photos by number come in, answers go out, in the order in which they came, by
//! as many streams as the job has.

use std::{
    io::{BufRead, Write},
    sync::atomic::AtomicUsize,
};

use super::{
    WorkerError,
    load_generator::ExternalQueries,
    loaded_arm::LoadedArm,
    parallel::on_each,
    protocol::{Job, Ready},
    stream::Stream,
    stream_loop::StreamLoop,
};

/// Loads `job`, writes what `ready` makes of it as a first line, and answers `input` on `output` until the input ends.
/// `failed` is called as soon as a photo cannot be answered: the other streams may be waiting for input then.
pub fn answer_queries(
    job: Job,
    ready: impl FnOnce(&Ready) -> String,
    failed: impl Fn(&WorkerError) + Sync,
    input: &mut (dyn BufRead + Send),
    output: &mut (dyn Write + Send),
) -> Result<(), WorkerError> {
    let photos = job.photos.len();
    let (account, mut arm) = LoadedArm::load(job)?;
    writeln!(output, "{}", ready(&account))?;
    output.flush()?;
    let done = AtomicUsize::new(0);
    let stream_loop = StreamLoop {
        schedule: &ExternalQueries::new(input, output, photos),
        batch: 1,
        done: &done,
    };
    let answer = |stream: &mut Box<dyn Stream>| {
        let answered = stream_loop.run(stream.as_mut(), &mut |_| ());
        answered.inspect_err(&failed)
    };
    on_each(&mut arm.streams, answer, |_| Ok(())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_comes_is_answered_and_a_wrong_line_is_named() {
        let mut job = null_job();
        let mut output = Vec::new();
        let mut input: &[u8] = b"7 0\n8 1 9 2\n";
        answer_queries(
            job.clone(),
            |_| "ready".to_owned(),
            |_| (),
            &mut input,
            &mut output,
        )
        .unwrap();
        let text = String::from_utf8(output).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1..].sort_unstable();
        assert_eq!(lines, ["ready", "7", "8", "9"]);
        job.streams = 1;
        let mut input: &[u8] = b"7 3\n";
        let called = std::sync::atomic::AtomicBool::new(false);
        let failed = |_: &WorkerError| called.store(true, std::sync::atomic::Ordering::Relaxed);
        let error = answer_queries(job, |_| String::new(), failed, &mut input, &mut Vec::new()).unwrap_err();
        assert!(
            error.to_string().contains("7 3") && called.into_inner(),
            "{error}"
        );
    }

    fn null_job() -> Job {
        let mut spec = crate::runtime::spec::BackendSpec::bare("null");
        spec.null.delay = std::time::Duration::from_micros(100);
        Job {
            photos: vec!["a".into(), "b".into(), "c".into()],
            streams: 2,
            cores: 2,
            ..Job::new(spec)
        }
    }
}
