//! From OCI rules to classic BPF.
//!
//! ```text
//! load arch ── is it x86-64? ─▶ load nr ── bit 30? ─▶ clear it ── below 512? ─▶ (tree of x86-64)
//!           │                            │                     └─────────────▶ tree of x32
//!           │                            └─────────▶ tree of x86-64
//!           ├─ is it x86? ────▶ load nr ─▶ tree of x86
//!           └─ none of them: kill
//! ```
//! Numbers with the same verdict are one range. A few ranges that deviate from what is around them are asked for one by
//! one (`chunk`), and a balanced tree finds the chunk: about eight questions, where a list asks hundreds. That also
//! shortens the installation, for which the kernel runs the filter once for every number.
//! Rules with conditions on arguments are tried in their order; the first whose conditions all hold decides.

use oci_spec::runtime::{Action, ArgFilter, Seccomp};
use sys::seccomp::{FLAG_NEW_LISTENER, FLAG_SPEC_ALLOW, Instruction};

use super::assemble::{Assembler, JUMP_EQUAL, JUMP_GREATER_EQUAL, Label};
use super::condition::{Rule, emit_rules};
use super::syscalls::Syscall;
use super::{Arch, Program, SeccompError, known};

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// The bit that marks a call as one of x32 (`__X32_SYSCALL_BIT`).
const X32_BIT: u32 = 0x4000_0000;

/// Where x32's own calls begin. Below, its numbers mean what they mean on x86-64, and kernels before 5.4 made x86-64's
/// call of a number that x32 lacks: one tree judges both.
const X32_OWN: u32 = 512;

const KILL_THREAD: u32 = 0;
const ERRNO: u32 = 0x0005_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The kernel takes no longer programs (`BPF_MAXINSNS`).
const LONGEST: usize = 4096;

/// How many questions one chunk may take.
const CHUNK: usize = 4;

/// Compiles rules for the architectures they name (or for the native one).
///
/// # Errors
/// [`SeccompError::Invalid`] for unknown architectures, flags and arguments, for a notification that cannot work, and for
/// programs that become too long.
pub fn compile(seccomp: &Seccomp) -> Result<Program, SeccompError> {
    let flags = flags(seccomp)? | listener_flag(seccomp)?;
    let mut arches = architectures(seccomp)?;
    if arches.is_empty() {
        arches.push(Arch::NATIVE);
    }
    let mut verdicts = Verdicts::new(seccomp)?;
    let instructions = emit(&mut verdicts, &arches);
    if instructions.len() > LONGEST {
        let what = format!("seccomp filter too long: {} instructions", instructions.len());
        return Err(SeccompError::Invalid(what));
    }
    Ok(Program { instructions, flags })
}

fn architectures(seccomp: &Seccomp) -> Result<Vec<Arch>, SeccompError> {
    let mut arches = Vec::new();
    for name in &seccomp.architectures {
        match Arch::from_scmp(name) {
            Some(arch) => arches.push(arch),
            // A kernel of another architecture never makes such calls; one that does has them killed.
            None if known::archs().contains(&name.as_str()) => {}
            None => {
                return Err(SeccompError::Invalid(format!("string {name} is not a valid arch for seccomp")));
            }
        }
    }
    Ok(arches)
}

/// Without a list of flags, speculation stays as it is, as runc has it since 1.1.
fn flags(seccomp: &Seccomp) -> Result<u32, SeccompError> {
    let Some(names) = &seccomp.flags else { return Ok(FLAG_SPEC_ALLOW) };
    names.iter().try_fold(0, |flags, name| {
        let flag = known::flag(name)
            .ok_or_else(|| SeccompError::Invalid(format!("seccomp flag {name} is not known")))?;
        Ok(flags | flag)
    })
}

