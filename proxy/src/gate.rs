//! The gate: pure decisions from what is known of a request.
//!
//! The room is asked first ([`decide`]) and, of what it lets pass, the user ([`without_user`]). So nobody loses a place
//! over a password: places go in the order of arrival and not of typing, and the login can be done while waiting. And
//! the crowd is held where it can be held. The other way round the edge would send all of it to the page to log in at,
//! which has to be free of the room, and of everything that a site does its hashing of passwords costs the most.
//! The price is a slot that stands idle while an admitted fan logs in.

use tidegate_config::OnStoreLoss;

use crate::request::asks::Asks;
use crate::users::NoUser;

/// What guards the route a request took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// Nothing.
    Free,
    /// A room that is switched off.
    Off,
    /// A room.
    On {
        /// What a lost store means for those without a visit.
        on_store_loss: OnStoreLoss,
        /// Whether the store answered last.
        store_up: bool,
    },
}

/// What a request is known to be, once its route and its tokens were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What guards it.
    pub guarded: Guarded,
    /// Whether it belongs to a live visit of the room.
    pub visit: bool,
    /// What kind of answer the client can use.
    pub asks: Asks,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Forwarded; it belongs to no room.
    Free,
    /// Forwarded without a visit: the room is off, or open while its store is lost.
    Open,
    /// Forwarded as part of a visit.
    Visit,
    /// The fan takes a place, or goes on holding it, and is shown the waiting page.
    Line,
    /// Told to join; nothing is forwarded, and no place is taken.
    Wait,
}

/// Decides. Nobody is let through because something broke, unless the room says so.
pub fn decide(facts: Facts) -> Verdict {
    match (facts.guarded, facts.visit, facts.asks) {
        (Guarded::Free, ..) => Verdict::Free,
        (Guarded::Off, ..) => Verdict::Open,
        (Guarded::On { .. }, true, _) => Verdict::Visit,
        (
            Guarded::On {
                on_store_loss: OnStoreLoss::Open,
                store_up: false,
            },
            ..,
        ) => Verdict::Open,
        (Guarded::On { .. }, false, Asks::Navigation) => Verdict::Line,
        (Guarded::On { .. }, false, _) => Verdict::Wait,
    }
}

/// What becomes of a request whose route asks for a user, when none is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Sent to the page to log in at, and back from there.
    Login,
    /// Told that a login is needed.
    Unauthorized {
        /// Whether it came with a token, which is not worth anything.
        sent: bool,
    },
    /// Told to come back: whether somebody is behind it cannot be said.
    Later,
}

/// Decides about a request that nobody is known to be behind. Whoever cannot be judged is let through no more than
/// whoever is nobody; but it is not for them to log in again.
pub fn without_user(why: NoUser, shows_pages: bool) -> Stopped {
    match (why, shows_pages) {
        (NoUser::Undecided, _) => Stopped::Later,
        (NoUser::Missing | NoUser::Invalid, true) => Stopped::Login,
        (NoUser::Missing, false) => Stopped::Unauthorized { sent: false },
        (NoUser::Invalid, false) => Stopped::Unauthorized { sent: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_user_browsers_log_in_and_programs_are_told_unless_nobody_can_say() {
        let programs = |why| without_user(why, false);
        assert_eq!(programs(NoUser::Missing), Stopped::Unauthorized { sent: false });
        assert_eq!(programs(NoUser::Invalid), Stopped::Unauthorized { sent: true });
        for why in [NoUser::Missing, NoUser::Invalid] {
            assert_eq!(without_user(why, true), Stopped::Login);
        }
        for shows_pages in [true, false] {
            assert_eq!(without_user(NoUser::Undecided, shows_pages), Stopped::Later);
        }
    }

    const ALL: [Asks; 5] = [
        Asks::Navigation,
        Asks::Json,
        Asks::SubResource,
        Asks::Prefetch,
        Asks::Other,
    ];

    #[test]
    fn without_a_visit_nothing_guarded_is_forwarded_unless_the_room_says_so() {
        for asks in ALL {
            for store_up in [true, false] {
                let hold = Guarded::On {
                    on_store_loss: OnStoreLoss::Hold,
                    store_up,
                };
                let verdict = decide(Facts {
                    guarded: hold,
                    visit: false,
                    asks,
                });
                assert!(
                    matches!(verdict, Verdict::Line | Verdict::Wait),
                    "{asks:?} {verdict:?}"
                );
                assert_eq!(
                    verdict == Verdict::Line,
                    asks == Asks::Navigation,
                    "only navigations take a place"
                );
                assert_eq!(
                    decide(Facts {
                        guarded: hold,
                        visit: true,
                        asks
                    }),
                    Verdict::Visit
                );
            }
            let open = |store_up| Guarded::On {
                on_store_loss: OnStoreLoss::Open,
                store_up,
            };
            assert_eq!(
                decide(Facts {
                    guarded: open(false),
                    visit: false,
                    asks
                }),
                Verdict::Open
            );
            assert_ne!(
                decide(Facts {
                    guarded: open(true),
                    visit: false,
                    asks
                }),
                Verdict::Open
            );
            assert_eq!(
                decide(Facts {
                    guarded: Guarded::Free,
                    visit: false,
                    asks
                }),
                Verdict::Free
            );
            assert_eq!(
                decide(Facts {
                    guarded: Guarded::Off,
                    visit: false,
                    asks
                }),
                Verdict::Open
            );
        }
    }
}
