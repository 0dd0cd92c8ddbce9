//! Compiled filters, run by a small interpreter and held against the rules that they came from.

use std::collections::HashSet;

use oci_spec::runtime::SyscallRule;
use proptest::prelude::*;

use super::*;
use crate::seccomp::{Host, Profile};

/// A call as a filter sees it.
#[derive(Debug, Clone, Copy)]
struct Call {
    arch: u32,
    number: u32,
    arguments: [u64; 6],
}

/// Runs a filter as the kernel would; gives its answer and how many instructions it took.
fn run(program: &Program, call: Call) -> (u32, usize) {
    let mut accumulator = 0;
    let mut at = 0;
    let mut steps = 0;
    loop {
        let Instruction { code, jump_true, jump_false, operand } = program.instructions[at];
        at += 1;
        steps += 1;
        let mut jump = |holds: bool| at += usize::from(if holds { jump_true } else { jump_false });
        match code {
            LOAD => {
                accumulator = match operand {
                    NUMBER => call.number,
                    ARCH => call.arch,
                    offset => {
                        let argument = call.arguments[((offset - ARGUMENTS) / 8) as usize];
                        let half = if offset % 8 == 0 { argument & 0xffff_ffff } else { argument >> 32 };
                        u32::try_from(half).unwrap()
                    }
                }
            }
            JUMP => at += operand as usize,
            JUMP_EQUAL => jump(accumulator == operand),
            JUMP_GREATER => jump(accumulator > operand),
            JUMP_GREATER_EQUAL => jump(accumulator >= operand),
            AND => accumulator &= operand,
            RETURN => return (operand, steps),
            other => panic!("unknown instruction {other:#x}"),
        }
    }
}

fn holds(filter: &ArgFilter, arguments: &[u64; 6]) -> bool {
    let argument = arguments[filter.index as usize];
    match filter.op {
        Compare::NotEqual => argument != filter.value,
        Compare::Less => argument < filter.value,
        Compare::LessOrEqual => argument <= filter.value,
        Compare::Equal => argument == filter.value,
        Compare::GreaterOrEqual => argument >= filter.value,
        Compare::Greater => argument > filter.value,
        Compare::MaskedEqual => argument & filter.value == filter.value_two,
    }
}

/// The rules as they stand on paper.
struct Paper<'a> {
    rules: Vec<(HashSet<u32>, &'a SyscallRule)>,
    last: Option<u32>,
    seccomp: &'a Seccomp,
}

impl<'a> Paper<'a> {
    fn new(seccomp: &'a Seccomp, arch: Arch) -> Self {
        let numbers = arch.numbers();
        let of = |rule: &SyscallRule| {
            rule.names.iter().filter_map(|name| numbers.get(name.as_str())).copied().collect()
        };
        let rules: Vec<(HashSet<u32>, _)> = seccomp.syscalls.iter().map(|rule| (of(rule), rule)).collect();
        let last = rules.iter().flat_map(|(numbers, _)| numbers).max().copied();
        Self { rules, last, seccomp }
    }

    /// What they say about a call, read one after the other.
    fn answer(&self, number: u32, arguments: &[u64; 6]) -> u32 {
        let fits = |rule: &SyscallRule| {
            if has_repeated_index(&rule.args) {
                rule.args.iter().any(|filter| holds(filter, arguments))
            } else {
                rule.args.iter().all(|filter| holds(filter, arguments))
            }
        };
        if let Some((_, rule)) =
            self.rules.iter().find(|(numbers, rule)| numbers.contains(&number) && fits(rule))
        {
            return answer(rule.action, rule.errno_ret).unwrap();
        }
        let is_permissive = matches!(self.seccomp.default_action, Action::Allow | Action::Log);
        if self.last.is_some_and(|last| number > last) && !is_permissive {
            return 0x0005_0000 | ENOSYS;
        }
        answer(self.seccomp.default_action, self.seccomp.default_errno_ret).unwrap()
    }
}

fn docker(caps: &[&str]) -> Seccomp {
    let capabilities: Vec<_> = caps.iter().map(ToString::to_string).collect();
    let host = Host { capabilities: &capabilities, arch: Arch::X86_64, kernel: (6, 1) };
    Profile::docker_default().unwrap().resolve(&host).unwrap()
}

#[test]
fn every_call_gets_what_dockers_profile_says() {
    let interesting =
        [0, 1, 8, 37, 38, 39, 40, 41, 0x20000, 0x20008, 0xffff_ffff, 0x7e02_0000, 0x1_0000_0026, u64::MAX];
    for caps in [vec![], vec!["CAP_SYS_ADMIN"], vec!["CAP_SYS_PTRACE", "CAP_SYS_TIME"]] {
        let seccomp = docker(&caps);
        let program = compile(&seccomp).unwrap();
        for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
            let bit = if arch == Arch::X32 { X32_BIT } else { 0 };
            let paper = Paper::new(&seccomp, arch);
            for number in 0..700 {
                for argument in interesting {
                    let arguments = [argument, argument, 0, 0, 0, 0];
                    let call = Call { arch: arch.audit(), number: number | bit, arguments };
                    assert_eq!(
                        run(&program, call).0,
                        paper.answer(number, &arguments),
                        "{arch:?} {number} {argument:#x}"
                    );
                }
            }
        }
    }
}

