//! FMT: templates and human units.

use testing::row;

use crate::is_hex;

row!(inspect_takes_a_template, "FMT-001", |row| {
    let id = row.out("docker run -d --name ctr busybox sleep 1000");
    row.sh("docker inspect --format \"{{.Id}} {{.State.Status}}\" ctr")
        .ok()
        .prints(&format!("{id} running\n"));
    row.sh("docker inspect -f \"{{.Id}} {{.State.Status}}\" ctr").ok().prints(&format!("{id} running\n"));
});

row!(json_prints_json, "FMT-002", |row| {
    row.sh("docker run -d --name ctr busybox sleep 1000").ok();
    let state = row.sh("docker container inspect --format '{{ json .State }}' ctr").ok().json();
    assert_eq!(state["Status"], "running");
});

row!(join_joins, "FMT-003", |row| {
    row.sh("docker run -d --name ctr busybox sleep 1000").ok();
    assert_eq!(row.inspect("ctr", r#"{{join .Config.Cmd ","}}"#), "sleep,1000");
});

row!(printf_cuts, "FMT-004", |row| {
    let id = row.out("docker run -d --name ctr busybox sleep 1000");
    assert_eq!(row.inspect("ctr", r#"{{printf "%.10s" .Id}}"#), id[..10]);
});

row!(upper_raises, "FMT-005", |row| {
    row.sh("docker run -d --name ctr busybox sleep 1000").ok();
    assert_eq!(row.inspect("ctr", "{{upper .State.Status}}"), "RUNNING");
});

row!(range_walks, "FMT-006", |row| {
    row.sh("docker run -d --name ctr busybox sleep 1000").ok();
    let address = row.inspect("ctr", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    assert!(address.parse::<std::net::Ipv4Addr>().is_ok(), "{address}");
    row.sh("docker exec ctr ip a show eth0").ok().shows(&format!("inet {address}/16"));
});

row!(the_log_has_a_path, "FMT-008", |row| {
    let id = row.out("docker run -d --name ctr busybox echo line");
    row.wait_exit("ctr");
    let path = row.out("docker inspect --format='{{.LogPath}}' ctr");
    assert!(path.ends_with(&format!("{id}-json.log")), "{path}");
    assert!(std::fs::read_to_string(&path).unwrap().contains(r#""log":"line\n""#));
});

row!(images_have_an_architecture, "FMT-009", |row| {
    row.sh("docker image inspect -f '{{.Architecture}}' busybox").ok().prints("amd64\n");
});

row!(pipelines_of_the_documents_run, "FMT-012", |row| {
    let id = row.out("docker run -d --name ctr busybox sleep 1000");
    row.sh("docker container inspect --format '{{ json .State }}' ctr | jq -r .Status")
        .ok()
        .prints("running\n");
    let table = row.sh(r#"(echo "ID NAME STATUS"; docker inspect $(docker ps -q) \
--format '{{printf "%.10s" .Id}} {{.Name}} \
{{upper .State.Status}}') | column -t -s ' '"#);
    let table = table.ok();
    assert_eq!(table.lines()[0], "ID          NAME  STATUS");
    assert!(table.lines()[1].starts_with(&format!("{}  /ctr", &id[..10])), "{table}");
    row.sh("docker ps -q | xargs docker inspect -f '{{.Name}}'").ok().prints("/ctr\n");
});

/// Decimal units with at most three digits, as documents show sizes.
fn human(bytes: f64) -> String {
    let units = ["B", "kB", "MB", "GB"];
    let (mut value, mut unit) = (bytes, 0);
    while value >= 1000.0 {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", units[unit])
}

row!(sizes_and_times_are_human, "FMT-013", |row| {
    let bytes: f64 = row.out("docker image inspect -f '{{.Size}}' busybox").parse().unwrap();
    row.sh("docker images --format '{{.Size}}' busybox").ok().prints(&format!("{}\n", human(bytes)));
    let created = row.out("docker images --format '{{.CreatedSince}}' busybox");
    assert!(created.ends_with(" months ago") || created.ends_with(" years ago"), "{created}");
    row.sh("docker create busybox").ok();
    let fresh = row.out("docker ps -a --format '{{.RunningFor}}'");
    assert!(
        fresh == "Less than a second ago" || fresh.ends_with("second ago") || fresh.ends_with("seconds ago"),
        "{fresh}"
    );
    assert!(is_hex(&row.out("docker ps -aq"), 12));
});
