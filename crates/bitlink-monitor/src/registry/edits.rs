//! What people change of many machines at once.

use super::{Registry, RegistryError};
use bitlink_model::{MinerId, MinerRecord, RecordEdit, Timestamp};

impl Registry {
    /// Changes what people write about machines and forgets others, all or nothing. Says how many are different now.
    ///
    /// # Errors
    /// [`RegistryError`], and then nothing has changed.
    pub fn amend(
        &mut self,
        edits: &[(MinerId, &RecordEdit)],
        forget: &[MinerId],
        at: Timestamp,
    ) -> Result<usize, RegistryError> {
        let known = |id: MinerId| {
            let record = self.get(id).filter(|record| record.forgotten.is_none());
            record.ok_or(RegistryError::Unknown(id))
        };
        for (id, edit) in edits {
            edit.apply(&mut MinerRecord::clone(known(*id)?))?;
        }
        for id in forget {
            known(*id)?;
        }
        let mut changed = 0;
        for (id, edit) in edits {
            changed += usize::from(self.edit(*id, edit)?);
        }
        for id in forget {
            match self.forget(*id, at) {
                Ok(()) => changed += 1,
                // Named twice.
                Err(RegistryError::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(changed)
    }
}
