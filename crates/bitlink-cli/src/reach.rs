//! How miners are reached beside the API: the port of their web servers, and who we are to them.

use bitlink_miner_manager::transport::TcpConfig;
use bitlink_miner_manager::{Credentials, Fleet};
use clap::Args;

/// The usual port of web servers.
pub(crate) const HTTP_PORT: u16 = 80;

/// The usual port of web servers over TLS.
pub(crate) const HTTPS_PORT: u16 = 443;

/// As many connections as this process may have descriptors, less some for everything else, and no more than do any good.
pub(crate) fn usual_concurrency() -> usize {
    const ELSE: u64 = 400;
    const MOST: u64 = 16_000;
    let descriptors = rlimit::Resource::NOFILE.get_soft().unwrap_or(1_024);
    usize::try_from(descriptors.saturating_sub(ELSE).clamp(256, MOST)).unwrap_or(1_000)
}

/// How to reach web servers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Web servers")]
pub(crate) struct Reach {
    /// Port of the miners' web servers, which tell what the API does not
    #[arg(long, value_name = "PORT", default_value_t = HTTP_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    http_port: u16,
    /// Port of the miners' web servers over TLS
    #[arg(long, value_name = "PORT", default_value_t = HTTPS_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    https_port: u16,
    /// Who we are to web servers that ask; may be given more than once, and is tried before what firmware is delivered with.
    /// Others on this machine can read a command line: `BITLINK_LOGIN`, one on each line, goes unseen
    #[arg(
        long,
        value_name = "USER:PASSWORD",
        env = "BITLINK_LOGIN",
        hide_env_values = true,
        value_delimiter = '\n',
        value_parser = credentials
    )]
    login: Vec<Credentials>,
}

impl Reach {
    /// A fleet that is reached so.
    pub(crate) fn fleet(&self) -> Fleet {
        Fleet::over_tcp(TcpConfig::default().with_web_port(self.http_port).with_tls_port(self.https_port))
    }

    /// Who we are to web servers.
    pub(crate) fn credentials(&self) -> Vec<Credentials> {
        self.login.clone()
    }
}

fn credentials(text: &str) -> Result<Credentials, String> {
    let (user, password) = text.split_once(':').ok_or("expected USER:PASSWORD")?;
    Ok(Credentials::new(user, password))
}

#[cfg(test)]
mod tests {
    //! Logins as they are written.
    use super::*;

    #[test]
    fn a_password_may_hold_colons_and_a_user_may_be_nobody() {
        assert_eq!(credentials("root:a:b"), Ok(Credentials::new("root", "a:b")));
        assert_eq!(credentials(":letmein"), Ok(Credentials::new("", "letmein")));
        assert!(credentials("root").is_err());
    }
}
