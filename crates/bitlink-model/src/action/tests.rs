//! Actions are written down and read again without their secrets.

use super::*;

#[test]
fn what_is_written_down_has_no_secret_and_is_not_complete_when_read() {
    let action =
        Action::SetPools { pools: vec![PoolSetting::new("stratum+tcp://p.example:3333", "w", "hush")] };
    assert!(action.is_complete());
    let written = serde_json::to_string(&action).unwrap();
    assert_eq!(
        written,
        r#"{"action":"set_pools","pools":[{"url":"stratum+tcp://p.example:3333","user":"w","password":null}]}"#
    );
    assert!(!format!("{action:?}").contains("hush"));
    let read: Action = serde_json::from_str(&written).unwrap();
    assert!(!read.is_complete());
}

#[test]
fn a_firmware_file_is_written_down_by_name() {
    let firmware = FirmwareFile { name: "s19.tar".to_owned(), bytes: Arc::from(*b"secret content") };
    let action = Action::Update { firmware };
    let written = serde_json::to_string(&action).unwrap();
    assert_eq!(written, r#"{"action":"update","firmware":{"name":"s19.tar"}}"#);
    assert!(!serde_json::from_str::<Action>(&written).unwrap().is_complete());
    assert!(action.is_complete());
}

#[test]
fn the_word_of_a_kind_is_the_tag_of_its_action() {
    for kind in ActionKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    let tagged = serde_json::to_value(Action::Locate { on: true }).unwrap();
    assert_eq!(tagged["action"], Action::Locate { on: true }.kind().as_str());
}

#[test]
fn nothing_said_is_not_possible() {
    let can =
        Capabilities::default().with_all(&[ActionKind::Reboot]).with(ActionKind::Fans, Support::Unverified);
    assert_eq!(can.of(ActionKind::Reboot), Support::Yes);
    assert!(can.of(ActionKind::Fans).is_possible());
    assert!(!can.of(ActionKind::Update).is_possible());
}
