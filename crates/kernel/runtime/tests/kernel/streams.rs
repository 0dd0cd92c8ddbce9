//! Pipes and terminals.

use std::os::fd::OwnedFd;

use runtime::{LineEnds, Stdio, WindowSize};

use crate::stage::{Stage, pipes, wait};

/// Reads until the last slave is closed, which a terminal reports as an I/O error.
pub(crate) fn read_terminal(master: OwnedFd) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 512];
    while let Ok(length @ 1..) = rustix::io::read(&master, &mut buffer) {
        text.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn a_terminal_belongs_to_the_container_and_controls_it() {
    let stage = Stage::script(
        "tty; stty size; ls -l /dev/console | cut -c1; cat /proc/self/stat | cut -d' ' -f7; echo hello > /dev/console",
    );
    let mut created = stage
        .create(Stdio::Terminal {
            size: Some(WindowSize { rows: 24, columns: 80 }),
            line_ends: LineEnds::Return,
        })
        .unwrap();
    let master = created.terminal.take().unwrap();
    created.start().unwrap();
    let text = read_terminal(master);
    assert_eq!(wait(&created.pidfd), 0, "{text}");
    created.cgroup.unwrap().remove().unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["/dev/pts/0", "24 80"], "{text}");
    assert_eq!(*lines.last().unwrap(), "hello");
}

#[test]
fn standard_input_is_what_the_caller_gives() {
    let (Stdio::Pipes { stdout, stderr, .. }, readers) = pipes() else { unreachable!() };
    let (stdin, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut created =
        Stage::new(&["cat"]).create(Stdio::Pipes { stdin: Some(stdin), stdout, stderr }).unwrap();
    created.start().unwrap();
    rustix::io::write(&writer, b"typed").unwrap();
    drop(writer);
    assert_eq!(crate::stage::gather(&created.pidfd, readers).output(), "typed");
    created.cgroup.unwrap().remove().unwrap();
}

#[test]
fn another_user_can_open_its_streams_again() {
    let mut stage = Stage::script("echo again > /dev/stdout; echo wrong > /proc/self/fd/2");
    stage.user = Some(("web".to_owned(), Vec::new()));
    let outcome = stage.run();
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (0, "again\n", "wrong\n"));
}
