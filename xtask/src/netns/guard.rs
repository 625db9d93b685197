//! Ways out: what would let a packet leave the namespaces that we made. No scan starts where there is one.
//!
//! A network is closed when each of its interfaces is the loopback or one end of a line whose other end is in one of ours
//! as well, and no route leads anywhere in general.

use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process;

/// What is known of one namespace.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) links: Vec<Link>,
    pub(crate) routes: Vec<Route>,
}

/// One interface, as `ip -json -details link` has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    #[serde(rename = "ifindex")]
    number: u32,
    #[serde(rename = "ifname")]
    name: String,
    /// The number of the other end, in its own namespace.
    #[serde(rename = "link_index")]
    other_end: Option<u32>,
    #[serde(rename = "linkinfo", default)]
    info: LinkInfo,
    #[serde(rename = "link_type", default)]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
struct LinkInfo {
    #[serde(rename = "info_kind")]
    kind: Option<String>,
}

/// One route, as `ip -json route` has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Route {
    dst: String,
    /// Absent for the usual kind.
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Seen {
    /// Looks at a namespace by its name.
    ///
    /// # Errors
    ///
    /// When there is no such namespace, or `ip` answers in an unknown shape.
    pub(crate) fn of(name: &str) -> Result<Self> {
        let links = ask(&["-n", name, "-json", "-details", "link", "show"])?;
        let links = serde_json::from_str(&links).context("`ip link` answered in an unknown shape")?;
        let mut routes: Vec<Route> = Vec::new();
        for family in ["-4", "-6"] {
            let text = ask(&["-n", name, family, "-json", "route", "show", "table", "all"])?;
            // Nothing at all, where there are none.
            if !text.trim().is_empty() {
                let more: Vec<Route> =
                    serde_json::from_str(&text).context("`ip route` answered in an unknown shape")?;
                routes.extend(more);
            }
        }
        Ok(Self { name: name.to_owned(), links, routes })
    }
}

/// The names of the interfaces of this process's own namespace.
///
/// # Errors
///
/// As for [`Seen::of`].
pub(crate) fn links_here() -> Result<Vec<String>> {
    let links: Vec<Link> = serde_json::from_str(&ask(&["-json", "-details", "link", "show"])?)
        .context("`ip link` answered in an unknown shape")?;
    Ok(links.into_iter().map(|link| link.name).collect())
}

fn ask(arguments: &[&str]) -> Result<String> {
    process::capture(Command::new("ip").args(arguments))
}

/// The first way out of these namespaces, taken together, in words.
pub(crate) fn way_out(all: &[Seen]) -> Option<String> {
    for seen in all {
        let name = &seen.name;
        for link in &seen.links {
            if !is_closed(link, seen, all) {
                return Some(format!("the interface {} of {name} leads somewhere else", link.name));
            }
        }
        if let Some(route) = seen.routes.iter().find(|route| leads_anywhere(route)) {
            return Some(format!("{name} has a route to {}", route.dst));
        }
    }
    None
}

/// Whether an interface is the loopback, or a line that ends in another of our namespaces.
fn is_closed(link: &Link, here: &Seen, all: &[Seen]) -> bool {
    if link.kind == "loopback" {
        return true;
    }
    let is_line = |link: &Link| link.info.kind.as_deref() == Some("veth");
    let others = all.iter().filter(|seen| seen.name != here.name).flat_map(|seen| &seen.links);
    let mut ends = others.filter(|other| {
        is_line(other) && Some(other.number) == link.other_end && other.other_end == Some(link.number)
    });
    is_line(link) && ends.next().is_some()
}

/// Whether a route leads to whatever has no other route.
fn leads_anywhere(route: &Route) -> bool {
    let is_dead_end =
        matches!(route.kind.as_deref(), Some("blackhole" | "unreachable" | "prohibit" | "throw"));
    // A half of all addresses is as good as all of them.
    let is_wide = route.dst == "default" || route.dst.ends_with("/0") || route.dst.ends_with("/1");
    is_wide && !is_dead_end
}

#[cfg(test)]
mod tests {
    //! Networks that are closed, and ones that are not.
    use super::*;

    fn seen(name: &str, links: &str, routes: &str) -> Seen {
        Seen {
            name: name.to_owned(),
            links: serde_json::from_str(links).unwrap(),
            routes: serde_json::from_str(routes).unwrap(),
        }
    }

    const LOOPBACK: &str = r#"{"ifindex":1,"ifname":"lo","link_type":"loopback"}"#;

    fn line(ifindex: u32, other: u32) -> String {
        format!(
            r#"{{"ifindex":{ifindex},"link_index":{other},"ifname":"line","link_type":"ether","link_netnsid":0,
                "linkinfo":{{"info_kind":"veth"}}}}"#
        )
    }

    fn pair() -> [Seen; 2] {
        [
            seen("near", &format!("[{LOOPBACK},{}]", line(2, 3)), r#"[{"dst":"10.1.0.0/16"}]"#),
            seen("far", &format!("[{LOOPBACK},{}]", line(3, 2)), r#"[{"type":"blackhole","dst":"default"}]"#),
        ]
    }

    #[test]
    fn two_ends_of_one_line_are_closed() {
        assert_eq!(way_out(&pair()), None);
        assert_eq!(way_out(&[]), None);
    }

    #[test]
    fn a_line_that_ends_elsewhere_is_a_way_out() {
        let [near, _] = pair();
        assert_eq!(way_out(&[near]).unwrap(), "the interface line of near leads somewhere else");
        let [near, mut far] = pair();
        far.links.retain(|link| link.name == "lo");
        assert!(way_out(&[near, far]).is_some());
        let [near, _] = pair();
        let far = seen("far", &format!("[{}]", line(3, 7)), "[]");
        assert!(way_out(&[near, far]).is_some());
    }

    #[test]
    fn any_other_interface_is_a_way_out() {
        let [near, mut far] = pair();
        let card = r#"[{"ifindex":9,"ifname":"eth0","link_type":"ether"}]"#;
        far.links.extend(serde_json::from_str::<Vec<Link>>(card).unwrap());
        assert_eq!(way_out(&[near, far]).unwrap(), "the interface eth0 of far leads somewhere else");
    }

    #[test]
    fn a_route_to_everywhere_is_a_way_out() {
        for dst in ["default", "0.0.0.0/0", "128.0.0.0/1", "::/0"] {
            let [mut near, far] = pair();
            near.routes = serde_json::from_str(&format!(r#"[{{"dst":"{dst}"}}]"#)).unwrap();
            assert_eq!(way_out(&[near, far]).unwrap(), format!("near has a route to {dst}"));
        }
    }
}
