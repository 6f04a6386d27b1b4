//! A kernel that lacks what isolates a worker.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use std::{os::unix::process::CommandExt, process::Command};

/// Name of what [`without_landlock`] does.
pub(crate) const WITHOUT_LANDLOCK: &str = "without Landlock";
/// Appended to the command, unless it is empty.
pub(crate) const FLAG: &str = "ARENA_FLAG";

/// Becomes the command after `--`, for which this kernel has no Landlock.
pub(crate) fn without_landlock() -> ! {
    let unknown = [(libc::SYS_landlock_create_ruleset, vec![])];
    let filter = SeccompFilter::new(
        unknown.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
    let mut words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    let flag = std::env::var(FLAG).unwrap();
    if !flag.is_empty() {
        command.arg(flag);
    }
    panic!("{}", command.exec())
}
