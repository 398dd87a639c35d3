-- Who stands where: a bit a place in each of three kinds, and one more while a call is open.
--
-- The bits of an epoch stand in pages of 8,000 bytes, 16 blocks of 4,000 places each, lowest place first and lowest bit
-- first; a page in which no bit is set does not exist. Beside them stands how many are set in each block, in 16 bits, so
-- that a stretch of numbers that nobody holds costs nothing. A tick reads each block it touches once, changes it here,
-- and writes all of them back at its end.

local BLOCK, BLOCK_BYTES, PAGE_BLOCKS = 4000, 500, 16
local PAGE_BYTES = BLOCK_BYTES * PAGE_BLOCKS
-- BITFIELD takes four words for each byte, and Lua hands over at most so many at once.
local FIELDS_MAX = 1000
local ZEROS = string.rep('\0', BLOCK_BYTES)
local MASKS = { [0] = 1, 2, 4, 8, 16, 32, 64, 128 }

-- From so many changed bytes on, writing a block whole is cheaper, and looking through it too.
local BYTES_WORTH = 12
-- From so many changed counts on, writing them and reading them again is cheaper than looking through them.
local COUNTS_WORTH = 16

-- The kinds whose bits are counted, in each block and in a field of the life; the two others need no counting.
local COUNTED = { present = 'present', ready = 'ready' }

-- What this tick has touched of each kind in each life: its blocks, and how many are set in them.
local sets = {}

local function page_key(kind, epoch, page)
    return string.format('%s%s:%.0f:%.0f', keys.bits, kind, epoch, page)
end

local function set_of(kind, life)
    local of_kind = sets[kind]
    if not of_kind then
        of_kind = {}
        sets[kind] = of_kind
    end
    local set = of_kind[life]
    if not set then
        local name = string.format('%s:%.0f', kind, life.epoch)
        set = { life = life, field = COUNTED[kind], pages = keys.bits .. name .. ':', blocks = {} }
        if set.field then
            local key = keys.counts .. name
            set.tally = { key = key, bytes = redis.call('GET', key) or '', set = {}, changed = 0 }
        end
        of_kind[life] = set
    end
    return set
end

local function count_at(tally, index)
    local count = tally.set[index]
    if count then return count end
    local high, low = string.byte(tally.bytes, 2 * index + 1, 2 * index + 2)
    return high and high * 256 + low or 0
end

local function counted(set, index, change)
    local tally = set.tally
    if tally then
        if not tally.set[index] then tally.changed = tally.changed + 1 end
        tally.set[index] = count_at(tally, index) + change
        set.life[set.field] = set.life[set.field] + change
    end
end

local function block_of(set, index)
    -- Nearly always the same again.
    local block = set.near
    if block and block.index == index then return block end
    block = set.blocks[index]
    if not block then
        local page = floor(index / PAGE_BLOCKS)
        local from = (index - page * PAGE_BLOCKS) * BLOCK_BYTES
        block = { index = index, page = page, from = from, bytes = ZEROS, set = {}, fresh = 0, changed = 0 }
        -- One in which nothing is set need not be read.
        if not set.tally or count_at(set.tally, index) > 0 then
            local bytes = redis.call('GETRANGE', set.pages .. page, from, from + BLOCK_BYTES - 1)
            if bytes ~= '' then block.bytes = bytes end
        end
        set.blocks[index] = block
    end
    set.near = block
    return block
end

local function byte_at(block, offset)
    return block.set[offset] or string.byte(block.bytes, offset + 1)
end

local function set_byte(block, offset, byte)
    if not block.set[offset] then block.fresh, block.changed = block.fresh + 1, block.changed + 1 end
    block.set[offset] = byte
end

local function has(kind, life, number)
    local within = number % BLOCK
    local block = block_of(set_of(kind, life), (number - within) / BLOCK)
    local low = within % 8
    return bit.band(byte_at(block, (within - low) / 8), MASKS[low]) ~= 0
end

