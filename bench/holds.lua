-- Holds of two seats that stand side by side somewhere in the house, each by one of many fans; $TOKENS names a file with
-- one user token a line, $SHOWTIME, $ROWS and $SEATS say what they want. Ends with one line of JSON, for bench/shop.py.

local tokens = {}
local threads = {}
held, taken, other = 0, 0, 0

function setup(thread)
   threads[#threads + 1] = thread
end

function init(args)
   for line in io.lines(os.getenv("TOKENS")) do
      tokens[#tokens + 1] = line
   end
   math.randomseed(os.time())
end

function request()
   local row = math.random(tonumber(os.getenv("ROWS")))
   local seat = math.random(tonumber(os.getenv("SEATS")) - 1)
   local body = string.format(
      '{"showtime":%s,"seats":["R%d-%d","R%d-%d"]}', os.getenv("SHOWTIME"), row, seat, row, seat + 1)
   local headers = {
      ["Authorization"] = "Bearer " .. tokens[math.random(#tokens)],
      ["Content-Type"] = "application/json",
   }
   return wrk.format("POST", "/reserve", headers, body)
end

function response(status)
   if status == 201 then
      held = held + 1
   elseif status == 409 then
      taken = taken + 1
   else
      other = other + 1
   end
end

function done(summary, latency, ran)
   local sums = { held = 0, taken = 0, other = 0 }
   for _, thread in ipairs(threads) do
      for name in pairs(sums) do
         sums[name] = sums[name] + thread:get(name)
      end
   end
   local e = summary.errors
   io.write(string.format(
      '\n{"requests":%d,"held":%d,"taken":%d,"bad_status":%d,"us":%d,"socket_errors":%d,"p50_us":%d,"p99_us":%d}\n',
      summary.requests, sums.held, sums.taken, sums.other, summary.duration,
      e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
