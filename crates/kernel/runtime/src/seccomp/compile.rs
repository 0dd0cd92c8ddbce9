//! From OCI rules to classic BPF.
//!
//! ```text
//! load arch ── is it x86? ──▶ tree of x86 numbers
//!           └─ is it x86-64? ─▶ load nr ── bit 30? ──▶ tree of x32 numbers
//!                                        └──────────▶ tree of x86-64 numbers
//!           └─ none of them: kill
//! ```
//! Numbers with the same verdict are one range; a balanced tree over the ranges asks about eight questions, where a list
//! asks hundreds. That also shortens the installation: the kernel runs the filter once for every number.
//! Rules with conditions on arguments are tried in their order; the first whose conditions all hold decides.

use std::collections::BTreeMap;

use oci_spec::runtime::{Action, ArgFilter, Compare, Seccomp};
use sys::seccomp::{FLAG_LOG, FLAG_SPEC_ALLOW, FLAG_WAIT_KILLABLE_RECV, Instruction};

use super::{Arch, Program, SeccompError};

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The bit that marks a call as one of x32 (`__X32_SYSCALL_BIT`).
const X32_BIT: u32 = 0x4000_0000;

const KILL_THREAD: u32 = 0;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The kernel takes no longer programs (`BPF_MAXINSNS`).
const LONGEST: usize = 4096;

/// What happens to a number: rules with conditions in order, then a plain answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    rules: Vec<(Vec<ArgFilter>, u32)>,
    otherwise: u32,
}

/// Compiles rules for the architectures they name (or for the native one).
///
/// # Errors
/// [`SeccompError::Invalid`] for unknown architectures, flags and arguments, for notification (which needs a listener),
/// and for programs that become too long.
pub fn compile(seccomp: &Seccomp) -> Result<Program, SeccompError> {
    let default = answer(seccomp.default_action, seccomp.default_errno_ret)?;
    let mut arches = architectures(seccomp)?;
    if arches.is_empty() {
        arches.push(Arch::NATIVE);
    }
    let tree = |arch: Arch| -> Result<Vec<Instruction>, SeccompError> {
        Ok(emit_tree(&ranges(seccomp, arch, default)?))
    };
    let mut instructions = vec![load(ARCH)];
    let mut sections = Vec::new();
    for arch in [Arch::X86_64, Arch::Aarch64, Arch::X86] {
        let own = arches.contains(&arch);
        let x32 = arch == Arch::X86_64 && arches.contains(&Arch::X32);
        if !own && !x32 {
            continue;
        }
        let mut section = vec![load(NUMBER)];
        if arch == Arch::X86_64 {
            let high = if x32 { tree(Arch::X32)? } else { vec![answer_with(KILL_THREAD)] };
            let low = if own { tree(Arch::X86_64)? } else { vec![answer_with(KILL_THREAD)] };
            section.extend(branch(JUMP_GREATER_EQUAL, X32_BIT, low, high));
        } else {
            section.extend(tree(arch)?);
        }
        sections.push((arch.audit(), section));
    }
    let tests = sections.into_iter().rev().fold(vec![answer_with(KILL_THREAD)], |rest, (audit, section)| {
        branch(JUMP_EQUAL, audit, rest, section)
    });
    instructions.extend(tests);
    if instructions.len() > LONGEST {
        return Err(SeccompError::Invalid(format!(
            "seccomp filter too long: {} instructions",
            instructions.len()
        )));
    }
    Ok(Program { instructions, flags: flags(seccomp)? })
}

fn architectures(seccomp: &Seccomp) -> Result<Vec<Arch>, SeccompError> {
    const WITHOUT_TABLE: [&str; 15] = [
        "ARM",
        "MIPS",
        "MIPS64",
        "MIPS64N32",
        "MIPSEL",
        "MIPSEL64",
        "MIPSEL64N32",
        "PPC",
        "PPC64",
        "PPC64LE",
        "S390",
        "S390X",
        "RISCV64",
        "LOONGARCH64",
        "PARISC",
    ];
    let mut known = Vec::new();
    for name in &seccomp.architectures {
        match Arch::from_scmp(name) {
            Some(arch) => known.push(arch),
            // A kernel of another architecture never makes such calls; one that does has them killed.
            None if name.strip_prefix("SCMP_ARCH_").is_some_and(|name| WITHOUT_TABLE.contains(&name)) => {}
            None => {
                return Err(SeccompError::Invalid(format!("string {name} is not a valid arch for seccomp")));
            }
        }
    }
    Ok(known)
}

