//! What becomes of memory that is given back.

/// Largest piece that the C library may keep, in bytes.
const LARGEST: libc::c_int = 1 << 30;

/// Keeps freed memory in this process.
///
/// Layers ask for the same large pieces again and again. The C library would return each to the
/// kernel and get it back page by page, cleared: a tenth of the time of an evaluation.
#[cfg(target_env = "gnu")]
#[allow(
    unsafe_code,
    reason = "the C library's settings have no safe interface"
)]
pub(crate) fn keep_freed() {
    let settings = [
        (libc::M_MMAP_THRESHOLD, LARGEST),
        (libc::M_TRIM_THRESHOLD, LARGEST),
        // Each thread's own arena would be too small for a layer.
        (libc::M_ARENA_MAX, 1),
    ];
    for (setting, value) in settings {
        // SAFETY: takes two numbers; no other thread of this process runs yet.
        let taken = unsafe { libc::mallopt(setting, value) };
        if taken == 0 {
            tracing::debug!(setting, "the C library keeps its own limit");
        }
    }
}

/// Other C libraries have settings of their own.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn keep_freed() {}
