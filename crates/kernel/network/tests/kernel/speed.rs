//! Measurements, printed rather than asserted.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use network::{Protocol, PublishedPort};

use crate::hosts::{Place, World, endpoint, on_host};

/// Far above what the operation takes on an idle machine, so that a loaded one passes too.
const LIMIT: Duration = Duration::from_millis(5);

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
fn attaching_and_publishing_take_a_fraction_of_a_millisecond() {
    on_host(|| {
        let world = World::new();
        let (mut attach, mut publish, mut unpublish, mut retire) = (vec![], vec![], vec![], vec![]);
        let mut forget = vec![];
        for n in 2..42_u8 {
            let place = Place::new();
            let plan = endpoint(&world.first, n);
            // A busy loop would hide the kernel's grace periods.
            testing::wait::until(Duration::from_millis(20), || false);
            let start = Instant::now();
            network::attach(&plan, place.fd()).unwrap();
            attach.push(start.elapsed());
            let port = PublishedPort {
                host_address: Ipv4Addr::UNSPECIFIED,
                host_port: 8000 + u16::from(n),
                protocol: Protocol::Tcp,
                container_address: plan.address.address(),
                container_port: 80,
            };
            let start = Instant::now();
            world.firewall.publish(&[port]).unwrap();
            publish.push(start.elapsed());
            let datagrams = PublishedPort { protocol: Protocol::Udp, ..port };
            let start = Instant::now();
            world.firewall.forget_datagrams(&[datagrams]).unwrap();
            forget.push(start.elapsed());
            let start = Instant::now();
            network::retire(&plan).unwrap();
            retire.push(start.elapsed());
            let start = Instant::now();
            world.firewall.unpublish(&[port]).unwrap();
            unpublish.push(start.elapsed());
        }
        for (name, times) in [
            ("attach", attach),
            ("publish", publish),
            ("unpublish", unpublish),
            ("retire", retire),
            ("forget", forget),
        ] {
            let median = median(times);
            println!("{name}: median {median:?}");
            assert!(median < LIMIT, "{name}: {median:?}");
        }
    });
}
