//! Tests of the layers, on made-up manifests and on the table itself.

use super::*;

/// The findings for one package with these dependencies (name and kind, as `cargo metadata` writes them).
fn findings(package: &str, dependencies: &[(&str, &str)], manifest: &str) -> Vec<String> {
    let dependencies: Vec<_> = dependencies
        .iter()
        .map(|(name, kind)| format!(r#"{{"name": "{name}", "rename": null, "kind": {kind}}}"#))
        .collect();
    let json = format!(
        r#"{{
            "packages": [{{
                "name": "{package}",
                "manifest_path": "/w/crates/{package}/Cargo.toml",
                "dependencies": [{}],
                "targets": []
            }}],
            "target_directory": "/w/target",
            "workspace_root": "/w"
        }}"#,
        dependencies.join(",")
    );
    let path = format!("crates/{package}/Cargo.toml");
    let tree = Tree::from([(path.as_str(), manifest)]);
    check(&Metadata::from_json(&json).unwrap(), &tree).iter().map(ToString::to_string).collect()
}

#[test]
fn a_layer_may_use_what_its_row_says() {
    let found = findings("bitlink-scanner", &[("bitlink-transport", "null"), ("ipnet", "null")], "");
    assert_eq!(found, [""; 0]);
}

#[test]
fn siblings_do_not_see_each_other() {
    let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nbitlink-scanner.workspace = true\n";
    let found = findings("bitlink-monitor", &[("bitlink-scanner", "null")], manifest);
    assert_eq!(
        found,
        ["crates/bitlink-monitor/Cargo.toml:5: \
          bitlink-monitor may not depend on bitlink-scanner: it is no layer below"]
    );
}

#[test]
fn a_third_party_crate_must_be_allowed() {
    let found = findings("bitlink-model", &[("tokio", "null")], "[dependencies]\ntokio = \"1\"\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("crates/bitlink-model/Cargo.toml:2: bitlink-model may not depend on tokio"));
}

#[test]
fn a_build_dependency_is_no_way_around_the_table() {
    assert_eq!(findings("bitlink-model", &[("cc", r#""build""#)], "").len(), 1);
}

#[test]
fn dev_dependencies_are_free_but_for_the_leaves() {
    let dev = r#""dev""#;
    let free = [("bitlink-simulator", dev), ("anyhow", dev), ("proptest", dev)];
    assert_eq!(findings("bitlink-monitor", &free, ""), [""; 0]);
    for leaf in LEAVES {
        let found = findings("bitlink-monitor", &[(leaf, dev)], "");
        assert_eq!(found, [format!("crates/bitlink-monitor/Cargo.toml:1: nothing may depend on {leaf}")]);
    }
}

#[test]
fn anyhow_is_not_for_libraries_even_where_the_choice_is_free() {
    assert!(findings("bitlink-cockpit", &[("anyhow", "null")], "")[0].contains("not anyhow's"));
    assert_eq!(findings("bitlink-cli", &[("anyhow", "null")], ""), [""; 0]);
}

#[test]
fn a_crate_without_a_row_is_found() {
    let found = findings("bitlink-surprise", &[], "");
    assert!(found[0].contains("bitlink-surprise has no row in the table of layers"), "{found:?}");
}

#[test]
fn the_simulator_reaches_the_product_only_through_the_program() {
    let users: Vec<_> = LAYERS
        .iter()
        .filter(|layer| layer.ours.contains("bitlink-simulator"))
        .map(|layer| layer.name)
        .collect();
    assert_eq!(users, ["bitlink-cli", "bitlink-benches", "xtask"]);
}

#[test]
fn every_row_uses_only_rows_above_it_so_there_is_no_cycle() {
    for (position, layer) in LAYERS.iter().enumerate() {
        let Allowed::Only(ours) = layer.ours else { continue };
        for used in ours {
            let above = LAYERS.iter().take(position).any(|other| other.name == *used);
            assert!(above, "{} uses {used}, which is no row above its own", layer.name);
        }
    }
}

#[test]
fn a_declaration_is_found_in_the_section_of_its_kind() {
    let manifest = "[dependencies]\nserde = \"1\"\nserde_json.workspace = true\n\
                    [dev-dependencies]\nserde = \"1\"\n\
                    [target.'cfg(unix)'.dependencies.rlimit]\nversion = \"1\"\n";
    let line =
        |name: &str, kind| line_of(&Dependency { name: name.to_owned(), rename: None, kind }, manifest);
    assert_eq!(line("serde", DependencyKind::Normal), 2);
    assert_eq!(line("serde_json", DependencyKind::Normal), 3);
    assert_eq!(line("serde", DependencyKind::Dev), 5);
    assert_eq!(line("rlimit", DependencyKind::Normal), 6);
    assert_eq!(line("absent", DependencyKind::Build), 1);
}