/// The flag for a listener, when a rule asks for one.
fn listener_flag(seccomp: &Seccomp) -> Result<u32, SeccompError> {
    let refuse = |text: &str| Err(SeccompError::Invalid(text.to_owned()));
    if seccomp.default_action == Action::Notify {
        return refuse("SCMP_ACT_NOTIFY cannot be used as default action");
    }
    let mut notifying = seccomp.syscalls.iter().filter(|rule| rule.action == Action::Notify).peekable();
    if notifying.peek().is_none() {
        return Ok(0);
    }
    // The process tells by write(2) that it has the listener: nobody could answer before.
    if notifying.any(|rule| rule.names.iter().any(|name| name == "write")) {
        return refuse("SCMP_ACT_NOTIFY cannot be used for the write syscall");
    }
    if seccomp.listener_path.is_empty() {
        return refuse("seccomp listenerPath is not set");
    }
    Ok(FLAG_NEW_LISTENER)
}

/// The number that a filter returns for an action (linux/seccomp.h).
fn answer(action: Action, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(EPERM) & 0xffff;
    match action {
        Action::KillThread => KILL_THREAD,
        Action::KillProcess => 0x8000_0000,
        Action::Trap => 0x0003_0000,
        Action::Errno => ERRNO | data,
        Action::Notify => 0x7fc0_0000,
        Action::Trace => 0x7ff0_0000 | data,
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    }
}

/// The answer for calls younger than the profile: they do not exist for the container, so that programs fall back to
/// older ones. A profile that allows what it does not know, or says so itself, decides for them too.
fn beyond(seccomp: &Seccomp, default: u32) -> u32 {
    let is_permissive = matches!(seccomp.default_action, Action::Allow | Action::Log | Action::Trace);
    if is_permissive || seccomp.default_errno_ret == Some(ENOSYS) { default } else { ERRNO | ENOSYS }
}

/// What happens to a number: rules with conditions in order, then a plain answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Verdict {
    rules: Vec<Rule>,
    otherwise: u32,
}

/// Numbers from `start` up to the next range.
#[derive(Debug, Clone, Copy)]
struct Range {
    start: u32,
    /// Which of the verdicts.
    verdict: usize,
}

/// The rules, resolved; and the verdicts met so far, which all architectures share.
struct Verdicts<'a> {
    rules: Vec<(&'a [ArgFilter], u32, Vec<&'static Syscall>)>,
    default: u32,
    beyond: u32,
    met: Vec<Verdict>,
    /// Where the code for a verdict with rules is.
    places: Vec<Option<Label>>,
}

impl<'a> Verdicts<'a> {
    fn new(seccomp: &'a Seccomp) -> Result<Self, SeccompError> {
        let default = answer(seccomp.default_action, seccomp.default_errno_ret);
        let mut rules = Vec::with_capacity(seccomp.syscalls.len());
        for rule in &seccomp.syscalls {
            if let Some(wrong) = rule.args.iter().find(|filter| filter.index > 5) {
                let what = format!("invalid argument index {} in seccomp rule", wrong.index);
                return Err(SeccompError::Invalid(what));
            }
            if rule.names.iter().any(String::is_empty) {
                return Err(SeccompError::Invalid("empty string is not a valid syscall".to_owned()));
            }
            // Names that no kernel known here has are passed over, as runc does it.
            let calls = rule.names.iter().filter_map(|name| Syscall::find(name)).collect();
            rules.push((rule.args.as_slice(), answer(rule.action, rule.errno_ret), calls));
        }
        Ok(Self { rules, default, beyond: beyond(seccomp, default), met: Vec::new(), places: Vec::new() })
    }

    /// Verdicts from the number at which each begins; the first begins at 0.
    fn ranges(&mut self, arch: Arch) -> Vec<Range> {
        let mut slots: Vec<Slot> = Vec::with_capacity(512);
        for (filters, answer, calls) in &self.rules {
            for number in calls.iter().filter_map(|call| call.number(arch)) {
                let number = number as usize;
                if slots.len() <= number {
                    slots.resize_with(number + 1, Slot::default);
                }
                if let Some(slot) = slots.get_mut(number) {
                    slot.add(filters, *answer, arch.is_narrow());
                }
            }
        }
        let mut ranges = Vec::<Range>::with_capacity(128);
        let mut push = |start: usize, verdict| {
            if ranges.last().is_none_or(|last| last.verdict != verdict) {
                ranges.push(Range { start: u32::try_from(start).unwrap_or(u32::MAX), verdict });
            }
        };
        let end = slots.len();
        for (number, slot) in slots.into_iter().enumerate() {
            push(number, self.number_of(slot.into_verdict(self.default)));
        }
        // A profile without rules says nothing about what is young.
        let otherwise = if end == 0 { self.default } else { self.beyond };
        push(end, self.number_of(Verdict { rules: Vec::new(), otherwise }));
        ranges
    }

