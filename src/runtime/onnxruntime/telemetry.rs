//! ONNX Runtime's telemetry. Its builds for Linux (1.32) keep a queue of events (program, system, processor, memory) below
//! the user's cache folder and try to send it. Its API switches this off too late, when the library has begun; a variable of
//! the environment that is there before the library is loaded prevents it.

/// The variable that ONNX Runtime reads as it is loaded.
pub const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Switches it off for this process and, as they inherit its environment, for all that it starts. To be called first in
/// `main`: where other threads are at work already it changes nothing, and no runtime can be loaded then.
#[allow(unsafe_code)] // The environment is the only switch, and Rust counts writing to it as unsafe.
pub fn switch_off() {
    if !is_off() && is_single_threaded() {
        // SAFETY: no other thread is there that could read the environment at the same time.
        unsafe { std::env::set_var(VARIABLE, "1") };
    }
}

/// Whether a runtime that is loaded now sends nothing.
pub fn is_off() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| value == "1")
}

/// Whether this process has one thread only, by the kernel's own list.
fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}
