//! What does one answer cost, from the datagram's bytes to the reply's?

use core::hint::black_box;
use core::net::{Ipv4Addr, SocketAddr};

use criterion::{Criterion, criterion_group, criterion_main};
use maser::server::{
    Access, AccessTable, Clients, Policy, REPLY_MAX, Request, Rule, TableSize, respond,
};
use maser::state::State;
use maser::time::{Duration, LeapIndicator, Timestamp};

/// Which sources ask, one request after the other.
#[derive(Clone, Copy)]
enum Sources {
    /// As many as this, in turn.
    Known(u32),
    /// Never the same twice.
    New,
}

fn one_answer(c: &mut Criterion) {
    let mut group = c.benchmark_group("respond");
    let open = Policy { rate: None, ..Policy::default() };
    // A thousand rules, every other one against its neighbour.
    let rules: Vec<Rule> = (0..1000u32)
        .map(|n| {
            let prefix = format!("{}/{}", Ipv4Addr::from_bits(n << 20), 12 + n % 20);
            let access = if n % 2 == 0 { Access::Allow } else { Access::Deny };
            Rule { prefix: prefix.parse().expect("a prefix"), access }
        })
        .collect();
    let listed = Policy { access: AccessTable::new(Access::Allow, &rules), ..open.clone() };
    let denying = Policy { access: AccessTable::new(Access::Deny, &[]), ..open.clone() };
    let ignoring = Policy { access: AccessTable::new(Access::Ignore, &[]), ..open.clone() };
    for (name, policy, sources) in [
        ("known client", &open, Sources::Known(1)),
        ("one of 4096 known clients", &open, Sources::Known(4096)),
        ("new client, oldest evicted", &open, Sources::New),
        ("known client, 1000 rules", &listed, Sources::Known(1)),
        ("limited client", &Policy::default(), Sources::Known(1)),
        ("denied client", &denying, Sources::Known(1)),
        ("ignored client", &ignoring, Sources::Known(1)),
    ] {
        group.bench_function(name, |b| {
            let mut server = Server::new(policy);
            b.iter(|| server.answer(sources));
        });
    }
    group.finish();
}

struct Server<'p> {
    policy: &'p Policy,
    state: State,
    clients: Clients,
    asked: u32,
    out: [u8; REPLY_MAX],
}

impl<'p> Server<'p> {
    fn new(policy: &'p Policy) -> Self {
        Self {
            policy,
            state: State { stratum: 1, leap: LeapIndicator::None, ..State::default() },
            clients: Clients::new(TableSize::default(), [7, 8]),
            asked: 0,
            out: [0; REPLY_MAX],
        }
    }

    fn answer(&mut self, sources: Sources) -> usize {
        self.asked = self.asked.wrapping_add(1);
        let host = match sources {
            Sources::Known(count) => self.asked % count,
            Sources::New => self.asked,
        };
        let source = SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0000 ^ host), 40_000));
        let mut bytes = [0; 48];
        bytes[0] = 0x23;
        // A million requests a second.
        let now = Timestamp::EPOCH + Duration::from_micros(self.asked.into());
        let request =
            Request { bytes: black_box(&bytes), source, received: Some(now), now, smear: None };
        let answer = respond(&request, black_box(&self.state), self.policy, &mut self.clients);
        answer.reply().map_or(0, |reply| black_box(reply.write(now, &mut self.out)))
    }
}

criterion_group!(benches, one_answer);
criterion_main!(benches);
