//! Kills at random moments, with a seed that is printed: set `GANTRY_SEED` to repeat a run, and
//! `GANTRY_KILLS` for more of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testing::daemon::{Daemon, Start};
use testing::http::Request;
use testing::wait;

use crate::bench::{Bench, assert_truthful, create};

/// A small generator (xorshift): the same seed gives the same run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn seed() -> u64 {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    number("GANTRY_SEED").unwrap_or(u64::from(clock)) | 1
}

/// One random call; what it answers does not matter, the engine may be gone.
fn disturb(daemon: &Daemon, dice: &mut Dice) {
    let name = format!("c{}", dice.throw(4));
    let post = |path: String| Request::new("POST", &path);
    let request = match dice.throw(9) {
        0 | 1 => {
            let port = 9000 + dice.throw(4);
            let more = json!({ "HostConfig": {
                "AutoRemove": dice.throw(3) == 0, "Binds": [format!("v{}:/data", dice.throw(3))],
                "PortBindings": { "80/tcp": [{ "HostPort": port.to_string() }] } } });
            create(daemon, &name, "sleep 1000", &more);
            return;
        }
        2 | 3 => post(format!("/containers/{name}/start")),
        4 => post(format!("/containers/{name}/kill")),
        5 => post(format!("/containers/{name}/restart?t=0")),
        6 => Request::new("DELETE", &format!("/containers/{name}?force=1&v=1")),
        7 => post("/networks/create".to_owned()).json(&json!({ "Name": format!("n{}", dice.throw(3)) })),
        _ => Request::new("DELETE", &format!("/networks/n{}", dice.throw(3))),
    };
    let _ = daemon.try_ask(request);
}

/// Calls at random until the engine is killed, some time within the first tenth of a second.
fn run_and_kill(start: &Start, dice: &mut Dice) {
    let mut daemon = start.start_unready();
    let moment = Duration::from_micros(dice.throw(150_000));
    // A third of the kills hit the engine while it starts.
    let is_ready = dice.throw(3) == 0 || daemon.becomes_ready(wait::PATIENCE);
    assert!(is_ready, "the engine does not come back\n{}", daemon.log());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut own = Dice(dice.throw(u64::MAX) | 1);
        let (daemon, over) = (&daemon, &over);
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                disturb(daemon, &mut own);
            }
        });
        wait::until(moment, || false);
        let pid = i32::try_from(daemon.pid()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        over.store(true, Ordering::Relaxed);
    });
    daemon.kill_9();
}

#[test]
fn kills_at_random_moments_lose_and_leak_nothing() {
    let kills = number("GANTRY_KILLS").unwrap_or(20);
    testing::on_host(&[], move |host| {
        let seed = seed();
        println!("seed {seed}: GANTRY_SEED={seed} repeats this run");
        let mut dice = Dice(seed);
        let bench = Bench::prepare(host);
        for round in 0..kills {
            run_and_kill(&bench.start(), &mut dice);
            let daemon = bench.start().start();
            let when = format!("kill {round} of seed {seed}");
            assert_truthful(&daemon, &when);
            if round % 5 == 4 {
                bench.leaves_nothing(&daemon, &when);
            }
            daemon.kill_9();
        }
        let daemon = bench.start().start();
        bench.leaves_nothing(&daemon, &format!("after all kills of seed {seed}"));
    });
}

#[test]
fn a_container_counts_on_through_kills_without_a_gap_in_its_log() {
    testing::on_host(&[], |host| {
        let bench = Bench::prepare(host);
        let daemon = bench.start().start();
        let shared = bench.path("shared");
        std::fs::create_dir(&shared).unwrap();
        let script =
            "i=0; while [ ! -e /shared/stop ]; do i=$((i+1)); echo $i; done; echo $i >/shared/count; exit 5";
        let more = json!({ "HostConfig": { "Binds": [format!("{}:/shared", shared.display())] } });
        create(&daemon, "counter", script, &more);
        daemon.post("/containers/counter/start", &Value::Null).expect(204);
        daemon.kill_9();
        for _ in 0..5 {
            let daemon = bench.start().start();
            let running = daemon.get("/containers/counter/json").json()["State"]["Running"].clone();
            assert_eq!(running, true, "{}", daemon.log());
            daemon.kill_9();
        }
        // It even ends while nobody is there to hear it.
        std::fs::write(shared.join("stop"), "").unwrap();
        assert!(wait::appears(&shared.join("count"), wait::PATIENCE));
        let daemon = bench.start().start();
        let code = daemon.post("/containers/counter/wait", &Value::Null).expect(200).json();
        assert_eq!(code["StatusCode"], 5);
        let last: u64 = std::fs::read_to_string(shared.join("count")).unwrap().trim().parse().unwrap();
        let logs = daemon.get("/containers/counter/logs?stdout=1").expect(200).body;
        let (mut rest, mut expected) = (logs.as_slice(), 1);
        while let Some((head, tail)) = rest.split_at_checked(8) {
            let size = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let line = std::str::from_utf8(&tail[..size]).unwrap();
            assert_eq!(line.trim().parse(), Ok(expected), "a gap in the log");
            (rest, expected) = (&tail[size..], expected + 1);
        }
        assert_eq!(expected, last + 1, "the log ends early");
        bench.leaves_nothing(&daemon, "after the counter");
    });
}
