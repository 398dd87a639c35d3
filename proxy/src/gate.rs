//! The gate: a pure decision from what is known of a request.

use tidegate_config::OnStoreLoss;

use crate::request::asks::Asks;

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

#[cfg(test)]
mod tests {
    use super::*;

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
