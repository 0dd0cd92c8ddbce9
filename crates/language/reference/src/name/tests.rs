//! Names as people type them, names as hostile clients do, and the round trip between both forms.

use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> String {
    Reference::parse(text).map_or_else(|error| format!("error: {error}"), |name| name.to_string())
}

#[test]
fn names_have_one_normal_form() {
    let hex = "0123456789abcdef".repeat(4);
    for (typed, expected) in [
        ("busybox", "docker.io/library/busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("library/busybox", "docker.io/library/busybox"),
        ("docker.io/busybox", "docker.io/library/busybox"),
        ("index.docker.io/busybox", "docker.io/library/busybox"),
        ("team/app", "docker.io/team/app"),
        ("a/b/c:1", "docker.io/a/b/c:1"),
        ("localhost/x", "localhost/x"),
        ("localhost:5000/x:v", "localhost:5000/x:v"),
        ("127.0.0.1:5000/t/busybox", "127.0.0.1:5000/t/busybox"),
        ("[::1]:5000/x", "[::1]:5000/x"),
        ("example.com/a__b/c-d---e.f_g", "example.com/a__b/c-d---e.f_g"),
        ("Registry/x", "Registry/x"),
        ("host:5000", "docker.io/library/host:5000"),
        ("x:UPPER", "docker.io/library/x:UPPER"),
        ("gantry/hello", "docker.io/gantry/hello"),
    ] {
        assert_eq!(canonical(typed), expected, "{typed}");
    }
    let pinned = format!("busybox:1@sha256:{hex}");
    assert_eq!(canonical(&pinned), format!("docker.io/library/busybox:1@sha256:{hex}"));
}

#[test]
fn refusals_use_dockers_words() {
    let hex = "0123456789abcdef".repeat(4);
    for (typed, expected) in [
        ("", "invalid reference format"),
        (":tag", "invalid reference format"),
        ("-x", "invalid reference format"),
        ("x-", "invalid reference format"),
        ("x:", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("x y", "invalid reference format"),
        ("x/../y", "invalid reference format"),
        ("x@y", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("x:-tag", "invalid reference format"),
        ("X", "invalid reference format: repository name (library/X) must be lowercase"),
        ("team/App:1", "invalid reference format: repository name (team/App) must be lowercase"),
        ("A_b/c", "repository name must be lowercase"),
        ("x@md5:00112233445566778899aabbccddeeff", "unsupported digest algorithm"),
        ("x@sha256:00112233445566778899aabbccddeeff", "invalid checksum digest length"),
    ] {
        assert_eq!(canonical(typed), format!("error: {expected}"), "{typed}");
    }
    let long = "a".repeat(256);
    assert_eq!(
        canonical(&format!("example.com/{long}")),
        "error: repository name must not be more than 255 characters"
    );
    assert_eq!(
        canonical(&hex),
        format!("error: invalid repository name ({hex}), cannot specify 64-byte hexadecimal strings")
    );
    assert_eq!(canonical(&format!("x:{}", "t".repeat(129))), "error: invalid reference format");
}

#[test]
fn an_argument_may_be_an_id() {
    let hex = "0123456789abcdef".repeat(4);
    let id = Digest::parse(&format!("sha256:{hex}")).unwrap();
    assert_eq!(AnyReference::parse(&hex), Ok(AnyReference::Id(id.clone())));
    assert_eq!(AnyReference::parse(id.as_str()), Ok(AnyReference::Id(id)));
    assert!(matches!(AnyReference::parse("0123456789ab"), Ok(AnyReference::Named(_))));
}

#[test]
fn versions_are_added_and_taken_away() {
    let name = Reference::parse("busybox").unwrap();
    assert_eq!(name.clone().or_latest().familiar(), "busybox:latest");
    assert_eq!(name.with_tag("x y"), Err(ParseError::Tag));
    let tagged = name.with_tag("1").unwrap();
    assert_eq!(tagged.clone().or_latest(), tagged);
    assert_eq!(tagged.without_version(), name);
    assert_eq!(Reference::parse("docker.io/library/a/b").unwrap().familiar_name(), "library/a/b");
}

proptest! {
    #[test]
    fn parsing_never_panics(text in ".{0,80}") {
        let _ = Reference::parse(&text);
        let _ = AnyReference::parse(&text);
    }

    #[test]
    fn nearly_valid_text_never_panics(text in "[a-zA-Z0-9:/@._\\[\\]-]{0,40}") {
        if let Ok(name) = Reference::parse(&text)
            && !name.domain().is_empty()
        {
            prop_assert_eq!(Reference::parse(&name.to_string()), Ok(name.clone()));
            prop_assert_eq!(Reference::parse(&name.familiar()), Ok(name));
        }
    }

    #[test]
    fn valid_names_survive_both_forms(
        domain in prop::option::of("[a-z]{1,8}\\.[a-z]{2,3}(:[0-9]{1,5})?"),
        path in "[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,5}){0,2}",
        tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
        digest in prop::option::of("sha256:[0-9a-f]{64}"),
    ) {
        let mut text = match domain {
            Some(domain) => format!("{domain}/{path}"),
            None => path,
        };
        if let Some(tag) = &tag {
            text = format!("{text}:{tag}");
        }
        if let Some(digest) = &digest {
            text = format!("{text}@{digest}");
        }
        let name = Reference::parse(&text).unwrap();
        prop_assert_eq!(name.tag(), tag.as_deref());
        prop_assert_eq!(&Reference::parse(&name.to_string()).unwrap(), &name);
        prop_assert_eq!(&Reference::parse(&name.familiar()).unwrap(), &name);
    }
}
