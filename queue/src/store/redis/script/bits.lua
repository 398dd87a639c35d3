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
local ONES = string.rep('\255', BLOCK_BYTES)

-- From so many changed bytes on, writing a block whole is cheaper.
local FIELDS_WORTH = 12

local blocks, tallies = {}, {}
-- The block of each kind that was touched last: nearly always the next one.
local touched = {}

local function page_key(kind, epoch, page)
    return string.format('%s%s:%.0f:%.0f', keys.bits, kind, epoch, page)
end

local function load_block(kind, epoch, index)
    local near = touched[kind]
    if near and near.index == index and near.epoch == epoch then return near end
    local id = string.format('%s:%.0f:%.0f', kind, epoch, index)
    local block = blocks[id]
    if not block then
        local page = floor(index / PAGE_BLOCKS)
        local from = (index % PAGE_BLOCKS) * BLOCK_BYTES
        local key = page_key(kind, epoch, page)
        local bytes = redis.call('GETRANGE', key, from, from + BLOCK_BYTES - 1)
        block = {
            kind = kind, epoch = epoch, index = index, page = page, key = key, from = from, set = {}, changed = 0,
        }
        block.bytes = bytes == '' and ZEROS or bytes
        blocks[id] = block
    end
    touched[kind] = block
    return block
end

local function tally_of(kind, epoch)
    local id = string.format('%s:%.0f', kind, epoch)
    local tally = tallies[id]
    if not tally then
        tally = { key = keys.counts .. id, set = {} }
        tally.bytes = redis.call('GET', tally.key) or ''
        tallies[id] = tally
    end
    return tally
end

local function count_at(tally, index)
    local count = tally.set[index]
    if count then return count end
    local high, low = string.byte(tally.bytes, 2 * index + 1, 2 * index + 2)
    return high and high * 256 + low or 0
end

local function byte_at(block, offset)
    return block.set[offset] or string.byte(block.bytes, offset + 1)
end

-- The bits of `life` of one kind that are set are counted in a field of it, but for the two kinds that need no counting.
local COUNTED = { present = 'present', ready = 'ready' }

local function counted(kind, life, index, change)
    local field = COUNTED[kind]
    if field then
        local tally = tally_of(kind, life.epoch)
        tally.set[index] = count_at(tally, index) + change
        life[field] = life[field] + change
    end
end

local function has(kind, life, number)
    local block = load_block(kind, life.epoch, floor(number / BLOCK))
    local within = number % BLOCK
    return bit.band(byte_at(block, floor(within / 8)), bit.lshift(1, within % 8)) ~= 0
end

-- Sets or clears the bit; true when that changed it.
local function put(kind, life, number, on)
    local index = floor(number / BLOCK)
    local block = load_block(kind, life.epoch, index)
    local within = number % BLOCK
    local offset, mask = floor(within / 8), bit.lshift(1, within % 8)
    local byte = byte_at(block, offset)
    if (bit.band(byte, mask) ~= 0) == on then return false end
    if not block.set[offset] then block.changed = block.changed + 1 end
    block.set[offset] = bit.bxor(byte, mask)
    counted(kind, life, index, on and 1 or -1)
    return true
end

-- Sets the bits of new numbers `first` to `last`, none of which is set.
local function put_new(kind, life, first, last)
    local number = first
    while number <= last do
        local index = floor(number / BLOCK)
        local upto = math.min(last, index * BLOCK + BLOCK - 1)
        local block = load_block(kind, life.epoch, index)
        if number % BLOCK == 0 and upto == index * BLOCK + BLOCK - 1 then
            block.bytes, block.set, block.changed = ONES, {}, BLOCK_BYTES
        else
            local within, to = number % BLOCK, upto % BLOCK
            while within <= to do
                local offset = floor(within / 8)
                if within % 8 == 0 and within + 7 <= to then
                    block.set[offset] = 255
                    within = within + 8
                else
                    block.set[offset] = bit.bor(byte_at(block, offset), bit.lshift(1, within % 8))
                    within = within + 1
                end
            end
        end
        block.changed = BLOCK_BYTES
        counted(kind, life, index, upto - number + 1)
        number = upto + 1
    end
end

-- The first block from `index` on in which any bit is set.
local function next_block(kind, life, index)
    local tally = tally_of(kind, life.epoch)
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
    if next(block.set) == nil then return block.bytes end
    local bytes = { string.byte(block.bytes, 1, -1) }
    for offset, byte in pairs(block.set) do bytes[offset + 1] = byte end
    return string.char(unpack(bytes))
