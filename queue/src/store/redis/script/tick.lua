-- The calls: one exchange with an edge, and what an operator asks for.

local GAP_MAX_MS, EDGES_MAX = 2000, 64

local function read()
    local packed = redis.call('GET', keys.line)
    line = packed and cmsgpack.unpack(packed)
end

local function write()
    write_bits()
    write_visits()
    write_notes(keys.grants, new_grants)
    write_notes(keys.ended, new_ended)
    redis.call('SET', keys.line, cmsgpack.pack(line))
end

-- Room time follows the store's, never back and never by more than two seconds at once.
local function advance(now_ms)
    silent_ms = math.max(now_ms - line.store_ms, 0)
    local elapsed_ms = math.min(silent_ms, GAP_MAX_MS)
    line.store_ms = now_ms
    line.now_ms = line.now_ms + elapsed_ms
    line.allowance = math.min(line.allowance + elapsed_ms * line.settings.admit_per_min, allowance_cap())
    if line.now_ms >= line.reserve_until_ms then line.reserve, line.unseen = 0, 0 end
end

local function remember(boot, seq, reply)
    line.edges[boot] = { seq, line.now_ms }
    redis.call('HSET', keys.replies, boot, reply)
    local edges, oldest = 0, nil
    for other, last in pairs(line.edges) do
        edges = edges + 1
        if not oldest or last[2] < line.edges[oldest][2]
            or (last[2] == line.edges[oldest][2] and other < oldest) then
            oldest = other
        end
    end
    if edges > EDGES_MAX then
        line.edges[oldest] = nil
        redis.call('HDEL', keys.replies, oldest)
    end
end

local function counts_of(kind)
    local counts = {}
    for _, life in ipairs(line.lives) do
        if life[kind] > 0 then
            local key = string.format('%s%s:%.0f', keys.counts, kind, life.epoch)
            counts[#counts + 1] = { life.epoch, redis.call('GET', key) or '' }
        end
    end
    return counts
end

local function bits_of(kind, epoch, index)
    local from = (index % PAGE_BLOCKS) * BLOCK_BYTES
    local key = page_key(kind, epoch, floor(index / PAGE_BLOCKS))
    return redis.call('GETRANGE', key, from, from + BLOCK_BYTES - 1)
end

local function figures()
    local waiting, ready = 0, 0
    for _, life in ipairs(line.lives) do
        waiting, ready = waiting + life.present, ready + life.ready
    end
    return {
        waiting, ready, line.active, line.reserve, line.issued, line.admitted, line.joined - line.counted,
        line.no_shows,
    }
end

local calls = {}

function calls.tick(request)
    local last = line and line.edges[request.boot]
    if last and request.seq == last[1] then
        local reply = redis.call('HGET', keys.replies, request.boot)
        if reply then return reply end
    elseif last and request.seq < last[1] then
        return redis.error_reply(string.format('LATE %.0f', last[1]))
    end
    local now_ms = store_ms()
    store = store_id()
    if not line then begin(request, now_ms) end
    line.nonce, line.lag_ms = request.nonce, request.lag_ms
    begin_work(request.work)
    grants_tick, ended_tick = line.grants_next, line.ended_next
    advance(now_ms)
    if line.store_id and line.store_id ~= store then begin_epoch(0) end
    line.store_id = store
    if request.known then learn(request.known) end
    expire()
    read_visits({
        request['end'], request.renew, request.take, request.enter, request.leave, request.back, request.here,
    })
    local renewed, entered, spent = {}, {}, {}
    for _, visit in ipairs(request['end']) do end_visit(visit[1], visit[2], visit[3]) end
    for index, visit in ipairs(request.renew) do
        renewed[index] = renew(visit[1], visit[2], visit[3], visit[4])
    end
    for _, visit in ipairs(request.take) do take(visit[1], visit[2], visit[3]) end
    for index, visit in ipairs(request.enter) do
        entered[index] = enter(visit[1], visit[2], visit[3], visit[4])
    end
    for _, place in ipairs(request.leave) do leave(place[1], place[2]) end
    for _, place in ipairs(request.absent) do clear_waiting(place[1], place[2]) end
    for _, place in ipairs(request.back) do back(place[1], place[2], spent) end
    for _, place in ipairs(request.here) do here(place[1], place[2], spent) end
    admit()
    retire()
    call()
    local given = give(request.arrivals)
    write_bits()
    write_notes(keys.grants, new_grants)
    write_notes(keys.ended, new_ended)
    new_grants, new_ended = {}, {}
    local views = {}
    for index, block in ipairs(request.blocks) do
        views[index] = { bits_of('present', block[1], block[2]), bits_of('ready', block[1], block[2]) }
    end
    local grants, more_grants = notes_after(keys.grants, line.grants_next, grants_tick, request.grants_read)
    local ended, more_ended = notes_after(keys.ended, line.ended_next, ended_tick, request.ended_read)
    local reply = cmsgpack.pack({
        now_ms = line.now_ms, round = line.round, epoch = line.epoch, status = status(), given = given or nil,
        called_upto = { line.called_epoch, line.called_number }, floor = { line.floor_epoch, line.floor_number },
        counts = request.counts and { counts_of('present'), counts_of('ready') } or nil,
        blocks = views,
        more = work_cut or more_grants or more_ended, grants = grants, ended = ended,
        renewed = renewed, entered = entered, spent = spent, figures = figures(),
        settings = request.settings_read ~= line.settings.version and line.settings or nil,
    })
    remember(request.boot, request.seq, reply)
    write()
    return reply
end

-- Changes settings; what is absent stays.
function calls.configure(change)
    local settings = line.settings
    settings.version = settings.version + 1
    -- Two lives of a store may each be changed and not hear of each other: of versions that they give, the later life's
    -- is higher.
    local life = line.store_id == store_id() and line.epoch or new_epoch(line.epoch)
    if life > line.round then settings.version = math.max(settings.version, first_turn(life)) end
    for _, name in ipairs({ 'mode', 'active_max', 'admit_per_min', 'paused', 'draining' }) do
        if change[name] ~= nil then settings[name] = change[name] end
    end
    if change.notice then
        settings.notice = change.notice ~= '' and change.notice or nil
    end
    write()
    return cmsgpack.pack(settings)
end

-- Ends the round: every place and visit of it is over, and no new ones are given.
function calls.close()
    advance(store_ms())
    local epoch = new_epoch(line.epoch)
    begin_round(epoch, epoch)
    line.closed = true
    write()
end

-- The next round gives places.
function calls.open()
    line.closed = false
    write()
end

read()
if not line and ARGV[1] ~= 'tick' then return redis.error_reply('EMPTY no edge has ticked yet') end
return calls[ARGV[1]](cmsgpack.unpack(ARGV[2]))
