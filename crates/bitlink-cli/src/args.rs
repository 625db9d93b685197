//! The command line as it is written: commands, options and their texts. Decides nothing.

use crate::commands;
use crate::console::Color;
use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Style};
use clap::{ArgAction, Args, Parser, Subcommand};

/// Find and watch Bitcoin miners on your network.
#[derive(Debug, Parser)]
#[command(name = "bitlink", version, about, long_about = None, styles = STYLES, after_help = EXAMPLES)]
#[command(propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Green.on_default());

const EXAMPLES: &str = "\
Examples:
  bitlink demo                        a simulated fleet, watched live: needs no hardware
  bitlink detect                      the networks here that are worth scanning
  bitlink scan 192.168.1.0/24         every miner of a network
  bitlink get 192.168.1.100           all that one miner tells
  bitlink listen                      miners whose button is pressed
  bitlink monitor 192.168.1.0/24      a live table
  bitlink top 192.168.1.0/24          the farm on a whole terminal: list, miners, scan, light
  bitlink fleet list                  the miners that were met, wherever they are now
  bitlink control reboot 192.168.1.0/24 --dry-run
                                      what a command would do, and to whom
  bitlink history 192.168.1.100       what was read of a miner over time
  bitlink diff 02:05 02:15            what changed at 02:10
  bitlink serve 192.168.1.0/24        look for miners, watch them and keep account of them, for months

Exit codes: 0 fine, 1 something failed on the way, 2 wrong use, 3 nothing found,
4 access denied, 70 a bug, 130 interrupted.";

/// What every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// When to use colours; `NO_COLOR` is honoured too
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", global = true, help_heading = "Output")]
    pub(crate) color: Color,
    /// Say more about what is going on, on standard error (-vv: still more); `RUST_LOG` goes before it
    #[arg(short, long, action = ArgAction::Count, global = true, help_heading = "Output", conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Nothing but the results: no progress, no notes
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(commands::demo::DemoArgs),
    Scan(commands::scan::ScanArgs),
    Get(commands::get::GetArgs),
    Listen(commands::listen::ListenArgs),
    Monitor(commands::monitor::MonitorArgs),
    Top(Box<commands::top::TopArgs>),
    Simulate(commands::simulate::SimulateArgs),
    Detect(commands::detect::DetectArgs),
    Fleet(commands::fleet::FleetArgs),
    Control(Box<commands::control::ControlArgs>),
    Audit(commands::audit::AuditArgs),
    Pools(commands::pools::PoolsArgs),
    Credentials(commands::credentials::CredentialsArgs),
    History(commands::history::HistoryArgs),
    Diff(commands::diff::DiffArgs),
    Alerts(commands::alerts::AlertsArgs),
    Serve(commands::serve::ServeArgs),
    Users(commands::users::UsersArgs),
    Config(commands::config::ConfigArgs),
    #[command(hide = true)]
    Completions(commands::generate::CompletionsArgs),
    #[command(hide = true)]
    Man(commands::generate::ManArgs),
}

