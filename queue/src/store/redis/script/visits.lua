-- The life of a visit: granted, taken, entered, renewed, and over. Each visit is a slot in use from its grant on.

local UNTAKEN_MS, COME_BACK_MS = 5000, 15000
local NOTES_KEPT, READ_MAX = 4000, 250
local GRANTED, TAKEN, ENTERED, LIVE = 0, 1, 2, 3
local NOBODY = ''

-- Members of the set of expiries sort as places do.
local members = {}

local function member_of(epoch, number)
    local of_epoch = members[epoch]
    if not of_epoch then
        of_epoch = { before = string.format('%016.0f.', epoch) }
        members[epoch] = of_epoch
    end
    local member = of_epoch[number]
    if not member then
        member = of_epoch.before .. string.format('%016.0f', number)
        of_epoch[number] = member
    end
    return member
end

local function place_of(member)
    return tonumber(string.sub(member, 1, 16)), tonumber(string.sub(member, 18))
end

-- The visits of this tick by member, `false` where there is none, and which of them are to be written or removed.
local visits, put_members, removed_members = {}, {}, {}

local function unpacked(packed)
    if not packed then return false end
    local turn, stage, visitor, expires_at_ms, hard_end_ms = unpack(cmsgpack.unpack(packed))
    return {
        turn = turn, stage = stage, visitor = visitor, expires_at_ms = expires_at_ms, hard_end_ms = hard_end_ms,
    }
end

local CHUNK = 500

