-- How much one tick may do. Its entries fit, which the edge has seen to; what they leave is for the line itself.

local WORK_MAX, NEW_BLOCK, EXPIRY, ADMISSION, CALL, STRAIGHT = 320, 3, 2, 4, 1, 2

-- What is left, what the kind that is done now leaves to the others, and whether any kind was cut short.
local work_left, work_kept, work_cut
local near_epoch, near_block

local function begin_work(entries) work_left, work_cut = WORK_MAX - entries, false end

-- The next kind: it may use half of what is left.
local function next_kind()
    work_kept = work_left - floor(work_left / 2)
    near_epoch, near_block = nil, nil
end

-- Pays for the next of its kind, at this place; false, and the kind is cut short, when there is not enough left.
local function pay(price, epoch, number)
    local block = floor(number / BLOCK)
    if block ~= near_block or epoch ~= near_epoch then price = price + NEW_BLOCK end
    if work_left < work_kept + price then
        work_cut = true
        return false
    end
    work_left, near_epoch, near_block = work_left - price, epoch, block
    return true
end

-- Pays for as many of the last kind as there is enough left for, at most so many, all of them in a row.
local function pay_last(price, wanted)
    local paid = math.min(wanted, floor(work_left / price))
    work_left, work_cut = work_left - paid * price, work_cut or paid < wanted
    return paid
end