/// Without flags, speculation stays as it is, as runc has it since 1.1.
fn flags(seccomp: &Seccomp) -> Result<u32, SeccompError> {
    if seccomp.flags.is_empty() {
        return Ok(FLAG_SPEC_ALLOW);
    }
    seccomp.flags.iter().try_fold(0, |flags, name| {
        let flag = match name.as_str() {
            "SECCOMP_FILTER_FLAG_LOG" => FLAG_LOG,
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => FLAG_SPEC_ALLOW,
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => FLAG_WAIT_KILLABLE_RECV,
            // There is one thread.
            "SECCOMP_FILTER_FLAG_TSYNC" => 0,
            _ => return Err(SeccompError::Invalid(format!("seccomp flag {name:?} not supported"))),
        };
        Ok(flags | flag)
    })
}

/// The number that a filter returns for an action (linux/seccomp.h).
fn answer(action: Action, errno: Option<u32>) -> Result<u32, SeccompError> {
    let data = errno.unwrap_or(EPERM) & 0xffff;
    Ok(match action {
        Action::KillThread => KILL_THREAD,
        Action::KillProcess => 0x8000_0000,
        Action::Trap => 0x0003_0000,
        Action::Errno => 0x0005_0000 | data,
        Action::Trace => 0x7ff0_0000 | data,
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
        Action::Notify => {
            return Err(SeccompError::Invalid(
                "seccomp action SCMP_ACT_NOTIFY needs a listener, which is not supported".to_owned(),
            ));
        }
    })
}

/// Verdicts from the number at which each begins; the first begins at 0.
fn ranges(seccomp: &Seccomp, arch: Arch, default: u32) -> Result<Vec<(u32, Verdict)>, SeccompError> {
    let numbers = arch.numbers();
    let mut rules = BTreeMap::<u32, Vec<(Vec<ArgFilter>, u32)>>::new();
    for rule in &seccomp.syscalls {
        let value = answer(rule.action, rule.errno_ret)?;
        if let Some(wrong) = rule.args.iter().find(|filter| filter.index > 5) {
            return Err(SeccompError::Invalid(format!(
                "invalid argument index {} in seccomp rule",
                wrong.index
            )));
        }
        for number in rule.names.iter().filter_map(|name| numbers.get(name.as_str())) {
            let own = rules.entry(*number).or_default();
            if has_repeated_index(&rule.args) {
                // Two conditions on one argument are alternatives, as libseccomp cannot hold both in one rule.
                own.extend(rule.args.iter().map(|filter| (vec![*filter], value)));
            } else {
                own.push((rule.args.clone(), value));
            }
        }
    }
    // Calls younger than the profile do not exist for the container, so that programs fall back to older ones.
    let is_permissive = matches!(seccomp.default_action, Action::Allow | Action::Log);
    let beyond = if is_permissive { default } else { 0x0005_0000 | ENOSYS };
    let plain = |otherwise| Verdict { rules: Vec::new(), otherwise };
    let end = rules.last_key_value().map_or(0, |(number, _)| number + 1);
    let mut list = Vec::new();
    for number in 0..end {
        let verdict = rules.remove(&number).map_or_else(|| plain(default), |rules| verdict(rules, default));
        push_range(&mut list, number, verdict);
    }
    // A profile without rules says nothing about what is young.
    push_range(&mut list, end, plain(if end == 0 { default } else { beyond }));
    if arch == Arch::X32 {
        for (start, _) in list.iter_mut().skip(1) {
            *start |= X32_BIT;
        }
    }
    Ok(list)
}

fn push_range(list: &mut Vec<(u32, Verdict)>, start: u32, verdict: Verdict) {
    if list.last().is_none_or(|(_, last)| *last != verdict) {
        list.push((start, verdict));
    }
}

fn has_repeated_index(filters: &[ArgFilter]) -> bool {
    filters
        .iter()
        .enumerate()
        .any(|(at, one)| filters.iter().skip(at + 1).any(|other| other.index == one.index))
}

/// Cuts the rules off at the first without conditions, and drops those that change nothing.
fn verdict(rules: Vec<(Vec<ArgFilter>, u32)>, default: u32) -> Verdict {
    let mut verdict = Verdict { rules: Vec::new(), otherwise: default };
    for (filters, value) in rules {
        if filters.is_empty() {
            verdict.otherwise = value;
            break;
        }
        verdict.rules.push((filters, value));
    }
    while verdict.rules.last().is_some_and(|(_, value)| *value == verdict.otherwise) {
        verdict.rules.pop();
    }
    verdict
}

fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, jump_true: 0, jump_false: 0, operand: offset }
}

fn answer_with(value: u32) -> Instruction {
    Instruction { code: RETURN, jump_true: 0, jump_false: 0, operand: value }
}

