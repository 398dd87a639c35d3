//! Edges on one store must take each other's tokens: their key rings must have a key in common.

use redis::FromRedisValue;

use super::error::{ConnectError, LinkError};
use super::link::{Link, Script};

/// Decides and writes in one step, so that of two edges that start at once with different keys only one is let in.
/// Answers with some of the others' keys where none is shared, and with nothing where all is well.
const AGREE: &str = "\
local key = KEYS[1]
local shared = redis.call('EXISTS', key) == 0
for _, kid in ipairs(ARGV) do
  if redis.call('SISMEMBER', key, kid) == 1 then shared = true end
end
if not shared then return redis.call('SRANDMEMBER', key, 3) end
redis.call('SADD', key, unpack(ARGV))
return {}";

/// Enters this edge's keys (their ids, newest first) into the set at `key`, if they are the other edges' keys too.
///
/// The set only grows, by eight bytes with each rotation. One shared key is enough: rings that were rotated apart
/// still take each other's older tokens.
///
/// # Errors
/// None of the keys is known to the other edges, or the store is out of reach.
pub(super) async fn agree_on_keys(link: &Link, key: &[u8], own: &[String]) -> Result<(), ConnectError> {
    let kids: Vec<&[u8]> = own.iter().map(String::as_bytes).collect();
    let agreed = link.run(&Script::new(AGREE), key, &kids).await;
    let others = agreed.and_then(|answer| {
        Vec::<String>::from_redis_value(answer).map_err(|error| LinkError::Answer(error.to_string()))
    });
    match others {
        Ok(others) if others.is_empty() => Ok(()),
        Ok(others) => Err(ConnectError::OtherKeys {
            own: own.join(", "),
            others: others.join(", "),
        }),
        Err(source) => Err(ConnectError::Link {
            url: link.url().to_string(),
            source,
        }),
    }
}
