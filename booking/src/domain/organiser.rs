//! Who may change which part of the catalogue, and why a change is refused.

use super::draft::Mistakes;
use super::{Account, AccountId, Role};

/// On whose behalf the catalogue is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organiser {
    account: AccountId,
    everything: bool,
}

impl Organiser {
    /// What the account's role allows: nothing at all to fans and to staff, what is their own to organisers, everything
    /// to admins.
    pub fn of(account: &Account) -> Option<Self> {
        let everything = match account.role {
            Role::Fan | Role::Staff => return None,
            Role::Organiser => false,
            Role::Admin => true,
        };
        Some(Self {
            account: account.id.clone(),
            everything,
        })
    }

    /// Whose what they make is.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Whether they may change what is this account's. What ships with the program is nobody's.
    pub fn may_change(&self, owner: Option<&str>) -> bool {
        self.everything || owner == Some(self.account.as_str())
    }

    /// Whether they may put something on at a venue of this account. Houses that are nobody's are open to all.
    pub fn may_play_at(&self, owner: Option<&str>) -> bool {
        owner.is_none() || self.may_change(owner)
    }
}

/// Why a change was refused; nothing was changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such event.
    #[error("there is no such event")]
    NoEvent,
    /// There is no such showtime.
    #[error("there is no such showtime")]
    NoShowtime,
    /// It belongs to somebody else, or to nobody.
    #[error("it is not the organiser's own")]
    NotYours,
    /// It was called off, and that is final.
    #[error("it was called off")]
    Cancelled,
    /// It has begun.
    #[error("it has begun")]
    Started,
    /// What was sent cannot be taken.
    #[error("{0}")]
    Mistakes(Mistakes),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(bits: u128, role: Role) -> Account {
        Account {
            id: AccountId::from_bits(bits),
            username: "ada".into(),
            email: None,
            location: None,
            role,
        }
    }

    #[test]
    fn a_role_says_what_may_be_changed() {
        assert_eq!(Organiser::of(&account(1, Role::Fan)), None);
        assert_eq!(Organiser::of(&account(1, Role::Staff)), None);
        let other = AccountId::from_bits(2);
        let ada = Organiser::of(&account(1, Role::Organiser)).expect("an organiser");
        let own = ada.account().clone();
        let admin = Organiser::of(&account(3, Role::Admin)).expect("an admin");
        for (owner, change, play) in [
            (Some(own.as_str()), true, true),
            (Some(other.as_str()), false, false),
            (None, false, true),
        ] {
            assert_eq!(
                (ada.may_change(owner), ada.may_play_at(owner)),
                (change, play),
                "{owner:?}"
            );
            assert!(admin.may_change(owner) && admin.may_play_at(owner), "{owner:?}");
        }
    }
}
