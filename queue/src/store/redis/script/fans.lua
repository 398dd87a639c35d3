-- What edges say of the fans they hold: they are here, they answer, they give up.

-- Whether the fan at this place is counted by its presence or by its readiness.
local function is_passed(epoch, number) return not is_before(line.floor_epoch, line.floor_number, epoch, number) end

local function set_present(life, number, on)
    if put('present', life, number, on) and not is_passed(life.epoch, number) then
        line.counted = line.counted + (on and 1 or -1)
    end
end

-- True when the fan was not ready, or was.
local function set_ready(life, number, on)
    local changed = put('ready', life, number, on)
    if changed and is_passed(life.epoch, number) then line.counted = line.counted + (on and 1 or -1) end
    return changed
end

local function clear_fan(life, number)
    set_present(life, number, false)
    set_ready(life, number, false)
end

function clear_waiting(epoch, number)
    for _, life in ipairs(line.lives) do
        if life.epoch == epoch then clear_fan(life, number) end
    end
end

local function leave(epoch, number)
    if epoch < line.round then return end
    know(epoch, number)
    local visit = visit_at(epoch, number)
    if visit then
        if visit.stage >= ENTERED then return end
        remove_visit(epoch, number)
        undo(epoch, number, visit.turn)
    end
    clear_waiting(epoch, number)
    put('admitted', life_of(epoch), number, true)
end

-- An edge holds the fan. One whose grant is under way is told of it again; true when the fan waits.
local function back(epoch, number, spent)
    if epoch < line.round then
        spent[#spent + 1] = { epoch, number }
        return false
    end
    know(epoch, number)
    local visit = visit_at(epoch, number)
    if visit then
        note_grant(epoch, number, visit.turn, visit.hard_end_ms)
        return false
    end
    local life = life_of(epoch)
    if has('admitted', life, number) then
        spent[#spent + 1] = { epoch, number }
        return false
    end
    set_present(life, number, true)
    return true
end

local function here(epoch, number, spent)
    if not back(epoch, number, spent) or is_before(line.called_epoch, line.called_number, epoch, number) then return end
    local life = life_of(epoch)
    -- Whoever answers again, or was away when the calls went past, answers no call that is still open. Calls at or
    -- before the floor are over.
    if set_ready(life, number, true) and not is_passed(epoch, number) and put('asked', life, number, false) then
        call_answered(epoch, number)
    end
end
