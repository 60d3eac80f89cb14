//! Requests with the type of their answer.

use super::protocol::{
    Block, BlockSpec, Ceiling, Completions, Job, MeasureCeiling, ObservedProfile, Ready, Reply, Request,
    StartBackgroundLoad, WarmUp, WarmedUp, WorkInWindow,
};

/// A request to a worker, and what answers it.
pub trait Call {
    /// What a worker answers.
    type Answer;

    /// The request on its way to the worker.
    fn request(self) -> Request;

    /// The answer in `reply`; the reply itself where it answers something else.
    fn answer(reply: Reply) -> Result<Self::Answer, Reply>;
}

/// [`Request::Prepare`].
pub struct Prepare(pub Job);
/// [`Request::Probe`].
pub struct Probe(pub Job);
/// [`Request::Observe`].
pub struct Observe;
/// [`Request::Recognize`].
pub struct Recognize;
/// [`Request::Serve`].
pub struct Serve;
/// [`Request::PrepareBackgroundLoad`].
pub struct PrepareBackgroundLoad(pub Job);
/// [`Request::Finish`].
pub struct Finish;

macro_rules! calls {
    ($($call:ident -> $answer:ty { $this:pat => $request:expr, $reply:pat => $value:expr })*) => {$(
        impl Call for $call {
            type Answer = $answer;

            fn request(self) -> Request {
                let $this = self;
                $request
            }

            fn answer(reply: Reply) -> Result<$answer, Reply> {
                match reply {
                    $reply => Ok($value),
                    other => Err(other),
                }
            }
        }
    )*};
}

calls! {
    Prepare -> Ready { Self(job) => Request::Prepare(Box::new(job)), Reply::Ready(ready) => *ready }
    Probe -> () { Self(job) => Request::Probe(Box::new(job)), Reply::Probed => () }
    Observe -> Option<ObservedProfile> { Self => Request::Observe, Reply::Observed { profile } => profile }
    Recognize -> () { Self => Request::Recognize, Reply::Observed { .. } => () }
    Serve -> () { Self => Request::Serve, Reply::Served => () }
    WarmUp -> WarmedUp { call => Request::WarmUp(call), Reply::WarmedUp(warmed_up) => warmed_up }
    BlockSpec -> Block { call => Request::Block(call), Reply::Block(block) => *block }
    MeasureCeiling -> Ceiling { call => Request::Ceiling(call), Reply::Ceiling(ceiling) => *ceiling }
    WorkInWindow -> Completions { call => Request::Window(call), Reply::Completions(completions) => *completions }
    PrepareBackgroundLoad -> () {
        Self(job) => Request::PrepareBackgroundLoad(Box::new(job)), Reply::BackgroundLoadReady => ()
    }
    StartBackgroundLoad -> u64 {
        call => Request::BackgroundLoad(call), Reply::BackgroundLoadBegan { began_us } => began_us
    }
    Finish -> Result<u64, String> { Self => Request::Finish, Reply::Finished { rss_peak_bytes } => rss_peak_bytes }
}
