//! What simulated miners send is read by the protocol crate, and reaches nobody but this machine.

use super::*;
use crate::{FleetSpec, Mix, SimClock};
use bitlink_protocol::reports::{Beacon, mdns_question, multicast_question, read_mdns, read_report};

fn fleet(first: [u8; 4], mix: &str, miners: usize) -> SimFleet {
    let spec = FleetSpec::new(miners).with_mix(mix.parse().unwrap()).with_sick(0.0).with_first(first.into());
    spec.build(&SimClock::runtime()).unwrap()
}

#[tokio::test]
async fn every_report_is_read_as_what_it_is() {
    let mut forms = std::collections::BTreeSet::new();
    for face in FaceName::ALL {
        let spec = FleetSpec::new(1).with_mix(Mix::only(*face)).with_first([127, 92, 3, 1].into());
        let truth = spec.build(&SimClock::runtime()).unwrap().truths().remove(0);
        let Some((port, bytes)) = report_of(&truth) else { continue };
        let seen = read_report(truth.address, &bytes).unwrap_or_else(|error| panic!("{face}: {error}"));
        assert_eq!(seen.beacon.port(), Some(port), "{face}");
        assert_eq!(seen.contradicts(), None, "{face}");
        if !matches!(seen.beacon, Beacon::IceRiver | Beacon::Elphapex) {
            assert_eq!(seen.identity.mac, Some(truth.mac), "{face}");
        }
        if let (Some(model), Some(told)) = (&seen.identity.model, &truth.model) {
            assert_eq!(model, told, "{face}");
        }
        forms.insert(seen.beacon);
    }
    assert_eq!(forms.len(), 7, "{forms:?}");
}

#[tokio::test]
async fn questions_to_everybody_are_answered_by_whom_they_concern() {
    let fleet = fleet([127, 92, 3, 10], "axeos,nerdaxe,cgminer", 30);
    let (mut apis, mut webs) = (0, 0);
    for truth in fleet.truths() {
        if let Some((port, bytes)) = multicast_answer(&truth, &multicast_question("cgminer", 4027), 4029) {
            let seen = read_report(truth.address, &bytes).unwrap();
            assert_eq!((port, seen.port), (4027, Some(4029)));
            apis += 1;
        }
        if let Some(bytes) = mdns_answer(&truth, &mdns_question()) {
            let seen = read_mdns(truth.address, &bytes).unwrap();
            let family = seen.identity.firmware.as_ref().unwrap().family.clone();
            assert_eq!((family, seen.identity.make.clone()), (truth.family.clone(), truth.make.clone()));
            assert_eq!(seen.identity.hostname.as_deref(), Some(truth.hostname.as_str()));
            assert_eq!(seen.contradicts(), None);
            webs += 1;
        }
        assert_eq!(multicast_answer(&truth, b"cgminer-XYZ-1", 4028), None);
        assert_eq!(mdns_answer(&truth, b"rubbish"), None);
    }
    assert!(apis > 0 && webs > 0, "{apis} {webs}");
    assert_eq!(apis + webs, 30);
}

#[tokio::test]
async fn nobody_is_told_but_this_machine() {
    let here = fleet([127, 92, 3, 60], "antminer", 1);
    let elsewhere = fleet([10, 0, 0, 1], "antminer", 1);
    let quiet = AnnounceOptions::default().with_multicast(None).with_mdns(None);
    let refused = |fleet: &SimFleet, options: AnnounceOptions| {
        matches!(fleet.announce(&options), Err(AnnounceError::Elsewhere(_)))
    };
    assert!(refused(&elsewhere, quiet));
    assert!(refused(&here, quiet.with_to([192, 168, 1, 1].into(), None)));
    assert!(refused(&here, quiet.with_to([255, 255, 255, 255].into(), None)));
    assert!(refused(&here, quiet.with_mdns(Some(SocketAddrV4::new([192, 168, 1, 1].into(), 5353)))));
}

#[tokio::test]
async fn reports_arrive_from_the_miner_itself() {
    let fleet = fleet([127, 92, 3, 70], "whatsminer", 2);
    let ear = UdpSocket::bind((Ipv4Addr::new(127, 92, 3, 80), 0)).await.unwrap();
    let port = ear.local_addr().unwrap().port();
    let options = AnnounceOptions::default()
        .with_to([127, 92, 3, 80].into(), Some(port))
        .with_multicast(None)
        .with_mdns(None);
    let announcer = fleet.announce(&options).unwrap();
    assert!(announcer.trouble().is_empty());
    let mut bytes = [0; 256];
    let mut from = std::collections::BTreeSet::new();
    while from.len() < 2 {
        let (length, source) = ear.recv_from(&mut bytes).await.unwrap();
        let seen = read_report(source.ip(), &bytes[..length]).unwrap();
        assert_eq!((seen.beacon, seen.contradicts()), (Beacon::Whatsminer, None));
        from.insert(source.ip());
    }
    assert_eq!(from.into_iter().collect::<Vec<_>>(), fleet.hosts().map(|(ip, _)| ip).collect::<Vec<_>>());
}
