-- The line of one room as it is between two ticks: one packed table, read at the beginning and written at the end.
--
-- What is in it is what `Line` of the pure core has in its fields, under the same names. All of it are whole numbers
-- below 2^53, so that a double holds them exactly.

local MODE_OFF, MODE_AUTO = 'off', 'auto'

local function store_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + floor(time[2] / 1000)
end

-- Which process and which copy of the data this is.
local function store_id()
    local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
    local copy = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
    return run .. ' ' .. copy
end

local function is_before(epoch, number, other_epoch, other_number)
    return epoch < other_epoch or (epoch == other_epoch and number < other_number)
end

-- The life that was spoken of last: nearly always the same again.
local near_life

-- The life of an epoch, made when it is not known yet. Lives stand in the order of their epochs.
local function life_of(epoch)
    if near_life and near_life.epoch == epoch then return near_life end
    local at = #line.lives + 1
    for index, life in ipairs(line.lives) do
        if life.epoch == epoch then
            near_life = life
            return life
        end
        if life.epoch > epoch then
            at = index
            break
        end
    end
    local life = { epoch = epoch, last = 0, present = 0, ready = 0 }
    table.insert(line.lives, at, life)
    return life
end

local WITHIN_SECOND, STAMP = 1048576, 524288

-- Whether an edge began this epoch by itself.
local function is_stamp(epoch) return floor(epoch / STAMP) % 2 == 1 end

-- The id of an epoch above all of `known`.
local function new_epoch(known)
    local second = floor(line.now_ms / 1000)
    if known then second = math.max(second, floor(known / WITHIN_SECOND) + 1) end
    return second * WITHIN_SECOND + line.nonce % STAMP
end

local function first_turn(epoch) return floor(epoch / WITHIN_SECOND) * 4194304 end

local function allowance_cap() return math.max(60000, 1000 * line.settings.admit_per_min) end

local function free_slots() return math.max(line.settings.active_max - line.active - line.reserve, 0) end

local function status()
    if line.closed then return 'closed' end
    if line.now_ms < line.regroup_until_ms then return 'regroup' end
    if line.settings.paused then return 'paused' end
    if line.settings.draining then return 'draining' end
    return 'open'
end

-- Whether anyone is called or admitted at all just now.
local function moves()
    local now = status()
    return (now == 'open' or now == 'draining') and line.settings.mode ~= MODE_OFF
        and line.settings.admit_per_min > 0
end

local function ready_all()
    local all = 0
    for _, life in ipairs(line.lives) do all = all + life.ready end
    return all
end

local function begin_round(round, epoch)
    line.round, line.epoch = round, epoch
    for _, life in ipairs(line.lives) do drop_life(life) end
    -- Nothing that was touched in this tick is written back.
    forget_bits()
    forget_visits()
    redis.call('UNLINK', keys.grants, keys.ended)
    line.lives, near_life = {}, nil
    life_of(epoch)
    line.called_epoch, line.called_number = 0, 0
    calls_anew(0, 0)
    line.active, line.counted = 0, 0
    line.reserve, line.unseen = 0, 0
    line.reserve_until_ms, line.regroup_until_ms, line.grace_until_ms = 0, 0, 0
    line.everything, line.unfounded = false, false
    line.issued, line.joined = 0, 0
    line.next_turn = math.max(line.next_turn, first_turn(epoch) + 1)
    line.grants_next, line.ended_next = first_turn(epoch) + 1, first_turn(epoch) + 1
    -- Notes of this tick stand behind those of the last epoch.
    grants_tick, ended_tick = line.grants_next, line.ended_next
end
