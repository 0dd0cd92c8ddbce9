//! Rules with conditions on arguments, as tests of both halves of 64 bits.

use oci_spec::runtime::{ArgFilter, Compare};

use super::assemble::{Assembler, JUMP_ANY_BIT, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_EQUAL, Label};

/// Where the arguments stand in `struct seccomp_data`.
pub(super) const ARGUMENTS: u32 = 16;

/// Conditions that must hold all, and the answer then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) filters: Vec<ArgFilter>,
    pub(super) answer: u32,
}

/// Rules in their order; the first whose conditions hold decides.
pub(super) fn emit_rules(program: &mut Assembler, rules: &[Rule], otherwise: u32) -> Label {
    let mut next = program.answer(otherwise);
    let mut rest = rules;
    while let Some((last, before)) = rest.split_last() {
        // Alternatives for one argument load it once.
        let run = rest.iter().rev().take_while(|rule| is_alternative(rule, last)).count();
        if run > 1 {
            let (earlier, alternatives) = rest.split_at(rest.len() - run);
            next = emit_alternatives(program, alternatives, next);
            rest = earlier;
        } else {
            let mut yes = program.answer(last.answer);
            for filter in last.filters.iter().rev() {
                yes = emit(program, filter, yes, next);
            }
            next = yes;
            rest = before;
        }
    }
    next
}

/// Whether both rules ask for nothing but a value of the same argument with the same upper half.
fn is_alternative(one: &Rule, other: &Rule) -> bool {
    match (one.filters.as_slice(), other.filters.as_slice()) {
        ([a], [b]) => {
            a.op == Compare::Equal
                && b.op == Compare::Equal
                && a.index == b.index
                && halves(a.value).1 == halves(b.value).1
                && one.answer == other.answer
        }
        _ => false,
    }
}

fn emit_alternatives(program: &mut Assembler, rules: &[Rule], no: Label) -> Label {
    let filters = rules.iter().flat_map(|rule| rule.filters.iter().map(|filter| (filter, rule.answer)));
    let mut at = no;
    let mut argument = None;
    for (filter, answer) in filters.rev() {
        let yes = program.answer(answer);
        at = program.test(JUMP_EQUAL, halves(filter.value).0, yes, at);
        argument = Some(filter);
    }
    let Some(filter) = argument else { return no };
    at = program.load(low_at(filter), at);
    at = program.test(JUMP_EQUAL, halves(filter.value).1, at, no);
    program.load(high_at(filter), at)
}

fn low_at(filter: &ArgFilter) -> u32 {
    ARGUMENTS + filter.index * 8
}

fn high_at(filter: &ArgFilter) -> u32 {
    low_at(filter) + 4
}

/// The lower and the upper half.
fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// One condition.
fn emit(program: &mut Assembler, filter: &ArgFilter, yes: Label, no: Label) -> Label {
    match filter.op {
        Compare::Equal => emit_equal(program, filter, yes, no),
        Compare::NotEqual => emit_equal(program, filter, no, yes),
        Compare::Greater => emit_ordered(program, filter, JUMP_GREATER, yes, no),
        Compare::GreaterOrEqual => emit_ordered(program, filter, JUMP_GREATER_EQUAL, yes, no),
        Compare::LessOrEqual => emit_ordered(program, filter, JUMP_GREATER, no, yes),
        Compare::Less => emit_ordered(program, filter, JUMP_GREATER_EQUAL, no, yes),
        Compare::MaskedEqual => emit_masked(program, filter, yes, no),
    }
}

fn emit_equal(program: &mut Assembler, filter: &ArgFilter, yes: Label, no: Label) -> Label {
    let (low, high) = halves(filter.value);
    let mut at = program.test(JUMP_EQUAL, low, yes, no);
    at = program.load(low_at(filter), at);
    at = program.test(JUMP_EQUAL, high, at, no);
    program.load(high_at(filter), at)
}

/// Greater (or equal): decided by the upper half unless that is equal.
fn emit_ordered(program: &mut Assembler, filter: &ArgFilter, code: u16, yes: Label, no: Label) -> Label {
    let (low, high) = halves(filter.value);
    let mut at = program.test(code, low, yes, no);
    at = program.load(low_at(filter), at);
    at = program.test(JUMP_EQUAL, high, at, no);
    at = program.test(JUMP_GREATER, high, yes, at);
    program.load(high_at(filter), at)
}

fn emit_masked(program: &mut Assembler, filter: &ArgFilter, yes: Label, no: Label) -> Label {
    let ((mask_low, mask_high), (low, high)) = (halves(filter.value), halves(filter.value_two));
    let at = emit_masked_half(program, low_at(filter), (mask_low, low), yes, no);
    emit_masked_half(program, high_at(filter), (mask_high, high), at, no)
}

fn emit_masked_half(
    program: &mut Assembler,
    offset: u32,
    (mask, wanted): (u32, u32),
    yes: Label,
    no: Label,
) -> Label {
    match (mask, wanted) {
        (0, 0) => yes,
        (mask, wanted) if wanted & !mask != 0 => no,
        (mask, 0) => {
            let at = program.test(JUMP_ANY_BIT, mask, no, yes);
            program.load(offset, at)
        }
        (mask, wanted) => {
            let at = program.test(JUMP_EQUAL, wanted, yes, no);
            let at = program.mask(mask, at);
            program.load(offset, at)
        }
    }
}
