//! What the error codes of firmware mean: text, component and severity.
//!
//! The codes are data, `data/errors-*.tsv`, whose heads say where they come from. A code that is in no table is told by
//! its number.

use bitlink_model::{Component, DeviceError, Severity};

/// Whose codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultTable {
    /// MicroBT's, of every version of the API.
    Whatsminer,
    /// Bitmain's, as the service on port 6060 tells them.
    Antminer,
    /// Innosilicon's.
    Innosilicon,
    /// Those of Auradine's lights.
    Auradine,
}

impl FaultTable {
    /// Every table.
    pub const ALL: [Self; 4] = [Self::Whatsminer, Self::Antminer, Self::Innosilicon, Self::Auradine];

    const fn text(self) -> &'static str {
        match self {
            Self::Whatsminer => include_str!("../data/errors-whatsminer.tsv"),
            Self::Antminer => include_str!("../data/errors-antminer.tsv"),
            Self::Innosilicon => include_str!("../data/errors-innosilicon.tsv"),
            Self::Auradine => include_str!("../data/errors-auradine.tsv"),
        }
    }

    /// The rows without the head. The tables are small and errors are few: they are read anew each time.
    fn rows(self) -> impl Iterator<Item = &'static str> {
        self.text().lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    /// What a code means; `None` for a code that is not in the table.
    pub fn find(self, code: &str) -> Option<DeviceError> {
        let code = code.trim();
        let matching =
            |row: &'static str| Some((Row::parse(row)?, Places::of(row.split('\t').next()?, code)?));
        let rows = || self.rows().filter_map(matching);
        let (row, places) = rows().find(|(_, places)| places.exact).or_else(|| rows().next())?;
        Some(row.error(code, &places))
    }

    /// What a code means, or that it is a code.
    pub fn error(self, code: &str) -> DeviceError {
        self.find(code).unwrap_or_else(|| {
            DeviceError::new(Severity::Warning, format!("firmware error {code}")).with_code(code)
        })
    }
}

/// A row of a table.
struct Row {
    about: &'static str,
    component: Component,
    severity: Severity,
    meaning: &'static str,
}

impl Row {
    /// `None` where the row is not as the head of the table says.
    fn parse(row: &'static str) -> Option<Self> {
        let mut columns = row.split('\t').skip(1);
        let about = columns.next()?;
        let component = match about {
            "fan" => Component::Fan(None),
            "fan0" => Component::Fan(Some(0)),
            "fan1" => Component::Fan(Some(1)),
            "psu" => Component::Psu,
            "board" => Component::Board(None),
            "temperature" => Component::Temperature,
            "pool" => Component::Pool,
            "control" => Component::ControlBoard,
            "firmware" => Component::Firmware,
            _ => return None,
        };
        let severity = match columns.next()? {
            "info" => Severity::Info,
            "warning" => Severity::Warning,
            "critical" => Severity::Critical,
            _ => return None,
        };
        let meaning = columns.next().filter(|text| !text.is_empty())?;
        columns.next().is_none().then_some(Self { about, component, severity, meaning })
    }

    fn error(&self, code: &str, places: &Places) -> DeviceError {
        let slot = places.slot.filter(|slot| *slot != ALL_SLOTS);
        let meaning = self.meaning.replace("{n}", &places.number);
        let message = match (slot, places.chip) {
            (Some(slot), Some(chip)) => format!("board {slot}, chip {chip}: {meaning}"),
            (Some(slot), None) => format!("board {slot}: {meaning}"),
            (None, _) => meaning,
        };
        let component = if self.about == "board" { Component::Board(slot) } else { self.component };
        DeviceError::new(self.severity, message).with_code(code).about(component)
    }
}

/// In the place of a slot this stands for all of them, or for the control board.
const ALL_SLOTS: u32 = 9;

/// What the letters of a pattern stand for in a code.
#[derive(Debug, Default)]
struct Places {
    exact: bool,
    slot: Option<u32>,
    chip: Option<u32>,
    number: String,
}

