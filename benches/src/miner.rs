//! Miners that answer from the fixtures of the protocol crate, their replies with and without the usual defect, and a
//! way to hold a conversation with them without a transport.

use bitlink_protocol::model::MinerSnapshot;
use bitlink_protocol::{
    Answers, ApiReply, Auth, Completion, Conversation, Dialect, Evidence, ExchangeFailure, Identified,
    Identify, Oddities, ProtocolError, Question, ReadMiner, ReadSnapshot, Reply, Request, Step,
};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

/// What came of one question.
pub type Outcome = Result<Reply, ExchangeFailure>;

/// One fixture for each way of answering that is known: what it stands for, and the file.
pub const DIALECTS: [(&str, &str); 7] = [
    ("antminer", "antminer-s19-pro"),
    ("antminer_old", "antminer-old-s9"),
    ("whatsminer_v2", "whatsminer-m50-v2"),
    ("whatsminer_v1", "whatsminer-m30s-v1"),
    ("avalon", "avalon-a1246"),
    ("cgminer", "cgminer-generic"),
    ("bfgminer", "bfgminer-refuses-joined"),
];

/// A miner that gives the answers of a fixture.
#[derive(Debug, Clone)]
pub struct CannedMiner {
    replies: HashMap<String, Vec<u8>>,
}

