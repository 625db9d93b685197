//! Fifty thousand miners: only what is in sight is drawn. What it costs is printed, and not asserted: a busy machine is no mistake.

use super::*;
use std::time::Instant;

const MINERS: u32 = 50_000;

fn farm(round: u32) -> Arc<[Arc<Miner>]> {
    (0..MINERS)
        .map(|n| {
            let ip = std::net::Ipv4Addr::from(0x0a00_0000 + n);
            let rate = 90.0 + f64::from((n * 7 + round * 13) % 200) / 10.0;
            let mut s = MinerSnapshot::default();
            s.identity.model = Some(format!("S{}", 17 + n % 5).into());
            s.identity.mac =
                format!("02:00:00:{:02x}:{:02x}:{:02x}", n >> 16, n >> 8 & 255, n & 255).parse().ok();
            s.hashrate.realtime = HashRate::from_ths(rate).ok();
            s.hashrate.expected = HashRate::from_ths(110.0).ok();
            s.temperatures.chip_max = Temperature::from_celsius(60.0 + f64::from((n + round) % 40)).ok();
            s.power = Power::from_watts(3_250.0).ok();
            s.observed_at = Some(ago(i64::from(20 - round)));
            let status = if n % 97 == 0 { MinerStatus::Warning } else { MinerStatus::Active };
            let mut miner = Miner::from_snapshot(ip.into(), 4028, status, s);
            miner.is_live = true;
            Arc::new(miner)
        })
        .collect()
}

#[test]
fn fifty_thousand_are_watched_and_only_those_in_sight_are_drawn() {
    let mut state = State::new("50,000 miners".to_owned(), Duration::from_secs(10), true);
    let mut terminal = Terminal::new(TestBackend::new(200, 60)).unwrap();
    let mut costs: [Vec<Duration>; 4] = Default::default();
    let mut timed = |what: usize, work: &mut dyn FnMut()| {
        let began = Instant::now();
        work();
        costs[what].push(began.elapsed());
    };
    for round in 0..2 {
        let farm = farm(round);
        timed(0, &mut || {
            update(&mut state, Input::Fleet(Arc::clone(&farm), Box::default()), NOW);
        });
        timed(1, &mut || {
            terminal.draw(|frame| draw(frame, &mut state)).unwrap();
        });
        timed(2, &mut || {
            press(&mut state, &[KeyCode::Char('T')]);
        });
        timed(3, &mut || type_in(&mut state, "/temp>95 s19"));
        press(&mut state, &[KeyCode::Esc]);
    }
    assert_eq!((state.list.len(), state.totals.rate.of), (50_000, 50_000));
    // A picture asks for as many rows as there are, wherever the list stands.
    press(&mut state, &[KeyCode::End]);
    terminal.draw(|frame| draw(frame, &mut state)).unwrap();
    assert_eq!(state.list.in_sight(40, NOW).len(), 40);
    assert!(picture(&mut state, 200, 60).contains("of 50,000 ──"));
    for (what, costs) in
        ["a new state", "a picture", "an order", "a filter of 11 letters"].iter().zip(&mut costs)
    {
        costs.sort();
        eprintln!("{what}: median {:?}, most {:?}", costs[costs.len() / 2], costs.last().unwrap());
    }
}
