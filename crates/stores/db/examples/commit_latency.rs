//! How long a synced commit takes here: `cargo run --release -p db --example commit_latency -- DIR`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use db::{Batch, Db};

fn main() {
    let dir = PathBuf::from(std::env::args().nth(1).expect("a folder on the disk to measure"));
    let db = Db::open(&dir).expect("an empty folder or an intent store");
    let record = vec![b'x'; 1500];
    let mut times: Vec<u128> = (0..1000)
        .map(|number| {
            let batch = Batch::new().put("bench", &format!("key{}", number % 50), record.clone());
            let start = Instant::now();
            db.commit(batch).expect("room on the disk");
            start.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    let mut out = std::io::stdout();
    let _ = writeln!(out, "median {} µs, p95 {} µs, max {} µs", times[500], times[950], times[999]);
}
