//! Which fault is whose.

use arena_primitives::job::{Fault, InfraFault, JobStatus, MinerFault};
use std::io;

/// Longest reason that is kept, in bytes.
const LONGEST_REASON: usize = 1000;

/// A reason cut to a bounded length, with no control characters.
pub(crate) fn reason(text: impl std::fmt::Display) -> String {
    let mut out = String::new();
    for c in text.to_string().chars() {
        if out.len() >= LONGEST_REASON {
            out.push('…');
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

/// A fault of the model.
pub(crate) fn miner(class: MinerFault, text: impl std::fmt::Display) -> Fault {
    Fault::Miner(class, reason(text))
}

/// A fault of this machine.
pub(crate) fn infra(class: InfraFault, text: impl std::fmt::Display) -> Fault {
    Fault::Infra(class, reason(text))
}

/// A fault with the model that another one is compared with.
pub(crate) fn of_earlier(fault: Fault) -> Fault {
    let why = |why| reason(format_args!("the earlier model: {why}"));
    match fault {
        Fault::Miner(class, text) => Fault::Miner(class, why(text)),
        Fault::Infra(class, text) => Fault::Infra(class, why(text)),
        Fault::Unsupported(text) => Fault::Unsupported(why(text)),
    }
}

/// A failed read or write of this machine's own files.
pub(crate) fn from_io(error: &io::Error, what: impl std::fmt::Display) -> Fault {
    let class = match error.kind() {
        io::ErrorKind::OutOfMemory => InfraFault::Memory,
        _ => InfraFault::Disk,
    };
    infra(class, format_args!("{what}: {error}"))
}

/// Side and class of a fault, as metrics and messages name them.
pub(crate) fn labels(fault: &Fault) -> (&'static str, String) {
    match fault {
        Fault::Miner(class, _) => ("miner", format!("{class:?}")),
        Fault::Infra(class, _) => ("infra", format!("{class:?}")),
        Fault::Unsupported(_) => ("unsupported", "Unsupported".to_owned()),
    }
}

/// A fault in one line.
pub(crate) fn describe(fault: &Fault) -> String {
    match fault {
        Fault::Miner(class, why) => format!("model's fault, {class:?}: {why}"),
        Fault::Infra(class, why) => format!("this machine's fault, {class:?}: {why}"),
        Fault::Unsupported(why) => format!("unsupported: {why}"),
    }
}

/// Whether another try on this machine may end differently.
///
/// Memory is not among them: the limit is the executor's own, and the model's need is the
/// same each time.
pub(crate) fn may_pass(fault: &Fault) -> bool {
    match fault {
        Fault::Infra(class, _) => !matches!(class, InfraFault::Memory),
        Fault::Miner(..) | Fault::Unsupported(_) => false,
    }
}

/// A status in one line.
pub(crate) fn describe_status(status: &JobStatus) -> String {
    match status {
        JobStatus::Queued => "queued".to_owned(),
        JobStatus::Running { done, total: 0 } => format!("running, {done} done, fetching"),
        JobStatus::Running { done, total } => format!("running, {done} of {total}"),
        JobStatus::Done(outcome) => format!("done: {outcome:?}"),
        JobStatus::Failed(fault) => format!("failed: {}", describe(fault)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind;

    #[test]
    fn failed_writes_should_be_of_the_disk_and_may_pass() {
        for kind in [
            ErrorKind::StorageFull,
            ErrorKind::FileTooLarge,
            ErrorKind::QuotaExceeded,
            ErrorKind::ReadOnlyFilesystem,
            ErrorKind::NotADirectory,
        ] {
            let fault = from_io(&kind.into(), "the cache");
            assert!(
                matches!(&fault, Fault::Infra(InfraFault::Disk, why) if why.starts_with("the cache: ")),
                "{kind:?}: {fault:?}"
            );
            assert!(may_pass(&fault), "{kind:?}");
        }
        let fault = from_io(&ErrorKind::OutOfMemory.into(), "the cache");
        assert!(
            matches!(fault, Fault::Infra(InfraFault::Memory, _)),
            "{fault:?}"
        );
    }
}
