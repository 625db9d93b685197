//! A number that is neither NaN nor infinite, and takes no more room where it may be missing: a reading is mostly such fields,
//! and a fleet holds tens of thousands of readings.

use std::num::NonZeroU64;

/// The bits of a NaN, which is no finite number: what stands for it is free for "none".
const NONE: u64 = u64::MAX;

/// See the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Finite(NonZeroU64);

impl Finite {
    pub(super) const ZERO: Self = match Self::new(0.0) {
        Some(zero) => zero,
        None => panic!("zero is finite"),
    };

    /// A number; `None` for NaN and the infinities. -0.0, which would print as "-0", is 0.
    pub(super) const fn new(number: f64) -> Option<Self> {
        if !number.is_finite() {
            return None;
        }
        let number = if number == 0.0 { 0.0_f64 } else { number };
        match NonZeroU64::new(number.to_bits() ^ NONE) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }

    /// The number.
    pub(super) const fn get(self) -> f64 {
        f64::from_bits(self.0.get() ^ NONE)
    }
}

#[cfg(test)]
mod tests {
    //! Every finite number comes back, and nothing else goes in.
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_that_may_be_missing_takes_no_more_room() {
        assert_eq!(size_of::<Option<Finite>>(), size_of::<f64>());
    }

    #[test]
    fn zero_has_one_form() {
        assert!(Finite::new(-0.0) == Some(Finite::ZERO));
        assert!(Finite::ZERO.get().is_sign_positive());
    }

    proptest! {
        #[test]
        fn a_finite_number_comes_back_and_no_other_goes_in(bits: u64) {
            let number = f64::from_bits(bits);
            match Finite::new(number) {
                Some(finite) => prop_assert_eq!(finite.get(), number),
                None => prop_assert!(!number.is_finite()),
            }
        }
    }
}
