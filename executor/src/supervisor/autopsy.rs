//! Why a worker died.

use crate::fault::infra;
use arena_primitives::job::{Fault, InfraFault};
use std::{io, os::unix::process::ExitStatusExt, process::ExitStatus};

/// Last words of a process that got no memory: of Rust's allocator, and of the C library.
const STARVED: [&str; 2] = ["memory allocation of", "Cannot allocate memory"];

/// Signals as the kernel numbers them on every Linux that this runs on.
mod signal {
    pub(super) const ABORT: i32 = 6;
    pub(super) const KILL: i32 = 9;
    pub(super) const CPU_TIME: i32 = 24;
    pub(super) const FILE_SIZE: i32 = 25;
    pub(super) const SYSTEM_CALL: i32 = 31;
}

/// The fault of a worker that left no outcome.
pub(super) fn autopsy(status: io::Result<ExitStatus>, last_words: &str) -> Fault {
    let status = match status {
        Ok(status) => status,
        Err(error) => {
            return infra(InfraFault::Device, format_args!("lost the worker: {error}"));
        }
    };
    let starved = STARVED.iter().any(|words| last_words.contains(words));
    let (class, what) = match status.signal() {
        Some(signal::KILL) => (
            InfraFault::Memory,
            "it was killed, as the kernel does for memory",
        ),
        Some(signal::ABORT) if starved => (InfraFault::Memory, "its memory limit was reached"),
        Some(signal::CPU_TIME) => (
            InfraFault::Timeout,
            "its limit of processor time was reached",
        ),
        Some(signal::FILE_SIZE) => (InfraFault::Disk, "its limit on a file's size was reached"),
        Some(signal::SYSTEM_CALL) => (
            InfraFault::Device,
            "it asked the kernel for what no worker may have, and was ended",
        ),
        None if status.code() == Some(crate::worker::EXIT_DISK) => {
            (InfraFault::Disk, "the disk failed")
        }
        _ if starved => (InfraFault::Memory, "its memory limit was reached"),
        _ => (InfraFault::Device, "it died"),
    };
    infra(
        class,
        format_args!("worker: {what} ({status}): {last_words}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(raw: i32, last_words: &str) -> InfraFault {
        match autopsy(Ok(ExitStatus::from_raw(raw)), last_words) {
            Fault::Infra(class, _) => class,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn autopsy_should_tell_memory_time_and_device_apart() {
        assert_eq!(class(9, ""), InfraFault::Memory);
        assert_eq!(
            class(6, "memory allocation of 9 bytes failed"),
            InfraFault::Memory
        );
        assert_eq!(
            class(101 << 8, "Cannot allocate memory (os error 12)"),
            InfraFault::Memory
        );
        assert_eq!(class(6, "assertion"), InfraFault::Device);
        assert_eq!(class(31, ""), InfraFault::Device);
        assert_eq!(class(24, ""), InfraFault::Timeout);
        assert_eq!(class(25, ""), InfraFault::Disk);
        assert_eq!(class(11, ""), InfraFault::Device);
        assert_eq!(class(101 << 8, "panicked"), InfraFault::Device);
    }
}
