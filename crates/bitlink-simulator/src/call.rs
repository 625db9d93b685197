//! Requests as cgminer reads them (cgminer `api.c`).

use crate::face::Form;
use serde_json::Value;

/// A request, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) form: Form,
    pub(crate) command: Result<String, CallError>,
    pub(crate) parameter: Option<String>,
    /// The whole request where it was JSON, for firmwares that look at other keys.
    pub(crate) json: Option<Value>,
}

/// Why a request names no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallError {
    /// Not JSON, or no object.
    NotJson,
    /// No `command` key.
    Missing,
    /// `command` is no text.
    NotText,
}

/// What one `recv` of the reference server takes; the rest of a longer request is never read.
pub(crate) const REQUEST_BYTES: usize = 4095;

impl Call {
    /// Reads a request: JSON if and only if its first byte is `{`, text otherwise. `keys` are the names the command
    /// may go by, the first that is there counts.
    pub(crate) fn read(request: &[u8], keys: &[&str]) -> Self {
        let request = request.get(..REQUEST_BYTES).unwrap_or(request);
        if request.first() != Some(&b'{') {
            let text = String::from_utf8_lossy(request);
            let (command, parameter) = match text.split_once('|') {
                Some((command, parameter)) => (command, Some(parameter.to_owned())),
                None => (text.as_ref(), None),
            };
            return Self { form: Form::Text, command: Ok(command.to_owned()), parameter, json: None };
        }
        let Ok(json) = serde_json::from_slice::<Value>(request) else {
            return Self { form: Form::Json, command: Err(CallError::NotJson), parameter: None, json: None };
        };
        let command = match keys.iter().find_map(|key| json.get(key)) {
            Some(Value::String(command)) => Ok(command.clone()),
            Some(_) => Err(CallError::NotText),
            None => Err(CallError::Missing),
        };
        let parameter = match json.get("parameter") {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => whole.to_string(),
                (None, Some(real)) => format!("{real:.6}"),
                (None, None) => number.to_string(),
            }),
            _ => None,
        };
        Self { form: Form::Json, command, parameter, json: Some(json) }
    }
}
