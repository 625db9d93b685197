//! What no single reading says: proven against reported hash rate, and parts that were there yesterday.

use super::*;

/// A miner whose shares come by chance, as many as it really works for.
struct Worker {
    patient: Patient,
    chance: u64,
    shares: u64,
    difficulty: f64,
    /// Difficulty of a share.
    each: f64,
}

impl Worker {
    /// Shares of such a difficulty that a rate of 110 TH/s gives one in so many seconds.
    fn one_in(seconds: f64, seed: u64) -> Self {
        let each = 110e12 * seconds / 4_294_967_296.0;
        Self { patient: patient(), chance: seed, shares: 0, difficulty: 0.0, each }
    }

    /// Evenly from 0 to 1.
    fn chance(&mut self) -> f64 {
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.chance >> 32).unwrap()) / f64::from(u32::MAX)
    }

    /// Shares of ten seconds' work at a part of the reported rate.
    fn poisson(&mut self, part: f64) -> u32 {
        let mean = part * 10.0 * 110e12 / 4_294_967_296.0 / self.each;
        let (least, mut product, mut count) = ((-mean).exp(), self.chance(), 0);
        while product > least {
            product *= self.chance();
            count += 1;
        }
        count
    }

    fn minutes(&mut self, minutes: u64, part: f64) -> &mut Self {
        for _ in 0..minutes * 6 {
            let found = self.poisson(part);
            self.shares += u64::from(found);
            self.difficulty += f64::from(found) * self.each;
            let (shares, difficulty) = (self.shares, self.difficulty);
            self.patient.set(|r| {
                r.shares.accepted = Some(shares);
                r.shares.difficulty_accepted = bitlink_model::Difficulty::from_shares(difficulty).ok();
            });
            self.patient.step();
        }
        self
    }

    fn raised(&self) -> Option<Severity> {
        self.patient.severity(&rule::SHARE_RATE_LOW)
    }
}

#[test]
fn a_miner_that_tells_the_truth_is_never_suspected() {
    for (seed, seconds) in [(1, 5.0), (2, 6.0), (3, 15.0), (4, 30.0)] {
        let mut worker = Worker::one_in(seconds, seed);
        for hour in 0..200 {
            worker.minutes(60, 1.0);
            assert_eq!(worker.raised(), None, "seed {seed}, hour {hour}");
        }
    }
}

#[test]
fn a_miner_whose_shares_prove_much_less_is_told_once_that_is_certain() {
    let mut worker = Worker::one_in(6.0, 9);
    worker.minutes(120, 1.0);
    assert_eq!(worker.raised(), None);
    let mut minutes = 0;
    while worker.raised().is_none() {
        worker.minutes(1, 0.6);
        minutes += 1;
        assert!(minutes < 70, "within the window and a bit");
    }
    assert!(minutes > 10, "not at once: {minutes} min");
    worker.minutes(120, 0.6);
    let finding = worker.patient.finding(&rule::SHARE_RATE_LOW);
    assert_eq!(finding.severity, Severity::Warning);
    let (value, limit) = (finding.value.as_ref().unwrap().value, finding.limit.as_ref().unwrap().value);
    assert!((50.0..70.0).contains(&value) && limit == 90.0, "{value} {limit}");
    assert!(finding.message.starts_with("accepted shares of 61 min prove 6"), "{}", finding.message);
    assert!(finding.message.ends_with("% of 111 TH/s reported"), "{}", finding.message);
    assert_eq!(finding.clears_when, "they prove 92 % or more");
    assert!(finding.since.is_some());
    worker.minutes(20, 1.0);
    assert!(worker.raised().is_some(), "the window still holds the time before");
    worker.minutes(60, 1.0);
    assert_eq!(worker.raised(), None);
}

#[test]
fn few_shares_prove_nothing_either_way() {
    let mut worker = Worker::one_in(300.0, 4);
    worker.minutes(600, 0.5);
    assert_eq!(worker.raised(), None, "a dozen shares an hour");
    let mut unequal = Worker::one_in(6.0, 5);
    unequal.minutes(60, 1.0);
    // A few shares are worth as much as all others together.
    for _ in 0..3 {
        unequal.difficulty += 60.0 * unequal.each;
        unequal.shares += 1;
        unequal.minutes(1, 0.3);
    }
    unequal.minutes(30, 0.3);
    assert_eq!(unequal.raised(), None, "what there is rests on three shares");
}

