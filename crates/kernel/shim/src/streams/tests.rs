//! The pumps without a container: pipes and socket pairs stand for a process and its clients.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use super::*;

/// Streams over pipes, and the process's side of them.
struct Process {
    streams: Streams,
    stdin: Option<std::fs::File>,
    stdout: Option<std::fs::File>,
    stderr: Option<std::fs::File>,
    buffer: Vec<u8>,
}

fn process(stdin: StdinWish) -> Process {
    let (their_in, our_in) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (our_out, their_out) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (our_err, their_err) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let ends = Ends::Pipes { stdin: Some(our_in), stdout: our_out, stderr: our_err };
    Process {
        streams: Streams::new(ends, stdin).unwrap(),
        stdin: Some(their_in.into()),
        stdout: Some(their_out.into()),
        stderr: Some(their_err.into()),
        buffer: vec![0; BUFFER],
    }
}

fn everything() -> AttachOptions {
    AttachOptions { client: "c".into(), stdin: true, stdout: true, stderr: true, ..AttachOptions::default() }
}

impl Process {
    fn attach(&mut self, options: AttachOptions) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.streams.attach(theirs.into(), options);
        ours
    }

    /// Pumps until nothing moves any more; answers how many rounds that took.
    fn settle(&mut self) -> usize {
        for round in 0..10_000 {
            let mut fds = Vec::new();
            let mut parts = Vec::new();
            self.streams.interests(|fd, flags, part| {
                fds.push(PollFd::from_borrowed_fd(fd, flags));
                parts.push(part);
            });
            if poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 0 {
                return round;
            }
            let flags: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
            drop(fds);
            for (part, flags) in parts.into_iter().zip(flags).filter(|(_, flags)| !flags.is_empty()) {
                let mut tools = Tools { buffer: &mut self.buffer, log: None };
                self.streams.ready(part, flags, &mut tools);
            }
        }
        panic!("the pumps never come to rest");
    }

    fn say(&mut self, text: &[u8]) {
        self.stdout.as_mut().unwrap().write_all(text).unwrap();
    }

    /// What the process would read now.
    fn read_stdin(&mut self) -> Vec<u8> {
        let stdin = self.stdin.as_mut().unwrap();
        rustix::io::ioctl_fionbio(&*stdin, true).unwrap();
        let mut bytes = Vec::new();
        let _ = stdin.read_to_end(&mut bytes);
        bytes
    }

    fn stdin_has_ended(&mut self) -> bool {
        let stdin = self.stdin.as_mut().unwrap();
        rustix::io::ioctl_fionbio(&*stdin, true).unwrap();
        matches!(stdin.read(&mut [0; 1]), Ok(0))
    }
}

/// What a client reads now.
fn heard(client: &UnixStream) -> Vec<u8> {
    client.set_nonblocking(true).unwrap();
    let mut bytes = Vec::new();
    let _ = (&mut &*client).read_to_end(&mut bytes);
    bytes
}

/// Pumps until a client has heard `text`: what passes a terminal takes the kernel a moment.
fn hears(process: &mut Process, client: &UnixStream, text: &[u8]) {
    let end = Instant::now() + Duration::from_secs(10);
    let mut seen = Vec::new();
    while seen.len() < text.len() && Instant::now() < end {
        process.settle();
        seen.extend(heard(client));
    }
    assert_eq!(seen, text);
}

fn has_ended(client: &UnixStream) -> bool {
    client.set_nonblocking(true).unwrap();
    matches!((&mut &*client).read(&mut [0; 1]), Ok(0))
}

