-- Requests with one of many fans' cookies each, where $COOKIES names a file with one Cookie header a line; without it,
-- everyone comes without cookies. Ends with one line of JSON, for bench/wrk.py.

local requests = {}
local next_one = 0

function init(args)
   local file = os.getenv("COOKIES")
   if file and file ~= "" then
      for line in io.lines(file) do
         local headers = { ["Cookie"] = line }
         for name, value in pairs(wrk.headers) do
            headers[name] = value
         end
         requests[#requests + 1] = wrk.format("GET", nil, headers)
      end
   else
      requests[1] = wrk.format("GET")
   end
end

function request()
   next_one = next_one % #requests + 1
   return requests[next_one]
end

function done(summary, latency, ran)
   local e = summary.errors
   io.write(string.format(
      '\n{"requests":%d,"bytes":%d,"us":%d,"socket_errors":%d,"bad_status":%d,"p50_us":%d,"p99_us":%d}\n',
      summary.requests, summary.bytes, summary.duration, e.connect + e.read + e.write + e.timeout, e.status,
      latency:percentile(50), latency:percentile(99)))
end
