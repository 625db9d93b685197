//! Settings in the forms that several firmwares want, and what none of them can be told.

use super::ActError;
use bitlink_model::{Action, FanSetting, FirmwareFile, NetworkSetting, Power, Ratio, Secret};
use std::fmt::Write;
use std::net::Ipv4Addr;

/// Longest text that goes into a setting.
const LONGEST: usize = 512;

/// What no firmware can be told: texts that would break a line or a list, networks that are none.
pub(super) fn check(action: &Action) -> Result<(), ActError> {
    match action {
        Action::SetPools { pools } => {
            if pools.is_empty() {
                return Err(ActError::impossible("a miner needs a pool"));
            }
            for pool in pools {
                let password = secret(&pool.password)?;
                for text in [pool.url.as_str(), pool.user.as_str(), password] {
                    check_text(text)?;
                }
                if Address::of(&pool.url).host.is_empty() {
                    return Err(ActError::impossible("a pool needs an address"));
                }
            }
            Ok(())
        }
        Action::PowerMode { mode } if mode.trim().is_empty() => {
            Err(ActError::impossible("a mode has a name"))
        }
        Action::PowerMode { mode } => check_text(mode),
        Action::PowerLimit { power } => power_watts(*power).map(|_| ()),
        Action::SetFrequency { frequency } if frequency.as_megahertz() < 1.0 => {
            Err(ActError::impossible("a frequency is above zero"))
        }
        Action::Fans { fans: FanSetting::Fixed { duty } } => duty_percent(*duty).map(|_| ()),
        Action::Network { network: NetworkSetting::Static { address, prefix, gateway, .. } } => {
            check_network(*address, *prefix, *gateway)
        }
        Action::Password { user, new } => {
            check_text(user.as_deref().unwrap_or_default())?;
            let new = secret(new)?;
            if new.is_empty() {
                return Err(ActError::impossible("a password is not empty"));
            }
            check_text(new)
        }
        Action::Update { firmware } => check_text(&firmware.name),
        _ => Ok(()),
    }
}

fn check_text(text: &str) -> Result<(), ActError> {
    if text.chars().any(char::is_control) {
        return Err(ActError::impossible("a control character in a setting"));
    }
    if text.len() > LONGEST {
        return Err(ActError::impossible("a setting that is too long"));
    }
    Ok(())
}

fn check_network(address: Ipv4Addr, prefix: u8, gateway: Ipv4Addr) -> Result<(), ActError> {
    if !(1..=30).contains(&prefix) {
        return Err(ActError::impossible("a network's prefix is 1 to 30 bits long"));
    }
    let mask = u32::from(mask(prefix));
    let of = |address: Ipv4Addr| u32::from(address) & mask;
    let is_host = |address: Ipv4Addr| {
        let host = u32::from(address) & !mask;
        host != 0 && host != !mask
    };
    if of(address) != of(gateway) || !is_host(address) || !is_host(gateway) || address == gateway {
        return Err(ActError::impossible("the address and the way out are not two hosts of one network"));
    }
    Ok(())
}

/// A network's mask by the length of its prefix.
pub(crate) fn mask(prefix: u8) -> Ipv4Addr {
    let ones = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    Ipv4Addr::from(if prefix == 0 { 0 } else { ones })
}

/// A secret that is known.
pub(crate) fn secret(secret: &Secret) -> Result<&str, ActError> {
    secret.reveal().ok_or(ActError::Incomplete)
}

/// A share of full speed in whole percent.
pub(crate) fn duty_percent(duty: Ratio) -> Result<u8, ActError> {
    let percent = duty.as_percent().round();
    if !(0.0..=100.0).contains(&percent) {
        return Err(ActError::impossible("fans turn at 0 to 100 percent"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range by the check
    Ok(percent as u8)
}

/// A power in whole watts.
pub(crate) fn power_watts(power: Power) -> Result<u32, ActError> {
    let watts = power.as_watts().round();
    if !(1.0..=99_999.0).contains(&watts) {
        return Err(ActError::impossible("a limit is between 1 and 99,999 W"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range by the check
    Ok(watts as u32)
}

/// A pool's address, taken apart. Nothing is lost: what is no scheme and no port is the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    /// `stratum+tcp`, where it is given.
    pub(crate) scheme: Option<&'a str>,
    /// The host, with brackets where it is an address of IPv6.
    pub(crate) host: &'a str,
    /// The port, where it is given.
    pub(crate) port: Option<u16>,
}

impl<'a> Address<'a> {
    /// The parts of an address.
    pub(crate) fn of(url: &'a str) -> Self {
        let url = url.trim();
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, url),
        };
        let rest = rest.trim_end_matches('/');
        let split = rest.rsplit_once(':').and_then(|(host, port)| {
            // The colons of an address of IPv6 are not before a port unless it stands in brackets.
            let is_host = !host.contains(':') || host.ends_with(']');
            Some((host, port.parse().ok().filter(|_| is_host)?))
        });
        let (host, port) = split.map_or((rest, None), |(host, port)| (host, Some(port)));
        Self { scheme, host, port }
    }

    /// Without its scheme.
    pub(crate) fn bare(&self) -> String {
        self.port.map_or_else(|| self.host.to_owned(), |port| format!("{}:{port}", self.host))
    }

    /// Whether both name one server, schemes aside: some firmware keeps none.
    pub(crate) fn is_like(&self, other: &Address<'_>) -> bool {
        self.host.eq_ignore_ascii_case(other.host) && self.port == other.port
    }
}

/// A body of several parts (RFC 7578) with a file in the last of them, and what it is called.
pub(crate) fn multipart(fields: &[(&str, &str)], name: &str, firmware: &FirmwareFile) -> (String, Vec<u8>) {
    // What a boundary is must not be in the content; the content is not ours to choose.
    let boundary = (0..=u32::MAX)
        .map(|n| format!("bitlink-boundary-{n:08x}"))
        .find(|boundary| {
            let needle = boundary.as_bytes();
            !firmware.bytes.windows(needle.len()).any(|bytes| bytes == needle)
        })
        .unwrap_or_default();
    let mut head = String::new();
    for (key, value) in fields {
        // Writing to a string cannot fail.
        let _ =
            write!(head, "--{boundary}\r\nContent-Disposition: form-data; name=\"{key}\"\r\n\r\n{value}\r\n");
    }
    let file = firmware.name.replace(['"', '\\'], "_");
    let _ = write!(
        head,
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let mut body = head.into_bytes();
    body.extend_from_slice(&firmware.bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}
