//! The database's clock, as SQL. Within one statement it stands still.

/// Milliseconds since 1970.
macro_rules! now_ms {
    () => {
        "cast(unixepoch('subsec') * 1000 as integer)"
    };
}

/// Whether the claim row `claim` still binds: sold or being paid, or held and not expired.
macro_rules! claim_live {
    () => {
        concat!("(claim.state <> 'held' or claim.expires_at > ", now_ms!(), ")")
    };
}

pub(super) use {claim_live, now_ms};