/// A test, then what runs where it fails, then what runs where it holds. Neither part falls through.
fn branch(code: u16, operand: u32, no: Vec<Instruction>, yes: Vec<Instruction>) -> Vec<Instruction> {
    let mut all = Vec::with_capacity(no.len() + yes.len() + 2);
    match u8::try_from(no.len()) {
        Ok(skip) => all.push(Instruction { code, jump_true: skip, jump_false: 0, operand }),
        Err(_) => {
            all.push(Instruction { code, jump_true: 0, jump_false: 1, operand });
            let skip = u32::try_from(no.len()).unwrap_or(u32::MAX);
            all.push(Instruction { code: JUMP, jump_true: 0, jump_false: 0, operand: skip });
        }
    }
    all.extend(no);
    all.extend(yes);
    all
}

fn emit_tree(ranges: &[(u32, Verdict)]) -> Vec<Instruction> {
    match ranges {
        [] => vec![answer_with(KILL_THREAD)],
        [(_, verdict)] => emit_verdict(verdict),
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let start = high.first().map_or(0, |(start, _)| *start);
            branch(JUMP_GREATER_EQUAL, start, emit_tree(low), emit_tree(high))
        }
    }
}

fn emit_verdict(verdict: &Verdict) -> Vec<Instruction> {
    let mut code = Vec::new();
    for (filters, value) in &verdict.rules {
        emit_rule(filters, *value, &mut code);
    }
    code.push(answer_with(verdict.otherwise));
    code
}

/// Where a jump inside a rule leads.
#[derive(Clone, Copy, PartialEq)]
enum Goal {
    /// The next instruction.
    Next,
    /// Behind this condition: it holds.
    Holds,
    /// Behind the rule: it does not.
    Fails,
}

/// One rule: all conditions, then the answer; a failed condition jumps behind it.
fn emit_rule(filters: &[ArgFilter], value: u32, code: &mut Vec<Instruction>) {
    let conditions: Vec<_> = filters.iter().map(emit_condition).collect();
    let mut remaining: usize = conditions.iter().map(Vec::len).sum();
    for condition in &conditions {
        for (at, (code_of, operand, yes, no)) in condition.iter().enumerate() {
            remaining -= 1;
            let to_end_of_condition = condition.len() - at - 1;
            let distance = |goal: &Goal| match goal {
                Goal::Next => 0,
                Goal::Holds => to_end_of_condition,
                // The answer is one instruction.
                Goal::Fails => remaining + 1,
            };
            // Six conditions of at most seven instructions each: never further than 255.
            let distance = |goal| u8::try_from(distance(goal)).unwrap_or(u8::MAX);
            code.push(Instruction {
                code: *code_of,
                jump_true: distance(yes),
                jump_false: distance(no),
                operand: *operand,
            });
        }
    }
    code.push(answer_with(value));
}

type Step = (u16, u32, Goal, Goal);

/// One condition over both halves of an argument.
fn emit_condition(filter: &ArgFilter) -> Vec<Step> {
    use Goal::{Fails, Holds, Next};
    let low_at = ARGUMENTS + filter.index * 8;
    let high_at = low_at + 4;
    let halves = |value: u64| {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
    };
    let (low, high) = halves(filter.value);
    let step = |code, operand, yes, no| (code, operand, yes, no);
    let load = |offset| (LOAD, offset, Next, Next);
    // Greater (or equal): decided by the high half unless that is equal.
    let ordered = |code, holds: Goal, fails: Goal| {
        vec![
            load(high_at),
            step(JUMP_GREATER, high, holds, Next),
            step(JUMP_EQUAL, high, Next, fails),
            load(low_at),
            step(code, low, holds, fails),
        ]
    };
    match filter.op {
        Compare::Equal => vec![
            load(high_at),
            step(JUMP_EQUAL, high, Next, Fails),
            load(low_at),
            step(JUMP_EQUAL, low, Holds, Fails),
        ],
        Compare::NotEqual => vec![
            load(high_at),
            step(JUMP_EQUAL, high, Next, Holds),
            load(low_at),
            step(JUMP_EQUAL, low, Fails, Holds),
        ],
        Compare::Greater => ordered(JUMP_GREATER, Holds, Fails),
        Compare::GreaterOrEqual => ordered(JUMP_GREATER_EQUAL, Holds, Fails),
        Compare::LessOrEqual => ordered(JUMP_GREATER, Fails, Holds),
        Compare::Less => ordered(JUMP_GREATER_EQUAL, Fails, Holds),
        Compare::MaskedEqual => {
            let (wanted_low, wanted_high) = halves(filter.value_two);
            vec![
                load(high_at),
                step(AND, high, Next, Next),
                step(JUMP_EQUAL, wanted_high, Next, Fails),
                load(low_at),
                step(AND, low, Next, Next),
                step(JUMP_EQUAL, wanted_low, Holds, Fails),
            ]
        }
    }
}

#[cfg(test)]
mod tests;
