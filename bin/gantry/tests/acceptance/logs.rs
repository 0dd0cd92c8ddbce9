//! LOG: what containers print.

use testing::images;
use testing::row;

row!(each_line_is_a_json_record, "LOG-001", |row| {
    row.sh("docker run --name alpha busybox sh -c 'echo out; echo err >&2; printf last'").ok();
    let path = row.inspect("alpha", "{{.LogPath}}");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut seen = Vec::new();
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let keys: Vec<&String> = record.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["log", "stream", "time"]);
        assert!(
            record["time"].as_str().is_some_and(|time| time.ends_with('Z') && time.contains('T')),
            "{line}"
        );
        seen.push((
            record["log"].as_str().unwrap().to_owned(),
            record["stream"].as_str().unwrap().to_owned(),
        ));
    }
    seen.sort();
    let pair = |log: &str, stream: &str| (log.to_owned(), stream.to_owned());
    assert_eq!(seen, [pair("err\n", "stderr"), pair("last", "stdout"), pair("out\n", "stdout")]);
    assert_eq!(
        row.inspect("alpha", "{{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}"),
        "json-file {}"
    );
});

row!(a_linked_log_file_shows_in_logs, "LOG-003", |row| {
    row.load(&images::logs());
    row.sh("docker run -d --name app t/logs").ok();
    row.wait_exit("app");
    let ran = row.sh("docker logs app").ok();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("access line\n", "error line\n"));
});