impl Places {
    /// `None` where the code is not of this pattern.
    fn of(pattern: &str, code: &str) -> Option<Self> {
        let mut places = Self { exact: pattern == code, ..Self::default() };
        if pattern.len() != code.len() {
            return None;
        }
        for (wanted, found) in pattern.chars().zip(code.chars()) {
            let digit = found.to_digit(10);
            match wanted {
                'x' => places.slot = Some(digit?),
                'b' => places.chip = Some(places.chip.unwrap_or(0) * 10 + digit?),
                'n' if digit.is_some() => places.number.push(found),
                _ if wanted == found => {}
                _ => return None,
            }
        }
        Some(places)
    }
}

#[cfg(test)]
mod tests {
    //! The tables themselves, and codes decoded by them.
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_is_as_the_head_of_its_table_says_and_no_code_stands_twice() {
        for table in FaultTable::ALL {
            let mut codes = BTreeSet::new();
            for row in table.rows() {
                assert!(Row::parse(row).is_some(), "{row:?}");
                assert!(codes.insert(row.split('\t').next().unwrap()), "{row:?}");
            }
            assert!(codes.len() > 5, "{table:?}");
        }
    }

    /// Message, component and severity of a code.
    fn check(table: FaultTable, code: &str, message: &str, component: Component, severity: Severity) {
        let error = table.find(code).unwrap();
        assert_eq!((error.message.as_str(), error.component), (message, Some(component)), "{code}");
        assert_eq!((error.severity, error.code.as_deref()), (severity, Some(code)));
    }

    #[test]
    fn whatsminer_codes_name_slot_and_chip() {
        let check = |code, message, component, severity| {
            check(FaultTable::Whatsminer, code, message, component, severity);
        };
        let (warning, critical) = (Severity::Warning, Severity::Critical);
        check(
            "110",
            "intake fan not detected, or its speed is 1000 rpm off",
            Component::Fan(Some(0)),
            warning,
        );
        check("238", "power supply: output over-current", Component::Psu, critical);
        check("531", "board 1: not found", Component::Board(Some(1)), warning);
        check("302", "board 2: temperature sensor not detected", Component::Temperature, warning);
        check("309", "no temperature sensor detected", Component::Temperature, critical);
        check("359", "over-temperature protection", Component::Temperature, critical);
        check("5072", "board 2: liquid flow abnormal", Component::Temperature, critical);
        check("5079", "liquid flows too slowly", Component::Temperature, critical);
        check("521087", "board 1, chip 87: wrong nonces", Component::Board(Some(1)), warning);
        check("9011", "mining program died of signal 11", Component::Firmware, critical);
        check("2021", "pool 1 cannot be reached", Component::Pool, warning);
        check("8532", "level 3: fan not up to standard", Component::Fan(None), warning);
        check("110001", "malware removed", Component::Firmware, critical);
    }

    #[test]
    fn the_codes_of_others() {
        let board = Component::Board(None);
        check(FaultTable::Antminer, "P:1", "too hot", Component::Temperature, Severity::Critical);
        check(FaultTable::Antminer, "J2:2", "chain 2: chips missing", board, Severity::Warning);
        check(FaultTable::Antminer, "J0:8", "not enough hash boards", board, Severity::Critical);
        check(FaultTable::Antminer, "L255:2", "mixed level unknown", board, Severity::Warning);
        check(FaultTable::Innosilicon, "24", "some hash boards out of reach", board, Severity::Warning);
        check(FaultTable::Auradine, "4", "temperature fault", Component::Temperature, Severity::Warning);
        assert_eq!(FaultTable::Auradine.find("2"), None, "all is well");
    }

    #[test]
    fn a_code_that_nobody_knows_is_told_as_it_is() {
        for code in ["", "7", "12", "999999", "53", "5x3", "52x", "é", "-1"] {
            assert_eq!(FaultTable::Whatsminer.find(code), None, "{code}");
        }
        let error = FaultTable::Whatsminer.error("4711");
        assert_eq!((error.message.as_str(), error.code.as_deref()), ("firmware error 4711", Some("4711")));
        assert_eq!((error.severity, error.component), (Severity::Warning, None));
    }
}
