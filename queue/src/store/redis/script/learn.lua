-- What a store that lost something hears from the edges, and what it does until it knows again.

local REGROUP_MS, REPORT_MS = 5000, 2000

-- Holds back slots for at least this many visits, as far as there are any.
local function hold_back(unseen)
    line.unseen = math.max(line.unseen, unseen)
    line.reserve = math.min(math.max(line.reserve, unseen), math.max(line.settings.active_max - line.active, 0))
end

-- The most who can have been admitted in a time of which the store knows nothing.
local function admissions_within(silent_ms)
    local lasted_ms = silent_ms + line.lag_ms
    return floor(allowance_cap() / 60000) + floor(lasted_ms * line.settings.admit_per_min / 60000) + 1
end

local function regroup(unseen)
    line.allowance = 0
    hold_back(unseen)
    line.reserve_until_ms = line.now_ms + line.settings.visit_ttl_ms
    line.regroup_until_ms = line.now_ms + REGROUP_MS
end

-- From now on places are of an epoch above all that are known, and above this one.
local function rise_above(above)
    line.epoch = new_epoch(math.max(line.epoch, above))
    line.next_turn = math.max(line.next_turn, first_turn(line.epoch) + 1)
    life_of(line.epoch)
end

-- The store has lost something: a new epoch, and what follows from not knowing.
local function begin_epoch(above)
    rise_above(above)
    redis.call('UNLINK', keys.grants, keys.ended)
    line.grants_next, line.ended_next = first_turn(line.epoch) + 1, first_turn(line.epoch) + 1
    grants_tick, ended_tick, new_grants, new_ended = line.grants_next, line.ended_next, {}, {}
    line.grace_until_ms = line.now_ms + line.settings.visit_ttl_ms
    regroup(admissions_within(silent_ms))
end

-- Makes sure that a place is known. One that the store should have given itself, and does not know, shows that the
-- store has lost what it knew: an epoch above it begins. So it does after one that an edge gave by itself, but then
-- nothing is lost.
function know(epoch, number)
    if epoch <= line.epoch and number <= life_of(epoch).last then return end
    local given = life_of(line.epoch).last
    local life = life_of(epoch)
    if is_stamp(epoch) then
        local unheard = math.max(number - life.last, 0)
        line.issued, line.joined = line.issued + unheard, line.joined + unheard
    end
    life.last = math.max(life.last, number)
    if epoch > line.epoch and is_stamp(epoch) then
        rise_above(epoch)
        line.regroup_until_ms = math.max(line.regroup_until_ms, line.now_ms + REPORT_MS)
    elseif epoch > line.epoch or (epoch == line.epoch and number > given) then
        begin_epoch(epoch)
    end
end

local function highest_epoch(known) return math.max(known.epoch, known.place[1], known.round) end

-- A line where there was none: of the round that the edge knows, or of a new one.
local function begin(request, now_ms)
    line = {
        format = 1, nonce = request.nonce, lag_ms = request.lag_ms, now_ms = now_ms, store_ms = now_ms,
        settings = request.settings, closed = false, epoch = 0, round = 0, lives = {}, edges = {},
        next_turn = 0, admitted = 0, no_shows = 0, allowance = 0,
    }
    local known = request.known
    local epoch = new_epoch(known and highest_epoch(known))
    begin_round(known and known.round or epoch, epoch)
    if known then line.closed = known.closed end
    line.everything, line.unfounded = line.epoch, not known
    regroup(0)
end

-- Takes over what an edge knows and the store does not.
local function learn(known)
    if known.settings.version > line.settings.version then line.settings = known.settings end
    if known.round > line.round then
        begin_round(known.round, new_epoch(math.max(line.epoch, highest_epoch(known))))
        line.closed = known.closed
        line.everything = line.epoch
        regroup(0)
    end
    if known.round < line.round and line.unfounded then
        -- This one was begun for an edge that knew of none. Its places are younger than all of the old round.
        line.round, line.closed = known.round, known.closed
    end
    local speaks_of_before = line.everything and (known.epoch < line.everything or known.epoch > line.epoch)
    if speaks_of_before or line.now_ms >= line.regroup_until_ms then line.unfounded = false end
    if known.round < line.round then return end
    know(known.epoch, 0)
    if known.place[1] >= line.round then know(known.place[1], known.place[2]) end
    local called_epoch, called_number = known.called_upto[1], known.called_upto[2]
    if is_before(line.called_epoch, line.called_number, called_epoch, called_number) then
        -- Whoever was asked may answer; whoever was silent has been passed.
        line.called_epoch, line.called_number = called_epoch, called_number
        line.batches = {}
        raise_floor(called_epoch, called_number)
    end
    if speaks_of_before then
        hold_back(math.max(known.active + admissions_within(known.silent_ms) - line.active, 0))
    end
end
