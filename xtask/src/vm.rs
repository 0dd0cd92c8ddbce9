//! `test --vm`: the tests that need cgroup v2, AppArmor or systemd, in a virtual machine.
//!
//! ```text
//! target/vm/   vmlinuz, initrd, debian.ext4   made once by image.sh: Debian and its cloud kernel
//!              run.ext4                       made for each run: the tests, this repository's program, guest.sh
//! initrd ─ init.sh ─ switch_root ┬─ plain:   guest.sh is the first program
//!                                └─ systemd: guest.sh is a service
//! guest.sh ─ runs the tests, and tells by the second serial port how they ended
//! ```
//! Emulated, so that it runs anywhere; the disks are never written to.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail};

use crate::test::Count;
use crate::{project, setup};

/// A boot of the guest.
struct Guest {
    name: &'static str,
    /// Package and name of each program of tests.
    tests: &'static [(&'static str, &'static str)],
    /// What the names of the tests to run contain.
    filter: &'static str,
}

const GUESTS: [Guest; 2] = [
    Guest {
        name: "plain",
        tests: &[("cgroup", "kernel"), ("runtime", "kernel"), ("gantry", "oci")],
        filter: "",
    },
    Guest { name: "systemd", tests: &[("cgroup", "kernel"), ("gantry", "oci")], filter: "systemd" },
];

/// Seconds after which a guest is given up: the slower one took seven minutes on two busy cores.
const LIMIT: &str = "900";

const IMAGE: &str = include_str!("vm/image.sh");
const INIT: &str = include_str!("vm/init.sh");
const GUEST: &str = include_str!("vm/guest.sh");

fn folder() -> PathBuf {
    project::root().join("target/vm")
}

/// Makes the guest's disk, unless one by the same recipe is there.
pub(crate) fn ensure_image() -> Result<()> {
    let folder = folder();
    let recipe = format!("{IMAGE}{INIT}");
    let stamp = folder.join("recipe");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == recipe) {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    let _ = fs::remove_file(&stamp);
    fs::write(folder.join("image.sh"), IMAGE)?;
    fs::write(folder.join("init.sh"), INIT)?;
    let (mirror, release) = debian()?;
    println!("making a disk with Debian {release}: a few minutes, once");
    project::finish(project::command("sh", &["image.sh", &mirror, &release]).current_dir(&folder))?;
    Ok(fs::write(stamp, recipe)?)
}

/// The mirror that this machine uses itself, and its release.
fn debian() -> Result<(String, String)> {
    let targets = ["indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"];
    let output = project::command("apt-get", &targets).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let release = fs::read_to_string("/etc/os-release")?;
    let release = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let release = release.context("/etc/os-release names no release")?.to_owned();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let mirror = lines.find(|(_, name)| *name == release).context("apt-get knows no mirror")?.0;
    Ok((mirror.to_owned(), release))
}

/// Boots every guest, and counts what passed and failed.
pub(crate) fn run() -> Result<(Count, Result<()>)> {
    setup::run(&["--vm".to_owned()])?;
    let disk = pack()?;
    let (mut count, mut failed) = (Count::default(), Vec::new());
    for guest in &GUESTS {
        if !boot(guest, &disk, &mut count)? {
            failed.push(guest.name);
        }
    }
    let outcome = match failed.as_slice() {
        [] => Ok(()),
        names => Err(anyhow!("failed in the guest: {}", names.join(", "))),
    };
    Ok((count, outcome))
}

/// Puts the tests on a disk.
fn pack() -> Result<PathBuf> {
    let (content, disk) = (folder().join("run"), folder().join("run.ext4"));
    let _ = fs::remove_dir_all(&content);
    fs::create_dir_all(&content)?;
    fs::write(content.join("guest.sh"), GUEST)?;
    let programs = build()?;
    for guest in &GUESTS {
        let folder = content.join(guest.name);
        fs::create_dir(&folder)?;
        fs::write(content.join(format!("{}.filter", guest.name)), guest.filter)?;
        for (package, test) in guest.tests {
            let program = programs.iter().find(|(of, name, _)| of == package && name == test);
            let (.., path) = program.with_context(|| format!("{package} has no tests called {test}"))?;
            strip(path, &folder.join(format!("{package}-{test}")))?;
        }
    }
    strip(&project::root().join(PROGRAM), &content.join("gantry"))?;
    let _ = fs::remove_file(&disk);
    let (from, to) = (content.to_string_lossy().into_owned(), disk.to_string_lossy().into_owned());
    project::run("mkfs.ext4", &["-q", "-F", "-O", "^has_journal", "-d", &from, &to, "256M"])?;
    fs::remove_dir_all(&content)?;
    Ok(disk)
}

/// The program under test, which is built before.
const PROGRAM: &str = "target/x86_64-unknown-linux-gnu/debug/gantry";

fn strip(from: &Path, to: &Path) -> Result<()> {
    project::run("strip", &["-o", &to.to_string_lossy(), &from.to_string_lossy()])
}

/// Package, name and path of each program of tests.
fn build() -> Result<Vec<(String, String, PathBuf)>> {
    let mut words = vec!["test", "--no-run", "--message-format=json", "--features", "gantry/faults"];
    for (package, test) in GUESTS.iter().flat_map(|guest| guest.tests) {
        words.extend(["--package", package, "--test", test]);
    }
    let output = project::command("cargo", &words).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("the tests do not compile");
    }
    let program = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let path = message.get("executable")?.as_str()?;
        let package = message.get("manifest_path")?.as_str()?;
        let package = Path::new(package).parent()?.file_name()?.to_string_lossy().into_owned();
        let name = message.get("target")?.get("name")?.as_str()?;
        Some((package, name.to_owned(), PathBuf::from(path)))
    };
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(program).collect())
}

/// Runs one guest to its end; tells whether all went well in it.
fn boot(guest: &Guest, disk: &Path, count: &mut Count) -> Result<bool> {
    let folder = folder();
    let console = folder.join(format!("console-{}.log", guest.name));
    let place = |name: &str| folder.join(name).display().to_string();
    let drive = |path: &str| format!("file={path},format=raw,if=virtio,snapshot=on");
    let command_line = format!(
        "console=ttyS0 quiet apparmor=1 security=apparmor systemd.show_status=0 guest={}",
        guest.name
    );
    let (kernel, initrd) = (place("vmlinuz"), place("initrd"));
    let drives = [drive(&place("debian.ext4")), drive(&disk.display().to_string())];
    let serial = format!("file:{}", console.display());
    let words = [
        &[
            LIMIT,
            "qemu-system-x86_64",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-smp",
            "2",
            "-m",
            "2048",
        ][..],
        &["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"],
        &["-kernel", &kernel, "-initrd", &initrd, "-append", &command_line],
        &["-drive", &drives[0], "-drive", &drives[1], "-serial", &serial, "-serial", "stdio"],
    ]
    .concat();
    println!("$ timeout {}", words.join(" "));
    let mut machine = project::command("timeout", &words);
    let mut machine = machine.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut is_well = false;
    for line in machine.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line.unwrap_or_default();
        let line = line.trim_end_matches('\r');
        is_well |= line == "guest: ended with 0";
        count.add_line(line);
        println!("{line}");
    }
    let status = machine.wait()?;
    if !status.success() {
        bail!("the guest {} ended with {status}; its console is in {}", guest.name, console.display());
    }
    Ok(is_well)
}