    fn number_of(&mut self, verdict: Verdict) -> usize {
        self.met.iter().position(|known| *known == verdict).unwrap_or_else(|| {
            self.met.push(verdict);
            self.places.push(None);
            self.met.len() - 1
        })
    }

    /// Where a verdict is given; its code is written when it is first needed.
    fn place(&mut self, program: &mut Assembler, verdict: usize) -> Label {
        let (Some(Verdict { rules, otherwise }), Some(place)) =
            (self.met.get(verdict), self.places.get_mut(verdict))
        else {
            return program.answer(KILL_THREAD);
        };
        if rules.is_empty() {
            return program.answer(*otherwise);
        }
        *place.get_or_insert_with(|| emit_rules(program, rules, *otherwise))
    }
}

/// What the rules say about one number.
#[derive(Debug, Clone, Default)]
struct Slot {
    rules: Vec<Rule>,
    /// The first answer without conditions, after which nothing counts.
    plain: Option<u32>,
}

impl Slot {
    fn add(&mut self, filters: &[ArgFilter], answer: u32, is_narrow: bool) {
        if self.plain.is_some() {
            return;
        }
        if filters.is_empty() {
            self.plain = Some(answer);
            return;
        }
        let fit = |filter: &ArgFilter| match is_narrow {
            true => ArgFilter {
                value: filter.value & 0xffff_ffff,
                value_two: filter.value_two & 0xffff_ffff,
                ..*filter
            },
            false => *filter,
        };
        if has_repeated_index(filters) {
            // Two conditions on one argument are alternatives, as libseccomp cannot hold both in one rule.
            self.rules.extend(filters.iter().map(|filter| Rule { filters: vec![fit(filter)], answer }));
        } else {
            self.rules.push(Rule { filters: filters.iter().map(fit).collect(), answer });
        }
    }

    /// Drops the rules that change nothing.
    fn into_verdict(self, default: u32) -> Verdict {
        let mut rules = self.rules;
        let otherwise = self.plain.unwrap_or(default);
        while rules.last().is_some_and(|rule| rule.answer == otherwise) {
            rules.pop();
        }
        Verdict { rules, otherwise }
    }
}

fn has_repeated_index(filters: &[ArgFilter]) -> bool {
    let repeats =
        |(at, one): (usize, &ArgFilter)| filters.iter().skip(at + 1).any(|other| other.index == one.index);
    filters.iter().enumerate().any(repeats)
}

/// The whole program; written from its end.
fn emit(verdicts: &mut Verdicts<'_>, arches: &[Arch]) -> Vec<Instruction> {
    let mut program = Assembler::default();
    let mut sections = Vec::new();
    let has = |arch| arches.contains(&arch);
    for arch in [Arch::X86, Arch::Aarch64] {
        if has(arch) {
            let ranges = verdicts.ranges(arch);
            let tree = emit_tree(&mut program, verdicts, &ranges);
            sections.push((arch.audit(), program.load(NUMBER, tree)));
        }
    }
    if has(Arch::X86_64) || has(Arch::X32) {
        let section = emit_x86_64(&mut program, verdicts, has(Arch::X86_64), has(Arch::X32));
        sections.push((Arch::X86_64.audit(), section));
    }
    let mut at = program.answer(KILL_THREAD);
    for (audit, section) in sections {
        at = program.test(JUMP_EQUAL, audit, section, at);
    }
    program.load(ARCH, at);
    program.finish()
}

