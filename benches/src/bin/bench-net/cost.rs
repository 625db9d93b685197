//! What this process has cost so far, as the kernel counts it.

use std::fs;

/// User and system time, in seconds; the kernel tells it in hundredths.
pub(crate) fn cpu_seconds() -> f64 {
    cpu_in(&fs::read_to_string("/proc/self/stat").unwrap_or_default()).unwrap_or(f64::NAN)
}

/// What is resident now, and the most that was, in bytes.
pub(crate) fn memory() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    (bytes_in(&status, "VmRSS:").unwrap_or(0), bytes_in(&status, "VmHWM:").unwrap_or(0))
}

/// `7 (name) S …`, the fourteenth and the fifteenth field. A name may hold anything, so they are counted from its end.
fn cpu_in(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / 100.0)
}

/// `VmRSS:     1234 kB`
fn bytes_in(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    //! The files of the kernel.
    use super::*;

    #[test]
    fn times_stand_behind_a_name_that_may_hold_anything() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0";
        assert_eq!(cpu_in(stat), Some(3.0));
        assert_eq!(cpu_in(""), None);
    }

    #[test]
    fn memory_is_told_in_kilobytes() {
        let status = "Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1234 kB\n";
        assert_eq!(bytes_in(status, "VmRSS:"), Some(1234 * 1024));
        assert_eq!(bytes_in(status, "VmHWM:"), Some(2000 * 1024));
        assert_eq!(bytes_in("Name:\tx\n", "VmRSS:"), None);
    }
}
