//! What a start says: where everything is, and what to try first.

use std::net::SocketAddr;

use tidegate_config::{Config, Store};

use crate::parts::AdminToken;

/// Where the parts listen.
pub(crate) struct Addresses {
    /// The site.
    pub(crate) site: Vec<SocketAddr>,
    /// The admin API.
    pub(crate) admin: SocketAddr,
    /// The booking service, where one runs.
    pub(crate) booking: Option<SocketAddr>,
    /// The search service, where one runs.
    pub(crate) search: Option<SocketAddr>,
}

/// Prints it. The address of a site is where fans go; what is behind it is for looking only.
pub(crate) fn print(config: &Config, addresses: &Addresses, token: &AdminToken) {
    let scheme = if config.edge.tls.is_some() {
        "https"
    } else {
        "http"
    };
    println!("Tidegate is up. Ctrl-C stops it.\n");
    for site in &addresses.site {
        println!("  site      {scheme}://{site}/");
    }
    println!(
        "  admin     http://{}/   (metrics at /metrics, health at /ready)",
        addresses.admin
    );
    if token.made {
        println!(
            "  token     {}   (for the admin API; set TIDEGATE_ADMIN_TOKEN to choose one)",
            token.text
        );
    }
    if let Some(booking) = addresses.booking {
        println!("  booking   http://{booking}/   (behind the site)");
    }
    if let Some(search) = addresses.search {
        println!("  search    http://{search}/search?q=ghost&city=chico   (behind the site)");
    }
    match &config.store {
        Store::Embedded => println!("  line      in this process, and in its journal under data"),
        // Without its password.
        Store::Redis(store) => println!("  line      in {}", store.url),
    }
    println!("  data      {}", config.edge.data_dir.display());
    for room in &config.rooms {
        println!(
            "  room      {}: {} at once, {} admitted a minute",
            room.id, room.active_max, room.admit_per_min
        );
    }
    let (Some(site), Some(room)) = (addresses.site.first(), config.rooms.first()) else {
        return;
    };
    // Enough fans that the room is full and the line moves for a while.
    let fans = (room.active_max * 4).clamp(40, 400);
    println!("\nTry this first, in another terminal:\n");
    println!("  tidegate rehearse --url {scheme}://{site} --fans {fans} --over 5s --stay 20s\n");
    println!("and, while it runs, open {scheme}://{site}/ : you are in a moving line.");
}
