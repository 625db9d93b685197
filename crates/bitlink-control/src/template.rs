//! Worker names that are made of what a machine says of itself: `account.{ip_4}`, `{worker}.{mac}`. A name with a hole in it
//! is an error and never an empty text.

use bitlink_model::MinerSnapshot;
use std::net::IpAddr;

/// Why a template gives no name for a machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// There is no such placeholder.
    #[error(
        "{{{name}}} is no placeholder; there are ip, ip_1 to ip_4, mac, serial, hostname, model and worker"
    )]
    Unknown {
        /// What stands in the template.
        name: String,
    },
    /// The machine does not tell it.
    #[error("the machine does not tell its {name}")]
    Unavailable {
        /// The placeholder.
        name: String,
    },
    /// What the machine tells has no place in a name.
    #[error("the {name} that the machine tells cannot stand in a worker name")]
    Unusable {
        /// The placeholder.
        name: String,
    },
    /// A brace without its other half.
    #[error("a brace without its other half; {{{{ and }}}} stand for braces")]
    Unbalanced,
}

/// Whether a text has anything to be filled in.
pub fn is_template(text: &str) -> bool {
    text.contains(['{', '}'])
}

/// Fills in a template for a machine.
///
/// # Errors
/// [`TemplateError`]: whatever cannot be filled in.
pub fn fill(template: &str, ip: IpAddr, snapshot: &MinerSnapshot) -> Result<String, TemplateError> {
    let mut out = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            out.push(if from.starts_with('{') { '{' } else { '}' });
            rest = after;
            continue;
        }
        let (name, after) = from
            .strip_prefix('{')
            .and_then(|inside| inside.split_once('}'))
            .ok_or(TemplateError::Unbalanced)?;
        out.push_str(&value(name, ip, snapshot)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether a template is well formed and knows its placeholders, whatever machine it is for.
///
/// # Errors
/// [`TemplateError::Unknown`] or [`TemplateError::Unbalanced`].
pub(crate) fn check(template: &str) -> Result<(), TemplateError> {
    match fill(template, IpAddr::from([0; 4]), &MinerSnapshot::default()) {
        Err(error @ (TemplateError::Unknown { .. } | TemplateError::Unbalanced)) => Err(error),
        // A machine that tells nothing stops at the first placeholder; what comes after it is looked at apart.
        Err(_) => match template.split_once('}') {
            Some((_, rest)) => check(rest),
            None => Ok(()),
        },
        Ok(_) => Ok(()),
    }
}

fn value(name: &str, ip: IpAddr, snapshot: &MinerSnapshot) -> Result<String, TemplateError> {
    let identity = &snapshot.identity;
    let found = match name {
        "ip" => Some(ip.to_string()),
        "ip_1" | "ip_2" | "ip_3" | "ip_4" => octet(name, ip),
        "mac" => identity.mac.map(|mac| mac.to_string().replace(':', "").to_ascii_lowercase()),
        "serial" => identity.serial.as_deref().map(ToOwned::to_owned),
        "hostname" => identity.hostname.as_deref().map(ToOwned::to_owned),
        "model" => identity.model.as_ref().map(|model| model.replace(' ', "_")),
        "worker" => account(snapshot),
        _ => return Err(TemplateError::Unknown { name: name.chars().take(40).collect() }),
    };
    let name = || name.to_owned();
    let found =
        found.filter(|text| !text.is_empty()).ok_or_else(|| TemplateError::Unavailable { name: name() })?;
    let fits = found.len() <= 128 && found.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '\\');
    if fits { Ok(found) } else { Err(TemplateError::Unusable { name: name() }) }
}

fn octet(name: &str, ip: IpAddr) -> Option<String> {
    let IpAddr::V4(ip) = ip else { return None };
    let [a, b, c, d] = ip.octets();
    let octet = match name {
        "ip_1" => a,
        "ip_2" => b,
        "ip_3" => c,
        _ => d,
    };
    Some(octet.to_string())
}

/// The account that it mines for now: the name of its worker up to the first dot.
fn account(snapshot: &MinerSnapshot) -> Option<String> {
    let in_use = snapshot.pools.iter().find(|pool| pool.active == Some(true));
    let user = in_use.or_else(|| snapshot.pools.first())?.user.as_deref()?;
    user.split('.').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    //! Every placeholder, every hole.
    use super::*;
    use bitlink_model::{Mac, Pool};

    fn machine() -> MinerSnapshot {
        let mut snapshot = MinerSnapshot::default();
        snapshot.identity.mac = Some(Mac::new([2, 0, 0, 0xab, 0, 1]));
        snapshot.identity.model = Some("S19 Pro".into());
        snapshot.identity.hostname = Some("rig\u{202e}7".into());
        let mut pool = Pool::default();
        pool.user = Some("farm.rig7".into());
        snapshot.pools = vec![pool];
        snapshot
    }

    #[test]
    fn templates_are_filled_in() {
        let ip = IpAddr::from([10, 1, 2, 34]);
        for (template, name) in [
            ("acct.{ip_4}", "acct.34"),
            ("{worker}.{ip_3}x{ip_4}", "farm.2x34"),
            ("a.{mac}", "a.020000ab0001"),
            ("a.{model}", "a.S19_Pro"),
            ("plain", "plain"),
            ("{{{ip}}}", "{10.1.2.34}"),
        ] {
            assert_eq!(fill(template, ip, &machine()).as_deref(), Ok(name), "{template}");
            assert_eq!(check(template), Ok(()), "{template}");
        }
    }

    #[test]
    fn a_hole_is_an_error_and_not_an_empty_text() {
        let ip = IpAddr::from([10, 1, 2, 34]);
        let error = |template| fill(template, ip, &machine()).unwrap_err();
        assert!(matches!(error("a.{rack}"), TemplateError::Unknown { .. }));
        assert!(matches!(error("a.{serial}"), TemplateError::Unavailable { .. }));
        assert!(matches!(error("a.{hostname}"), TemplateError::Unusable { .. }));
        assert_eq!(error("a.{ip"), TemplateError::Unbalanced);
        assert_eq!(error("a.ip}"), TemplateError::Unbalanced);
        let six = fill("{ip_4}", "::1".parse().unwrap(), &machine());
        assert!(matches!(six, Err(TemplateError::Unavailable { .. })));
        assert!(check("{serial}.{rack}").is_err(), "unknown, though the first is only unavailable");
    }
}