-- Sets or clears the bit; true when that changed it.
local function put(kind, life, number, on)
    local set = set_of(kind, life)
    local within = number % BLOCK
    local index = (number - within) / BLOCK
    if not on and set.tally and count_at(set.tally, index) == 0 then return false end
    local block = block_of(set, index)
    local low = within % 8
    local offset, mask = (within - low) / 8, MASKS[low]
    local byte = byte_at(block, offset)
    if (bit.band(byte, mask) ~= 0) == on then return false end
    set_byte(block, offset, bit.bxor(byte, mask))
    counted(set, index, on and 1 or -1)
    return true
end

-- Sets the bits of new numbers `first` to `last`, none of which is set.
local function put_new(kind, life, first, last)
    local set = set_of(kind, life)
    local number = first
    while number <= last do
        local index = floor(number / BLOCK)
        local upto = math.min(last, index * BLOCK + BLOCK - 1)
        local block = block_of(set, index)
        local within, to = number % BLOCK, upto % BLOCK
        if within == 0 and to == BLOCK - 1 then
            block.bytes, block.set, block.fresh = string.rep('\255', BLOCK_BYTES), {}, 0
        else
            while within <= to do
                local offset = floor(within / 8)
                if within % 8 == 0 and within + 7 <= to then
                    set_byte(block, offset, 255)
                    within = within + 8
                else
                    set_byte(block, offset, bit.bor(byte_at(block, offset), MASKS[within % 8]))
                    within = within + 1
                end
            end
        end
        block.changed = BLOCK_BYTES
        counted(set, index, upto - number + 1)
        number = upto + 1
    end
end