#[test]
fn a_restart_a_pause_and_counters_that_do_not_fit_prove_nothing() {
    let mut worker = Worker::one_in(6.0, 6);
    worker.minutes(90, 1.0);
    (worker.shares, worker.difficulty) = (0, 0.0);
    worker.minutes(12, 0.1);
    assert_eq!(worker.raised(), None, "too soon after the counters fell back");
    let mut paused = Worker::one_in(6.0, 7);
    paused.minutes(90, 1.0);
    paused.patient.set(|r| r.mining_state = Some(MiningState::Stopped));
    paused.minutes(60, 0.0);
    paused.patient.set(|r| r.mining_state = Some(MiningState::Mining));
    paused.minutes(90, 1.0);
    assert_eq!(paused.raised(), None);
    let mut silent = Worker::one_in(6.0, 8);
    for _ in 0..600 {
        silent.shares += 1;
        silent.minutes(1, 0.0);
    }
    assert_eq!(silent.raised(), None, "its firmware does not count work");
}

/// A machine that tells its boards, and not how many there should be.
fn untold() -> Patient {
    let mut patient = patient();
    patient.set(|r| {
        r.boards_expected = None;
        r.boards.iter_mut().for_each(|board| (board.present, board.chips_expected) = (None, None));
    });
    patient
}

#[test]
fn a_board_that_was_there_yesterday_is_missed_for_a_day() {
    let mut patient = untold();
    patient.minutes(60);
    patient.set(|r| r.boards.truncate(2)).step();
    assert_eq!(patient.names(), [], "boards come and go while they are read");
    patient.minutes(3);
    assert_eq!(patient.names(), [("boards_gone".to_owned(), Severity::Warning)]);
    let finding = patient.finding(&rule::BOARDS_GONE);
    assert_eq!(finding.message, "2 boards found, 3 were 3 min ago");
    assert_eq!(finding.clears_when, "3 boards are found, or 24 h have passed");
    assert_eq!((finding.value.as_ref().unwrap().value, finding.limit.as_ref().unwrap().value), (2.0, 3.0));
    patient.minutes(23 * 60);
    assert_eq!(patient.finding(&rule::BOARDS_GONE).message, "2 boards found, 3 were 23 h ago");
    patient.minutes(60);
    assert_eq!(patient.names(), [], "old news");
}

#[test]
fn a_board_that_comes_back_is_no_longer_missed() {
    let mut patient = untold();
    patient.minutes(10);
    let boards = patient.reading.boards.clone();
    patient.set(|r| r.boards.truncate(1)).minutes(10);
    assert_eq!(patient.status(), MinerStatus::Warning);
    patient.set(|r| r.boards = boards).step();
    assert_eq!(patient.names(), []);
}

#[test]
fn chips_that_no_longer_answer_are_told_and_many_of_them_warn() {
    let mut patient = untold();
    patient.minutes(10);
    patient.set(|r| r.boards[1].chips = Some(113)).minutes(6);
    assert_eq!(patient.names(), [("chips_gone".to_owned(), Severity::Info)]);
    assert_eq!(patient.status(), MinerStatus::Active, "nobody is woken for one chip");
    patient.set(|r| r.boards[1].chips = Some(110)).minutes(6);
    assert_eq!(patient.names(), [("chips_gone".to_owned(), Severity::Warning)]);
    assert_eq!(patient.finding(&rule::CHIPS_GONE).message, "338 chips answer, 342 did 12 min ago");
    patient.set(|r| r.boards[1].chips = None).minutes(60);
    assert_eq!(patient.names().len(), 1, "not told: neither raised nor cleared");
    patient.set(|r| r.boards[1].chips = Some(114)).step();
    assert_eq!(patient.names(), []);
}

#[test]
fn a_rule_by_the_models_own_numbers_says_it_better() {
    let mut patient = patient();
    patient.minutes(10);
    patient.set(|r| r.boards.truncate(2)).minutes(10);
    assert_eq!(patient.names(), [("boards_missing".to_owned(), Severity::Warning)]);
}

#[test]
fn what_a_judge_remembers_can_be_handed_on() {
    let mut before = untold();
    before.minutes(60);
    before.set(|r| r.elapsed = Some(Span::from_seconds(5))).step();
    let text = serde_json::to_string(&before.judge.memory()).unwrap();
    let memory: JudgeMemory = serde_json::from_str(&text).unwrap();
    assert_eq!(memory, before.judge.memory());

    // The program was stopped for an hour; meanwhile a board has gone, and the machine has restarted once more.
    let mut after = Patient { now: before.now, ..untold() };
    after.judge = Judge::new(Arc::new(Rules::default())).with_memory(memory);
    after.pause(3000);
    after.set(|r| r.boards.truncate(2)).set(|r| r.elapsed = Some(Span::from_seconds(900))).minutes(4);
    assert_eq!(
        after.names(),
        [("boards_gone".to_owned(), Severity::Warning), ("restarts".to_owned(), Severity::Warning)]
    );
    let fresh: JudgeMemory = serde_json::from_str("{}").unwrap();
    assert_eq!(fresh, Judge::new(Arc::default()).memory());
}
