//! What a line in Redis costs, through the store's own API: `make bench` starts a fresh server for each of these.
//!
//! `redis_line MEASUREMENT URL` takes one of the measurements below, all of them in rooms of their own, and prints one
//! JSON object. The server must be on this machine: its CPU time is read from /proc.

mod edge;
mod full;
mod joins;
mod memory;
mod pace;
mod passing;
mod scene;
mod server;
mod surge;

use std::error::Error;

use edge::Outcome;

// One thread: the server that is measured has the others.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, url] = arguments.as_slice() else {
        return Err("redis_line full|joins|memory|pace|passing|surge URL".into());
    };
    let measured = match what.as_str() {
        "full" => full::measure(url).await?,
        "joins" => joins::measure(url).await?,
        "memory" => memory::measure(url).await?,
        "pace" => pace::measure(url).await?,
        "passing" => passing::measure(url).await?,
        "surge" => surge::measure(url).await?,
        _ => return Err(Box::<dyn Error>::from(format!("there is no measurement {what}"))),
    };
    println!("{measured}");
    Ok(())
}
