//! `--cpus`: a number of processors, kept in billionths.

/// Why a processor count was not understood. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpusError {
    /// Not a number.
    #[error("failed to parse {0} as a rational number")]
    NotANumber(String),
    /// Finer than a billionth.
    #[error("value is too precise")]
    TooPrecise,
}

/// Reads a processor count (`1.5`, `1/2`, `2e1`) as billionths of a processor.
///
/// # Errors
/// [`CpusError`], in Docker's words.
pub fn parse(text: &str) -> Result<i64, CpusError> {
    let invalid = || CpusError::NotANumber(text.to_owned());
    if let Some((above, below)) = text.split_once('/') {
        let above: i128 = above.parse::<i64>().map_err(|_| invalid())?.into();
        let below: i128 = below.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(invalid)?.into();
        return exact(above * 1_000_000_000, below);
    }
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().map_err(|_| invalid())?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.trim_start_matches(['+', '-']);
    let readable = !(digits.is_empty() && fraction.is_empty())
        && digits.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        && whole.len() - digits.len() <= 1
        && digits.len() + fraction.len() <= 18
        && exponent.unsigned_abs() <= 18;
    if !readable {
        return Err(invalid());
    }
    let value: i128 = format!("0{digits}{fraction}").parse().map_err(|_| invalid())?;
    let value = if whole.starts_with('-') { -value } else { value };
    let shift = 9 + exponent - i32::try_from(fraction.len()).map_err(|_| invalid())?;
    let power = 10_i128.pow(shift.unsigned_abs());
    if shift >= 0 { exact(value.saturating_mul(power), 1) } else { exact(value, power) }
}

fn exact(above: i128, below: i128) -> Result<i64, CpusError> {
    if above % below != 0 {
        return Err(CpusError::TooPrecise);
    }
    i64::try_from(above / below).map_err(|_| CpusError::TooPrecise)
}

/// Writes billionths of a processor as Docker's inspect and messages do: `1.50`.
#[must_use]
pub fn format(billionths: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let value = billionths as f64 / 1e9;
    format!("{value:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_docker_reads_them() {
        for (text, billionths) in [
            ("1.5", 1_500_000_000),
            ("0", 0),
            ("-1", -1_000_000_000),
            ("1/2", 500_000_000),
            ("1e3", 1_000_000_000_000),
            (".5", 500_000_000),
        ] {
            assert_eq!(parse(text), Ok(billionths), "{text}");
        }
        for text in ["12x", "abc", "", ".", "1/0", "--1"] {
            assert_eq!(parse(text), Err(CpusError::NotANumber(text.to_owned())), "{text}");
        }
        assert_eq!(parse("0.0000000001"), Err(CpusError::TooPrecise));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_count_or_a_refusal(text in ".{0,12}") {
            let _ = parse(&text);
        }
    }
}
