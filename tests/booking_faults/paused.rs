//! A process that is paused past the end of a hold it was about to sell: the seats are somebody else's by then, and stay
//! so when it goes on.

use nix::sys::signal::Signal;

use crate::eventually;
use crate::fan::{Fan, PATIENCE, PAYS};
use crate::instance::free_port;
use crate::killed::Shop;

#[test]
fn who_is_paused_past_the_holds_end_does_not_sell_what_is_somebody_elses() {
    let shop = Shop::new("hold_ttl = \"4s\"\n", None);
    let (paused, other) = (shop.instance(shop.port), shop.instance(free_port()));
    let (slow, quick) = (Fan::new(&paused.address), Fan::new(&other.address));
    let hold = slow.hold(1, &["A-1"]).unwrap();
    // The order is read and about to be written.
    let lock = shop.lock("orders");
    let booking = std::thread::spawn({
        let (slow, hold) = (slow.clone(), hold.clone());
        move || slow.book(&hold)
    });
    shop.until_blocked("orders");
    paused.signal(Signal::SIGSTOP);
    shop.unlock(lock);
    let theirs = eventually("the hold is over", PATIENCE, || quick.hold(1, &["A-1"]).ok());
    paused.signal(Signal::SIGCONT);
    let refused = booking.join().unwrap().unwrap();
    let made = quick.order(&theirs).unwrap();
    quick.pay(&shop.provider.pages.to_string(), &made, PAYS);
    quick.until(&made, &["issued"], PATIENCE);
    // Late, it finds the seats gone; in between, when its write went through before the hold was over, it has the seats
    // and the other could not.
    assert!(refused.status >= 400, "{}", refused.text());
    assert_eq!(slow.order(&hold).unwrap_err()["status"], 404);
    assert_eq!(
        shop.number("select count(*) from ticket where dead_at is null"),
        1
    );
    shop.balance();
}
