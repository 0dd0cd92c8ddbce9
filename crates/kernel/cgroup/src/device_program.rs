//! The device filter of cgroup v2: an eBPF program made from a [`DevicePolicy`].
//!
//! The context is `struct bpf_cgroup_dev_ctx`: `u32 access_type` (kind in the low half, access in the high half),
//! `u32 major`, `u32 minor`. Answer 1 allows, 0 denies.

use sys::bpf::Instruction;

use crate::devices::{DeviceKind, DevicePolicy, Exception};

const LOAD_WORD: u8 = 0x61;
const MOVE_IMMEDIATE: u8 = 0xb4;
const MOVE_REGISTER: u8 = 0xbc;
const AND_IMMEDIATE: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_NOT_EQUAL: u8 = 0x55;
const JUMP_EQUAL: u8 = 0x15;
const EXIT: u8 = 0x95;

const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 1;

const KIND_BLOCK: i32 = 1;
const KIND_CHAR: i32 = 2;

fn insn(code: u8, target: u8, source: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: target | source << 4, offset, immediate }
}

/// The program of a policy.
pub(crate) fn generate(policy: &DevicePolicy) -> Vec<Instruction> {
    let (exceptions, default, on_match) = match policy {
        DevicePolicy::DenyBut(exceptions) => (exceptions, 0, 1),
        DevicePolicy::AllowBut(exceptions) => (exceptions, 1, 0),
    };
    let mut program = vec![
        insn(LOAD_WORD, KIND, CONTEXT, 0, 0),
        insn(MOVE_REGISTER, ACCESS, KIND, 0, 0),
        insn(AND_IMMEDIATE, KIND, 0, 0, 0xffff),
        insn(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        insn(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        insn(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for exception in exceptions {
        program.extend(block(exception, policy, on_match));
    }
    program.push(insn(MOVE_IMMEDIATE, RESULT, 0, 0, default));
    program.push(insn(EXIT, 0, 0, 0, 0));
    program
}

/// Tests one exception; jumps behind itself where it does not match.
fn block(exception: &Exception, policy: &DevicePolicy, result: i32) -> Vec<Instruction> {
    let kind = match exception.kind {
        DeviceKind::Block => KIND_BLOCK,
        DeviceKind::Char => KIND_CHAR,
    };
    let mut block = vec![insn(JUMP_NOT_EQUAL, KIND, 0, 0, kind)];
    let access = i32::from(exception.access.0);
    block.push(insn(MOVE_REGISTER, SCRATCH, ACCESS, 0, 0));
    match policy {
        // Allowed when nothing beyond the exception's access is asked for.
        DevicePolicy::DenyBut(_) => {
            block.push(insn(AND_IMMEDIATE, SCRATCH, 0, 0, !access & 7));
            block.push(insn(JUMP_NOT_EQUAL, SCRATCH, 0, 0, 0));
        }
        // Denied when anything of it is.
        DevicePolicy::AllowBut(_) => {
            block.push(insn(AND_IMMEDIATE, SCRATCH, 0, 0, access));
            block.push(insn(JUMP_EQUAL, SCRATCH, 0, 0, 0));
        }
    }
    for (register, number) in [(MAJOR, exception.major), (MINOR, exception.minor)] {
        if let Some(number) = number {
            block.push(insn(JUMP_NOT_EQUAL, register, 0, 0, number.cast_signed()));
        }
    }
    block.push(insn(MOVE_IMMEDIATE, RESULT, 0, 0, result));
    block.push(insn(EXIT, 0, 0, 0, 0));
    let length = block.len();
    for (index, instruction) in block.iter_mut().enumerate() {
        if matches!(instruction.code, JUMP_NOT_EQUAL | JUMP_EQUAL) {
            instruction.offset = i16::try_from(length - index - 1).unwrap_or_default();
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::DeviceRule;
    use proptest::prelude::*;

    use super::*;
    use crate::devices::Access;

    /// Runs a program as the kernel would.
    fn run(program: &[Instruction], kind: DeviceKind, access: u8, major: u32, minor: u32) -> bool {
        let kind = match kind {
            DeviceKind::Block => 1,
            DeviceKind::Char => 2,
        };
        let context = [kind | u32::from(access) << 16, major, minor];
        let mut registers = [0u64; 11];
        let mut at = 0;
        loop {
            let Instruction { code, registers: pair, offset, immediate } = program[at];
            let (target, source) = (usize::from(pair & 15), usize::from(pair >> 4));
            let skip = usize::try_from(offset).unwrap();
            at += 1;
            match code {
                LOAD_WORD => registers[target] = u64::from(context[skip / 4]),
                MOVE_IMMEDIATE => registers[target] = u64::from(immediate.cast_unsigned()),
                MOVE_REGISTER => registers[target] = registers[source],
                AND_IMMEDIATE => registers[target] &= u64::from(immediate.cast_unsigned()),
                SHIFT_RIGHT => registers[target] >>= immediate,
                // The kernel extends the operand's sign over 64 bits here.
                JUMP_NOT_EQUAL if registers[target] != i64::from(immediate).cast_unsigned() => at += skip,
                JUMP_EQUAL if registers[target] == i64::from(immediate).cast_unsigned() => at += skip,
                JUMP_NOT_EQUAL | JUMP_EQUAL => {}
                EXIT => return registers[0] == 1,
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    fn is_allowed(policy: &DevicePolicy, kind: DeviceKind, access: u8, major: u32, minor: u32) -> bool {
        let names = |exception: &&Exception| {
            exception.kind == kind
                && exception.major.is_none_or(|own| own == major)
                && exception.minor.is_none_or(|own| own == minor)
        };
        match policy {
            DevicePolicy::DenyBut(list) => list.iter().filter(names).any(|one| access & !one.access.0 == 0),
            DevicePolicy::AllowBut(list) => !list.iter().filter(names).any(|one| access & one.access.0 != 0),
        }
    }

    proptest! {
        #[test]
        fn a_program_decides_as_its_policy(
            rules in proptest::collection::vec((any::<bool>(), 0..3usize, -1..4i64, -1..4i64, 1..8u8), 0..12),
            kind in any::<bool>(), access in 1..8u8, major in 0..5u32, minor in 0..5u32,
        ) {
            let rules: Vec<_> = rules.into_iter().map(|(allow, kind, major, minor, access)| DeviceRule {
                allow,
                kind: ["a", "b", "c"][kind].to_owned(),
                major: Some(major),
                minor: Some(minor),
                access: Access(access).to_string(),
            }).collect();
            let policy = DevicePolicy::from_rules(&rules).unwrap();
            let kind = if kind { DeviceKind::Block } else { DeviceKind::Char };
            let program = generate(&policy);
            prop_assert_eq!(
                run(&program, kind, access, major, minor),
                is_allowed(&policy, kind, access, major, minor)
            );
        }
    }

    #[test]
    fn the_kernel_accepts_the_program() {
        for policy in [
            DevicePolicy::from_rules(&[]).unwrap(),
            DevicePolicy::AllowBut(vec![Exception {
                kind: DeviceKind::Block,
                major: Some(8),
                minor: None,
                access: Access::WRITE,
            }]),
        ] {
            sys::bpf::load_device_program(&generate(&policy)).unwrap();
        }
    }
}
