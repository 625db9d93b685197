//! Units: refused at the door, exact in both directions, printed as people write them.

use super::*;
use proptest::prelude::*;

#[test]
fn nan_and_infinity_never_get_in() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(HashRate::from_ghs(bad), Err(UnitError::NotFinite { .. })));
        assert!(matches!(Temperature::from_celsius(bad), Err(UnitError::NotFinite { .. })));
    }
    // Finite on the way in, infinite once scaled.
    assert!(matches!(HashRate::from_ths(f64::MAX), Err(UnitError::NotFinite { .. })));
}

#[test]
fn impossible_values_are_refused_and_possible_ones_kept() {
    assert!(HashRate::from_ths(-0.003).is_err(), "a negative expected hash rate was shown by a peer");
    assert!(Temperature::from_celsius(-274.0).is_err());
    assert_eq!(Temperature::from_celsius(-12.0).unwrap().as_celsius(), -12.0);
    assert_eq!(Power::from_watts(0.0).unwrap().as_watts(), 0.0);
    assert_eq!(format!("{:?}", HashRate::from_hs(-0.0).unwrap()), "0 H/s");
}

#[test]
fn printed_as_people_write_them() {
    let show = |v: f64| HashRate::from_ghs(v).unwrap().to_string();
    assert_eq!(show(109_500.5), "109.50 TH/s");
    assert_eq!(show(13.4), "13.40 GH/s");
    assert_eq!(show(0.0), "0.00 TH/s");
    assert_eq!(HashRate::from_ths(1_234_500.0).unwrap().to_string(), "1234.50 PH/s");
    assert_eq!(Temperature::from_celsius(71.5).unwrap().to_string(), "72 °C");
    assert_eq!(format!("{:.1}", Ratio::from_fraction(0.955).unwrap()), "95.5 %");
    assert_eq!(Frequency::from_megahertz(525.0).unwrap().to_string(), "525 MHz");
}

#[test]
fn sums_keep_unknown_apart_from_zero() {
    assert_eq!(HashRate::sum([None, None]), None);
    assert_eq!(HashRate::sum([Some(HashRate::ZERO), None]), Some(HashRate::ZERO));
}

proptest! {
    /// What a miner prints with two decimals in GH/s or MH/s is what we read back, up to 2 PH/s.
    #[test]
    fn a_printed_hash_rate_reads_back_exactly(hundredths in 0_u64..200_000_000) {
        let printed = format!("{}.{:02}", hundredths / 100, hundredths % 100);
        let number: f64 = printed.parse().unwrap();
        prop_assert_eq!(HashRate::from_ghs(number).unwrap().as_ghs(), number);
        prop_assert_eq!(HashRate::from_mhs(number).unwrap().as_mhs(), number);
    }

    #[test]
    fn serialised_in_base_units_and_back(ghs in 0.0_f64..1e9) {
        let rate = HashRate::from_ghs(ghs).unwrap();
        let json = serde_json::to_string(&rate).unwrap();
        prop_assert_eq!(serde_json::from_str::<HashRate>(&json).unwrap(), rate);
    }
}
