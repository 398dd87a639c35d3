//! A fan on the site: spends the admission, comes back with the visit cookie, looks around, leaves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, ORIGIN};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::{Instant, sleep};

use super::cookies::SetCookie;
use super::fan::{Fan, GIVE_UP_AFTER, Grant, Step};
use super::http::Failure;
use super::observe::{Claims, End, SECOND};
use super::page::{VISIT_COOKIE, cookie_of, is_waiting_page, local_path};

/// An admission this close to its expiry may be refused without blame.
const EXPIRY_MARGIN_S: u64 = 5;

/// A visitor asks for another page after half the stay, but not sooner and not later than this. Each page also proves
/// that the visit is still live.
const BETWEEN_PAGES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// Attempts to end a visit before it is left to expire: a slot that is free again is worth outlasting an edge or a store
/// that is gone for half a minute.
const LEAVE_ATTEMPTS: u32 = 12;

impl Fan {
    /// Posts the admission as the waiting page's form does.
    pub(super) async fn enter(&mut self, grant: &Grant) -> Result<Step, Failure> {
        let left_s = || {
            let held_s = (self.world.book.now_us() - grant.at_us) / SECOND;
            i64::try_from(grant.expires_in_s).unwrap_or(i64::MAX) - held_s
        };
        if left_s() <= 0 {
            // Spent too long failing; the line gives the same grant again, or the next turn.
            return Ok(Step::Wait);
        }
        let form = format!(
            "token={}&return_to={}",
            encoded(&grant.token),
            encoded(&self.world.path)
        );
        let headers = [
            (ACCEPT, HeaderValue::from_static("text/html")),
            (
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            ),
            (ORIGIN, self.target().origin().clone()),
        ];
        let target = &self.world.targets[self.edge];
        let posting = self.client.send(
            target,
            &self.jar,
            Method::POST,
            &grant.enter,
            &headers,
            form.into(),
        );
        let answer = posting.await?;
        let fresh = left_s() > EXPIRY_MARGIN_S as i64;
        let cookies = self.keep_cookies(&answer.headers);
        let status = answer.status;
        if let Some(visit) = cookie_of(&cookies, VISIT_COOKIE) {
            self.begin_visit(visit);
            return Ok(Step::Stay(
                local_path(&answer.headers).unwrap_or_else(|| self.world.path.clone()),
            ));
        }
        let refused = Failure::status("enter", status, &answer.headers);
        if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
            return Err(refused);
        }
        self.note(|record, _| {
            record.failed(&refused.kind);
            if fresh {
                record.turned_away = Some(status.as_u16());
            }
        });
        Ok(if fresh {
            Step::End(End::TurnedAway)
        } else {
            Step::Wait
        })
    }

    /// Comes back with the cookie at once, then now and then, and leaves when the time is over.
    pub(super) async fn stay(&mut self, path: &str) -> Result<Step, Failure> {
        let until = Instant::now() + self.world.stay;
        let between = (self.world.stay / 2).clamp(BETWEEN_PAGES.0, BETWEEN_PAGES.1);
        let mut came_back = false;
        loop {
            match self.look_at(path).await {
                Ok(true) => came_back = true,
                Ok(false) if came_back => {
                    self.note(|record, _| record.failed("visit: ended before the fan left"));
                    return Ok(Step::End(End::Left));
                }
                Ok(false) => return Ok(Step::End(End::TurnedAway)),
                Err(failure) => {
                    self.note(|record, _| record.failed(&failure.kind));
                    self.client.close();
                    if self.can_move(&failure) {
                        self.failures += 1;
                        self.move_on().await;
                        if !came_back && self.failures < GIVE_UP_AFTER {
                            continue;
                        }
                    }
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            sleep(left.min(between)).await;
            if until <= Instant::now() {
                break;
            }
        }
        self.leave().await;
        Ok(Step::End(End::Left))
    }

    /// Asks for a page with the visit cookie; false when the gate no longer knows the visit.
    async fn look_at(&mut self, path: &str) -> Result<bool, Failure> {
        let (answer, cookies, sent_us) = self.navigate(path).await?;
        if is_waiting_page(&answer, &cookies) {
            self.note(|record, _| {
                if !record.got_in {
                    record.turned_away = Some(answer.status.as_u16());
                }
                if let Some(visit) = &mut record.visit {
                    visit.found_ended = true;
                }
            });
            return Ok(false);
        }
        if answer.status.is_server_error() {
            // The origin's trouble, or the edge's: it proves nothing about the visit.
            return Err(Failure::status("site", answer.status, &answer.headers));
        }
        let renewed = cookie_of(&cookies, VISIT_COOKIE);
        let valid_s =
            renewed.and_then(|cookie| valid_for_s(cookie, super::claims::read(&cookie.value).as_ref()));
        self.note(|record, now_us| {
            record.got_in = true;
            if let Some(visit) = &mut record.visit {
                visit.honoured_us = Some(sent_us);
                let valid_until_us = valid_s.map(|seconds| now_us + seconds * SECOND);
                visit.valid_until_us = visit.valid_until_us.max(valid_until_us);
            }
        });
        Ok(true)
    }

    /// Ends the visit, so that the slot is free at once.
    async fn leave(&mut self) {
        for attempt in 1..=LEAVE_ATTEMPTS {
            match self.release().await {
                Ok(()) => break,
                Err(failure) => {
                    self.note(|record, _| record.failed(&failure.kind));
                    self.client.close();
                    self.failures = attempt;
                    if self.can_move(&failure) {
                        self.move_on().await;
                    } else {
                        self.pause(failure.retry_after).await;
                    }
                }
            }
        }
        self.client.close();
    }

    async fn release(&mut self) -> Result<(), Failure> {
        let path = self.world.room_path("visits/me")?;
        let headers = [(ORIGIN, self.target().origin().clone())];
        self.note(|record, now_us| {
            if let Some(visit) = &mut record.visit {
                visit.released_us.get_or_insert(now_us);
            }
        });
        let target = &self.world.targets[self.edge];
        let answer = self
            .client
            .send(target, &self.jar, Method::DELETE, &path, &headers, Bytes::new())
            .await?;
        self.keep_cookies(&answer.headers);
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(Failure::status("leave", answer.status, &answer.headers))
        }
    }
}

/// For how many seconds a visit cookie that arrives now is certainly good: the shorter of its own age and its token's
/// expiry, less one for the rounding. The expiry is by wall clock, which a rehearsal shares with a local edge.
pub(super) fn valid_for_s(cookie: &SetCookie, claims: Option<&Claims>) -> Option<i64> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let by_expiry = claims
        .and_then(|claims| claims.exp_s)
        .map(|exp_s| exp_s - i64::try_from(now_s).unwrap_or(exp_s));
    let shortest = [cookie.max_age_s, by_expiry].into_iter().flatten().min()?;
    Some((shortest - 1).max(0))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