#[test]
fn calls_of_other_architectures_are_killed() {
    let program = compile(&docker(&[])).unwrap();
    let call = Call { arch: Arch::Aarch64.audit(), number: 63, arguments: [0; 6] };
    assert_eq!(run(&program, call).0, KILL_THREAD);
    let only = Seccomp { architectures: vec!["SCMP_ARCH_X86_64".to_owned()], ..docker(&[]) };
    let program = compile(&only).unwrap();
    let x32 = Call { arch: Arch::X32.audit(), number: X32_BIT, arguments: [0; 6] };
    assert_eq!(run(&program, x32).0, KILL_THREAD);
    let x86 = Call { arch: Arch::X86.audit(), number: 3, arguments: [0; 6] };
    assert_eq!(run(&program, x86).0, KILL_THREAD);
}

#[test]
fn usual_calls_take_few_instructions() {
    let program = compile(&docker(&[])).unwrap();
    assert!(program.len() < 1200, "{}", program.len());
    for name in ["read", "write", "openat", "close", "mmap", "futex", "epoll_wait", "recvmsg", "execve"] {
        let number = Arch::X86_64.numbers()[name];
        let (_, steps) = run(&program, Call { arch: Arch::X86_64.audit(), number, arguments: [0; 6] });
        assert!(steps <= 13, "{name}: {steps}");
    }
}

#[test]
fn a_young_call_does_not_exist_and_a_denied_one_is_refused() {
    let program = compile(&docker(&[])).unwrap();
    let answer_of = |number| run(&program, Call { arch: Arch::X86_64.audit(), number, arguments: [0; 6] }).0;
    assert_eq!(answer_of(600), 0x0005_0000 | ENOSYS);
    assert_eq!(answer_of(Arch::X86_64.numbers()["mount"]), 0x0005_0000 | EPERM);
    assert_eq!(answer_of(Arch::X86_64.numbers()["clone3"]), 0x0005_0000 | ENOSYS);
}

#[test]
fn nonsense_is_refused() {
    let with = |change: &dyn Fn(&mut Seccomp)| {
        let mut seccomp = docker(&[]);
        change(&mut seccomp);
        compile(&seccomp).is_err()
    };
    assert!(with(&|seccomp| seccomp.architectures.push("SCMP_ARCH_VAX".to_owned())));
    assert!(with(&|seccomp| seccomp.flags.push("SECCOMP_FILTER_FLAG_X".to_owned())));
    assert!(with(&|seccomp| seccomp.default_action = Action::Notify));
    assert!(with(&|seccomp| seccomp.syscalls[2].args[0].index = 6));
}

#[test]
fn the_program_survives_its_file_form() {
    let program = compile(&docker(&[])).unwrap();
    let bytes = program.to_bytes();
    assert_eq!(Program::from_bytes(&bytes), Some(program));
    assert_eq!(Program::from_bytes(&bytes[..bytes.len() - 1]), None);
    assert_eq!(Program::from_bytes(&bytes[..bytes.len() - 8]), None);
    assert_eq!(Program::from_bytes(b""), None);
}

fn any_filter() -> impl Strategy<Value = ArgFilter> {
    let value = prop_oneof![0..4u64, Just(u64::MAX), Just(1 << 32), Just((1 << 32) + 1), any::<u64>()];
    let op = prop_oneof![
        Just(Compare::NotEqual),
        Just(Compare::Less),
        Just(Compare::LessOrEqual),
        Just(Compare::Equal),
        Just(Compare::GreaterOrEqual),
        Just(Compare::Greater),
        Just(Compare::MaskedEqual),
    ];
    (0..6u32, value.clone(), value, op).prop_map(|(index, value, value_two, op)| ArgFilter {
        index,
        value,
        value_two,
        op,
    })
}

fn any_rule() -> impl Strategy<Value = SyscallRule> {
    let names = prop::collection::vec(
        prop::sample::select(vec!["read", "write", "open", "socket", "clone", "mseal"]),
        1..4,
    );
    let action =
        prop_oneof![Just(Action::Allow), Just(Action::Errno), Just(Action::KillProcess), Just(Action::Log)];
    (names, action, prop::option::of(0..200u32), prop::collection::vec(any_filter(), 0..7)).prop_map(
        |(names, action, errno_ret, args)| SyscallRule {
            names: names.into_iter().map(str::to_owned).collect(),
            action,
            errno_ret,
            args,
        },
    )
}

proptest! {
    #[test]
    fn any_rules_decide_in_the_filter_as_on_paper(
        rules in prop::collection::vec(any_rule(), 0..12),
        default in prop_oneof![Just(Action::Allow), Just(Action::Errno), Just(Action::Trap)],
        number in prop_oneof![0..60u32, 450..470u32],
        arguments in prop::array::uniform6(prop_oneof![0..4u64, Just(1 << 32), Just((1 << 32) + 1), any::<u64>()]),
    ) {
        let seccomp = Seccomp {
            default_action: default,
            default_errno_ret: None,
            architectures: vec!["SCMP_ARCH_X86_64".to_owned(), "SCMP_ARCH_X32".to_owned()],
            flags: Vec::new(),
            listener_path: String::new(),
            listener_metadata: String::new(),
            syscalls: rules,
        };
        let program = compile(&seccomp).unwrap();
        for (arch, bit) in [(Arch::X86_64, 0), (Arch::X32, X32_BIT)] {
            let call = Call { arch: arch.audit(), number: number | bit, arguments };
            prop_assert_eq!(run(&program, call).0, Paper::new(&seccomp, arch).answer(number, &arguments));
        }
    }
}
