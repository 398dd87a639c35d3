-- Calling ahead: how many fans to ask so that enough have answered by the time there is room.

local BUCKETS, LEARNED_MAX, PRIOR, MILLI, BATCHES = 16, 4096, 8, 1000, 50

-- Nobody called beyond this place, nothing learned.
function calls_anew(floor_epoch, floor_number)
    line.floor_epoch, line.floor_number = floor_epoch, floor_number
    line.batches = {}
    line.at_risk, line.answered = {}, {}
    for age = 1, BUCKETS do line.at_risk[age], line.answered[age] = PRIOR, PRIOR / 2 end
    line.delay_sum_ms, line.delays = 0, 0
end

local function bucket(delay_ms)
    local age = floor(delay_ms * BUCKETS / math.max(line.settings.answer_within_ms, 1))
    return math.min(age, BUCKETS - 1) + 1
end

local function open_calls()
    local open = 0
    for _, batch in ipairs(line.batches) do open = open + batch.called - batch.answered end
    return open
end

local function chance_milli(age)
    return math.max(floor(line.answered[age] * MILLI / math.max(line.at_risk[age], 1)), 1)
end

-- Fans expected to answer open calls, in thousandths.
local function hope_milli()
    local hope = 0
    for _, batch in ipairs(line.batches) do
        hope = hope + (batch.called - batch.answered) * chance_milli(bucket(line.now_ms - batch.at_ms))
    end
    return hope
end

local function fade()
    while line.at_risk[1] > LEARNED_MAX do
        for age = 1, BUCKETS do
            line.at_risk[age], line.answered[age] = floor(line.at_risk[age] / 2), floor(line.answered[age] / 2)
        end
    end
    if line.delays > LEARNED_MAX then
        line.delay_sum_ms, line.delays = floor(line.delay_sum_ms / 2), floor(line.delays / 2)
    end
end

-- Notes the calls of this tick, which reach to `called_number`. Those of a short while are one batch.
local function note_called(called)
    local last = line.batches[#line.batches]
    if not last or line.now_ms - last.since_ms >= floor(line.settings.answer_within_ms / BATCHES) then
        last = { since_ms = line.now_ms, called = 0, answered = 0 }
        line.batches[#line.batches + 1] = last
    end
    last.at_ms, last.epoch, last.number = line.now_ms, line.called_epoch, line.called_number
    last.called = last.called + called
end

-- The calls that reach over a place are the first batch that does not end before it.
local function batch_of(epoch, number)
    local batches = line.batches
    local low, high = 1, #batches
    while low < high do
        local middle = floor((low + high) / 2)
        if is_before(batches[middle].epoch, batches[middle].number, epoch, number) then
            low = middle + 1
        else
            high = middle
        end
    end
    local batch = batches[low]
    return batch and not is_before(batch.epoch, batch.number, epoch, number) and batch or nil
end

local function call_answered(epoch, number)
    local batch = batch_of(epoch, number)
    if not batch then return end
    batch.answered = batch.answered + 1
    local delay_ms = line.now_ms - batch.at_ms
    line.delay_sum_ms, line.delays = line.delay_sum_ms + delay_ms, line.delays + 1
    local at_risk, answered = line.at_risk, line.answered
    for age = 1, bucket(delay_ms) do
        at_risk[age], answered[age] = at_risk[age] + 1, answered[age] + 1
    end
    fade()
end

-- Those who are before others: present after the floor, ready at or before it. The floor rises to here.
local function raise_floor(epoch, number)
    for _, life in ipairs(line.lives) do
        local from = life.epoch == line.floor_epoch and line.floor_number + 1 or 0
        local upto = life.epoch == epoch and number or life.last
        if life.epoch >= line.floor_epoch and life.epoch <= epoch and from <= upto then
            line.counted = line.counted - count_in('present', life, from, upto) + count_in('ready', life, from, upto)
            drop_calls(life.epoch, from, upto)
        end
    end
    line.floor_epoch, line.floor_number = epoch, number
end

-- Passes over calls that are too old: the floor rises, their silence is learned.
local function retire()
    local rose = false
    while line.batches[1] and line.now_ms - line.batches[1].at_ms >= line.settings.answer_within_ms do
        local batch = table.remove(line.batches, 1)
        local silent = batch.called - batch.answered
        line.no_shows = line.no_shows + silent
        for age = 1, BUCKETS do line.at_risk[age] = line.at_risk[age] + silent end
        fade()
        raise_floor(batch.epoch, batch.number)
    end
end
