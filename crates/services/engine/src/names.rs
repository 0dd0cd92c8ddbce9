//! Random names for containers that got none: an adjective, an underscore, the surname of somebody who made
//! something. Pure: the caller brings the randomness.

const ADJECTIVES: [&str; 96] = [
    "able", "agile", "airy", "alert", "amber", "ample", "apt", "azure", "basic", "bold", "brave", "brief",
    "bright", "brisk", "calm", "candid", "careful", "cheerful", "civil", "clean", "clear", "clever", "close",
    "cosmic", "crisp", "curious", "daring", "deep", "deft", "diligent", "eager", "earnest", "easy",
    "elegant", "even", "exact", "fair", "fast", "fine", "firm", "fluent", "fond", "free", "fresh", "gentle",
    "glad", "golden", "good", "grand", "handy", "happy", "hardy", "honest", "humble", "ideal", "jolly",
    "keen", "kind", "lively", "lucid", "lucky", "merry", "modest", "neat", "nimble", "noble", "open",
    "patient", "plain", "polite", "prime", "proud", "pure", "quick", "quiet", "rapid", "ready", "robust",
    "serene", "sharp", "silent", "simple", "sincere", "sleek", "smart", "solid", "stable", "steady",
    "sturdy", "sunny", "swift", "tidy", "vivid", "warm", "witty", "zesty",
];

const SURNAMES: [&str; 96] = [
    "abel",
    "agnesi",
    "ampere",
    "archimedes",
    "avicenna",
    "babbage",
    "banach",
    "bardeen",
    "bartik",
    "bell",
    "bernoulli",
    "bohr",
    "boole",
    "born",
    "bose",
    "brahe",
    "brunel",
    "cantor",
    "carson",
    "cauchy",
    "chandra",
    "cohn",
    "copernicus",
    "curie",
    "darwin",
    "dijkstra",
    "dirac",
    "easley",
    "edison",
    "einstein",
    "engelbart",
    "erdos",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "feynman",
    "franklin",
    "galileo",
    "galois",
    "gauss",
    "germain",
    "godel",
    "goodall",
    "hamilton",
    "hawking",
    "heisenberg",
    "hilbert",
    "hodgkin",
    "hopper",
    "huygens",
    "hypatia",
    "jennings",
    "johnson",
    "joliot",
    "kepler",
    "khayyam",
    "khorana",
    "kovalevskaya",
    "lagrange",
    "lamarr",
    "laplace",
    "leavitt",
    "leibniz",
    "liskov",
    "lovelace",
    "maxwell",
    "mayer",
    "mccarthy",
    "mcclintock",
    "meitner",
    "mendel",
    "mirzakhani",
    "morse",
    "napier",
    "neumann",
    "newton",
    "nobel",
    "noether",
    "pascal",
    "pasteur",
    "perlman",
    "planck",
    "poincare",
    "ptolemy",
    "raman",
    "ramanujan",
    "riemann",
    "ritchie",
    "rutherford",
    "shannon",
    "tesla",
    "thompson",
    "turing",
    "volta",
];

/// A name out of the randomness of `seed`; from the fourth attempt on with a digit, in case the good ones are taken.
pub(crate) fn random_name(seed: u64, attempt: u32) -> String {
    let adjective = pick(&ADJECTIVES, seed);
    let surname = pick(&SURNAMES, seed >> 24);
    if attempt < 3 {
        format!("{adjective}_{surname}")
    } else {
        format!("{adjective}_{surname}{}", (seed >> 48) % 10)
    }
}

fn pick(words: &[&'static str], seed: u64) -> &'static str {
    let count = words.len() as u64;
    let index = usize::try_from((seed & 0x00ff_ffff) % count).unwrap_or(0);
    words[index]
}

/// Whether a name, without its slash, is one that Docker takes: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(crate) fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() > 1
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// 64 hexadecimal digits.
pub(crate) fn random_id() -> std::io::Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(hex(&bytes))
}

/// Random bits for [`random_name`].
pub(crate) fn random_seed() -> u64 {
    let mut bytes = [0u8; 8];
    // Without randomness names repeat and the next attempt differs by its digit; ids are what must not repeat.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_two_words_that_are_valid() {
        for seed in (0..2000u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let name = random_name(seed, 0);
            let (adjective, surname) = name.split_once('_').unwrap();
            assert!(is_valid(&name) && !adjective.is_empty() && !surname.contains('_'), "{name}");
        }
        assert!(random_name(7, 3).ends_with(|last: char| last.is_ascii_digit()));
    }

    #[test]
    fn ids_are_64_digits() {
        let id = random_id().unwrap();
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(id, random_id().unwrap());
    }

    #[test]
    fn names_follow_dockers_pattern() {
        for good in ["ab", "a1", "web-1.x_y", "0a"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a", "_a", "-a", "a/b", "a b", "ä1", "a:"] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
