//! Defences against hostile images and containers, by name.
//!
//! Each is always on in what ships. With the feature `weak`, which only the tests of these crates turn on, a test can
//! switch one off for its own thread, to show what happens without it: a test of a defence that passes without the
//! defence would prove nothing.

/// One defence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Defence {
    /// Links and `..` do not lead out of a root file system.
    InRoot,
    /// Links that the kernel invents (`/proc/self/fd/7`) are not followed.
    MagicLinks,
    /// procfs and sysfs are mounted behind no link.
    PlainProc,
    /// Only the real `/dev/null` is bound over masked files.
    RealNull,
    /// The terminal is bound to no link.
    PlainConsole,
    /// What is meant for procfs is written to procfs.
    RealProcfs,
    /// Descriptors do not survive the start of the program.
    ClosedDescriptors,
    /// The inheritable set is what the document says.
    Inheritable,
    /// The process leaves its caller's session, and with it the terminal.
    OwnSession,
    /// Nobody looks into a process that is not the container's yet.
    Hidden,
}

impl Defence {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(self) -> bool {
        #[cfg(feature = "weak")]
        return OFF.get() & 1 << self as u32 == 0;
        #[cfg(not(feature = "weak"))]
        true
    }
}

#[cfg(feature = "weak")]
thread_local! {
    static OFF: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Runs `body` without a defence; children that it clones are without it, too.
#[cfg(feature = "weak")]
pub fn without<T>(defence: Defence, body: impl FnOnce() -> T) -> T {
    let before = OFF.get();
    OFF.set(before | 1 << defence as u32);
    let result = body();
    OFF.set(before);
    result
}
