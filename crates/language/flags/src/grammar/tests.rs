//! What the grammar takes and refuses, and that printing and parsing are inverse.

use super::*;
use proptest::prelude::*;

fn size(text: &str) -> Result<(), String> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        Ok(())
    } else {
        Err(format!("invalid size: '{text}'"))
    }
}

const TABLE: &[Flag] = &[
    Flag::switch("detach", "Run in background").short('d'),
    Flag::switch("interactive", "Keep STDIN open").short('i'),
    Flag::switch("tty", "Allocate a pseudo-TTY").short('t'),
    Flag::switch("rm", "Remove"),
    Flag::switch("sig-proxy", "Proxy signals").default("true"),
    Flag::text("name", "Name"),
    Flag::list("publish", "Publish a port").short('p'),
    Flag::other("memory", "bytes", size, "Memory limit").short('m'),
    Flag::int("last", "Last").short('n').default("-1"),
    Flag::strings("subnet", "Subnet"),
    Flag::text("net", "Network").deprecated("use --network"),
];

fn run(words: &[&str]) -> Result<Typed, ParseError> {
    Grammar::new(&[TABLE], Positionals::EndFlags).parse(words.iter().copied())
}

fn error(words: &[&str]) -> String {
    run(words).unwrap_err().to_string()
}

#[test]
fn letters_cluster_and_values_glue() {
    let typed = run(&["-itd", "-p8080:80", "-p=1:2", "-p", "3:4", "-n5", "img", "-it"]).unwrap();
    assert!(typed.is_on("interactive") && typed.is_on("tty") && typed.is_on("detach"));
    assert_eq!(typed.all("publish"), ["8080:80", "1:2", "3:4"]);
    assert_eq!(typed.int("last"), 5);
    assert_eq!(typed.positionals, ["img", "-it"]);
}

#[test]
fn switches_take_a_value_only_when_glued() {
    let typed = run(&["--rm=false", "-d=false", "-itd=false", "false"]).unwrap();
    assert!(!typed.is_on("rm") && !typed.is_on("detach") && typed.is_on("tty"));
    assert!(typed.has("rm"));
    assert_eq!(typed.positionals, ["false"]);
    assert!(run(&[]).unwrap().is_on("sig-proxy"));
}

#[test]
fn a_value_may_look_like_a_flag() {
    let typed = run(&["--name", "-x", "--name=", "-p", "--rm"]).unwrap();
    assert_eq!(typed.all("name"), ["-x", ""]);
    assert_eq!(typed.all("publish"), ["--rm"]);
    assert!(!typed.is_on("rm"));
}

#[test]
fn two_dashes_end_the_flags() {
    let typed =
        Grammar::new(&[TABLE], Positionals::Interspersed).parse(["a", "-d", "--", "-t", "b"]).unwrap();
    assert_eq!(typed.positionals, ["a", "-t", "b"]);
    assert_eq!(typed.before_dashes, Some(1));
    assert!(typed.is_on("detach") && !typed.is_on("tty"));
    assert_eq!(run(&["-", "-d"]).unwrap().positionals, ["-", "-d"]);
}

#[test]
fn lists_of_strings_split_at_commas() {
    assert_eq!(run(&["--subnet=a,b", "--subnet", "c"]).unwrap().strings("subnet"), ["a", "b", "c"]);
}

#[test]
fn errors_are_worded_as_docker_does() {
    assert_eq!(error(&["--foo"]), "unknown flag: --foo");
    assert_eq!(error(&["--foo=1"]), "unknown flag: --foo");
    assert_eq!(error(&["-iz"]), "unknown shorthand flag: 'z' in -z");
    assert_eq!(error(&["-zi"]), "unknown shorthand flag: 'z' in -zi");
    assert_eq!(error(&["--name"]), "flag needs an argument: --name");
    assert_eq!(error(&["-dp"]), "flag needs an argument: 'p' in -p");
    assert_eq!(error(&["---x"]), "bad flag syntax: ---x");
    assert_eq!(error(&["-m", "x"]), "invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'");
    assert_eq!(
        error(&["--rm=maybe"]),
        "invalid argument \"maybe\" for \"--rm\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax"
    );
}

#[test]
fn help_is_known_to_every_command() {
    assert!(run(&["--help"]).unwrap().wants_help);
    assert!(!run(&["--help=false"]).unwrap().wants_help);
    let short = run(&["-h"]).unwrap();
    assert!(short.wants_help);
    assert_eq!(short.notices, ["Flag shorthand -h has been deprecated, use --help"]);
    assert!(!run(&["img", "--help"]).unwrap().wants_help);
}

#[test]
fn a_deprecated_flag_says_what_to_use() {
    assert_eq!(run(&["--net", "host"]).unwrap().notices, ["Flag --net has been deprecated, use --network"]);
}

/// One assignment and one of the ways to type it.
fn assignment() -> impl Strategy<Value = (&'static str, String, Vec<String>)> {
    let text = "[a-z0-9:/._-]{1,8}";
    prop_oneof![
        (text, 0..5_u8).prop_map(|(value, style)| {
            let words = match style {
                0 => vec!["--publish".to_owned(), value.clone()],
                1 => vec![format!("--publish={value}")],
                2 => vec![format!("-p{value}")],
                3 => vec![format!("-p={value}")],
                _ => vec!["-p".to_owned(), value.clone()],
            };
            ("publish", value, words)
        }),
        (any::<bool>(), any::<bool>()).prop_map(|(value, long)| {
            let word = if long { format!("--detach={value}") } else { format!("-d={value}") };
            ("detach", value.to_string(), vec![word])
        }),
        (text, any::<bool>()).prop_map(|(value, glued)| {
            let words = if glued {
                vec![format!("--name={value}")]
            } else {
                vec!["--name".to_owned(), value.clone()]
            };
            ("name", value, words)
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed_back(
        assignments in prop::collection::vec(assignment(), 0..8),
        positionals in prop::collection::vec("[a-z][a-z-]{0,5}", 0..4),
    ) {
        let words: Vec<String> =
            assignments.iter().flat_map(|(_, _, words)| words.clone()).chain(positionals.clone()).collect();
        let typed = Grammar::new(&[TABLE], Positionals::EndFlags).parse(words).unwrap();
        let expected: Vec<(&str, String)> = assignments.into_iter().map(|(name, value, _)| (name, value)).collect();
        prop_assert_eq!(typed.values, expected);
        prop_assert_eq!(typed.positionals, positionals);
    }

    #[test]
    fn no_words_make_it_panic(words in prop::collection::vec("[-=a-zé]{0,6}", 0..6)) {
        let _ = Grammar::new(&[TABLE], Positionals::Interspersed).parse(words);
    }
}
