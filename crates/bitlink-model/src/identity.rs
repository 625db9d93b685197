//! Who a miner is: make, model, firmware, and the evidence by which it is known again.

use crate::Text;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Declares an open set of names: known members are constants, unknown ones are carried as they came.
macro_rules! open_name {
    ($(#[$doc:meta])* $name:ident { $( $(#[$vdoc:meta])* $konst:ident = $text:literal; )+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            $( $(#[$vdoc])* pub const $konst: Self = Self(Cow::Borrowed($text)); )+

            /// A name that this crate need not know of.
            pub const fn new(name: &'static str) -> Self {
                Self(Cow::Borrowed(name))
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(Cow::Owned(name))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

open_name! {
    /// Whose machine it is, by the name people say: "Antminer", not "Bitmain".
    Make {
        /// Bitmain's machines.
        ANTMINER = "Antminer";
        /// MicroBT's machines.
        WHATSMINER = "WhatsMiner";
        /// Canaan's machines.
        AVALON = "Avalon";
        /// Bitdeer's machines.
        SEALMINER = "SealMiner";
        /// Auradine's machines.
        AURADINE = "Auradine";
        /// Goldshell's machines.
        GOLDSHELL = "Goldshell";
        /// Innosilicon's machines.
        INNOSILICON = "Innosilicon";
        /// VolcMiner's machines.
        VOLCMINER = "VolcMiner";
        /// Hammer's machines, on the same firmware.
        HAMMER = "Hammer";
        /// Blackminer's machines, on the same firmware.
        BLACKMINER = "Blackminer";
        /// iPollo's machines.
        IPOLLO = "iPollo";
        /// IceRiver's machines.
        ICERIVER = "IceRiver";
        /// Elphapex's machines.
        ELPHAPEX = "Elphapex";
        /// FutureBit's machines.
        FUTUREBIT = "FutureBit";
        /// The open hardware of the Bitaxe.
        BITAXE = "Bitaxe";
        /// The NerdAxe, the NerdQAxe and their kin.
        NERDAXE = "NerdAxe";
        /// The LuckyMiner.
        LUCKYMINER = "LuckyMiner";
        /// ePIC's own machines.
        EPIC = "ePIC";
        /// StrongU's machines.
        STRONGU = "StrongU";
        /// MinerVa's machines.
        MINERVA = "MinerVa";
        /// Proto's machines.
        PROTO = "Proto";
    }
}

open_name! {
    /// A firmware family: one dialect of the API, with its own way to be read and commanded. Stable and lower-case,
    /// used in output and configuration.
    Family {
        /// The reference implementation by Con Kolivas and Kano, on whatever hardware.
        CGMINER = "cgminer";
        /// Luke Dashjr's fork.
        BFGMINER = "bfgminer";
        /// Bitmain's firmware up to the S17 generation (`bmminer`).
        ANTMINER_OLD = "antminer-old";
        /// Bitmain's firmware of the S19, S21 and later generations.
        ANTMINER = "antminer";
        /// Canaan's firmware on machines that name themselves: A10 to A16, Q, Nano, Mini.
        AVALON = "avalon";
        /// Canaan's firmware on the 7xx, 8xx and 9xx, several of which may share a controller.
        AVALON_OLD = "avalon-old";
        /// Bitdeer's firmware (`bdminer`).
        SEALMINER = "sealminer";
        /// MicroBT's firmware with API version 1 or 2 on TCP 4028.
        WHATSMINER = "whatsminer";
        /// Luxor's firmware for Antminers.
        LUXOS = "luxos";
        /// Braiins OS, with BOSminer behind the API on TCP 4028.
        BRAIINS = "braiins";
        /// VNish, also called AnthillOS, for Antminers.
        VNISH = "vnish";
        /// Hiveon's firmware for Antminers.
        HIVEON = "hiveon";
        /// MSKMiner for Antminers (`rwglr` builds).
        MSKMINER = "mskminer";
        /// asicseer's firmware for the Antminer S9.
        ASICSEER = "asicseer";
        /// Marathon's firmware for Antminers.
        MARA = "mara";
        /// Auradine's firmware (GCMiner, FluxOS).
        AURADINE = "auradine";
        /// Goldshell's firmware.
        GOLDSHELL = "goldshell";
        /// Innosilicon's firmware.
        INNOSILICON = "innosilicon";
        /// The fork for Scrypt, on whatever hardware.
        SGMINER = "sgminer";
        /// Tanguy Pruvot's ccminer, for graphics cards.
        CCMINER = "ccminer";
        /// The firmware that VolcMiner, Hammer and Blackminer share.
        BLACKMINER = "blackminer";
        /// Elphapex's firmware, which has Bitmain's pages.
        ELPHAPEX = "elphapex";
        /// iPollo's firmware.
        IPOLLO = "ipollo";
        /// IceRiver's firmware.
        ICERIVER = "iceriver";
        /// The firmware of FutureBit's Apollo.
        FUTUREBIT = "futurebit";
        /// AxeOS (ESP-Miner) on the Bitaxe, and what others made of it for boards of their own.
        AXEOS = "axeos";
        /// The firmware of the NerdAxe, NerdQAxe and their kin.
        NERDAXE = "nerdaxe";
        /// ePIC's firmware for its own control boards (PowerPlay).
        EPIC = "epic";
        /// Proto's firmware (Proto OS).
        PROTO = "proto";
    }
}

/// Which software answers, as far as it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// The family whose dialect it speaks.
    pub family: Family,
    /// The firmware's own version or build date, as printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// Version of the API it offers, as printed ("3.7", "2.0.5").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<Text>,
    /// The mining program behind the API and its version ("cgminer 4.11.1").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<Text>,
}

impl Firmware {
    /// A firmware of which only the family is known.
    pub const fn new(family: Family) -> Self {
        Self { family, version: None, api_version: None, software: None }
    }
}

/// What a miner says of itself that does not change from poll to poll.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Identity {
    /// Whose machine it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make: Option<Make>,
    /// Normalised model without the make ("S19 Pro", "M50 VH30").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Text>,
    /// The model exactly as the miner printed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_raw: Option<Text>,
    /// What software answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    /// Control board or platform ("H616", "AMLCtrl").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_board: Option<Text>,
    /// Hardware address of the network interface.
    #[serde(rename = "mac_address", skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The machine's serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<Text>,
    /// The control board's own serial number or burnt-in id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_board_serial: Option<Text>,
    /// The name it gives itself on the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Text>,
    /// Its own idea of its network settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkIdentity>,
}

impl Identity {
    /// Make and model as one name ("Antminer S19 Pro"); `None` when neither is known.
    pub fn name(&self) -> Option<Text> {
        match (&self.make, &self.model) {
            (Some(make), Some(model)) => Some(arcstr::format!("{make} {model}")),
            (Some(make), None) => Some(make.as_str().into()),
            (None, Some(model)) => Some(model.clone()),
            (None, None) => None,
        }
    }
}

/// Network settings as the miner tells them. The address at which it was reached is the truth; this is its claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkIdentity {
    /// Whether the address is leased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<bool>,
    /// Claimed address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Claimed netmask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netmask: Option<Text>,
    /// Claimed gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Text>,
    /// Claimed name servers, as printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Text>,
}

/// A 48-bit hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

/// A text that is not a usable hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a hardware address")]
pub struct MacError {
    text: String,
}

impl Mac {
    /// From six octets.
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// The six octets.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether this can tell one machine from another: not all zeros, not broadcast, not a group address.
    pub const fn is_unique(self) -> bool {
        let [first, rest @ ..] = self.0;
        let all_zero =
            first == 0 && rest[0] == 0 && rest[1] == 0 && rest[2] == 0 && rest[3] == 0 && rest[4] == 0;
        !all_zero && first & 1 == 0
    }
}

impl FromStr for Mac {
    type Err = MacError;

    /// Twelve hexadecimal digits, with `:`, `-` or `.` between them or nothing.
    fn from_str(text: &str) -> Result<Self, MacError> {
        let refuse = || MacError { text: text.chars().take(64).collect() };
        let mut octets = [0_u8; 6];
        let mut digits = 0_usize;
        for c in text.trim().chars().filter(|c| !matches!(c, ':' | '-' | '.')) {
            let digit = c.to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or_else(refuse)?;
            let octet = octets.get_mut(digits / 2).ok_or_else(refuse)?;
            *octet = (*octet << 4) | digit;
            digits += 1;
        }
        if digits == 12 { Ok(Self(octets)) } else { Err(refuse()) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02X}", if i == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Our own stable name for one machine. MAC, serials and address are evidence for it, never the id itself: a registry
/// hands ids out, and without one the id is derived from the best evidence at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MinerId(u64);

impl MinerId {
    /// An id that a registry has handed out.
    pub const fn from_u64(id: u64) -> Self {
        Self(id)
    }

    /// As a number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The id of a machine that no registry knows: the same evidence always gives the same id. The hardware address
    /// counts most, then the serials, then the address at which it answers.
    pub fn derived(identity: &Identity, address: IpAddr) -> Self {
        Self::derived_but(identity, address, 0)
    }

    /// The same where other machines have that id already: for each `others` another id, and always the same one.
    pub fn derived_but(identity: &Identity, address: IpAddr, others: u32) -> Self {
        let evidence = match identity {
            Identity { mac: Some(mac), .. } if mac.is_unique() => format!("mac:{mac}"),
            Identity { serial: Some(serial), .. } if !serial.is_empty() => format!("serial:{serial}"),
            Identity { control_board_serial: Some(serial), .. } if !serial.is_empty() => {
                format!("board:{serial}")
            }
            _ => format!("address:{address}"),
        };
        let evidence = if others > 0 { format!("{evidence}#{others}") } else { evidence };
        // FNV-1a: small, stable across releases, and no defence is needed against a miner that forges its own MAC.
        Self(evidence.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }
}

impl fmt::Display for MinerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that is no id of a miner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id of a miner is a number of sixteen hexadecimal digits")]
pub struct NoMinerId(#[source] std::num::ParseIntError);

impl FromStr for MinerId {
    type Err = NoMinerId;

    /// As it is displayed.
    fn from_str(text: &str) -> Result<Self, NoMinerId> {
        u64::from_str_radix(text, 16).map(Self).map_err(NoMinerId)
    }
}

impl Serialize for MinerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MinerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    //! Names, hardware addresses and derived ids.
    use super::*;

    #[test]
    fn hardware_addresses_in_every_written_form() {
        for text in ["02:00:0a:0B:0c:01", "02-00-0A-0B-0C-01", "02000a0b0c01", " 0200.0a0b.0c01 "] {
            assert_eq!(text.parse::<Mac>().unwrap().to_string(), "02:00:0A:0B:0C:01");
        }
        for text in ["", "02:00:0a:0b:0c", "02:00:0a:0b:0c:01:02", "0g:00:0a:0b:0c:01", "é2000a0b0c01"] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_all_zero_or_group_address_identifies_nobody() {
        assert!(!Mac::new([0; 6]).is_unique());
        assert!(!Mac::new([0xff; 6]).is_unique());
        assert!(Mac::new([2, 0, 0, 0, 0, 1]).is_unique());
    }

    #[test]
    fn the_id_follows_the_machine_and_not_the_address() {
        let a: IpAddr = "192.0.2.1".parse().unwrap();
        let b: IpAddr = "192.0.2.2".parse().unwrap();
        let known = Identity { mac: Some(Mac::new([2, 0, 0, 0, 0, 1])), ..Identity::default() };
        assert_eq!(MinerId::derived(&known, a), MinerId::derived(&known, b));
        assert_ne!(MinerId::derived(&Identity::default(), a), MinerId::derived(&Identity::default(), b));
    }
}
