//! Taking a sheet in: every line must name one machine that is known, and then all of them are applied together.

use super::{FleetRegistry, RegistryFailure};
use bitlink_model::{MinerId, MinerRecord, RecordEdit};
use bitlink_monitor::Registry;
use bitlink_store::sheet::{self, LineError, Row, RowKey};
use std::collections::HashMap;
use std::io;

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Lines that were applied.
    pub lines: usize,
    /// Machines that are different now.
    pub changed: usize,
    /// Lines that were left out, where that was allowed.
    pub left_out: Vec<LineError>,
}

impl FleetRegistry {
    /// Takes positions, labels and notes from a sheet ([`sheet`]), and keeps them. Unless `partial`, one line that cannot be used
    /// means that nothing is changed. `dry` only looks.
    ///
    /// # Errors
    /// [`RegistryFailure::Sheet`], [`RegistryFailure::Lines`] and others; then nothing has changed.
    pub fn import(
        &mut self,
        from: impl io::Read,
        partial: bool,
        dry: bool,
    ) -> Result<Imported, RegistryFailure> {
        let Resolved { edits, left_out } = resolve(&self.registry, from, partial)?;
        let lines = edits.len();
        let changed = if dry {
            edits.iter().filter(|(_, _, changes)| *changes).count()
        } else {
            self.edit_each(&edits.iter().map(|(id, edit, _)| (*id, edit)).collect::<Vec<_>>())?
        };
        Ok(Imported { lines, changed, left_out })
    }
}

/// What a sheet says of each machine, for whoever changes a registry that a service has. All of it can be used.
///
/// # Errors
/// [`RegistryFailure::Sheet`] and [`RegistryFailure::Lines`].
pub fn sheet_edits(
    registry: &Registry,
    from: impl io::Read,
) -> Result<Vec<(MinerId, RecordEdit)>, RegistryFailure> {
    let Resolved { edits, .. } = resolve(registry, from, false)?;
    Ok(edits.into_iter().map(|(id, edit, _)| (id, edit)).collect())
}

/// Whom the lines of a sheet mean.
struct Resolved {
    /// What becomes of whom, and whether it is something else than it was.
    edits: Vec<(MinerId, RecordEdit, bool)>,
    left_out: Vec<LineError>,
}

fn resolve(registry: &Registry, from: impl io::Read, partial: bool) -> Result<Resolved, RegistryFailure> {
    let rows = sheet::read(from)?;
    let total = rows.len();
    let mut edits = Vec::with_capacity(total);
    let mut left_out = Vec::new();
    let mut named: HashMap<MinerId, u64> = HashMap::new();
    let keys = Keys::of(registry.records().map(AsRef::as_ref));
    for row in rows {
        let resolved = row.and_then(|row| {
            let Row { line, key, edit } = row;
            let wrong = |what| LineError { line, what };
            let id = keys.machine(&key).map_err(wrong)?;
            if let Some(earlier) = named.insert(id, line) {
                return Err(wrong(format!("the miner of line {earlier} is named again")));
            }
            let mut copy = registry.get(id).map(|record| MinerRecord::clone(record));
            let would = copy.as_mut().map(|record| edit.apply(record)).transpose();
            let would = would.map_err(|error| wrong(error.to_string()))?;
            Ok((id, edit, would == Some(true)))
        });
        match resolved {
            Ok(edit) => edits.push(edit),
            Err(error) => left_out.push(error),
        }
    }
    if !left_out.is_empty() && !partial {
        return Err(RegistryFailure::Lines { lines: left_out, total });
    }
    Ok(Resolved { edits, left_out })
}

/// By what machines can be named. Evidence that several have names none of them.
struct Keys<'a> {
    records: HashMap<MinerId, &'a MinerRecord>,
    by: HashMap<String, Vec<MinerId>>,
}

impl<'a> Keys<'a> {
    fn of(records: impl Iterator<Item = &'a MinerRecord>) -> Self {
        let mut keys = Self { records: HashMap::new(), by: HashMap::new() };
        for record in records {
            keys.records.insert(record.id, record);
            let mac = record.mac().map(|mac| mac.to_string());
            let serial = record.serial().map(serial_key);
            let ip = record.endpoint.map(|endpoint| endpoint.ip().to_string());
            for key in [mac, serial, ip].into_iter().flatten() {
                keys.by.entry(key).or_default().push(record.id);
            }
        }
        keys
    }

    /// The one machine that everything in a line's key names.
    fn machine(&self, key: &RowKey) -> Result<MinerId, String> {
        let mut found: Option<(MinerId, String)> = None;
        let mut agree = |name: String, ids: &[MinerId]| {
            let id = match ids {
                [] => return Err(format!("no miner is known by the {name}")),
                [id] => *id,
                ids => match &found {
                    // Several have it; what was given before says which of them.
                    Some((id, _)) if ids.contains(id) => *id,
                    _ => return Err(format!("{} miners have the {name}; name one by its id", ids.len())),
                },
            };
            match &found {
                Some((other, before)) if *other != id => {
                    Err(format!("the {before} is of {other}, and the {name} of {id}"))
                }
                Some(_) => Ok(()),
                None => {
                    found = Some((id, name));
                    Ok(())
                }
            }
        };
        let none = Vec::new();
        if let Some(id) = key.id {
            let ids: Vec<MinerId> = self.records.contains_key(&id).then_some(id).into_iter().collect();
            agree(format!("id {id}"), &ids)?;
        }
        if let Some(mac) = key.mac {
            agree(format!("hardware address {mac}"), self.by.get(&mac.to_string()).unwrap_or(&none))?;
        }
        if let Some(serial) = &key.serial {
            agree(format!("serial number {serial:?}"), self.by.get(&serial_key(serial)).unwrap_or(&none))?;
        }
        // An address is where it was when the sheet was written: it counts where nothing better is given.
        if let Some(ip) = key.ip
            && key.id.is_none()
            && key.mac.is_none()
            && key.serial.is_none()
        {
            let ids = self.by.get(&ip.to_string()).unwrap_or(&none);
            let at = |id: &&MinerId| {
                self.records.get(*id).and_then(|record| record.endpoint).is_some_and(|at| key.is_at(at))
            };
            let ids: Vec<MinerId> = ids.iter().filter(at).copied().collect();
            agree(format!("address {ip}"), &ids)?;
        }
        found.map(|(id, _)| id).ok_or_else(|| "no machine is named".to_owned())
    }
}

fn serial_key(serial: &str) -> String {
    format!("serial {}", serial.trim().to_ascii_uppercase())
}