local function read_members(wanted)
    for from = 1, #wanted, CHUNK do
        local upto = math.min(from + CHUNK - 1, #wanted)
        local packed = redis.call('HMGET', keys.visits, unpack(wanted, from, upto))
        for at = from, upto do visits[wanted[at]] = unpacked(packed[at - from + 1]) end
    end
end

-- Reads all visits of the places that a request names, at once.
local function read_visits(lists)
    local wanted = {}
    for _, list in ipairs(lists) do
        for _, place in ipairs(list) do
            local member = member_of(place[1], place[2])
            if visits[member] == nil then
                visits[member] = false
                wanted[#wanted + 1] = member
            end
        end
    end
    read_members(wanted)
end

local function visit_at(epoch, number)
    local member = member_of(epoch, number)
    if visits[member] == nil then read_members({ member }) end
    return visits[member] or nil
end

local function visit_of(epoch, number, turn)
    local visit = visit_at(epoch, number)
    return visit and visit.turn == turn and visit or nil
end

-- Where nothing is known of the place's visit, it has none.
local function put_visit(epoch, number, visit)
    local member = member_of(epoch, number)
    if not visits[member] then line.active = line.active + 1 end
    visits[member] = visit
    put_members[member], removed_members[member] = true, nil
end

local function remove_visit(epoch, number)
    local member = member_of(epoch, number)
    line.active = line.active - 1
    visits[member] = false
    put_members[member], removed_members[member] = nil, true
end

function forget_visits()
    visits, put_members, removed_members = {}, {}, {}
    redis.call('UNLINK', keys.visits, keys.expiry)
end

-- Calls a command with so many arguments at a time.
local function call_all(command, key, arguments)
    for from = 1, #arguments, CHUNK * 2 do
        redis.call(command, key, unpack(arguments, from, math.min(from + CHUNK * 2 - 1, #arguments)))
    end
end

local function write_visits()
    local removed, packed, expiries = {}, {}, {}
    local expiry_ms, expiry
    for member in pairs(removed_members) do removed[#removed + 1] = member end
    for member in pairs(put_members) do
        local visit = visits[member]
        local at = #packed
        packed[at + 1] = member
        packed[at + 2] =
            cmsgpack.pack({ visit.turn, visit.stage, visit.visitor, visit.expires_at_ms, visit.hard_end_ms })
        if visit.expires_at_ms ~= expiry_ms then
            expiry_ms, expiry = visit.expires_at_ms, string.format('%.0f', visit.expires_at_ms)
        end
        expiries[at + 1], expiries[at + 2] = expiry, member
    end
    call_all('HDEL', keys.visits, removed)
    call_all('ZREM', keys.expiry, removed)
    call_all('HSET', keys.visits, packed)
    call_all('ZADD', keys.expiry, expiries)
end

-- What this tick adds to the notes that every edge reads.
local new_grants, new_ended = {}, {}

local function note_grant(epoch, number, turn, hard_end_ms)
    new_grants[#new_grants + 1] = cmsgpack.pack({ epoch, number, turn, hard_end_ms })
    line.grants_next = line.grants_next + 1
end

-- `used` where the fan had entered, so that the place is used.
local function note_ended(epoch, number, turn, used)
    new_ended[#new_ended + 1] = cmsgpack.pack({ epoch, number, turn, used })
    line.ended_next = line.ended_next + 1
end

local function write_notes(key, notes)
    for from = 1, #notes, 1000 do
        redis.call('RPUSH', key, unpack(notes, from, math.min(from + 999, #notes)))
    end
    if #notes > 0 then redis.call('LTRIM', key, -NOTES_KEPT, -1) end
end

-- The notes after `cursor`, and the cursor after them.
local function notes_after(key, next_note, tick, cursor)
    local oldest = next_note - redis.call('LLEN', key)
    local wanted = cursor == 0 and tick or cursor + 1
    local from = math.min(math.max(wanted, oldest), next_note)
    local notes = {}
    if from < next_note then notes = redis.call('LRANGE', key, from - oldest, from - oldest + READ_MAX - 1) end
    return { notes, from + #notes - 1 }, from + #notes < next_note
end

-- Makes the visit of a place: a slot and one admission's allowance. The caller has seen that there are both.
local function grant(life, number, stage, within_ms)
    line.allowance = line.allowance - 60000
    local turn = line.next_turn
    line.next_turn = turn + 1
    line.admitted = line.admitted + 1
    local hard_end_ms = line.now_ms + line.settings.visit_max_ms
    put('admitted', life, number, true)
    put_visit(life.epoch, number, {
        turn = turn, stage = stage, visitor = NOBODY,
        expires_at_ms = math.min(line.now_ms + within_ms, hard_end_ms), hard_end_ms = hard_end_ms,
    })
    return turn, hard_end_ms
end

-- The fan never entered: the slot, the allowance and the place are as if there had been no grant.
local function undo(epoch, number, turn)
    put('admitted', life_of(epoch), number, false)
    line.allowance = math.min(line.allowance + 60000, allowance_cap())
    line.admitted = math.max(line.admitted - 1, 0)
    note_ended(epoch, number, turn, false)
end

local function expire()
    if line.now_ms < line.grace_until_ms then return end
    local upto = string.format('%.0f', line.now_ms)
    next_kind()
    local most = floor((work_left - work_kept) / EXPIRY)
    local expired = redis.call('ZRANGEBYSCORE', keys.expiry, '-inf', upto, 'LIMIT', 0, most + 1)
    read_members(expired)
    for _, member in ipairs(expired) do
        local epoch, number = place_of(member)
        if not pay(EXPIRY, epoch, number) then return end
        local visit = visit_at(epoch, number)
        remove_visit(epoch, number)
        if visit.stage < ENTERED then
            undo(epoch, number, visit.turn)
        else
            note_ended(epoch, number, visit.turn, true)
        end
    end
end

local function end_visit(epoch, number, turn)
    if visit_of(epoch, number, turn) then
        remove_visit(epoch, number)
        note_ended(epoch, number, turn, true)
        -- While edges report, that may have been before the loss: its slot is held back for whoever has it since.
        if line.now_ms < line.regroup_until_ms and line.reserve < line.unseen then line.reserve = line.reserve + 1 end
    end
end

local function take(epoch, number, turn)
    local visit = visit_of(epoch, number, turn)
    if visit and visit.stage == GRANTED then
        visit.stage = TAKEN
        visit.expires_at_ms = math.min(line.now_ms + line.settings.enter_within_ms, visit.hard_end_ms)
        put_visit(epoch, number, visit)
    end
end

-- A visit that the store lost takes one of the slots held back for it.
local function adopt(epoch, number, turn, hard_end_ms)
    if epoch < line.round then return nil end
    know(epoch, number)
    local life = life_of(epoch)
    if line.reserve == 0 or visit_at(epoch, number) or has('admitted', life, number) or hard_end_ms <= line.now_ms then
        return nil
    end
    line.reserve = line.reserve - 1
    line.unseen = math.max(line.unseen - 1, 0)
    line.next_turn = math.max(line.next_turn, turn + 1)
    put('admitted', life, number, true)
    clear_waiting(epoch, number)
    return { turn = turn, visitor = NOBODY, hard_end_ms = hard_end_ms }
end

-- A grant that the store lost is good as long as the token that its fan has for it.
local function adopt_grant(epoch, number, turn)
    local visit = adopt(epoch, number, turn, line.now_ms + line.settings.visit_max_ms)
    if visit then visit.stage, visit.expires_at_ms = TAKEN, line.now_ms end
    return visit
end

-- Until when the visit lives and when it ends; 'theirs' when it is another visitor's, 'over' when it is no more.
local function enter(epoch, number, turn, visitor)
    local visit = visit_of(epoch, number, turn) or adopt_grant(epoch, number, turn)
    if not visit then return 'over' end
    if visit.visitor ~= NOBODY and visit.visitor ~= visitor then return 'theirs' end
    visit.visitor = visitor
    if visit.stage < ENTERED then
        visit.stage = ENTERED
        visit.expires_at_ms =
            math.min(math.max(visit.expires_at_ms, line.now_ms + COME_BACK_MS), visit.hard_end_ms)
    end
    put_visit(epoch, number, visit)
    return { visit.expires_at_ms, visit.hard_end_ms }
end

-- Until when the visit lives now; 0 when it is over.
local function renew(epoch, number, turn, hard_end_ms)
    local visit = visit_of(epoch, number, turn) or adopt(epoch, number, turn, hard_end_ms)
    if not visit then return 0 end
    visit.stage = LIVE
    visit.expires_at_ms = math.min(line.now_ms + line.settings.visit_ttl_ms, visit.hard_end_ms)
    put_visit(epoch, number, visit)
    return visit.expires_at_ms
end
