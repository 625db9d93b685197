//! Host names into addresses, before the sweep begins. The one place of this crate that asks a name server, through a
//! trait, so that tests need none.

use crate::config::ScanConfig;
use crate::targets::{ScanTargets, TargetError};
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use std::collections::HashMap;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How many names are asked for at the same time: each may hold a thread of the system's resolver.
const AT_ONCE: usize = 64;
/// How many addresses of one name are scanned at most.
const MAX_ADDRESSES_PER_NAME: usize = 64;

/// Finds the addresses of a host name.
pub trait Resolver: Debug + Send + Sync + 'static {
    /// All addresses of a name.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            // The port plays no part in it.
            Ok(tokio::net::lookup_host((name, 0)).await?.map(|endpoint| endpoint.ip()).collect())
        })
    }
}

/// Every endpoint that the targets name, names resolved: for callers that need the whole list and not a scan.
///
/// # Errors
/// [`TargetError`]: the first name without an address, or more addresses than the configuration allows.
pub async fn endpoints(
    targets: &ScanTargets,
    resolver: &dyn Resolver,
    config: &ScanConfig,
) -> Result<Vec<SocketAddr>, TargetError> {
    let (targets, unknown) = resolve_all(targets, resolver, config.name_timeout).await;
    match unknown.into_iter().next() {
        Some(unknown) => Err(unknown.error),
        None => Ok(targets.plan(config)?.iter().collect()),
    }
}

/// A name without an address, and why.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) name: String,
    pub(crate) error: TargetError,
}

/// The targets with every name replaced by its IPv4 addresses, or its IPv6 addresses when it has no other: a machine
/// with both would be found twice.
pub(crate) async fn resolve_all(
    targets: &ScanTargets,
    resolver: &dyn Resolver,
    patience: Duration,
) -> (ScanTargets, Vec<Unknown>) {
    let mut known: HashMap<String, Vec<IpAddr>> = HashMap::new();
    let mut unknown = Vec::new();
    // Owned names: a borrowed one in a stream of futures asks more of the compiler than it can prove.
    let names: Vec<String> = targets.names().into_iter().map(str::to_owned).collect();
    let mut answers = stream::iter(names)
        .map(|name| async move {
            let answer = resolve_one(resolver, &name, patience).await;
            (name, answer)
        })
        .buffered(AT_ONCE);
    while let Some((name, answer)) = answers.next().await {
        match answer {
            Ok(addresses) => {
                known.insert(name, addresses);
            }
            Err(error) => {
                let error = TargetError::UnknownName { name: name.clone(), source: Arc::new(error) };
                unknown.push(Unknown { name, error });
            }
        }
    }
    (targets.with_names(|name| known.get(name).cloned().unwrap_or_default()), unknown)
}

async fn resolve_one(resolver: &dyn Resolver, name: &str, patience: Duration) -> io::Result<Vec<IpAddr>> {
    let all = match timeout(patience, resolver.resolve(name)).await {
        Ok(answer) => answer?,
        Err(_elapsed) => {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the name server did not answer in time"));
        }
    };
    let has_v4 = all.iter().any(IpAddr::is_ipv4);
    let mut usable: Vec<IpAddr> = all.into_iter().filter(|address| !has_v4 || address.is_ipv4()).collect();
    usable.truncate(MAX_ADDRESSES_PER_NAME);
    if usable.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name exists and has no address"));
    }
    Ok(usable)
}

#[cfg(test)]
mod tests {
    //! Names with several addresses, with none, and name servers that never answer.
    use super::*;
    use crate::ScanConfig;

    /// Answers by a list; hangs for names that are not on it and begin with "hang".
    #[derive(Debug)]
    struct Book(Vec<(&'static str, Vec<&'static str>)>);

    impl Resolver for Book {
        fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
            Box::pin(async move {
                if name.starts_with("hang") {
                    return std::future::pending().await;
                }
                let entry = self.0.iter().find(|(known, _)| *known == name);
                let (_, addresses) = entry.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn names_become_addresses_or_are_told_apart() {
        let book = Book(vec![
            ("one.lan", vec!["10.0.0.1", "fd00::1"]),
            ("two.lan", vec!["10.0.0.2", "10.0.0.3"]),
            ("six.lan", vec!["fd00::6"]),
            ("void.lan", vec![]),
        ]);
        let targets =
            ScanTargets::parse("one.lan two.lan:80 six.lan void.lan hang.lan nope.lan 10.0.0.1").unwrap();
        let (resolved, unknown) = resolve_all(&targets, &book, Duration::from_secs(5)).await;
        let plan = resolved.plan(&ScanConfig::default()).unwrap();
        let endpoints: Vec<String> = plan.iter().map(|endpoint| endpoint.to_string()).collect();
        assert_eq!(endpoints, ["10.0.0.1:4028", "[fd00::6]:4028", "10.0.0.2:80", "10.0.0.3:80"]);
        let names: Vec<&str> = unknown.iter().map(|unknown| unknown.name.as_str()).collect();
        assert_eq!(names, ["void.lan", "hang.lan", "nope.lan"]);
    }
}
