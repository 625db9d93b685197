//! What people may change of a record, as a value: so that it can be checked before anything is changed, and be made from a
//! line of a sheet as well as from a command.

use super::{MinerRecord, Position};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What happens to one field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes unknown.
    Clear,
    /// It becomes this.
    Set(T),
}

/// What happens to the labels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelEdit {
    /// They stay as they are.
    #[default]
    Keep,
    /// They become these and no others.
    Replace(BTreeSet<String>),
    /// Some come and some go.
    Change {
        /// Those that come.
        add: BTreeSet<String>,
        /// Those that go; what is not there need not go.
        remove: BTreeSet<String>,
    },
}

/// What people change of a record. By default nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are those of `Position` and `MinerRecord`")]
pub struct RecordEdit {
    pub site: Edit<String>,
    pub building: Edit<String>,
    pub rack: Edit<String>,
    pub shelf: Edit<String>,
    pub slot: Edit<String>,
    pub labels: LabelEdit,
    pub notes: Edit<String>,
}

/// Why an edit is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// User: nothing where something must be.
    #[error("{field} is empty")]
    Empty {
        /// Of which field.
        field: &'static str,
    },
    /// User: longer than is kept.
    #[error("{field} has {length} characters, and at most {most} are kept")]
    TooLong {
        /// Of which field.
        field: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// User: a character that does not print.
    #[error("{field} holds a character that does not print (U+{code:04X})")]
    Unprintable {
        /// Of which field.
        field: &'static str,
        /// The character.
        code: u32,
    },
    /// User: a character with a meaning of its own in a sheet.
    #[error("a label may not hold a semicolon: {label:?}")]
    Semicolon {
        /// The label.
        label: String,
    },
    /// User: more labels than are kept.
    #[error("a machine may have {most} labels, and this would be {count}")]
    TooManyLabels {
        /// How many there would be.
        count: usize,
        /// How many there may be.
        most: usize,
    },
}

impl RecordEdit {
    /// Most characters of one part of a position.
    pub const LONGEST_PART: usize = 64;
    /// Most characters of a label.
    pub const LONGEST_LABEL: usize = 64;
    /// Most labels of a machine.
    pub const MOST_LABELS: usize = 32;
    /// Most characters of the notes.
    pub const LONGEST_NOTES: usize = 4_000;

    /// Whether it changes nothing, whatever the record.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The whole position, absent parts cleared.
    #[must_use]
    pub fn with_position(mut self, position: &Position) -> Self {
        let part = |part: &Option<String>| part.clone().map_or(Edit::Clear, Edit::Set);
        self.site = part(&position.site);
        self.building = part(&position.building);
        self.rack = part(&position.rack);
        self.shelf = part(&position.shelf);
        self.slot = part(&position.slot);
        self
    }

    /// Applies it, and says whether that changed anything. A refused edit changes nothing.
    ///
    /// # Errors
    /// [`EditError`] for texts that cannot be kept.
    pub fn apply(&self, record: &mut MinerRecord) -> Result<bool, EditError> {
        let mut position = record.position.clone();
        for (field, edit, slot) in [
            ("site", &self.site, &mut position.site),
            ("building", &self.building, &mut position.building),
            ("rack", &self.rack, &mut position.rack),
            ("shelf", &self.shelf, &mut position.shelf),
            ("slot", &self.slot, &mut position.slot),
        ] {
            match edit {
                Edit::Keep => {}
                Edit::Clear => *slot = None,
                Edit::Set(text) => *slot = Some(one_line(field, text, Self::LONGEST_PART)?),
            }
        }
        let labels = self.labels_after(&record.labels)?;
        let notes = match &self.notes {
            Edit::Keep => record.notes.clone(),
            Edit::Clear => String::new(),
            Edit::Set(text) => checked("the notes", text.trim(), Self::LONGEST_NOTES, &['\n', '\t'])?,
        };
        let changed = position != record.position || labels != record.labels || notes != record.notes;
        record.position = position;
        record.labels = labels;
        record.notes = notes;
        Ok(changed)
    }

    fn labels_after(&self, before: &BTreeSet<String>) -> Result<BTreeSet<String>, EditError> {
        let label = |text: &String| {
            let label = one_line("a label", text, Self::LONGEST_LABEL)?;
            if label.contains(';') { Err(EditError::Semicolon { label }) } else { Ok(label) }
        };
        let labels = match &self.labels {
            LabelEdit::Keep => return Ok(before.clone()),
            LabelEdit::Replace(labels) => labels.iter().map(label).collect::<Result<BTreeSet<_>, _>>()?,
            LabelEdit::Change { add, remove } => {
                let mut labels = before.clone();
                labels.retain(|label| !remove.iter().any(|gone| gone.trim() == label));
                for text in add {
                    labels.insert(label(text)?);
                }
                labels
            }
        };
        if labels.len() > Self::MOST_LABELS {
            return Err(EditError::TooManyLabels { count: labels.len(), most: Self::MOST_LABELS });
        }
        Ok(labels)
    }
}

fn one_line(field: &'static str, text: &str, most: usize) -> Result<String, EditError> {
    let text = text.trim();
    if text.is_empty() { Err(EditError::Empty { field }) } else { checked(field, text, most, &[]) }
}

/// A text that people wrote, if it is one that can be shown to people.
fn checked(field: &'static str, text: &str, most: usize, also: &[char]) -> Result<String, EditError> {
    let length = text.chars().count();
    if length > most {
        return Err(EditError::TooLong { field, length, most });
    }
    match text.chars().find(|c| !also.contains(c) && (c.is_control() || is_invisible(*c))) {
        Some(c) => Err(EditError::Unprintable { field, code: u32::from(c) }),
        None => Ok(text.to_owned()),
    }
}

/// Characters that turn a line around, or that nobody sees.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{feff}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