#[test]
fn output_is_framed_by_stream_for_each_client_that_wants_it() {
    let mut process = process(StdinWish::Closed);
    let both = process.attach(everything());
    let errors = process.attach(AttachOptions { stdout: false, ..everything() });
    let raw = process.attach(AttachOptions { framing: Framing::Raw, ..everything() });
    process.say(b"out");
    process.settle();
    process.stderr.as_mut().unwrap().write_all(b"err").unwrap();
    process.settle();
    assert_eq!(heard(&both), b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x03err");
    assert_eq!(heard(&errors), b"\x02\0\0\0\0\0\0\x03err");
    assert_eq!(heard(&raw), b"outerr");
}

#[test]
fn the_end_of_the_first_clients_input_ends_stdin_only_if_once() {
    for (wish, ends) in [(StdinWish::Once, true), (StdinWish::Open, false)] {
        let mut process = process(wish);
        let mut client = process.attach(everything());
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        process.settle();
        assert_eq!(process.read_stdin(), b"hello");
        assert_eq!(process.stdin_has_ended(), ends);
        assert_eq!(has_ended(&client), !ends, "without StdinOnce the session is over with the input");
    }
}

#[test]
fn a_client_that_vanishes_is_forgotten_and_its_input_counts() {
    let mut process = process(StdinWish::Once);
    let mut client = process.attach(everything());
    client.write_all(b"last words").unwrap();
    drop(client);
    process.settle();
    process.say(b"to nobody");
    process.settle();
    assert_eq!(process.read_stdin(), b"last words");
    assert!(process.stdin_has_ended());
    assert!(process.streams.is_deserted());
}

#[test]
fn input_that_does_not_fit_waits_and_none_is_lost_when_the_client_goes() {
    let mut process = process(StdinWish::Once);
    let mut client = process.attach(everything());
    let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let sent = text.clone();
    let writer = std::thread::spawn(move || client.write_all(&sent).unwrap());
    let mut seen = Vec::new();
    while seen.len() < text.len() {
        process.settle();
        seen.extend(process.read_stdin());
    }
    writer.join().unwrap();
    assert_eq!(seen, text);
    process.settle();
    assert!(process.stdin_has_ended());
}

#[test]
fn a_client_that_does_not_read_holds_the_output_up_and_loses_nothing() {
    let mut process = process(StdinWish::Closed);
    let slow = process.attach(AttachOptions { framing: Framing::Raw, ..everything() });
    let text: Vec<u8> = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut stdout = process.stdout.take().unwrap();
    let sent = text.clone();
    let writer = std::thread::spawn(move || stdout.write_all(&sent).unwrap());
    let mut seen = Vec::new();
    while seen.len() < text.len() {
        process.settle();
        let waiting: usize = process.streams.clients.iter().map(Client::waiting).sum();
        assert!(waiting <= BUFFER + 8, "{waiting} bytes are waiting");
        seen.extend(heard(&slow));
    }
    writer.join().unwrap();
    assert_eq!(seen, text);
}

#[test]
fn input_nobody_reads_is_dropped_and_the_client_stays() {
    let mut process = process(StdinWish::Once);
    let mut client = process.attach(everything());
    process.stdin = None;
    for _ in 0..100 {
        client.write_all(&[b'x'; 4096]).unwrap();
        process.settle();
    }
    process.say(b"still here");
    process.settle();
    assert_eq!(heard(&client), b"\x01\0\0\0\0\0\0\x0astill here");
}

#[test]
fn early_input_comes_first() {
    let mut process = process(StdinWish::Open);
    let mut client = process.attach(AttachOptions { early_input: b"early ".to_vec(), ..everything() });
    client.write_all(b"late").unwrap();
    process.settle();
    assert_eq!(process.read_stdin(), b"early late");
}

#[test]
fn at_the_end_clients_get_the_rest_and_then_the_end() {
    let mut process = process(StdinWish::Closed);
    let client = process.attach(AttachOptions { framing: Framing::Raw, ..everything() });
    process.say(&vec![b'x'; 60_000]);
    process.stdout = None;
    process.stderr = None;
    let mut tools = Tools { buffer: &mut process.buffer, log: None };
    assert!(process.streams.drain(Instant::now(), &mut tools));
    process.streams.finish();
    process.settle();
    assert_eq!(heard(&client).len(), 60_000);
    assert!(has_ended(&client));
    drop(client);
    process.settle();
    assert!(process.streams.is_deserted());
}

#[test]
fn an_output_that_others_hold_open_is_waited_for_with_patience_that_ends() {
    let mut process = process(StdinWish::Closed);
    let now = Instant::now();
    let mut tools = Tools { buffer: &mut process.buffer, log: None };
    assert!(!process.streams.drain(now, &mut tools));
    assert_eq!(process.streams.deadline(), Some(now + GRACE));
    assert!(process.streams.is_over(now + GRACE));
}

#[test]
fn detach_keys_end_one_session_on_a_terminal_and_nothing_else() {
    let devpts = std::fs::File::open("/dev/pts").unwrap();
    let pair = sys::pty::open(devpts.as_fd()).unwrap();
    let mut slave = std::fs::File::from(pair.slave);
    let mut process = Process {
        streams: Streams::new(Ends::Terminal(pair.master), StdinWish::Once).unwrap(),
        stdin: None,
        stdout: None,
        stderr: None,
        buffer: vec![0; BUFFER],
    };
    let mut leaving = process.attach(everything());
    let staying = process.attach(AttachOptions { client: "stays".into(), ..everything() });
    leaving.write_all(b"ls\n\x10\x11rest").unwrap();
    process.settle();
    assert_eq!(process.streams.take_detached(), ["c"]);
    let mut line = [0; 16];
    let length = slave.read(&mut line).unwrap();
    assert_eq!(&line[..length], b"ls\n");
    hears(&mut process, &staying, b"ls\r\n");
    assert_eq!(heard(&leaving), b"");
    assert!(has_ended(&leaving));
    // The program lets go of the terminal, and another one takes it: nothing spins, nothing is lost.
    drop(slave);
    process.settle();
    let peer = process.streams.peer.as_ref().unwrap();
    rustix::io::write(peer, b"again").unwrap();
    hears(&mut process, &staying, b"again");
}
