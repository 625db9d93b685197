//! Rules as data: what is not named stays, what is not known is refused, and the documents say what the code does.

use super::*;
use crate::health::{ALL_RULES, Band, Limit, LimitPatch};
use bitlink_model::Make;

fn machine(make: Make, model: &str) -> Identity {
    let mut identity = Identity::default();
    (identity.make, identity.model) = (Some(make), Some(model.into()));
    identity
}

fn book(text: &str) -> Result<RuleBook, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn changes_name_only_what_differs_and_the_last_that_fits_counts() {
    let book = book(
        r#"{
            "shipped": false,
            "restarts": 5,
            "override": [
                { "model": "whatsminer", "chip_celsius": { "warning": 90, "critical": { "limit": 99, "for": "2min" } } },
                { "model": "M50", "chip_celsius": { "critical": { "for": "3min" }, "margin": 1 }, "warm_up": "20min" },
                { "mode": "Low", "hashrate_ratio": { "warning": "off" } }
            ]
        }"#,
    )
    .unwrap();
    let other = book.rules_for(&machine(Make::ANTMINER, "S19"), None);
    assert_eq!(*other, Rules::default().with(|rules| rules.restarts = 5));
    let m30 = book.rules_for(&machine(Make::WHATSMINER, "M30S"), Some("Normal"));
    assert_eq!(
        m30.chip_celsius,
        Band::new(Limit::at_once(90.0), Limit::minutes(99.0, 2), 3.0),
        "the limit changes and the margin stays"
    );
    let m50 = book.rules_for(&machine(Make::WHATSMINER, "M50 VH30"), Some(" LOW "));
    assert_eq!(m50.chip_celsius, Band::new(Limit::at_once(90.0), Limit::minutes(99.0, 3), 1.0));
    assert_eq!(m50.warm_up, Duration::from_mins(20));
    assert_eq!((m50.hashrate_ratio.warning, m50.hashrate_ratio.critical.is_some()), (None, true));
    assert_eq!(m50.restarts, 5);
    assert_eq!(*book.rules_for(&Identity::default(), None), *other, "whoever does not say who he is");
}

