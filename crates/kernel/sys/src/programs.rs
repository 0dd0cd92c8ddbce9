//! Programs that come with Gantry as bytes: compiled by `build.rs`, run inside containers.

/// The program of the image `gantry/hello`: a static executable that needs nothing around it.
pub static HELLO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hello"));

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test runs the program")]
    fn the_greeting_tells_the_time_that_it_took() {
        let path = std::env::temp_dir().join(format!("gantry-hello-{}", std::process::id()));
        let mut file =
            std::fs::File::options().write(true).create(true).truncate(true).mode(0o755).open(&path).unwrap();
        file.write_all(HELLO).unwrap();
        drop(file);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let output = std::process::Command::new(&path)
            .env_clear()
            .env("GANTRY_REQUESTED_AT", (now.as_nanos() - 5_000_000).to_string())
            .output()
            .unwrap();
        let plain = std::process::Command::new(&path).env_clear().output().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("\nHello from a container that Gantry runs!\n"), "{text}");
        let line = text.lines().find(|line| line.contains("first instruction")).unwrap();
        let milliseconds: f64 = line.rsplit(' ').nth(1).unwrap().parse().unwrap();
        assert!((5.0..5000.0).contains(&milliseconds), "{line}");
        assert!(!String::from_utf8(plain.stdout).unwrap().contains("first instruction"));
    }
}
