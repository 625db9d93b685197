//! What is kept of how to speak with a machine, between two polls. Who it is stands in its last reading and is not kept
//! twice: a fleet has tens of thousands of these.

use bitlink_model::Identity;
use bitlink_protocol::{Credentials, Dialect, Identified, Session};

/// How a machine is spoken with, and what of its identity was told when it was identified. The rest is told by every reading
/// anew, so that another machine at its address is noticed.
#[derive(Debug)]
pub(super) struct Manner {
    dialect: &'static dyn Dialect,
    joins: bool,
    told: Told,
    /// How its web server was got past. Most machines are read without one, and then there is nothing to keep.
    session: Option<Box<Session>>,
}

impl Manner {
    /// What there is to keep.
    pub(super) fn of(identified: Identified) -> Self {
        let Identified { identity, dialect, joins, session } = identified;
        let session = (!session.is_fresh()).then(|| Box::new(session));
        Self { dialect, joins, told: Told::of(&identity), session }
    }

    /// The machine of which the last reading says this, for somebody who has these names and passwords.
    pub(super) fn identified(&self, known: &Identity, credentials: &[Credentials]) -> Identified {
        let identified = Identified::new(self.told.of_it(known), self.dialect);
        let mut identified = match &self.session {
            Some(session) => Identified { session: Session::clone(session), ..identified },
            None => identified.with_credentials(credentials.to_vec()),
        };
        identified.joins = self.joins;
        identified
    }
}

/// Which parts of an identity were told.
#[derive(Debug, Clone, Copy)]
struct Told([bool; 10]);

impl Told {
    fn of(identity: &Identity) -> Self {
        Self([
            identity.make.is_some(),
            identity.model.is_some(),
            identity.model_raw.is_some(),
            identity.firmware.is_some(),
            identity.control_board.is_some(),
            identity.mac.is_some(),
            identity.serial.is_some(),
            identity.control_board_serial.is_some(),
            identity.hostname.is_some(),
            identity.network.is_some(),
        ])
    }

    /// Those parts of what is known.
    fn of_it(self, known: &Identity) -> Identity {
        fn part<T: Clone>(told: bool, known: Option<&T>) -> Option<T> {
            known.filter(|_| told).cloned()
        }
        let Self([make, model, raw, firmware, board, mac, serial, board_serial, hostname, network]) = self;
        let mut identity = Identity::default();
        identity.make = part(make, known.make.as_ref());
        identity.model = part(model, known.model.as_ref());
        identity.model_raw = part(raw, known.model_raw.as_ref());
        identity.firmware = part(firmware, known.firmware.as_ref());
        identity.control_board = part(board, known.control_board.as_ref());
        identity.mac = part(mac, known.mac.as_ref());
        identity.serial = part(serial, known.serial.as_ref());
        identity.control_board_serial = part(board_serial, known.control_board_serial.as_ref());
        identity.hostname = part(hostname, known.hostname.as_ref());
        identity.network = part(network, known.network.as_ref());
        identity
    }
}

#[cfg(test)]
mod tests {
    //! What was told comes back whole; what a reading adds does not pass for it.
    use super::*;

    fn whole() -> Identity {
        serde_json::from_value(serde_json::json!({
            "make": "Bitmain",
            "model": "S19 Pro",
            "model_raw": "Antminer S19 Pro",
            "firmware": { "family": "antminer", "version": "1.2", "api_version": "3.1", "software": "bmminer" },
            "control_board": "BBB",
            "mac_address": "02:00:00:00:00:01",
            "serial": "S1",
            "control_board_serial": "C1",
            "hostname": "a",
            "network": { "dhcp": true, "ip": "192.0.2.1", "netmask": "255.255.255.0" },
        }))
        .unwrap()
    }

    /// `of_it` lists the parts by hand.
    #[test]
    fn no_part_of_an_identity_is_left_out() {
        let whole = whole();
        let told = serde_json::to_value(&whole).unwrap();
        let default = serde_json::to_value(Identity::default()).unwrap();
        assert_eq!(default, serde_json::json!({}), "all parts are optional");
        assert_eq!(
            told.as_object().unwrap().len(),
            Told::of(&whole).0.len(),
            "an identity has as many parts"
        );
        assert_eq!(Told::of(&whole).of_it(&whole), whole);
    }

    #[test]
    fn what_only_the_reading_told_is_to_be_told_again() {
        let mut identified = whole();
        identified.mac = None;
        identified.hostname = None;
        assert_eq!(Told::of(&identified).of_it(&whole()), identified);
    }
}
