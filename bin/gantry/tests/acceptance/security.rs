//! SEC: what keeps containers apart.

use testing::tar::Archive;
use testing::{images, row};

row!(the_command_is_process_one, "SEC-001", |row| {
    row.sh("docker run --name alpha busybox sh -c 'echo $$; ps -o pid,args'")
        .ok()
        .shows("1\n")
        .shows("    1 ")
        .shows(" sh -c ");
    let seen = row.sh("docker run busybox ps -o pid").ok();
    assert_eq!(seen.lines().len(), 2, "other processes are visible: {seen}");
});

/// The namespace of one kind that a container's first process is in.
fn namespace(row: &testing::acceptance::Row<'_>, container: &str, kind: &str) -> std::path::PathBuf {
    std::fs::read_link(format!("/proc/{}/ns/{kind}", row.pid(container))).unwrap()
}

row!(each_container_has_its_own_interfaces, "SEC-002", |row| {
    row.sh("docker run -d --name alpha busybox sleep 1000; docker run -d --name beta busybox sleep 1000")
        .ok();
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let (a, b) = (namespace(row, "alpha", "net"), namespace(row, "beta", "net"));
    assert!(a != b && a != own && b != own);
    row.sh("docker exec alpha ls /sys/class/net").ok().prints("eth0\nlo\n");
    assert_ne!(
        row.out("docker exec alpha cat /sys/class/net/eth0/address"),
        row.out("docker exec beta cat /sys/class/net/eth0/address")
    );
});

row!(mounts_inside_are_invisible_outside, "SEC-003", |row| {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    row.sh("docker run -d --name alpha --cap-add SYS_ADMIN busybox sh -c 'mkdir /inside && mount -t tmpfs tmpfs /inside && echo done && sleep 1000'").ok();
    row.wait_log("alpha", "done");
    row.sh("docker exec alpha cat /proc/mounts").ok().shows(" /inside tmpfs");
    assert!(!mounts().contains("/inside"));
    assert_ne!(namespace(row, "alpha", "mnt"), std::fs::read_link("/proc/self/ns/mnt").unwrap());
});

row!(host_names_are_independent, "SEC-004", |row| {
    let before = row.out("hostname");
    row.sh("docker run --cap-add SYS_ADMIN busybox sh -c 'hostname inside; hostname'")
        .ok()
        .prints("inside\n");
    row.sh("docker run -h other busybox hostname").ok().prints("other\n");
    assert_eq!(row.out("hostname"), before);
});

row!(the_default_capabilities_are_dockers, "SEC-008", |row| {
    row.sh("docker run busybox grep -E 'Cap(Bnd|Eff|Prm)' /proc/self/status")
        .ok()
        .prints("CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n");
});

row!(sethostname_needs_sys_admin, "SEC-009", |row| {
    row.sh("docker run busybox hostname foo")
        .code(1)
        .complains("hostname: sethostname: Operation not permitted");
    row.sh("docker run --cap-add=SYS_ADMIN busybox sh -c 'hostname foo; hostname'").ok().prints("foo\n");
});

row!(ping_needs_net_raw, "SEC-010", |row| {
    row.sh("docker run busybox ping -c 1 127.0.0.1").ok().shows("64 bytes from 127.0.0.1");
    row.sh("docker run --cap-drop=NET_RAW busybox ping -c 1 127.0.0.1")
        .code(1)
        .complains("permission denied (are you root?)");
});

row!(one_capability_is_enough_for_port_80, "SEC-011", |row| {
    let server =
        "docker run -d --name alpha --cap-drop ALL --cap-add NET_BIND_SERVICE busybox httpd -f -p 80 -h /etc";
    row.sh(server).ok();
    row.eventually_prints("docker exec alpha wget -qO- 127.0.0.1:80/group | head -n 1", "root:x:0:");
    let status = std::fs::read_to_string(format!("/proc/{}/status", row.pid("alpha"))).unwrap();
    assert!(status.contains("CapEff:\t0000000000000400"), "{status}");
});

/// Calls that Docker's default profile keeps from a container, by their numbers on x86-64.
const BLOCKED: [(&str, u16); 44] = [
    ("clone with new namespaces", 56),
    ("uselib", 134),
    ("personality of another system", 135),
    ("ustat", 136),
    ("sysfs", 139),
    ("pivot_root", 155),
    ("_sysctl", 156),
    ("acct", 163),
    ("settimeofday", 164),
    ("mount", 165),
    ("umount2", 166),
    ("swapon", 167),
    ("swapoff", 168),
    ("reboot", 169),
    ("iopl", 172),
    ("ioperm", 173),
    ("create_module", 174),
    ("init_module", 175),
    ("delete_module", 176),
    ("get_kernel_syms", 177),
    ("query_module", 178),
    ("quotactl", 179),
    ("nfsservctl", 180),
    ("lookup_dcookie", 212),
    ("clock_settime", 227),
    ("mbind", 237),
    ("set_mempolicy", 238),
    ("get_mempolicy", 239),
    ("kexec_load", 246),
    ("add_key", 248),
    ("request_key", 249),
    ("keyctl", 250),
    ("unshare", 272),
    ("move_pages", 279),
    ("perf_event_open", 298),
    ("open_by_handle_at", 304),
    ("setns", 308),
    ("kcmp", 312),
    ("finit_module", 313),
    ("kexec_file_load", 320),
    ("bpf", 321),
    ("userfaultfd", 323),
    ("io_uring_setup", 425),
    ("io_uring_register", 427),
];

