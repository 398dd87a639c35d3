-- How the front of the line moves: who is called, who is admitted, and who may go straight through.

local CALL_AHEAD_MS, ANSWER_DELAY_MAX_MS, READY_SPARE = 2000, 30000, 16

-- The first place of a kind after this one, as its life and its number.
local function next_of(kind, epoch, number)
    for _, life in ipairs(line.lives) do
        if life.epoch >= epoch and (not COUNTED[kind] or life[COUNTED[kind]] > 0) then
            local found = next_after(kind, life, life.epoch == epoch and number or 0)
            if found then return life, found end
        end
    end
end

-- Of those who answered, the lowest place first, while there is a slot and an allowance for it.
local function admit()
    if not moves() then return end
    next_kind()
    local epoch, number = 0, 0
    while free_slots() > 0 and line.allowance >= 60000 do
        local life
        life, number = next_of('ready', epoch, number)
        if not life or not pay(ADMISSION, life.epoch, number) then return end
        epoch = life.epoch
        clear_fan(life, number)
        local turn, hard_end_ms = grant(life, number, GRANTED, UNTAKEN_MS)
        note_grant(life.epoch, number, turn, hard_end_ms)
    end
end

-- Asks so many fans, in place order, that those ready and those likely to answer cover what could be admitted.
local function call()
    if not moves() then return end
    local delay_ms = line.delays > 0 and floor(line.delay_sum_ms / line.delays) or 1000
    local horizon_ms = CALL_AHEAD_MS + math.min(delay_ms, ANSWER_DELAY_MAX_MS)
    local by_rate = floor(line.settings.admit_per_min * horizon_ms / 60)
    local wanted = math.min(math.max(by_rate, MILLI), (line.settings.active_max + READY_SPARE) * MILLI)
    local expected = ready_all() * MILLI + hope_milli()
    local called, fresh = 0, chance_milli(1)
    next_kind()
    while expected < wanted do
        local life, number = next_of('present', line.called_epoch, line.called_number)
        if not life or not pay(CALL, life.epoch, number) then break end
        line.called_epoch, line.called_number = life.epoch, number
        put('asked', life, number, true)
        called, expected = called + 1, expected + fresh
    end
    if called > 0 then note_called(called) end
end

-- Nobody in line may be overtaken by an arrival.
local function goes_straight()
    return moves() and line.settings.mode == MODE_AUTO and open_calls() == 0 and ready_all() == 0
        and not next_of('present', line.floor_epoch, line.floor_number)
end

-- Places for new fans. The first go straight through where nobody is in line before them; those who come after them are
-- then in line, and nobody goes past them.
local function give(arrivals)
    if arrivals == 0 or line.closed or line.settings.draining then return false end
    local straight = 0
    if goes_straight() then straight = math.min(free_slots(), floor(line.allowance / 60000), arrivals) end
    straight = pay_last(STRAIGHT, straight)
    local life = life_of(line.epoch)
    local first, turn = life.last + 1, line.next_turn
    for number = first, first + straight - 1 do grant(life, number, ENTERED, COME_BACK_MS) end
    local last = first + arrivals - 1
    if straight < arrivals then
        put_new('present', life, first + straight, last)
        line.counted = line.counted + arrivals - straight
    end
    life.last = last
    line.issued = line.issued + arrivals
    line.joined = line.joined + arrivals - straight
    local hard_end_ms = line.now_ms + line.settings.visit_max_ms
    local expires_at_ms = math.min(line.now_ms + COME_BACK_MS, hard_end_ms)
    return { line.epoch, first, arrivals, straight, turn, expires_at_ms, hard_end_ms }
end
