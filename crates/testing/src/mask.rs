//! Replaces what differs from run to run (ids, times, addresses, places) by a word for its kind.

/// Masks ids, digests, times and the given places in `text`.
pub fn mask(text: &str, places: &[(String, &str)]) -> String {
    let mut masked = text.to_owned();
    for (place, word) in places {
        if !place.is_empty() {
            masked = masked.replace(place.as_str(), word);
        }
    }
    mask_words(&masked)
}

/// Masks by the shape of each word: hexadecimal ids, times, process ids.
fn mask_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for letter in text.chars().chain(std::iter::once('\0')) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        out.push_str(mask_word(&word));
        word.clear();
        if letter != '\0' {
            out.push(letter);
        }
    }
    out
}

fn mask_word(word: &str) -> &str {
    let is_hex = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    // A word of one repeated digit was written by hand in the call, not made by an engine.
    let is_made = word.bytes().any(|byte| Some(byte) != word.bytes().next());
    match word.len() {
        64 if is_hex && is_made => "<id>",
        12 if is_hex && is_made => "<short id>",
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_places_are_masked_and_nothing_else() {
        let id = "0123456789abcdef".repeat(4);
        let text =
            format!("Conflict with \"{id}\" (0123456789ab) at /root/data/x, not deadbeef {}", "0".repeat(64));
        let masked = mask(&text, &[("/root/data".to_owned(), "<root>")]);
        assert_eq!(
            masked,
            format!("Conflict with \"<id>\" (<short id>) at <root>/x, not deadbeef {}", "0".repeat(64))
        );
    }
}
