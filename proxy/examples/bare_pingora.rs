//! The yardstick of `make bench`: Pingora's own proxy service with nothing added, before one upstream. Same allocator and
//! build profile as the edge, so that what is measured beside it is the gate.
//!
//! `bare_pingora LISTEN UPSTREAM`, as in `bare_pingora 127.0.0.1:8080 127.0.0.1:8081`.

use std::net::SocketAddr;

use pingora::prelude::{HttpPeer, ProxyHttp, Result, Server, Session, http_proxy_service};
use pingora::server::configuration::ServerConf;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Bare {
    upstream: SocketAddr,
}

#[async_trait::async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut address = |what: &str| -> SocketAddr {
        let given = arguments.next().and_then(|text| text.parse().ok());
        given.unwrap_or_else(|| {
            eprintln!("bare_pingora LISTEN UPSTREAM: {what} is not an address like 127.0.0.1:8080");
            std::process::exit(64)
        })
    };
    let (listen, upstream) = (address("LISTEN"), address("UPSTREAM"));
    let conf = ServerConf {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    service.add_tcp(&listen.to_string());
    server.add_service(service);
    server.run_forever();
}
