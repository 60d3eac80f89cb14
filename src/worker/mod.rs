//! The worker process of one arm: loads it, works, and answers its study line by line.
//!
//! Crashes and hangs happen here and cost one arm. Standard output belongs to the protocol; all other
//! output goes to standard error. [`process`] is the study's end of it.

mod answer_queries;
mod background_load;
pub mod call;
mod ceiling;
mod check_pass;
pub mod environment;
mod error;
pub mod interruption;
pub mod load_generator;
mod loaded_arm;
mod measure;
mod null_stream;
pub mod parallel;
mod photos;
mod pipes;
mod plausible;
pub mod process;
pub mod protocol;
mod reply_writer;
mod request_loop;
mod stream;
mod stream_loop;
mod stream_stats;
mod system;

pub use error::WorkerError;
pub use null_stream::null_answer;
#[doc(hidden)]
pub use process::read_untrusted;
pub use request_loop::main;