local function write_fields(key, fields)
    for from = 1, #fields, FIELDS_MAX * 4 do
        redis.call('BITFIELD', key, unpack(fields, from, math.min(from + FIELDS_MAX * 4 - 1, #fields)))
    end
end

-- Adds what sets the number at this index, of this type, to the fields.
local function add_field(fields, type, index, value)
    local at = #fields
    fields[at + 1], fields[at + 2], fields[at + 3], fields[at + 4] = 'SET', type, '#' .. index, value
end

local function write_tally(tally)
    local fields = {}
    for index, count in pairs(tally.set) do add_field(fields, 'u16', index, count) end
    write_fields(tally.key, fields)
end

-- The first block from `index` on in which any bit is set.
local function next_block(tally, index)
    if count_at(tally, index) > 0 then return index end
    if tally.changed >= COUNTS_WORTH then
        write_tally(tally)
        tally.bytes, tally.set, tally.changed = redis.call('GET', tally.key), {}, 0
    end
    local found
    local at = 2 * index + 1
    while true do
        at = string.find(tally.bytes, '[^%z]', at)
        if not at then break end
        local candidate = floor((at - 1) / 2)
        if count_at(tally, candidate) > 0 then
            found = candidate
            break
        end
        at = 2 * candidate + 3
    end
    for changed, count in pairs(tally.set) do
        if count > 0 and changed >= index and (not found or changed < found) then found = changed end
    end
    return found
end

-- The bytes of a block as they are now.
local function bytes_of(block)
    if block.fresh > 0 then
        local bytes = { string.byte(block.bytes, 1, -1) }
        for offset, byte in pairs(block.set) do bytes[offset + 1] = byte end
        block.bytes, block.set, block.fresh = string.char(unpack(bytes)), {}, 0
    end
    return block.bytes
end

-- The first byte from `offset` on in which any bit is set.
local function next_byte(block, offset)
    if block.fresh >= BYTES_WORTH then bytes_of(block) end
    local at = offset
    repeat
        at = string.find(block.bytes, '[^%z]', at + 1)
    until not at or block.set[at - 1] ~= 0
    local found = at and at - 1
    for changed, byte in pairs(block.set) do
        if byte ~= 0 and changed >= offset and (not found or changed < found) then found = changed end
    end
    return found
end

-- The lowest number above `after` whose bit is set.
local function next_after(kind, life, after)
    local set = set_of(kind, life)
    local number = after + 1
    local index = floor(number / BLOCK)
    while true do
        index = next_block(set.tally, index)
        if not index then return nil end
        local block = block_of(set, index)
        local within = math.max(number - index * BLOCK, 0)
        local offset = floor(within / 8)
        local byte = bit.band(byte_at(block, offset), bit.lshift(255, within % 8), 255)
        if byte == 0 then
            offset = next_byte(block, offset + 1)
            byte = offset and byte_at(block, offset)
        end
        if byte then
            local low = 0
            while bit.band(byte, MASKS[low]) == 0 do low = low + 1 end
            return index * BLOCK + offset * 8 + low
        end
        index = index + 1
    end
end

-- How many bits are set in each half of a byte.
local ONES_IN = { [0] = 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4 }

-- How many bits are set in `from` to `to`, both included.
local function count_in(kind, life, from, to)
    local set = set_of(kind, life)
    local total = 0
    local index = floor(from / BLOCK)
    while true do
        index = next_block(set.tally, index)
        if not index or index * BLOCK > to then return total end
        local base = index * BLOCK
        if from <= base and base + BLOCK - 1 <= to then
            total = total + count_at(set.tally, index)
        else
            local block = block_of(set, index)
            local low, high = math.max(from - base, 0), math.min(to - base, BLOCK - 1)
            local offset = next_byte(block, floor(low / 8))
            while offset and offset * 8 <= high do
                local byte = byte_at(block, offset)
                if low > offset * 8 then byte = bit.band(byte, bit.lshift(255, low - offset * 8)) end
                if high < offset * 8 + 7 then byte = bit.band(byte, bit.rshift(255, offset * 8 + 7 - high)) end
                total = total + ONES_IN[bit.band(byte, 15)] + ONES_IN[bit.band(bit.rshift(byte, 4), 15)]
                offset = next_byte(block, offset + 1)
            end
        end
        index = index + 1
    end
end

-- Drops a page in which nothing is set.
local function drop_if_empty(set, page)
    local first = page * PAGE_BLOCKS
    for index = first, first + PAGE_BLOCKS - 1 do
        if count_at(set.tally, index) > 0 then return end
    end
    redis.call('UNLINK', set.pages .. page)
end

local function write_set(set)
    local pages = {}
    for _, block in pairs(set.blocks) do
        if block.changed > 0 then
            local key, fields = set.pages .. block.page, pages[block.page]
            if not fields then
                fields = {}
                pages[block.page] = fields
                -- Made at its full size at once, a page takes no more memory than it needs.
                if redis.call('STRLEN', key) == 0 then redis.call('SETRANGE', key, PAGE_BYTES - 1, '\0') end
            end
            if block.changed >= BYTES_WORTH then
                redis.call('SETRANGE', key, block.from, bytes_of(block))
            else
                for offset, byte in pairs(block.set) do add_field(fields, 'u8', block.from + offset, byte) end
            end
        end
    end
    for page, fields in pairs(pages) do
        write_fields(set.pages .. page, fields)
        if set.tally then drop_if_empty(set, page) end
    end
    if set.tally then write_tally(set.tally) end
end

local function forget_bits() sets = {} end

local function write_bits()
    for _, of_kind in pairs(sets) do
        for _, set in pairs(of_kind) do write_set(set) end
    end
    forget_bits()
end

-- Drops the pages of calls that are over: those that end at or before `upto`.
local function drop_calls(epoch, from, upto)
    local span = BLOCK * PAGE_BLOCKS
    for page = floor(from / span), floor((upto + 1) / span) - 1 do
        redis.call('UNLINK', page_key('asked', epoch, page))
    end
end

-- Drops everything of an epoch.
local function drop_life(life)
    for _, kind in ipairs({ 'present', 'asked', 'ready', 'admitted' }) do
        for page = 0, floor(life.last / (BLOCK * PAGE_BLOCKS)) do
            redis.call('UNLINK', page_key(kind, life.epoch, page))
        end
        redis.call('UNLINK', string.format('%s%s:%.0f', keys.counts, kind, life.epoch))
    end
end
