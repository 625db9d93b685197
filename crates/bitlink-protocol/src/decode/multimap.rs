//! Objects in which a key may stand more than once: some firmware prints one key for each of several sensors.
//!
//! The last value stays under the key, as every JSON reader has it; the earlier ones go under `key#1`, `key#2`, … in
//! their order, where [`Record::each`](crate::Record::each) finds them.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};
use std::fmt;

/// Earlier values that are kept of one key; a reply that repeats a key more often is not from a miner.
const MOST: u32 = 16;

/// Where the `n`-th earlier value of a key stands.
pub(crate) fn earlier_key(key: &str, n: u32) -> String {
    format!("{key}#{n}")
}

/// Puts a value under a key and keeps the one that stood there.
pub(super) fn put(map: &mut Map<String, Value>, key: String, value: Value) {
    match map.entry(key) {
        Entry::Vacant(place) => {
            place.insert(value);
        }
        Entry::Occupied(mut place) => {
            let earlier = place.insert(value);
            let key = place.key().clone();
            let free = (1..=MOST).map(|n| earlier_key(&key, n)).find(|key| !map.contains_key(key));
            if let Some(free) = free {
                map.insert(free, earlier);
            }
        }
    }
}

/// An object of JSON.
pub(super) struct Root(pub(super) Map<String, Value>);

/// A value of JSON.
struct Any(Value);

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RootVisitor;
        impl<'de> Visitor<'de> for RootVisitor {
            type Value = Root;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Root, A::Error> {
                object(entries).map(Root)
            }
        }
        deserializer.deserialize_map(RootVisitor)
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor).map(Any)
    }
}

fn object<'de, A: MapAccess<'de>>(mut entries: A) -> Result<Map<String, Value>, A::Error> {
    let mut map = Map::new();
    while let Some((key, Any(value))) = entries.next_entry()? {
        put(&mut map, key, value);
    }
    Ok(map)
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Any(value)) = items.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Value, A::Error> {
        object(entries).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    //! Repeated keys, and that nothing else reads differently.
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        Value::Object(serde_json::from_str::<Root>(text).unwrap().0)
    }

    #[test]
    fn the_last_of_several_values_counts_and_the_others_are_kept() {
        let all = read(r#"{"t":1,"t":2,"s":[{"t":5,"t":6}],"t":3,"t#1":9}"#);
        // A key that is really called so is no worse off than any other.
        assert_eq!(all, json!({"t": 3, "t#1": 9, "t#1#1": 1, "t#2": 2, "s": [{"t": 6, "t#1": 5}]}));
    }

    #[test]
    fn a_hostile_reply_does_not_grow() {
        let many = format!("{{{}\"t\":0}}", "\"t\":7,".repeat(10_000));
        assert_eq!(read(&many).as_object().unwrap().len(), 1 + MOST as usize);
    }

    #[test]
    fn everything_else_reads_as_always() {
        let text =
            r#"{"a":null,"b":true,"c":[-1,2,0.1,1e300,18446744073709551615],"d":{"é":"\u0041\n"},"e":""}"#;
        assert_eq!(read(text), serde_json::from_str::<Value>(text).unwrap());
        assert!(serde_json::from_str::<Root>("[]").is_err());
        assert!(serde_json::from_str::<Root>(&"{\"a\":".repeat(1000)).is_err(), "depth is bounded");
    }
}
