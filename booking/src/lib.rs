//! Events, showtimes and seats: the service that sells.
