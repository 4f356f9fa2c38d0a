//! The walls a child puts around itself before it sees a byte of the file: resource limits, Landlock where the
//! kernel offers it, and system call filters. None of them can be taken down again. Knows no file formats.
//! Denied calls fail (EPERM), so that a library that looks for a font goes on without; calls that only an attack
//! makes (network, another program, another process) end the child.

use std::collections::BTreeSet;

use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetStatus, Scope};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::json;

use super::{Confinement, Limits};

/// Open files a child keeps: its three standard streams and its own status.
const OPEN_FILES: u64 = 4;

/// What reading a file from memory needs: memory, the three streams, time, its end. Named for every architecture.
const ALLOWED: [&str; 32] = [
    "brk",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "exit",
    "exit_group",
    "fstat",
    "futex",
    "getpid",
    "getrandom",
    "gettid",
    "gettimeofday",
    "lseek",
    "madvise",
    "membarrier",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "nanosleep",
    "read",
    "readv",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "sigaltstack",
    "write",
    "writev",
];

/// What ends the child at once.
const FATAL: [&str; 28] = [
    "accept",
    "accept4",
    "bind",
    "bpf",
    "chroot",
    "connect",
    "execve",
    "execveat",
    "finit_module",
    "init_module",
    "io_uring_setup",
    "kexec_load",
    "keyctl",
    "kill",
    "listen",
    "mount",
    "perf_event_open",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "reboot",
    "setns",
    "socket",
    "socketpair",
    "swapon",
    "umount2",
    "unshare",
];

/// A wall that could not be put up; the child reads nothing then.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A resource limit was refused.
    #[error("resource limit: {0}")]
    Limit(#[from] rustix::io::Errno),
    /// Landlock is there but failed.
    #[error("landlock: {0}")]
    Landlock(#[from] landlock::RulesetError),
    /// The filter could not be built or installed.
    #[error("system call filter: {0}")]
    Filter(String),
}

/// The walls that hold for threads made later: Landlock and the limits. Call before the worker thread is made.
pub(crate) fn confine_process(limits: &Limits) -> Result<Confinement, SandboxError> {
    rustix::thread::set_no_new_privs(true)?;
    let confinement = Confinement { landlock: deny_files_and_ports()? };
    let fixed = |value: u64| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Core, fixed(0))?;
    setrlimit(Resource::Fsize, fixed(0))?;
    setrlimit(Resource::Nofile, fixed(OPEN_FILES))?;
    // The soft limit ends the child by SIGXCPU, which tells it from a kill; the hard one is for a child that resists.
    let hard = Some(limits.cpu_seconds.saturating_add(1));
    setrlimit(Resource::Cpu, Rlimit { current: Some(limits.cpu_seconds), maximum: hard })?;
    setrlimit(Resource::Data, fixed(limits.memory_bytes))?;
    // The program itself and reserved but unused address space come on top of the memory it may write to.
    setrlimit(Resource::As, fixed(limits.memory_bytes.saturating_add(1 << 30)))?;
    Ok(confinement)
}

/// The walls that make new threads and everything else impossible, for all threads that exist.
pub(crate) fn seal_threads() -> Result<(), SandboxError> {
    setrlimit(Resource::Nproc, Rlimit { current: Some(0), maximum: Some(0) })?;
    let policy = json!({
        "fatal": { "mismatch_action": "allow", "match_action": "kill_process", "filter": rules(&FATAL) },
        "allowed": { "mismatch_action": { "errno": 1 }, "match_action": "allow", "filter": rules(&ALLOWED) },
    });
    let broken = |error: &dyn std::fmt::Display| SandboxError::Filter(error.to_string());
    let arch = std::env::consts::ARCH.try_into().map_err(|e: seccompiler::BackendError| broken(&e))?;
    let filters =
        seccompiler::compile_from_json(policy.to_string().as_bytes(), arch).map_err(|e| broken(&e))?;
    // The strict one last: it no longer allows a filter to be installed.
    for name in ["fatal", "allowed"] {
        let filter = filters.get(name).ok_or_else(|| broken(&"filter missing"))?;
        seccompiler::apply_filter_all_threads(filter).map_err(|e| broken(&e))?;
    }
    Ok(())
}

fn rules(names: &[&str]) -> Vec<serde_json::Value> {
    let names: BTreeSet<&str> = names.iter().copied().collect();
    names.into_iter().map(|name| json!({ "syscall": name })).collect()
}

/// A ruleset without a single rule: every file and every port is denied. Whether the kernel enforces it.
fn deny_files_and_ports() -> Result<bool, SandboxError> {
    let abi = ABI::V6;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}
