//! What becomes of packets: shares, independence of what is added, routes; pinned bits.

use super::*;

const START: Timestamp<Utc> = Timestamp::from_seconds(1_700_000_000);
const PACKETS: u32 = 100_000;

fn at(second: u32) -> Timestamp<Utc> {
    START + Duration::from_seconds(second.into())
}

fn sent(plan: &PathPlan, packets: u32) -> Vec<Arrivals> {
    let mut path = Path::new(plan, 3, START);
    (0..packets).map(|second| path.send(at(second))).collect()
}

fn a1() -> PathPlan {
    PathPlan { base: 1e-4, queueing: vec![Queueing::Exponential(1e-4)], ..PathPlan::default() }
}

fn share(arrivals: &[Arrivals], what: impl Fn(&Arrivals) -> bool) -> f64 {
    arrivals.iter().filter(|arrivals| what(arrivals)).count() as f64 / arrivals.len() as f64
}

#[test]
fn without_any_key_packets_arrive_at_once() {
    let arrivals = sent(&PathPlan::default(), 3);
    assert!(arrivals.iter().all(|a| a.into_iter().eq([Duration::ZERO])));
}

#[test]
fn delays_are_base_and_queue() {
    let delays: Vec<f64> =
        sent(&a1(), PACKETS).into_iter().flatten().map(Duration::seconds).collect();
    assert_eq!(delays.len(), PACKETS as usize);
    assert!(delays.iter().all(|delay| *delay >= 1e-4));
    let mean = delays.iter().sum::<f64>() / f64::from(PACKETS);
    assert!((mean - 2e-4).abs() < 2e-6, "{mean}");
}

#[test]
fn loss_leaves_the_others_delays() {
    let whole = sent(&a1(), PACKETS);
    let lossy = sent(&PathPlan { loss: 0.15, ..a1() }, PACKETS);
    assert!((share(&lossy, Arrivals::is_empty) - 0.15).abs() < 0.004);
    assert!(lossy.iter().zip(&whole).all(|(lossy, whole)| lossy.is_empty() || lossy == whole));
    // Losses do not follow each other.
    let pairs = lossy.windows(2).filter(|pair| pair[0].is_empty() && pair[1].is_empty()).count();
    assert!((pairs as f64 / f64::from(PACKETS) - 0.0225).abs() < 0.002);
}

#[test]
fn an_outage_leaves_the_others_delays() {
    let whole = sent(&a1(), 300);
    let mut path = Path::new(&a1(), 3, START);
    for second in 0..300 {
        path.set_blocked((100..200).contains(&second));
        let arrivals = path.send(at(second));
        let want =
            if (100..200).contains(&second) { Arrivals::default() } else { whole[second as usize] };
        assert_eq!(arrivals, want);
    }
}

#[test]
fn copies_wait_on_their_own() {
    let whole = sent(&a1(), PACKETS);
    let doubled = sent(&PathPlan { duplicate: 0.1, ..a1() }, PACKETS);
    assert!((share(&doubled, |a| a.len() == 2) - 0.1).abs() < 0.004);
    for (whole, doubled) in whole.iter().zip(&doubled) {
        let delays: Vec<Duration> = doubled.into_iter().collect();
        assert!(whole.into_iter().eq([delays[0]]));
        assert!(delays.iter().all(|delay| *delay >= Duration::from_micros(100)));
        assert!(delays.len() == 1 || delays[0] != delays[1]);
    }
}

#[test]
fn held_packets_let_others_pass() {
    let reorder = Some(Reorder { probability: 0.02, delay: 0.05 });
    let whole = sent(&a1(), PACKETS);
    let held = sent(&PathPlan { reorder, ..a1() }, PACKETS);
    let later = |(held, whole): (&Arrivals, &Arrivals)| {
        (held.into_iter().next().unwrap() - whole.into_iter().next().unwrap()).seconds()
    };
    let extra: Vec<f64> = held.iter().zip(&whole).map(later).collect();
    assert!(extra.iter().all(|e| *e == 0.0 || (e - 0.05).abs() < 1e-12));
    let count = extra.iter().filter(|e| **e > 0.0).count();
    assert!((count as f64 / f64::from(PACKETS) - 0.02).abs() < 0.002, "{count}");
}

#[test]
fn a_route_comes_back_as_it_was() {
    let mut path = Path::new(&a1(), 3, START);
    let base = path.base();
    path.route_change(Duration::from_millis(2));
    assert_eq!(path.base(), base + Duration::from_millis(2));
    assert!(path.send(at(0)).into_iter().all(|delay| delay > Duration::from_millis(2)));
    path.route_change(-Duration::from_millis(2));
    assert_eq!(path.base(), base);
    // No route is shorter than nothing, and the way back still ends where it began.
    path.route_change(-Duration::from_millis(5));
    assert_eq!(path.base(), Duration::ZERO);
    path.route_change(Duration::from_millis(5));
    assert_eq!(path.base(), base);
}

#[test]
fn a_daily_asymmetry_swings_the_base() {
    let plan = PathPlan { base: 5e-4, asymmetry_daily: 2e-4, ..PathPlan::default() };
    let mut there = Path::new(&plan, 3, START);
    let mut back = Path::new(&PathPlan { asymmetry_daily: -2e-4, ..plan }, 3, START);
    for (hour, want) in [(0, 5e-4), (6, 7e-4), (12, 5e-4), (18, 3e-4)] {
        let now = at(hour * 3600);
        let [up] = there.send(now).into_iter().collect::<Vec<_>>()[..] else { panic!() };
        let [down] = back.send(now).into_iter().collect::<Vec<_>>()[..] else { panic!() };
        assert!((up.seconds() - want).abs() < 1e-15, "{hour}: {up}");
        assert!((up + down - Duration::from_millis(1)).seconds().abs() < 1e-15);
        assert_eq!((there.base_at(now), there.base()), (up, Duration::from_seconds_f64(5e-4)));
    }
}

#[test]
fn the_packets_of_a_seed_are_fixed() {
    let reorder = Some(Reorder { probability: 0.3, delay: 0.05 });
    let plan = PathPlan { loss: 0.2, duplicate: 0.3, reorder, ..a1() };
    let units = |a: &Arrivals| a.into_iter().map(Duration::units).collect::<Vec<_>>();
    let got: Vec<Vec<i128>> = sent(&plan, 6).iter().map(units).collect();
    assert_eq!(got, PINNED.map(<[i128]>::to_vec));
}

#[test]
fn plans_are_read_and_checked() {
    let read = |text: &str| serde_json::from_str::<PathPlan>(text);
    let plan = read(r#"{"base": 1e-4, "queueing": [{"exponential": 1e-4}]}"#).unwrap();
    assert_eq!((&plan, plan.check()), (&a1(), Ok(())));
    assert!(read(r#"{"bass": 1}"#).is_err());
    let refused = |plan: PathPlan| plan.check().unwrap_err().to_string();
    assert!(refused(PathPlan { loss: 1.5, ..a1() }).starts_with("loss: is 1.5;"));
    let queueing = vec![Queueing::Exponential(0.0), Queueing::Exponential(-1.0)];
    assert!(refused(PathPlan { queueing, ..a1() }).starts_with("queueing[1].exponential: "));
    let swing = PathPlan { asymmetry_daily: 2e-4, ..a1() };
    assert!(refused(swing).contains("at most the base"));
}

const PINNED: [&[i128]; 6] = [
    &[6685205161976301],
    &[6221867318377721],
    &[925648377550389613, 1866950859587843],
    &[2532517953264212],
    &[],
    &[2378313824885239, 2631991456890101],
];