#[test]
fn what_is_not_known_or_makes_no_sense_is_refused_in_words() {
    for (text, why) in [
        (
            r#"{ "chip_celcius": "off" }"#,
            r#"unknown key "chip_celcius"; known are shipped, override, dead_after"#,
        ),
        (
            r#"{ "override": [ { "modell": "S19" } ] }"#,
            r#"unknown key "modell"; known are model, mode, dead_after"#,
        ),
        (r#"{ "override": [ { "restarts": 3 } ] }"#, "an override needs `model`, `mode` or both"),
        (
            r#"{ "chip_celsius": { "warm": 3 } }"#,
            "unknown field `warm`, expected one of `warning`, `critical`, `margin`",
        ),
        (r#"{ "fan_rpm": { "limit": 3, "at": 1 } }"#, "unknown field `at`, expected `limit` or `for`"),
        (r#"{ "fan_rpm": "none" }"#, r#"invalid value: string "none""#),
        (r#"{ "warm_up": 10 }"#, "expected a time with its unit"),
        (r#"{ "warm_up": "10" }"#, "expected a time with its unit"),
        (r#"{ "restarts": 0 }"#, "restarts is 0, allowed is 1 to 100"),
        (r#"{ "restarts": 2, "restarts": 3 }"#, "duplicate field `restarts`"),
        (r#"{ "chip_celsius": { "warning": 96 } }"#, "the critical limit of chip_celsius is milder"),
        (
            r#"{ "override": [ { "model": "S9", "chip_celsius": { "critical": 20 } } ] }"#,
            "the override for S9 makes no sense: the critical limit of chip_celsius is milder",
        ),
    ] {
        let error = book(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn what_is_written_reads_back() {
    let mut written = RuleBook::default()
        .with_override(Override::for_model("M50", RulesPatch::whole(&Rules::default())).in_mode("high"))
        .with_override(Override::for_model(
            "S9",
            RulesPatch { fan_rpm: Some(LimitPatch::Off), ..RulesPatch::default() },
        ));
    let rules = Arc::make_mut(&mut written.common);
    rules.allowed_pools = vec!["pool.example:3333".to_owned()];
    rules.warm_up = Duration::from_millis(90_500);
    rules.fan_rpm = None;
    rules.chip_celsius.critical = None;
    let text = serde_json::to_string(&written).unwrap();
    let read = book(&text).unwrap();
    assert_eq!(read.common, written.common);
    let again = serde_json::to_string(&read).unwrap();
    assert_eq!(again, text);
    for identity in [machine(Make::WHATSMINER, "M50"), machine(Make::ANTMINER, "S9"), Identity::default()] {
        assert_eq!(read.rules_for(&identity, Some("high")), written.rules_for(&identity, Some("high")));
    }
}

#[test]
fn an_empty_table_is_the_default() {
    assert_eq!(book("{}").unwrap(), RuleBook::default());
    assert_eq!(*RuleBook::default().rules_for(&machine(Make::ANTMINER, "S19 Pro"), None), Rules::default());
}

#[test]
fn shipped_changes_make_sense_alone_and_together() {
    for shipped in RuleBook::SHIPPED {
        let book = RuleBook::new(Rules::default()).with_override(shipped.to_override());
        book.validate().unwrap();
    }
    let m56s = machine(Make::WHATSMINER, "M56S++ VK10");
    let usual = RuleBook::default().rules_for(&m56s, Some("Normal"));
    let high = RuleBook::default().rules_for(&m56s, Some("High"));
    let warning = |rules: &Rules| {
        (rules.board_celsius.warning.unwrap().value, rules.inlet_celsius.warning.unwrap().value)
    };
    assert_eq!((warning(&usual), warning(&high)), ((65.0, 45.0), (70.0, 40.0)));
    let hydro = RuleBook::default().rules_for(&machine(Make::ANTMINER, "S19 XP Hyd."), None);
    assert_eq!(hydro.outlet_celsius.critical, Some(Limit::at_once(75.0)));
    let plain = RuleBook::new(Rules::default()).rules_for(&m56s, None);
    assert_eq!(*plain, Rules::default(), "one set of rules for all is just that");
}

#[test]
fn machines_share_what_they_have_in_common() {
    let mut resolver = Resolver::new(RuleBook::default(), Duration::from_hours(1));
    let one = resolver.rules_for(&machine(Make::ANTMINER, "S9"), None);
    let two = resolver.rules_for(&machine(Make::ANTMINER, "S9i"), Some("normal"));
    assert!(Arc::ptr_eq(&one, &two));
    assert_eq!(
        (one.longest_gap, resolver.common().longest_gap),
        (Duration::from_hours(1), Duration::from_hours(1))
    );
}

/// The document says of every field what its default is, of every rule what it is for, and of every model what is different.
#[test]
fn the_document_has_every_field_rule_and_model() {
    let document = include_str!("../../../../../docs/health.md");
    let serde_json::Value::Object(defaults) =
        serde_json::to_value(RulesPatch::whole(&Rules::default())).unwrap()
    else {
        panic!("a table")
    };
    assert_eq!(defaults.len(), RulesPatch::FIELDS.len());
    for field in RulesPatch::FIELDS {
        let shown = shown(&defaults[*field]);
        let row = format!("| `{field}` | {shown} |");
        assert!(document.contains(&row), "docs/health.md lacks the row {row}");
    }
    for rule in ALL_RULES {
        assert!(document.contains(&format!("| `{rule}` |")), "docs/health.md lacks the rule {rule}");
    }
    for shipped in RuleBook::SHIPPED {
        let limits = |band: Option<(f64, f64)>| band.map_or("–".to_owned(), |(w, c)| format!("{w}, {c}"));
        let row = format!(
            "| {} | {} | {} | {} | {} | {} |",
            shipped.model,
            shipped.mode.unwrap_or("any"),
            limits(shipped.chip_celsius),
            limits(shipped.board_celsius),
            limits(shipped.inlet_celsius),
            limits(shipped.outlet_celsius),
        );
        assert!(document.contains(&row), "docs/health.md lacks the row {row}");
    }
}

/// A number without digits that say nothing.
fn number(value: &serde_json::Value) -> String {
    value.as_f64().unwrap().to_string()
}

/// A default as the document shows it.
fn shown(value: &serde_json::Value) -> String {
    let limit = |value: &serde_json::Value| match value {
        serde_json::Value::Object(limit) if limit["for"] == "0s" => {
            format!("{} at once", number(&limit["limit"]))
        }
        serde_json::Value::Object(limit) => {
            format!("{} for {}", number(&limit["limit"]), limit["for"].as_str().unwrap())
        }
        other => other.as_str().unwrap().to_owned(),
    };
    match value {
        serde_json::Value::Object(band) if band.contains_key("margin") => {
            format!("{}; {}; {}", limit(&band["warning"]), limit(&band["critical"]), number(&band["margin"]))
        }
        serde_json::Value::Object(_) => limit(value),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(list) if list.is_empty() => "any".to_owned(),
        other => number(other),
    }
}
