//! The program in the image `gantry/hello`: greets, and says what just happened. It needs no library, no
//! file and no network, so that it runs in an image that holds nothing else.
//!
//! `build.rs` compiles it on its own; it is no module of the crate.

#![no_std]
#![no_main]
#![no_builtins]

use core::arch::{asm, global_asm};
use core::fmt::{self, Write};

// The kernel enters here with the arguments on the stack: their number, the texts, a null, the environment.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor %ebp, %ebp",
    "mov %rsp, %rdi",
    "and $-16, %rsp",
    "call start",
    options(att_syntax)
);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, #0", "mov x0, sp", "bl start");

#[cfg(target_arch = "x86_64")]
mod number {
    pub const WRITE: usize = 1;
    pub const GETPID: usize = 39;
    pub const EXIT: usize = 60;
    pub const UNAME: usize = 63;
    pub const CLOCK_GETTIME: usize = 228;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub const WRITE: usize = 64;
    pub const GETPID: usize = 172;
    pub const EXIT: usize = 93;
    pub const UNAME: usize = 160;
    pub const CLOCK_GETTIME: usize = 113;
}

/// One system call with up to three arguments.
///
/// # Safety
/// The arguments must be what the call expects.
#[cfg(target_arch = "x86_64")]
unsafe fn call(number: usize, first: usize, second: usize, third: usize) -> isize {
    let answer: isize;
    // SAFETY: the caller vouches for the arguments; the kernel clobbers rcx and r11 only.
    unsafe {
        asm!("syscall", inlateout("rax") number => answer, in("rdi") first, in("rsi") second, in("rdx") third,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    answer
}

/// The same where arguments go into other registers.
///
/// # Safety
/// The arguments must be what the call expects.
#[cfg(target_arch = "aarch64")]
unsafe fn call(number: usize, first: usize, second: usize, third: usize) -> isize {
    let answer: isize;
    // SAFETY: the caller vouches for the arguments.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") first => answer, in("x1") second, in("x2") third, options(nostack));
    }
    answer
}

/// The text, collected so that it is written at once.
struct Page {
    bytes: [u8; 2048],
    length: usize,
}

impl Write for Page {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let Some(place) = self.bytes.get_mut(self.length) else { return Err(fmt::Error) };
            *place = byte;
            self.length += 1;
        }
        Ok(())
    }
}

impl Page {
    fn send(&self) {
        let mut done = 0;
        while done < self.length {
            let rest = &self.bytes[done..self.length];
            // SAFETY: write(2) reads `rest`, which lives.
            let count = unsafe { call(number::WRITE, 1, rest.as_ptr() as usize, rest.len()) };
            match usize::try_from(count) {
                Ok(count) if count > 0 => done += count,
                _ => return,
            }
        }
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let mut time = [0_i64; 2];
    // SAFETY: clock_gettime(2) writes two words to `time`; clock 0 is CLOCK_REALTIME.
    unsafe { call(number::CLOCK_GETTIME, 0, time.as_mut_ptr() as usize, 0) };
    (time[0] as u64) * 1_000_000_000 + time[1] as u64
}

/// Digits at the beginning of a text.
fn parse(text: &[u8]) -> u64 {
    let mut value: u64 = 0;
    for digit in text.iter().take_while(|byte| byte.is_ascii_digit()) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
    }
    value
}

/// The value of an environment variable. `stack` is where the kernel left the arguments.
///
/// # Safety
/// `stack` must be the stack pointer at the program's start.
unsafe fn variable(stack: *const usize, name: &[u8]) -> Option<&'static [u8]> {
    // SAFETY: the kernel lays out count, arguments, null, environment, null.
    unsafe {
        let mut next = stack.add(*stack + 2);
        while *next != 0 {
            let text = *next as *const u8;
            let mut length = 0;
            while *text.add(length) != 0 {
                length += 1;
            }
            let text = core::slice::from_raw_parts(text, length);
            if let Some(value) = text.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"=")) {
                return Some(value);
            }
            next = next.add(1);
        }
    }
    None
}

fn text_of(bytes: &[u8]) -> &str {
    let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    core::str::from_utf8(&bytes[..length]).unwrap_or("?")
}

#[unsafe(no_mangle)]
extern "C" fn start(stack: *const usize) -> ! {
    let begun = now();
    let mut names = [[0_u8; 65]; 6];
    // SAFETY: uname(2) fills six fields of 65 bytes; getpid(2) takes nothing.
    let process = unsafe {
        call(number::UNAME, names.as_mut_ptr() as usize, 0, 0);
        call(number::GETPID, 0, 0, 0)
    };
    // SAFETY: `stack` is what the kernel passed.
    let requested = unsafe { variable(stack, b"GANTRY_REQUESTED_AT") }.map_or(0, parse);

    let mut page = Page { bytes: [0; 2048], length: 0 };
    let _ = tell(&mut page, process, text_of(&names[1]), text_of(&names[2]), begun.checked_sub(requested));
    page.send();
    // SAFETY: exit(2) does not return.
    unsafe { call(number::EXIT, 0, 0, 0) };
    loop {}
}

const HOUR: u64 = 3600 * 1_000_000_000;

fn tell(page: &mut Page, process: isize, host: &str, kernel: &str, waited: Option<u64>) -> fmt::Result {
    writeln!(page, "\nHello from a container that Gantry runs!\n")?;
    writeln!(page, "What just happened:")?;
    writeln!(page, " 1. The command line asked the daemon to create a container and to start it.")?;
    writeln!(
        page,
        " 2. The daemon laid a writable layer over the image, which holds nothing but this program."
    )?;
    writeln!(
        page,
        " 3. A supervisor made new namespaces: this is process {process} on host {host}, and it sees no other."
    )?;
    writeln!(
        page,
        " 4. It entered its control group, gave up its privileges, and became this program (Linux {kernel})."
    )?;
    writeln!(page, " 5. The supervisor passes these lines to you and records how the program ends.")?;
    if let Some(waited) = waited.filter(|waited| *waited < HOUR) {
        let (whole, rest) = (waited / 1_000_000, waited / 10_000 % 100);
        writeln!(page, "\nFrom your request to the first instruction: {whole}.{rest:02} ms.")?;
    }
    writeln!(page, "\nNext, something with a shell:  gantry run -it --rm debian bash\n")
}

/// What the compiler calls to copy.
///
/// # Safety
/// As memcpy(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    for at in 0..length {
        // SAFETY: the caller vouches for both ranges.
        unsafe { *to.add(at) = *from.add(at) };
    }
    to
}

/// What the compiler calls to fill.
///
/// # Safety
/// As memset(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, length: usize) -> *mut u8 {
    for at in 0..length {
        // SAFETY: the caller vouches for the range.
        unsafe { *to.add(at) = value as u8 };
    }
    to
}

/// What the compiler calls to compare.
///
/// # Safety
/// As memcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, length: usize) -> i32 {
    for at in 0..length {
        // SAFETY: the caller vouches for both ranges.
        let (one, other) = unsafe { (*one.add(at), *other.add(at)) };
        if one != other {
            return i32::from(one) - i32::from(other);
        }
    }
    0
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: exit(2) does not return.
    unsafe { call(number::EXIT, 101, 0, 0) };
    loop {}
}

/// The precompiled core library refers to it; nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