impl CannedMiner {
    /// Reads a fixture of the protocol crate, by name.
    pub fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/bitlink-protocol/fixtures");
        let path = folder.join(format!("{name}.txt"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let sections = text.split(">>> ").skip(1).filter_map(|section| section.split_once('\n'));
        let replies = sections
            .map(|(command, reply)| {
                (command.trim().to_owned(), reply.strip_suffix('\n').unwrap_or(reply).as_bytes().to_vec())
            })
            .collect();
        Self { replies }
    }

    /// A generic miner that says as little as a reading needs.
    pub fn terse() -> Self {
        let reply = |command: &str, bytes: &[u8]| (command.to_owned(), bytes.to_vec());
        let replies = [
            reply("*joined*", b""),
            reply("*refusal*", br#"{"STATUS":[{"STATUS":"E","Code":14}]}"#),
            reply("version", br#"{"VERSION":[{"CGMiner":"4.11.1","API":"3.7"}]}"#),
            reply("summary", br#"{"SUMMARY":[{"Elapsed":4000,"MHS 5s":13500000,"MHS av":13500000}]}"#),
        ];
        Self { replies: replies.into() }
    }

    /// Its longest reply, made [sound].
    pub fn longest_reply(&self) -> Vec<u8> {
        self.replies.values().map(|reply| sound(reply)).max_by_key(Vec::len).expect("a reply")
    }

    /// The bytes of the answer to a request; none when it closes without a byte.
    pub fn answer(&self, request: &[u8]) -> Vec<u8> {
        let request: serde_json::Value = serde_json::from_slice(request).expect("a request in JSON");
        let command = request.get("command").and_then(|c| c.as_str()).expect("a command");
        if !command.contains('+') || !self.replies.contains_key("*joined*") {
            return self.one(command);
        }
        let mut joined = b"{".to_vec();
        for part in command.split('+') {
            joined.extend_from_slice(format!("\"{part}\":[").as_bytes());
            joined.extend(self.one(part));
            joined.extend_from_slice(b"],");
        }
        joined.extend_from_slice(b"\"id\":1}");
        joined
    }

    fn one(&self, command: &str) -> Vec<u8> {
        self.replies.get(command).or_else(|| self.replies.get("*refusal*")).cloned().unwrap_or_default()
    }

    fn talk<C: Conversation>(&self, conversation: C) -> (Vec<(Request, Outcome)>, C::Output) {
        talk(conversation, |request| self.answer(request))
    }

    /// The outcomes of all questions that a first reading asks, in order.
    pub fn first_reading(&self) -> Vec<Outcome> {
        self.talk(ReadMiner::new()).0.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// What a first reading finds out about it, and the outcomes of all questions that any later one asks.
    pub fn later_reading(&self) -> (Identified, Vec<Outcome>) {
        let identified = self.talk(ReadMiner::new()).1.identified;
        let (talk, _) = self.talk(ReadMiner::again(identified.clone()));
        (identified, talk.into_iter().map(|(_, outcome)| outcome).collect())
    }

    /// Every request that a first and a later reading send, with the bytes of the reply.
    pub fn requests(&self) -> HashMap<Vec<u8>, Vec<u8>> {
        let (mut asked, reading) = self.talk(ReadMiner::new());
        asked.extend(self.talk(ReadMiner::again(reading.identified)).0);
        let requests = asked.into_iter().filter_map(|(request, _)| match request {
            Request::Api(request) => Some(request.bytes.into_owned()),
            _ => None,
        });
        requests.map(|request| (request.clone(), self.answer(&request))).collect()
    }

    /// Its dialect and the decoded answers from which the dialect reads a snapshot.
    pub fn answers(&self) -> (&'static dyn Dialect, Answers) {
        let identified = self.talk(Identify::new()).1;
        let dialect = identified.dialect;
        // Lives as long as the process: a conversation holds its dialect for ever.
        let listener: &'static Listener = Box::leak(Box::new(Listener { dialect, heard: Mutex::default() }));
        self.talk(ReadSnapshot::new(Identified { dialect: listener, ..identified }));
        let heard = listener.heard.lock().expect("no panic while it was held").take();
        (dialect, heard.expect("a reading"))
    }
}

/// A dialect that keeps the answers which another one reads.
#[derive(Debug)]
struct Listener {
    dialect: &'static dyn Dialect,
    heard: Mutex<Option<Answers>>,
}

impl Dialect for Listener {
    fn family(&self) -> bitlink_protocol::model::Family {
        self.dialect.family()
    }

    fn claims(&self, evidence: &Evidence) -> bool {
        self.dialect.claims(evidence)
    }

    fn identity(&self, heard: &Answers, oddities: &Oddities) -> bitlink_protocol::model::Identity {
        self.dialect.identity(heard, oddities)
    }

    fn questions(&self) -> &'static [Question] {
        self.dialect.questions()
    }

    fn joins(&self) -> bool {
        self.dialect.joins()
    }

    fn more_questions(&self, heard: &Answers) -> &'static [Question] {
        self.dialect.more_questions(heard)
    }

    fn auth(&self) -> Auth {
        self.dialect.auth()
    }

    fn read(&self, answers: &Answers, snapshot: &mut MinerSnapshot, oddities: &Oddities) {
        *self.heard.lock().expect("no panic while it was held") = Some(answers.clone());
        self.dialect.read(answers, snapshot, oddities);
    }
}

/// Holds a conversation with whatever answers, and returns what was asked and answered beside the result. An empty
/// answer stands for a connection that is closed without a byte, a NUL at the end for itself.
fn talk<C: Conversation>(
    mut conversation: C,
    answer: impl Fn(&[u8]) -> Vec<u8>,
) -> (Vec<(Request, Outcome)>, C::Output) {
    let mut talk = Vec::new();
    let mut step = conversation.step(None);
    loop {
        match step {
            Step::Ask(request) => {
                let outcome = outcome(&request, &answer);
                talk.push((request, outcome.clone()));
                step = conversation.step(Some(outcome));
            }
            Step::Done(result) => return (talk, result.expect("a miner that can be read")),
        }
    }
}

fn outcome(request: &Request, answer: impl Fn(&[u8]) -> Vec<u8>) -> Outcome {
    let Request::Api(request) = request else { return Err(ExchangeFailure::Refused) };
    let mut bytes = answer(&request.bytes);
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(ExchangeFailure::ClosedWithoutReply);
    }
    Ok(Reply::Api(ApiReply { bytes, completion: Completion::Terminated }))
}

/// Runs a conversation on outcomes in order.
pub fn drive<C: Conversation>(
    mut conversation: C,
    outcomes: impl IntoIterator<Item = Outcome>,
) -> Result<C::Output, ProtocolError> {
    let mut outcomes = outcomes.into_iter();
    let mut step = conversation.step(None);
    loop {
        match step {
            Step::Ask(_) => {
                let outcome = outcomes.next().unwrap_or(Err(ExchangeFailure::TimedOut));
                step = conversation.step(Some(outcome));
            }
            Step::Done(result) => return result,
        }
    }
}

/// A reply as it should be: with a comma between all its records.
pub fn sound(reply: &[u8]) -> Vec<u8> {
    replaced(reply, "\"}{\"", "\"},{\"")
}

/// The same reply without the commas between its records, as bmminer prints its `stats`; where it has no two records,
/// without the one behind its status.
pub fn defective(reply: &[u8]) -> Vec<u8> {
    let without = replaced(reply, "},{", "}{");
    if without == reply { replaced(reply, "}],\"", "}]\"") } else { without }
}

fn replaced(reply: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(reply).replace(from, to).into_bytes()
}

/// A `stats` reply of some 4.4 kB, as an Antminer of the S9's time prints it: sixteen slots for chains, most of them
/// empty, and every chip of the others as a letter.
pub fn long_stats() -> Vec<u8> {
    let mut fields: Vec<String> = Vec::new();
    let mut put = |key: String, value: &str| fields.push(format!("\"{key}\":{value}"));
    put("GHS 5s".into(), "\"13495.48\"");
    put("GHS av".into(), "13480.22");
    put("miner_count".into(), "3");
    put("frequency".into(), "\"550\"");
    put("fan_num".into(), "2");
    let used = |slot: u32| (6..=8).contains(&slot);
    let pick = |slot: u32, value: &'static str, empty: &'static str| if used(slot) { value } else { empty };
    for slot in 1..=8 {
        put(format!("fan{slot}"), if slot == 3 || slot == 6 { "4560" } else { "0" });
    }
    for slot in 1..=16 {
        put(format!("temp{slot}"), pick(slot, "62", "0"));
        put(format!("temp2_{slot}"), pick(slot, "77", "0"));
        put(format!("temp3_{slot}"), "0");
        put(format!("freq_avg{slot}"), pick(slot, "550.00", "0.00"));
        put(format!("chain_rateideal{slot}"), pick(slot, "4500.42", "0.00"));
        put(format!("chain_acn{slot}"), pick(slot, "63", "0"));
        let chips = "\" oooooooo oooooooo oooooooo oooooooo oooooooo oooooooo oooooooo ooooooo\"";
        put(format!("chain_acs{slot}"), pick(slot, chips, "\"\""));
        put(format!("chain_hw{slot}"), pick(slot, "40", "0"));
        put(format!("chain_rate{slot}"), pick(slot, "\"4498.16\"", "\"\""));
        put(format!("chain_xtime{slot}"), pick(slot, "\"{X3=1,X8=2}\"", "\"\""));
        put(format!("chain_offside_{slot}"), "\"0\"");
        put(format!("chain_opencore_{slot}"), pick(slot, "\"1\"", "\"0\""));
        put(format!("freq{slot}"), pick(slot, "550", "0"));
        put(format!("temp_pcb{slot}"), pick(slot, "\"62-59-61-60\"", "\"\""));
    }
    put("miner_id".into(), "\"0000000000000003\"");
    let status =
        r#"{"STATUS":"S","When":1700000100,"Code":70,"Msg":"BMMiner stats","Description":"bmminer 1.0.0"}"#;
    let header = r#"{"BMMiner":"2.0.0","Miner":"30.0.1.3","CompileTime":"Wed Jan 23 17:03:13 CST 2019","Type":"Antminer S9"}"#;
    let record = format!(r#"{{"STATS":0,"ID":"BC50","Elapsed":86400,{}}}"#, fields.join(","));
    format!(r#"{{"STATUS":[{status}],"STATS":[{header},{record}],"id":1}}"#).into_bytes()
}

#[cfg(test)]
mod tests {
    //! The material of the benchmarks is what it says it is.
    use super::*;
    use bitlink_protocol::decode;

    fn anomalies(bytes: &[u8]) -> usize {
        decode("stats", &ApiReply::terminated(bytes)).unwrap().anomalies.len()
    }

    #[test]
    fn sound_replies_need_no_mending_and_defective_ones_do() {
        let longest = DIALECTS.map(|(_, fixture)| CannedMiner::load(fixture).longest_reply());
        for reply in longest.into_iter().chain([long_stats()]) {
            assert_eq!(anomalies(&reply), 0, "{}", String::from_utf8_lossy(&reply));
            assert_eq!(anomalies(&defective(&reply)), 1, "{}", String::from_utf8_lossy(&reply));
            assert_eq!(sound(&reply), reply);
        }
    }

    #[test]
    fn the_long_reply_is_as_long_as_said() {
        assert!((4_300..4_500).contains(&long_stats().len()), "{}", long_stats().len());
    }

    #[test]
    fn a_dialect_reads_from_the_answers_what_a_conversation_reads() {
        for (label, fixture) in DIALECTS {
            let miner = CannedMiner::load(fixture);
            let (dialect, answers) = miner.answers();
            let mut snapshot = MinerSnapshot::default();
            dialect.read(&answers, &mut snapshot, &Oddities::default());
            snapshot.derive();
            let (identified, outcomes) = miner.later_reading();
            let read = drive(ReadMiner::again(identified), outcomes).unwrap().snapshot;
            assert_eq!(snapshot.hashrate.average, read.hashrate.average, "{label}");
            assert_eq!(snapshot.boards.len(), read.boards.len(), "{label}");
            assert!(!read.hashrate.current().is_none_or(|rate| rate.as_hs() <= 0.0), "{label}");
        }
    }

    #[test]
    fn the_terse_miner_can_be_read() {
        let reading = drive(ReadMiner::new(), CannedMiner::terse().first_reading()).unwrap();
        assert!(reading.snapshot.hashrate.current().is_some());
    }
}
