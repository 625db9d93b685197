//! The files of the workspace in memory, so that the rules do no I/O of their own.
//!
//! It reads what belongs to the project and nothing that was built or downloaded. It judges nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

/// Names that no file of the project is under, wherever they lie; a `.git` may be a file too.
const NOT_OURS: [&str; 5] = [".git", "target", "node_modules", ".venv", "__pycache__"];

/// Folders, by their path, that a fuzzer fills.
const FUZZERS: [&str; 2] = ["fuzz/corpus", "fuzz/artifacts"];

/// Every file of the project by its path from the root, with `/` between the folders.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The text of each file; `None` for one that is not text.
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads the files under `root`.
    ///
    /// # Errors
    ///
    /// When a folder or file cannot be read.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let relative = format!("{prefix}{name}");
            if NOT_OURS.contains(&name.as_str()) || FUZZERS.contains(&relative.as_str()) {
                continue;
            }
            let kind = entry.file_type().with_context(|| format!("cannot look at {}", path.display()))?;
            if kind.is_dir() {
                // Cargo marks the folder that it fills, whatever it is called.
                if !path.join("CACHEDIR.TAG").exists() {
                    self.read_folder(&path, &format!("{relative}/"))?;
                }
            } else if kind.is_file() {
                let bytes = match fs::read(&path) {
                    Ok(bytes) => bytes,
                    // A test or an editor may take a file of its own away while we read.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => {
                        return Err(error).with_context(|| format!("cannot read {}", path.display()));
                    }
                };
                let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
                self.files.insert(relative, text);
            }
        }
        Ok(())
    }

    /// The text files with their paths, in the order of the paths.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text of one file, if it exists and is text.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether there is a file or a folder of this path; the root is the empty path.
    pub(super) fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        if path.is_empty() || self.files.contains_key(path) {
            return true;
        }
        let inside = format!("{path}/");
        self.files.range(inside.clone()..).next().is_some_and(|(first, _)| first.starts_with(&inside))
    }
}

/// A made-up tree, for the tests of the rules.
#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Tree {
    fn from(files: [(&str, &str); N]) -> Self {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), Some(text.to_owned())));
        Self { files: files.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn files_and_folders_exist_and_others_do_not() {
        let tree = Tree::from([("docs/a.md", ""), ("docs-old.md", "")]);
        for there in ["", "docs", "docs/", "docs/a.md", "docs-old.md"] {
            assert!(tree.exists(there), "{there:?}");
        }
        for not_there in ["doc", "docs/b.md", "a.md"] {
            assert!(!tree.exists(not_there), "{not_there:?}");
        }
    }

    #[test]
    fn the_workspace_is_read_without_what_was_built() {
        let tree = Tree::read(Workspace::locate().unwrap().root()).unwrap();
        assert!(tree.text("Cargo.toml").is_some());
        assert!(tree.text("xtask/src/tidy/tree.rs").is_some());
        assert!(!tree.exists("target"));
        assert!(!tree.exists(".git"));
    }
}