#[cfg(test)]
mod tests {
    //! The definition holds together.
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn forms_that_other_programs_rely_on_are_understood() {
        for line in [
            "bitlink demo --once",
            "bitlink scan 192.168.1.0/24 10.0.0.1-9:4029 --exclude 192.168.1.7 --port 4028 --port 4029 --format json",
            "bitlink get 192.168.1.100:4028 --raw",
            "bitlink monitor 192.168.1.0/24 --interval 10s --format ndjson",
            "bitlink top",
            "bitlink top --demo --miners 200 --seed 3",
            "bitlink top 192.168.1.0/24 10.0.0.7:4029 --interval 30s --filter status:warning --data /var/lib/bitlink",
            "bitlink simulate --miners 300 --mix antminer,whatsminer=2,cgminer --seed 7 --bind 127.0.0.0/8",
            "bitlink simulate --password x --changed 0.5 --session-time 30s --session-requests 3 --locked 0.1 --api shut",
            "bitlink simulate --https-port 0 --http-port off",
            "bitlink get 192.168.1.100 --http-port 8080 --https-port 8443 --login root:x",
            "bitlink detect --format json -q",
            "bitlink listen --for 30s --format ndjson --udp-port 14235 --udp-port 8888",
            "bitlink listen --with mcast,mdns --interface 192.168.1.20",
            "bitlink scan 192.168.1.0/24 --with listen,mcast,arp,mdns --listen-for 30s",
            "bitlink simulate --announce --announce-every 5s",
            "bitlink simulate --privileged --disobedient 0.05 --disobey idle,reply-lost,stays-away",
            "bitlink simulate --announce=127.0.0.1:14235",
            "bitlink scan 192.168.1.0/24 --save --data /var/lib/bitlink",
            "bitlink fleet list --data /var/lib/bitlink --format csv",
            "bitlink fleet --data /var/lib/bitlink show 192.168.1.100 --format json",
            "bitlink fleet label 02:00:00:00:00:01 --add hot --remove new --notes checked",
            "bitlink fleet move 192.168.1.100 --site North --building 1 --rack R7 --shelf 2 --slot 5",
            "bitlink fleet forget 5e3e75d046e7377f",
            "bitlink fleet import places.csv --partial",
            "bitlink fleet export places.csv",
            "bitlink fleet repair",
            "bitlink history 192.168.1.100 --since 6h --metric hashrate --metric fan.0.speed,power --step 15m",
            "bitlink history fleet --since 2026-11-01 --until 02:10 --format ndjson --data /var/lib/bitlink",
            "bitlink history --list-metrics",
            "bitlink diff 02:05 02:15 --data /var/lib/bitlink",
            "bitlink diff 24h --format json",
            "bitlink fleet list --at 2026-11-26T02:10 --format csv",
            "bitlink users add ada --role operator --data /var/lib/bitlink",
            "bitlink users list",
            "bitlink serve 192.168.1.0/24 --data /var/lib/bitlink --log-format json",
            "bitlink alerts list --format json --data /var/lib/bitlink",
            "bitlink alerts ack 1f3a5c7e90 --for 8h --note Ada",
            "bitlink alerts mute filters --for 2h --site North --rack R1 --rack R2",
            "bitlink alerts mute filters --lift",
            "bitlink alerts test --channel ops --config /etc/bitlink/bitlink.toml",
            "bitlink alerts replay --since 7d --format json",
            "bitlink alerts rules",
            "bitlink serve --config /etc/bitlink/bitlink.toml",
            "bitlink config check /etc/bitlink/bitlink.toml",
            "bitlink config example",
            "bitlink config unit",
            "bitlink control reboot 192.168.1.0/24 --batch 20 --pause 1s --canary 3 --max-failures 5 --concurrency 64 --dry-run",
            "bitlink control pause 192.168.1.0/24 --batch all --max-kw off --max-miners off --kw-per-second off --canary 0 -y",
            "bitlink control resume 20261126-033628-reboot-5e3e75 --resend --yes",
            "bitlink control resume 192.168.1.7 --yes --format ndjson",
            "bitlink control locate on 192.168.1.7",
            "bitlink control pools set pools.toml 192.168.1.0/24 --exclude 192.168.1.7 --groups racks.toml",
            "bitlink control pools switch 1 192.168.1.7",
            "bitlink control power limit 3000 192.168.1.7 --deadline 10m",
            "bitlink control power mode low 192.168.1.7",
            "bitlink control frequency 525 192.168.1.7",
            "bitlink control fans 60% 192.168.1.7",
            "bitlink control network dhcp 192.168.1.7",
            "bitlink control network static 192.168.1.50/24 --gateway 192.168.1.1 --dns 192.168.1.1 192.168.1.7",
            "bitlink control password --user root 192.168.1.7",
            "bitlink control factory-reset 192.168.1.7",
            "bitlink control update firmware.bin 192.168.1.7",
            "bitlink control logs 192.168.1.7 --to logs",
            "bitlink control undo 20261126-033628-set-pools-5e3e75 --dry-run",
            "bitlink control list --format json --data /var/lib/bitlink",
            "bitlink audit show --plan 20261126-033628-set-pools-5e3e75 --last 20",
            "bitlink audit verify",
            "bitlink pools check 192.168.1.0/24 --allow ours.toml",
            "bitlink pools check 192.168.1.0/24 --allow ours.toml --set pools.toml --dry-run",
            "bitlink credentials set family:whatsminer --user admin",
            "bitlink credentials list",
            "bitlink credentials remove all --user root",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