fn emit_x86_64(program: &mut Assembler, verdicts: &mut Verdicts<'_>, is_own: bool, is_x32: bool) -> Label {
    let ranges = verdicts.ranges(Arch::X86_64);
    let tree = emit_tree(program, verdicts, &ranges);
    let x32 = if is_x32 {
        let ranges = verdicts.ranges(Arch::X32);
        let first = ranges.iter().rposition(|range| range.start <= X32_OWN).unwrap_or(0);
        let high = emit_tree(program, verdicts, ranges.get(first..).unwrap_or_default());
        let split = program.test(JUMP_GREATER_EQUAL, X32_OWN, high, tree);
        program.mask(!X32_BIT, split)
    } else {
        program.answer(KILL_THREAD)
    };
    let own = if is_own { tree } else { program.answer(KILL_THREAD) };
    let split = program.test(JUMP_GREATER_EQUAL, X32_BIT, x32, own);
    program.load(NUMBER, split)
}

/// A balanced tree over chunks.
fn emit_tree(program: &mut Assembler, verdicts: &mut Verdicts<'_>, ranges: &[Range]) -> Label {
    let mut chunks = Vec::new();
    let mut rest = ranges;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(chunk_length(rest));
        chunks.push(chunk);
        rest = after;
    }
    emit_chunks(program, verdicts, &chunks)
}

fn emit_chunks(program: &mut Assembler, verdicts: &mut Verdicts<'_>, chunks: &[&[Range]]) -> Label {
    match chunks {
        [] => program.answer(KILL_THREAD),
        [chunk] => emit_chunk(program, verdicts, chunk),
        _ => {
            let (low, high) = chunks.split_at(chunks.len() / 2);
            let start = high.first().and_then(|chunk| chunk.first()).map_or(0, |range| range.start);
            let high = emit_chunks(program, verdicts, high);
            let low = emit_chunks(program, verdicts, low);
            program.test(JUMP_GREATER_EQUAL, start, high, low)
        }
    }
}

/// How many ranges, from the first on, take no more than [`CHUNK`] questions.
fn chunk_length(ranges: &[Range]) -> usize {
    (1..=ranges.len()).take_while(|length| questions(ranges, *length).1 <= CHUNK).last().unwrap_or(1)
}

/// The verdict that the first `length` ranges mostly have, and how many questions tell the others apart.
fn questions(ranges: &[Range], length: usize) -> (usize, usize) {
    let chunk = ranges.get(..length).unwrap_or(ranges);
    let cost_without = |verdict: usize| {
        let others = chunk.iter().enumerate().filter(|(_, range)| range.verdict != verdict);
        others
            .map(
                |(at, range)| {
                    if at == 0 || at + 1 == chunk.len() || is_single(chunk, at, range) { 1 } else { 2 }
                },
            )
            .sum()
    };
    let costs = chunk.iter().map(|range| (range.verdict, cost_without(range.verdict)));
    costs.min_by_key(|(_, cost)| *cost).unwrap_or((0, 0))
}

fn is_single(chunk: &[Range], at: usize, range: &Range) -> bool {
    chunk.get(at + 1).is_some_and(|next| next.start == range.start + 1)
}

/// Asks for each range that deviates; what is left has the usual verdict.
fn emit_chunk(program: &mut Assembler, verdicts: &mut Verdicts<'_>, chunk: &[Range]) -> Label {
    let (usual, _) = questions(chunk, chunk.len());
    let mut rest = verdicts.place(program, usual);
    for (at, range) in chunk.iter().enumerate().rev().filter(|(_, range)| range.verdict != usual) {
        let own = verdicts.place(program, range.verdict);
        let next = chunk.get(at + 1).map(|next| next.start);
        rest = match next {
            None => program.test(JUMP_GREATER_EQUAL, range.start, own, rest),
            Some(next) if at == 0 => program.test(JUMP_GREATER_EQUAL, next, rest, own),
            Some(next) if next == range.start + 1 => program.test(JUMP_EQUAL, range.start, own, rest),
            Some(next) => {
                let end = program.test(JUMP_GREATER_EQUAL, next, rest, own);
                program.test(JUMP_GREATER_EQUAL, range.start, end, rest)
            }
        };
    }
    rest
}

#[cfg(test)]
mod tests;
