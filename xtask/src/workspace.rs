//! Where the workspace is and what its manifests say.
//!
//! Reads `cargo metadata --no-deps` into the few fields the checks need. It judges nothing: the rules are in `tidy`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process;

/// The workspace that the commands work on.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the workspace this program belongs to.
    ///
    /// `cargo run` and `cargo test` say at run time where the package lies, which stays right when several checkouts
    /// share one target directory; a binary started by hand falls back on where it was compiled.
    ///
    /// # Errors
    ///
    /// When the package's folder does not exist any more or has no parent.
    pub(crate) fn locate() -> Result<Self> {
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let package =
            package.canonicalize().with_context(|| format!("no such folder: {}", package.display()))?;
        let root = package.parent().context("the xtask package has no folder above it")?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What the manifests of the workspace say, without resolving dependencies.
    ///
    /// # Errors
    ///
    /// When cargo cannot read a manifest or answers in an unknown shape.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        let json =
            process::capture(process::cargo(self).args(["metadata", "--no-deps", "--format-version", "1"]))?;
        Metadata::from_json(&json)
    }
}

/// The part of `cargo metadata` that the commands use.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// The members of the workspace; `--no-deps` leaves everything else out.
    pub(crate) packages: Vec<Package>,
    /// Where build products go, as `CARGO_TARGET_DIR` and the configuration have it.
    pub(crate) target_directory: PathBuf,
    /// The folder that holds the workspace's `Cargo.toml`.
    pub(crate) workspace_root: PathBuf,
}

impl Metadata {
    /// Reads the JSON document that `cargo metadata --format-version 1` prints.
    ///
    /// # Errors
    ///
    /// When the document is not of that shape.
    pub(crate) fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).context("cargo metadata answered in an unknown shape")
    }

    /// Whether the member `package` has a target of this kind (`"bench"`, `"example"`, …).
    pub(crate) fn has_target(&self, package: &str, kind: &str) -> bool {
        self.packages.iter().filter(|p| p.name == package).any(|p| p.has_target(kind))
    }
}

/// One member of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// The package's name.
    pub(crate) name: String,
    /// Its `Cargo.toml`, as an absolute path.
    pub(crate) manifest_path: PathBuf,
    /// What it declares to depend on, of every kind and for every platform.
    pub(crate) dependencies: Vec<Dependency>,
    /// Its libraries, binaries, examples, tests and benches.
    targets: Vec<Target>,
}

impl Package {
    /// Whether the package has a target of this kind.
    pub(crate) fn has_target(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|k| k == kind))
    }
}

/// One thing that cargo builds out of a package.
#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

/// One declared dependency.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package's real name.
    pub(crate) name: String,
    /// The name it is given in this manifest, if another.
    pub(crate) rename: Option<String>,
    /// Normal, dev or build.
    #[serde(default, deserialize_with = "null_is_normal")]
    pub(crate) kind: DependencyKind,
}

/// What a dependency is needed for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DependencyKind {
    /// Part of the product.
    #[default]
    Normal,
    /// Needed by tests, examples and benches only.
    Dev,
    /// Needed by the build script.
    Build,
}

/// Cargo writes `null` for a normal dependency.
fn null_is_normal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<DependencyKind, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_and_read() {
        let workspace = Workspace::locate().unwrap();
        let metadata = workspace.metadata().unwrap();
        assert_eq!(metadata.workspace_root.canonicalize().unwrap(), workspace.root());
        assert!(metadata.packages.iter().any(|p| p.name == "xtask"), "the xtask package is a member");
        assert!(metadata.has_target("xtask", "bin"));
        assert!(!metadata.has_target("xtask", "bench"));
    }

    #[test]
    fn a_dependency_without_a_kind_is_a_normal_one() {
        let read = |kind: &str| {
            let json = format!(r#"{{"name": "serde", "rename": null, "kind": {kind}}}"#);
            serde_json::from_str::<Dependency>(&json).unwrap().kind
        };
        assert_eq!(read("null"), DependencyKind::Normal);
        assert_eq!(read(r#""dev""#), DependencyKind::Dev);
        assert_eq!(read(r#""build""#), DependencyKind::Build);
    }
}
