//! Tests of the conformance suite: the script is broken in each of these ways, and the suite must see it.

use super::conformance::{run, testable};
use super::server::Server;
use crate::store::redis::line_script;
use crate::store::redis::link::Script;

/// Operations that each mutant is given to show itself. Most do within a few hundred.
const OPERATIONS: u32 = 30_000;

/// What is broken, the text that must occur once, and what stands there instead.
const MUTANTS: [(&str, &str, &str); 25] = [
    ("visits never expire", "\n    expire()\n", "\n"),
    (
        "one visit more than the limit",
        "math.max(line.settings.active_max - line.active - line.reserve, 0)",
        "math.max(line.settings.active_max - line.active - line.reserve + 1, 0)",
    ),
    (
        "slots held back are given away",
        "math.max(line.settings.active_max - line.active - line.reserve, 0)",
        "math.max(line.settings.active_max - line.active, 0)",
    ),
    (
        "a burst is a little more than a second's worth",
        "math.max(60000, 1000 * line.settings.admit_per_min)",
        "math.max(60000, 1010 * line.settings.admit_per_min)",
    ),
    (
        "a place can be admitted twice",
        "    put('admitted', life, number, true)\n    put_visit",
        "    put_visit",
    ),
    (
        "a chance is a fraction",
        "floor(line.answered[age] * MILLI / math.max(line.at_risk[age], 1))",
        "line.answered[age] * MILLI / math.max(line.at_risk[age], 1)",
    ),
    (
        "old habits fade to fractions",
        "floor(line.at_risk[age] / 2), floor(line.answered[age] / 2)",
        "line.at_risk[age] / 2, line.answered[age] / 2",
    ),
    (
        "the time between two ticks is a fraction",
        "floor(lasted_ms * line.settings.admit_per_min / 60000) + 1",
        "lasted_ms * line.settings.admit_per_min / 60000 + 1",
    ),
    (
        "a clock that goes back is time that passed",
        "silent_ms = math.max(now_ms - line.store_ms, 0)",
        "silent_ms = math.abs(now_ms - line.store_ms)",
    ),
    (
        "a repeated tick is another one",
        "if last and request.seq == last[1] then",
        "if false then",
    ),
    (
        "another copy of the store goes unnoticed",
        "if line.store_id and line.store_id ~= store then begin_epoch(0) end",
        "",
    ),
    (
        "a number that the store lost is given again",
        "elseif epoch > line.epoch or (epoch == line.epoch and number > given) then",
        "elseif epoch > line.epoch then",
    ),
    (
        "a place that an edge gave by itself is taken for a loss",
        "if epoch > line.epoch and is_stamp(epoch) then",
        "if false then",
    ),
    (
        "the slot of a visit that ended before the loss is given to somebody else",
        "if line.now_ms < line.regroup_until_ms and line.reserve < line.unseen then",
        "if false then",
    ),
    (
        "changes in two lives of a store have one version",
        "if life > line.round then",
        "if false then",
    ),
    (
        "a visit that was adopted leaves its slot held back",
        "    line.reserve = line.reserve - 1\n",
        "",
    ),
    (
        "an answer given late closes a call that is over",
        "if set_ready(life, number, true) and not is_passed(epoch, number) and put",
        "if set_ready(life, number, true) and put",
    ),
    (
        "those before the floor are counted still",
        "line.counted - count_in('present', life, from, upto) + count_in",
        "line.counted + count_in",
    ),
    (
        "more than 255 in a block are forgotten",
        "local high, low = string.byte(tally.bytes, 2 * index + 1, 2 * index + 2)\n    return high and high * 256 + low or 0",
        "local high, low = string.byte(tally.bytes, 2 * index + 1, 2 * index + 2)\n    return high and low or 0",
    ),
    (
        "a page with fans in it is dropped",
        "for index = first, first + PAGE_BLOCKS - 1 do",
        "for index = first + 1, first + PAGE_BLOCKS - 1 do",
    ),
    (
        "a byte of bits is passed over",
        "at = string.find(block.bytes, '[^%z]', at + 1)",
        "at = string.find(block.bytes, '[^%z]', at + 2)",
    ),
    (
        "a block that was changed is taken for empty",
        "if not set.tally or count_at(set.tally, index) > 0 then",
        "if set.tally and count_at(set.tally, index) > 300 then",
    ),
    (
        "another block costs nothing",
        "price = price + NEW_BLOCK end",
        "price = price end",
    ),
    (
        "work that was cut short is not told of",
        "        work_cut = true\n",
        "",
    ),
    (
        "another visitor enters with the visit",
        "if visit.visitor ~= NOBODY and visit.visitor ~= visitor then return 'theirs' end",
        "",
    ),
];

#[tokio::test]
async fn the_suite_sees_every_mistake_in_the_script() {
    let server = Server::start(&[]);
    let whole = testable(&line_script::text());
    let mut unseen = Vec::new();
    for (breaks, find, replace) in MUTANTS {
        assert_eq!(whole.matches(find).count(), 1, "{breaks}: {find}");
        let script = Box::leak(Box::new(Script::new(whole.replace(find, replace))));
        match run(&server, script, 1, OPERATIONS).await {
            Ok(_) => unseen.push(breaks),
            Err(difference) => {
                let said: String = difference.chars().take(120).collect();
                println!("seen: {breaks}: {}", said.lines().next().unwrap_or_default());
            }
        }
    }
    assert!(unseen.is_empty(), "the suite does not see: {unseen:#?}");
}
