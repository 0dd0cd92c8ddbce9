//! An engine on a unix socket that answers from a script, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What to answer to calls that begin with `call`: `POST /containers/create`.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    call: &'static str,
    status: u16,
    media_type: &'static str,
    body: Vec<u8>,
}

/// A document.
pub(crate) fn json(call: &'static str, body: &str) -> Answer {
    Answer { call, status: 200, media_type: "application/json", body: body.as_bytes().to_vec() }
}

/// A refusal.
pub(crate) fn refusal(call: &'static str, status: u16, body: &str) -> Answer {
    Answer { status, ..json(call, body) }
}

/// The streams of a process: frames for stdout (1) and stderr (2).
pub(crate) fn streams(call: &'static str, frames: &[(u8, &str)]) -> Answer {
    let mut body = Vec::new();
    for (stream, text) in frames {
        body.extend([*stream, 0, 0, 0]);
        body.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        body.extend(text.as_bytes());
    }
    Answer { call, status: 101, media_type: "application/vnd.docker.multiplexed-stream", body }
}

impl Answer {
    /// Sends the frames as a plain body, as logs are.
    pub(crate) fn answers_plainly(&mut self) {
        self.status = 200;
    }
}

/// The engine; it ends with the test.
pub(crate) struct Engine {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    /// An engine with these answers; of several that fit the first counts, and is used once if another fits too.
    pub(crate) fn new(answers: &[Answer]) -> Engine {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("api.sock")).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.to_vec()));
        let remembered = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, asked) = (answers.clone(), remembered.clone());
                std::thread::spawn(move || serve(stream, &answers, &asked));
            }
        });
        Engine { folder, asked }
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.path().display())
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("api.sock")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The calls made, without pings and versions: `GET /containers/json?all=1` and the body, if any.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Reads one request: its call and its body.
fn read(from: &mut BufReader<UnixStream>) -> Option<(String, Vec<u8>)> {
    let (mut first, mut size, mut is_chunked) = (String::new(), 0, false);
    from.read_line(&mut first).ok().filter(|size| *size > 0)?;
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let (name, value) = line.trim().split_once(": ").unwrap_or((line.trim(), ""));
        match name {
            "" => break,
            "Content-Length" => size = value.parse().unwrap(),
            "Transfer-Encoding" => is_chunked = value == "chunked",
            _ => {}
        }
    }
    let mut body = vec![0; size];
    from.read_exact(&mut body).ok()?;
    while is_chunked {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        from.read_exact(&mut chunk).ok()?;
        body.extend(&chunk[..size]);
        is_chunked = size > 0;
    }
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let path =
        target.strip_prefix("/v").map_or(target, |versioned| &versioned[versioned.find('/').unwrap()..]);
    Some((format!("{method} {path}"), body))
}

fn serve(stream: UnixStream, answers: &Mutex<Vec<Answer>>, asked: &Mutex<Vec<String>>) {
    let mut from = BufReader::new(stream);
    while let Some((call, body)) = read(&mut from) {
        let to = from.get_mut();
        if call == "HEAD /_ping" {
            to.write_all(
                b"HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nOstype: linux\r\nContent-Length: 0\r\n\r\n",
            )
            .unwrap();
            continue;
        }
        let shown =
            if body.is_empty() { call.clone() } else { format!("{call} {}", String::from_utf8_lossy(&body)) };
        asked.lock().unwrap().push(shown);
        let answer = choose(&mut answers.lock().unwrap(), &call);
        let Answer { status, media_type, body, .. } = answer;
        if status == 101 {
            let head = format!(
                "HTTP/1.1 101 UPGRADED\r\nContent-Type: {media_type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
            );
            to.write_all(head.as_bytes()).unwrap();
            // The process echoes its input at the end, once that is closed.
            let mut input = Vec::new();
            from.read_to_end(&mut input).unwrap();
            let to = from.get_mut();
            to.write_all(&body).unwrap();
            if !input.is_empty() {
                let mut frame = vec![1, 0, 0, 0];
                frame.extend(u32::try_from(input.len()).unwrap().to_be_bytes());
                frame.extend(input);
                to.write_all(&frame).unwrap();
            }
            return;
        }
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        to.write_all(head.as_bytes()).unwrap();
        to.write_all(&body).unwrap();
    }
}

fn choose(answers: &mut Vec<Answer>, call: &str) -> Answer {
    let fits: Vec<usize> =
        (0..answers.len()).filter(|index| call.starts_with(answers[*index].call)).collect();
    match fits.as_slice() {
        [] => refusal("", 500, "{\"message\":\"the script has no answer\"}"),
        [only] => answers[*only].clone(),
        [first, ..] => answers.remove(*first),
    }
}
