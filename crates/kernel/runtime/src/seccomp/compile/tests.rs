//! Compiled filters, run by a small interpreter and held against the rules that they came from.

use std::collections::{HashMap, HashSet};

use oci_spec::runtime::{Compare, SyscallRule};
use proptest::prelude::*;
use sys::seccomp::{FLAG_LOG, FLAG_WAIT_KILLABLE_RECV};

use super::*;
use crate::seccomp::assemble::{AND, JUMP, JUMP_ANY_BIT, JUMP_GREATER, LOAD, RETURN};
use crate::seccomp::condition::ARGUMENTS;
use crate::seccomp::syscalls::all;
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
            JUMP_ANY_BIT => jump(accumulator & operand != 0),
            AND => accumulator &= operand,
            RETURN => return (operand, steps),
            other => panic!("unknown instruction {other:#x}"),
        }
    }
}

fn holds(filter: &ArgFilter, arch: Arch, arguments: &[u64; 6]) -> bool {
    // Calls of a 32-bit architecture have 32-bit arguments, and so have the rules for them.
    let fit = |value: u64| if arch == Arch::X86 { value & 0xffff_ffff } else { value };
    let (argument, value) = (fit(arguments[filter.index as usize]), fit(filter.value));
    match filter.op {
        Compare::NotEqual => argument != value,
        Compare::Less => argument < value,
        Compare::LessOrEqual => argument <= value,
        Compare::Equal => argument == value,
        Compare::GreaterOrEqual => argument >= value,
        Compare::Greater => argument > value,
        Compare::MaskedEqual => argument & value == fit(filter.value_two),
    }
}

/// The rules as they stand on paper.
struct Paper<'a> {
    arch: Arch,
    rules: Vec<(HashSet<u32>, &'a SyscallRule)>,
    last: Option<u32>,
    seccomp: &'a Seccomp,
    /// Who judges the low numbers of x32.
    low: Option<Box<Self>>,
}

impl<'a> Paper<'a> {
    fn new(seccomp: &'a Seccomp, arch: Arch) -> Self {
        let numbers: HashMap<_, _> = all(arch).collect();
        let of = |rule: &SyscallRule| {
            rule.names.iter().filter_map(|name| numbers.get(name.as_str())).copied().collect()
        };
        let rules: Vec<(HashSet<u32>, _)> = seccomp.syscalls.iter().map(|rule| (of(rule), rule)).collect();
        let last = rules.iter().flat_map(|(numbers, _)| numbers).max().copied();
        let low = (arch == Arch::X32).then(|| Box::new(Self::new(seccomp, Arch::X86_64)));
        Self { arch, rules, last, seccomp, low }
    }

    /// What they say about a call, read one after the other.
    fn answer(&self, number: u32, arguments: &[u64; 6]) -> u32 {
        if let Some(low) = self.low.as_ref().filter(|_| number < 512) {
            return low.answer(number, arguments);
        }
        let fits = |rule: &SyscallRule| {
            let mut each = rule.args.iter().map(|filter| holds(filter, self.arch, arguments));
            if has_repeated_index(&rule.args) { each.any(|holds| holds) } else { each.all(|holds| holds) }
        };
        let decides =
            |(numbers, rule): &&(HashSet<u32>, &SyscallRule)| numbers.contains(&number) && fits(rule);
        if let Some((_, rule)) = self.rules.iter().find(decides) {
            return answer(rule.action, rule.errno_ret);
        }
        let is_permissive =
            matches!(self.seccomp.default_action, Action::Allow | Action::Log | Action::Trace);
        let is_young = self.last.is_some_and(|last| number > last);
        if is_young && !is_permissive && self.seccomp.default_errno_ret != Some(38) {
            return 0x0005_0000 | 38;
        }
        answer(self.seccomp.default_action, self.seccomp.default_errno_ret)
    }
}

/// A call as the kernel shows it to a filter.
fn call(arch: Arch, number: u32, arguments: [u64; 6]) -> Call {
    match arch {
        Arch::X32 => Call { arch: arch.audit(), number: number | X32_BIT, arguments },
        Arch::X86 => Call { arch: arch.audit(), number, arguments: arguments.map(|own| own & 0xffff_ffff) },
        _ => Call { arch: arch.audit(), number, arguments },
    }
}

