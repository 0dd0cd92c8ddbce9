//! The scales of systemd: quotas in whole percents, lists of processors as masks.

use oci_spec::runtime::Resources;

/// The usual period, in microseconds.
pub(super) const PERIOD: u64 = 100_000;

/// A quota as microseconds in a second. systemd counts whole percents: up to the next one.
pub(super) fn per_second(quota: i64, period: u64) -> Option<u64> {
    let quota = u64::try_from(quota).ok().filter(|quota| *quota > 0)?;
    let exact = u128::from(quota) * 1_000_000 / u128::from(period.max(1));
    u64::try_from(exact.div_ceil(10_000) * 10_000).ok()
}

/// The limits with their quota rounded as systemd rounds it, so that files and properties say the same.
pub(crate) fn rounded(resources: &Resources) -> Resources {
    let mut resources = resources.clone();
    if let Some(cpu) = &mut resources.cpu {
        let period = cpu.period.filter(|period| *period != 0).unwrap_or(PERIOD);
        let quota = cpu.quota.and_then(|quota| per_second(quota, period)).and_then(|per_second| {
            i64::try_from(u128::from(per_second) * u128::from(period) / 1_000_000).ok()
        });
        if quota.is_some() {
            cpu.quota = quota;
        }
    }
    resources
}

/// A list of ranges as a mask, lowest byte first.
pub(super) fn bits_of_ranges(list: &str) -> Result<Vec<u8>, &'static str> {
    // More processors than any kernel counts.
    const MOST: usize = 1 << 16;
    let mut bits = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) else {
            return Err("invalid number");
        };
        if first > last || last >= MOST {
            return Err("invalid range");
        }
        for bit in first..=last {
            if bits.len() <= bit / 8 {
                bits.resize(bit / 8 + 1, 0);
            }
            if let Some(byte) = bits.get_mut(bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
    if bits.is_empty() { Err("empty value") } else { Ok(bits) }
}

#[cfg(test)]
mod unit {
    use oci_spec::runtime::Cpu;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quota_is_rounded_up_to_a_percent() {
        assert_eq!(per_second(1001, 100_000), Some(20_000));
        assert_eq!(per_second(-1, 100_000), None);
        let resources = serde_json::from_str(r#"{"cpu": {"quota": 1001}}"#).unwrap();
        assert_eq!(rounded(&resources).cpu.unwrap().quota, Some(2000));
        let resources = serde_json::from_str(r#"{"cpu": {"quota": -1}}"#).unwrap();
        assert_eq!(rounded(&resources).cpu.unwrap().quota, Some(-1));
    }

    #[test]
    fn masks_begin_with_the_lowest_processor() {
        assert_eq!(bits_of_ranges("0").unwrap(), [1]);
        assert_eq!(bits_of_ranges("1, 3-5,").unwrap(), [0b11_1010]);
        assert_eq!(bits_of_ranges("8,17").unwrap(), [0, 1, 2]);
        for bad in ["", ",", "x", "1-", "3-1", "99999999999", "70000"] {
            assert!(bits_of_ranges(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_rounded_quota_rounds_to_itself(quota in 1000..10_000_000i64, period in 1000..1_000_000u64) {
            let cpu = Cpu { quota: Some(quota), period: Some(period), ..Cpu::default() };
            let once = rounded(&Resources { cpu: Some(cpu), ..Resources::default() });
            let rounded_quota = once.cpu.as_ref().and_then(|cpu| cpu.quota).unwrap();
            prop_assert!(per_second(rounded_quota, period) <= per_second(quota, period));
            let cpu = once.cpu.as_ref().unwrap();
            let error = per_second(quota, period).unwrap() - per_second(rounded_quota, period).unwrap();
            prop_assert!(error == 0, "{cpu:?}");
        }

        #[test]
        fn no_list_is_fatal(list in "[0-9,-]{0,20}") {
            if let Ok(bits) = bits_of_ranges(&list) {
                prop_assert!(bits.len() <= 8192);
            }
        }
    }
}
