//! The system calls of a worker.
//!
//! What only an attack asks for ends the process; what is merely not needed is answered with an
//! error, so that a C library that probes for something new doesn't end a job.

use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, apply_filter,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What every worker needs: memory, threads, time, open files.
const NEEDED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_getdents64,
    libc::SYS_fadvise64,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ppoll,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    // Answered with ENOSYS by a filter of its own.
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_getcwd,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
];

/// As above, in the names that only old interfaces have.
#[cfg(target_arch = "x86_64")]
const NEEDED_HERE: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_poll,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const NEEDED_HERE: &[i64] = &[];

/// What fetching needs as well: connections, and files of the cache.
const FETCHING: &[i64] = &[
    libc::SYS_connect,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_pselect6,
    libc::SYS_flock,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_renameat2,
    libc::SYS_utimensat,
    libc::SYS_fchmod,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_readlinkat,
    // Libraries that resolve names are loaded when they are first needed.
    libc::SYS_mmap,
    libc::SYS_mprotect,
];

#[cfg(target_arch = "x86_64")]
const FETCHING_HERE: &[i64] = &[
    libc::SYS_mkdir,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_readlink,
    libc::SYS_select,
];
#[cfg(target_arch = "aarch64")]
const FETCHING_HERE: &[i64] = &[
    // `renameat`, by which the C library renames; the crate doesn't name it here.
    38,
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const FETCHING_HERE: &[i64] = &[];

/// What no worker asks for unless a stranger's bytes run in it.
const HOSTILE: &[i64] = &[
    // Other programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    // Another view of the system.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_personality,
    // Large parts of the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    // Rights, and memory that runs.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_capset,
    libc::SYS_memfd_create,
    libc::SYS_socketpair,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
];

#[cfg(target_arch = "x86_64")]
const HOSTILE_HERE: &[i64] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const HOSTILE_HERE: &[i64] = &[];

/// Hostile but for a worker that fetches.
const HOSTILE_NETWORK: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
];

/// Namespaces that a thread could be started in.
const NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// What a descriptor is asked for; not whom it sends signals to.
const DESCRIPTOR: [libc::c_int; 6] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
];

/// Filters the calls of this thread and of those that it starts, for good.
pub(super) fn filter(network: bool) -> Result<(), Error> {
    let deadly = deadly(network)?;
    // Its flags are in memory, where no filter looks; without it threads are started by `clone`.
    let absent = Rules::from([(libc::SYS_clone3, vec![])]);
    let allowed = allowed(network)?;
    let no_such_call = SeccompAction::Errno(errno(libc::ENOSYS));
    let programs = [
        compile(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?,
        compile(absent, SeccompAction::Allow, no_such_call)?,
        // The last one: it allows no further filter.
        compile(
            allowed,
            SeccompAction::Errno(errno(libc::EPERM)),
            SeccompAction::Allow,
        )?,
    ];
    programs
        .iter()
        .try_for_each(|program| apply_filter(program))
}

fn errno(number: libc::c_int) -> u32 {
    number.unsigned_abs()
}

fn compile(rules: Rules, other: SeccompAction, named: SeccompAction) -> Result<BpfProgram, Error> {
    let here = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, other, named, here)?.try_into()?)
}

fn all(lists: &[&[i64]]) -> Rules {
    let calls = lists.iter().flat_map(|list| list.iter());
    calls.map(|call| (*call, vec![])).collect()
}

/// A rule of one argument: the bits of `mask` in it are `value`.
fn bits(argument: u8, mask: libc::c_int, value: libc::c_int) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition(argument, mask, value)?])
}

fn condition(
    argument: u8,
    mask: libc::c_int,
    value: libc::c_int,
) -> Result<SeccompCondition, BackendError> {
    let widen = |bits: libc::c_int| u64::from(bits.cast_unsigned());
    let masked = SeccompCmpOp::MaskedEq(widen(mask));
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, masked, widen(value))
}

const WHOLE: libc::c_int = -1;

fn deadly(network: bool) -> Result<Rules, BackendError> {
    let mut rules = all(&[HOSTILE, HOSTILE_HERE]);
    if !network {
        rules.extend(all(&[HOSTILE_NETWORK]));
    }
    // A process, where a thread is meant.
    rules.insert(libc::SYS_clone, vec![bits(0, libc::CLONE_THREAD, 0)?]);
    Ok(rules)
}

fn allowed(network: bool) -> Result<Rules, BackendError> {
    let mut rules = all(&[NEEDED, NEEDED_HERE]);
    let own = std::process::id().cast_signed();
    let thread = bits(0, libc::CLONE_THREAD | NAMESPACES, libc::CLONE_THREAD)?;
    // Signals of a process to itself: how it aborts.
    let to_itself = bits(0, WHOLE, own)?;
    let name = bits(0, WHOLE, libc::PR_SET_NAME)?;
    let reads_limits = SeccompRule::new(vec![
        condition(0, WHOLE, 0)?,
        SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?,
    ])?;
    let descriptor: Result<Vec<_>, _> = DESCRIPTOR.iter().map(|ask| bits(1, WHOLE, *ask)).collect();
    rules.extend([
        (libc::SYS_clone, vec![thread]),
        (libc::SYS_tgkill, vec![to_itself]),
        (libc::SYS_prctl, vec![name]),
        (libc::SYS_prlimit64, vec![reads_limits]),
        (libc::SYS_fcntl, descriptor?),
    ]);
    if network {
        rules.extend(all(&[FETCHING, FETCHING_HERE]));
        rules.extend([
            (libc::SYS_socket, internet()?),
            (
                libc::SYS_ioctl,
                vec![bits(1, WHOLE, FIONBIO)?, bits(1, WHOLE, FIONREAD)?],
            ),
        ]);
    } else {
        let no_code = bits(2, libc::PROT_EXEC, 0)?;
        rules.extend([
            (libc::SYS_mmap, vec![no_code.clone()]),
            (libc::SYS_mprotect, vec![no_code]),
        ]);
    }
    Ok(rules)
}

const FIONBIO: libc::c_int = 0x5421;
const FIONREAD: libc::c_int = 0x541b;

/// TCP and UDP; no socket of this machine's own services, none of raw packets.
fn internet() -> Result<Vec<SeccompRule>, BackendError> {
    const KIND: libc::c_int = 0xf;
    let mut rules = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
            rules.push(SeccompRule::new(vec![
                condition(0, WHOLE, family)?,
                condition(1, KIND, kind)?,
            ])?);
        }
    }
    Ok(rules)
}