fn number_of(name: &str) -> u32 {
    Syscall::find(name).unwrap().number(Arch::X86_64).unwrap()
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
            let paper = Paper::new(&seccomp, arch);
            for number in 0..700 {
                for argument in interesting {
                    let arguments = [argument, argument, 0, 0, 0, 0];
                    assert_eq!(
                        run(&program, call(arch, number, arguments)).0,
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
    assert!(program.len() < 200, "{}", program.len());
    for name in ["read", "write", "openat", "close", "mmap", "futex", "epoll_wait", "recvmsg", "execve"] {
        let number = number_of(name);
        let (_, steps) = run(&program, Call { arch: Arch::X86_64.audit(), number, arguments: [0; 6] });
        assert!(steps <= 13, "{name}: {steps}");
    }
}

#[test]
fn a_young_call_does_not_exist_and_a_denied_one_is_refused() {
    let program = compile(&docker(&[])).unwrap();
    let answer_of = |number| run(&program, Call { arch: Arch::X86_64.audit(), number, arguments: [0; 6] }).0;
    assert_eq!(answer_of(600), 0x0005_0000 | ENOSYS);
    assert_eq!(answer_of(number_of("mount")), 0x0005_0000 | EPERM);
    assert_eq!(answer_of(number_of("clone3")), 0x0005_0000 | ENOSYS);
}

#[test]
fn nonsense_is_refused() {
    let with = |change: &dyn Fn(&mut Seccomp)| {
        let mut seccomp = docker(&[]);
        change(&mut seccomp);
        compile(&seccomp).is_err()
    };
    assert!(with(&|seccomp| seccomp.architectures.push("SCMP_ARCH_VAX".to_owned())));
    assert!(with(&|seccomp| seccomp.flags = Some(vec!["SECCOMP_FILTER_FLAG_X".to_owned()])));
    assert!(with(&|seccomp| seccomp.syscalls[2].args[0].index = 6));
}

#[test]
fn a_listener_is_asked_for_where_it_can_answer() {
    let compiled = |change: &dyn Fn(&mut Seccomp)| {
        let mut seccomp = docker(&[]);
        seccomp.listener_path = "/agent".to_owned();
        change(&mut seccomp);
        compile(&seccomp).map(|program| program.flags()).map_err(|error| error.to_string())
    };
    assert_eq!(compiled(&|_| ()), Ok(FLAG_SPEC_ALLOW));
    let notify = |seccomp: &mut Seccomp| seccomp.syscalls[2].action = Action::Notify;
    assert_eq!(compiled(&notify), Ok(FLAG_SPEC_ALLOW | FLAG_NEW_LISTENER));
    let refused = |change: &dyn Fn(&mut Seccomp)| compiled(change).unwrap_err();
    assert_eq!(
        refused(&|seccomp| seccomp.default_action = Action::Notify),
        "SCMP_ACT_NOTIFY cannot be used as default action"
    );
    assert_eq!(
        refused(&|seccomp| seccomp.syscalls[0].action = Action::Notify),
        "SCMP_ACT_NOTIFY cannot be used for the write syscall"
    );
    let without_path = |seccomp: &mut Seccomp| {
        notify(seccomp);
        seccomp.listener_path.clear();
    };
    assert_eq!(refused(&without_path), "seccomp listenerPath is not set");
}

#[test]
fn flags_are_those_asked_for() {
    let flags = |list: Option<&[&str]>| {
        let list = list.map(|names| names.iter().map(ToString::to_string).collect());
        compile(&Seccomp { flags: list, ..docker(&[]) }).unwrap().flags()
    };
    assert_eq!(flags(None), FLAG_SPEC_ALLOW);
    assert_eq!(flags(Some(&[])), 0);
    assert_eq!(flags(Some(&["SECCOMP_FILTER_FLAG_TSYNC"])), 0);
    assert_eq!(
        flags(Some(&["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])),
        FLAG_LOG | FLAG_WAIT_KILLABLE_RECV
    );
}

#[test]
fn unknown_names_are_passed_over() {
    let mut seccomp = docker(&[]);
    seccomp.syscalls[0].names.push("call_of_the_year_2040".to_owned());
    assert_eq!(compile(&seccomp).unwrap(), compile(&docker(&[])).unwrap());
    seccomp.syscalls[0].names.push(String::new());
    assert_eq!(compile(&seccomp).unwrap_err().to_string(), "empty string is not a valid syscall");
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

fn any_action() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![
        Action::Allow,
        Action::Errno,
        Action::KillProcess,
        Action::KillThread,
        Action::Log,
        Action::Trace,
        Action::Trap,
    ])
}

fn any_rule() -> impl Strategy<Value = SyscallRule> {
    let some = [
        "read",
        "open",
        "socket",
        "clone",
        "execve",
        "vmsplice",
        "readv",
        "mseal",
        "sigreturn",
        "kexec_load",
    ];
    let every: Vec<_> = all(Arch::X86).chain(all(Arch::X86_64)).map(|(name, _)| name).collect();
    let names = prop_oneof![
        prop::collection::vec(prop::sample::select(some.to_vec()), 1..4),
        prop::collection::vec(prop::sample::select(every), 1..200),
    ];
    let args = prop_oneof![Just(Vec::new()), prop::collection::vec(any_filter(), 0..7)];
    (names, any_action(), prop::option::of(0..200u32), args).prop_map(|(names, action, errno_ret, args)| {
        SyscallRule { names: names.into_iter().map(str::to_owned).collect(), action, errno_ret, args }
    })
}

fn any_seccomp() -> impl Strategy<Value = Seccomp> {
    let rules = prop::collection::vec(any_rule(), 0..12);
    let errno = prop::option::of(prop_oneof![Just(38u32), 0..200u32]);
    let arches = prop::sample::subsequence(Arch::ALL.to_vec(), 1..=4);
    (rules, any_action(), errno, arches).prop_map(|(syscalls, default_action, default_errno_ret, arches)| {
        Seccomp {
            default_action,
            default_errno_ret,
            architectures: arches.into_iter().map(|arch| arch.scmp().to_owned()).collect(),
            flags: None,
            listener_path: String::new(),
            listener_metadata: String::new(),
            syscalls,
        }
    })
}

proptest! {
    #[test]
    fn any_rules_decide_in_the_filter_as_on_paper(
        seccomp in any_seccomp(),
        arguments in prop::array::uniform6(
            prop_oneof![0..4u64, Just(u64::MAX), Just(1 << 32), Just((1 << 32) + 1), any::<u64>()]
        ),
    ) {
        let compiled = compile(&seccomp);
        prop_assume!(!matches!(&compiled, Err(error) if error.to_string().contains("too long")));
        let program = compiled.unwrap();
        for arch in Arch::ALL {
            let is_named = seccomp.architectures.iter().any(|name| name == arch.scmp());
            let paper = Paper::new(&seccomp, arch);
            for number in (0..560).chain([0xffff, 0x3fff_ffff]) {
                let call = call(arch, number, arguments);
                let expected = if is_named { paper.answer(number, &call.arguments) } else { KILL_THREAD };
                prop_assert_eq!(run(&program, call).0, expected, "{:?} {}", arch, number);
            }
        }
    }
}
