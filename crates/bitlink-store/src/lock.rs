//! One process at a time: a lock of the system's on a file beside the database, which is gone when the process is, however
//! that ended.

use crate::error::StoreError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// The right to write in a directory, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the right, making the directory where there is none.
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Directory { dir: dir.to_path_buf(), source: Arc::new(source) };
        make(dir).map_err(unusable)?;
        let path = dir.join("bitlink.lock");
        let mut open = OpenOptions::new();
        open.read(true).write(true).create(true).truncate(false);
        let mut file = open.open(&path).map_err(|source| match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                StoreError::ReadOnly { dir: dir.to_path_buf(), source: Arc::new(source) }
            }
            _ => unusable(source),
        })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Whoever has it may not have written its number yet, or another system may not let us read.
                let _ = Read::by_ref(&mut file).take(32).read_to_string(&mut text);
                return Err(StoreError::InUse { dir: dir.to_path_buf(), pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::file(&path, source)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|source| StoreError::file(&path, source))?;
        Ok(Self { _file: file })
    }
}

/// Makes the directory and those above it; what is in it is the operator's own business.
fn make(dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