end

-- The lowest number above `after` whose bit is set.
local function next_after(kind, life, after)
    local number = after + 1
    local index = floor(number / BLOCK)
    while true do
        index = next_block(kind, life, index)
        if not index then return nil end
        local block = load_block(kind, life.epoch, index)
        local within = math.max(number - index * BLOCK, 0)
        local offset = floor(within / 8)
        local first_byte = offset
        -- What is not changed yet is searched at once.
        if block.changed == 0 then
            local byte = bit.band(byte_at(block, offset), bit.band(bit.lshift(255, within % 8), 255))
            if byte == 0 then
                offset = (string.find(block.bytes, '[^%z]', offset + 2) or BLOCK_BYTES + 1) - 1
            end
        end
        while offset < BLOCK_BYTES do
            local byte = byte_at(block, offset)
            if offset == first_byte then byte = bit.band(byte, bit.lshift(255, within % 8)) end
            byte = bit.band(byte, 255)
            if byte ~= 0 then
                local low = 0
                while bit.band(byte, bit.lshift(1, low)) == 0 do low = low + 1 end
                return index * BLOCK + offset * 8 + low
            end
            offset = offset + 1
        end
        index = index + 1
    end
end

-- How many bits are set in each half of a byte.
local ONES_IN = { [0] = 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4 }

-- How many bits are set in `from` to `to`, both included.
local function count_in(kind, life, from, to)
    local total = 0
    local index = floor(from / BLOCK)
    while true do
        index = next_block(kind, life, index)
        if not index or index * BLOCK > to then return total end
        local base = index * BLOCK
        if from <= base and base + BLOCK - 1 <= to then
            total = total + count_at(tally_of(kind, life.epoch), index)
        else
            local block = load_block(kind, life.epoch, index)
            local low, high = math.max(from - base, 0), math.min(to - base, BLOCK - 1)
            for offset = floor(low / 8), floor(high / 8) do
                local byte = byte_at(block, offset)
                if byte ~= 0 then
                    if low > offset * 8 then byte = bit.band(byte, bit.lshift(255, low - offset * 8)) end
                    if high < offset * 8 + 7 then byte = bit.band(byte, bit.rshift(255, offset * 8 + 7 - high)) end
                    total = total + ONES_IN[bit.band(byte, 15)] + ONES_IN[bit.band(bit.rshift(byte, 4), 15)]
                end
            end
        end
        index = index + 1
    end
end

local function write_fields(key, fields)
    for from = 1, #fields, FIELDS_MAX * 4 do
        redis.call('BITFIELD', key, unpack(fields, from, math.min(from + FIELDS_MAX * 4 - 1, #fields)))
    end
end

-- Drops a page in which nothing is set.
local function drop_if_empty(block)
    local tally = tally_of(block.kind, block.epoch)
    local first = block.page * PAGE_BLOCKS
    for index = first, first + PAGE_BLOCKS - 1 do
        if count_at(tally, index) > 0 then return end
    end
    redis.call('UNLINK', block.key)
end

local function write_bits()
    local pages = {}
    for _, block in pairs(blocks) do
        if block.changed > 0 then
            local fields = pages[block.key]
            if not fields then
                fields = { block = block }
                pages[block.key] = fields
                -- Made at its full size at once, a page takes no more memory than it needs.
                if redis.call('STRLEN', block.key) == 0 then
                    redis.call('SETRANGE', block.key, PAGE_BYTES - 1, '\0')
                end
            end
            if block.changed >= FIELDS_WORTH then
                redis.call('SETRANGE', block.key, block.from, bytes_of(block))
            else
                for offset, byte in pairs(block.set) do
                    local at = #fields
                    fields[at + 1], fields[at + 2] = 'SET', 'u8'
                    fields[at + 3], fields[at + 4] = '#' .. (block.from + offset), byte
                end
            end
        end
    end
    for key, fields in pairs(pages) do
        write_fields(key, fields)
        if COUNTED[fields.block.kind] then drop_if_empty(fields.block) end
    end
    for _, tally in pairs(tallies) do
        local fields = {}
        for index, count in pairs(tally.set) do
            local at = #fields
            fields[at + 1], fields[at + 2] = 'SET', 'u16'
            fields[at + 3], fields[at + 4] = '#' .. index, count
        end
        write_fields(tally.key, fields)
    end
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
