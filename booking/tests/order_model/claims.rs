//! The claims table of the small world: the rules of the SQL, one row a seat.

/// How firm a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Firm {
    Held { expired: bool },
    Paying,
    Sold,
}

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    pub firm: Firm,
    pub owner: usize,
    pub token: u8,
}

/// All rows, and where tokens come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Claims {
    pub rows: [Option<Claim>; 2],
    last_token: u8,
}

impl Claims {
    /// Whether the seat can be taken: no row, an expired hold, or a live hold of the same owner.
    fn is_open_to(&self, seat: usize, owner: usize) -> bool {
        match self.rows[seat] {
            None => true,
            Some(Claim {
                firm: Firm::Held { expired },
                owner: whose,
                ..
            }) => expired || whose == owner,
            Some(_) => false,
        }
    }

    fn write(&mut self, seats: &[usize], owner: usize, firm: Firm) -> u8 {
        self.last_token += 1;
        for &seat in seats {
            self.rows[seat] = Some(Claim {
                firm,
                owner,
                token: self.last_token,
            });
        }
        self.last_token
    }

    /// Inserts or takes over, all or nothing.
    pub fn hold(&mut self, seats: &[usize], owner: usize) -> Option<u8> {
        let open = seats.iter().all(|&seat| self.is_open_to(seat, owner));
        open.then(|| self.write(seats, owner, Firm::Held { expired: false }))
    }

    /// The same without looking: what a service does that trusts a lock elsewhere.
    pub fn overwrite(&mut self, seats: &[usize], owner: usize, firm: Firm) -> u8 {
        self.write(seats, owner, firm)
    }

    /// Time passes for the holds of this owner.
    pub fn expire(&mut self, owner: usize) -> bool {
        let mut any = false;
        for claim in self.rows.iter_mut().flatten() {
            if claim.owner == owner && claim.firm == (Firm::Held { expired: false }) {
                claim.firm = Firm::Held { expired: true };
                any = true;
            }
        }
        any
    }

    fn is(&self, seat: usize, owner: usize, token: u8) -> bool {
        self.rows[seat].is_some_and(|claim| claim.owner == owner && claim.token == token)
    }

    /// `held` to `paying`, naming owner and token; all or nothing.
    pub fn keep(&mut self, seats: &[usize], owner: usize, token: u8) -> bool {
        let all = seats.iter().all(|&seat| self.is(seat, owner, token));
        if all {
            self.each(seats, |claim| claim.firm = Firm::Paying);
        }
        all
    }

    /// To `sold`, naming owner and token, or taken again where free; all or nothing. Says the token it is sold under.
    pub fn sell(&mut self, seats: &[usize], owner: usize, token: u8) -> Option<u8> {
        if seats.iter().all(|&seat| self.is(seat, owner, token)) {
            self.each(seats, |claim| claim.firm = Firm::Sold);
            return Some(token);
        }
        let mine_or_open = |&seat: &usize| self.is(seat, owner, token) || self.is_open_to(seat, owner);
        seats
            .iter()
            .all(mine_or_open)
            .then(|| self.write(seats, owner, Firm::Sold))
    }

    /// Deletes, naming owner and token.
    pub fn release(&mut self, seats: &[usize], owner: usize, token: u8) {
        for &seat in seats {
            if self.is(seat, owner, token) {
                self.rows[seat] = None;
            }
        }
    }

    fn each(&mut self, seats: &[usize], change: impl Fn(&mut Claim)) {
        for &seat in seats {
            self.rows[seat].iter_mut().for_each(&change);
        }
    }
}