/// A program that makes each of these calls with arguments of -1, and writes what they gave: two bytes of errno each.
fn caller(numbers: impl ExactSizeIterator<Item = u16>) -> Vec<u8> {
    const PLACE: u64 = 0x40_0000;
    let count = u32::try_from(numbers.len()).unwrap();
    let code = [
        &[0x48, 0x8d, 0x1d, 0x52, 0, 0, 0][..], // lea numbers(%rip), %rbx
        &[0x41, 0xbc],                          // mov count, %r12d
        &count.to_le_bytes(),
        &[0x0f, 0xb7, 0x03],                   // again: movzwl (%rbx), %eax
        &[0x48, 0x83, 0xcf, 0xff],             // or -1, %rdi
        &[0x48, 0x83, 0xce, 0xff],             // or -1, %rsi
        &[0x48, 0x83, 0xca, 0xff],             // or -1, %rdx
        &[0x49, 0x83, 0xca, 0xff],             // or -1, %r10
        &[0x49, 0x83, 0xc8, 0xff],             // or -1, %r8
        &[0x49, 0x83, 0xc9, 0xff],             // or -1, %r9
        &[0x0f, 0x05],                         // syscall
        &[0xf7, 0xd8],                         // neg %eax
        &[0x66, 0x89, 0x03],                   // mov %ax, (%rbx)
        &[0x48, 0x83, 0xc3, 2],                // add 2, %rbx
        &[0x41, 0xff, 0xcc],                   // dec %r12d
        &[0x75, 0xd5],                         // jnz again
        &[0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0], // mov write, %eax; mov 1, %edi
        &[0x48, 0x8d, 0x35, 0x10, 0, 0, 0],    // lea numbers(%rip), %rsi
        &[0xba],                               // mov length, %edx
        &(count * 2).to_le_bytes(),
        &[0x0f, 0x05],                    // syscall
        &[0xb8, 60, 0, 0, 0, 0x31, 0xff], // mov exit, %eax; xor %edi, %edi
        &[0x0f, 0x05],                    // syscall
    ]
    .concat();
    let numbers: Vec<u8> = numbers.flat_map(u16::to_le_bytes).collect();
    let length = (64 + 56 + code.len() + numbers.len()) as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    file.extend([PLACE + 64 + 56, 64, 0].into_iter().flat_map(u64::to_le_bytes));
    file.extend([0u16, 0, 64, 56, 1, 64, 0, 0].into_iter().flat_map(u16::to_le_bytes));
    // One segment, readable, writable and executable: the whole file.
    file.extend([1u32, 7].into_iter().flat_map(u32::to_le_bytes));
    file.extend([0, PLACE, PLACE, length, length, 4096].into_iter().flat_map(u64::to_le_bytes));
    file.extend(code);
    file.extend(numbers);
    file
}

row!(the_default_filter_blocks_44_calls, "SEC-015", |row| {
    row.sh("docker run busybox grep Seccomp: /proc/self/status").ok().prints("Seccomp:\t2\n");
    let archive = Archive::new().file("bin/caller", 0o755, caller(BLOCKED.iter().map(|(_, number)| *number)));
    row.load(&images::busybox().named("t/caller:latest").layer(archive));
    let answers = row.sh("docker run t/caller caller").ok().stdout;
    assert_eq!(answers.len(), BLOCKED.len() * 2, "{answers:?}");
    for ((name, _), answer) in BLOCKED.iter().zip(answers.as_bytes().chunks(2)) {
        // EPERM.
        assert_eq!(answer, [1, 0], "{name}");
    }
    // Needs no capability: it is the filter that refuses it.
    row.sh("docker run busybox unshare -U true").code(1).complains("Operation not permitted");
    row.sh("docker run --security-opt seccomp=unconfined busybox unshare -U true").ok();
    row.sh("docker run --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status")
        .ok()
        .prints("Seccomp:\t0\n");
});

row!(capabilities_open_their_calls, "SEC-017", |row| {
    let mount = "busybox sh -c 'mount -t tmpfs none /dev/shm && grep -c /dev/shm /proc/mounts'";
    let run = |flags: &str| row.sh(&format!("docker run {flags} {mount}"));
    let refusal = "mount: permission denied (are you root?)";
    run("").code(1).complains(refusal);
    run("--cap-add SYS_ADMIN").ok().prints("2\n");
    // Each for itself is not enough: the filter without the capability, the capability without the filter.
    run("--security-opt seccomp=unconfined").code(1).complains(refusal);
    let refusing = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]}"#;
    std::fs::write(row.home().join("no-mount.json"), refusing).unwrap();
    let own = format!("--security-opt seccomp={}", row.home().join("no-mount.json").display());
    run(&format!("--cap-add SYS_ADMIN {own}")).code(1).complains(refusal);
    // A process that joins has the filter of its container.
    row.sh("docker run -d --name alpha busybox sleep 1000; docker run -d --name beta --cap-add SYS_ADMIN busybox sleep 1000").ok();
    row.sh("docker exec alpha unshare -m true").code(1).complains("Operation not permitted");
    row.sh("docker exec beta unshare -m true").ok();
});
