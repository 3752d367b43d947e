-- One question to one server, asked by wrk over kept connections, each time as another tenant.
-- Environment: METHOD, ROUTE ({id} is replaced), CALLERS (a file of lines "token id"), KNOWN (an ETag, may be empty).
local callers = {}

function init(_)
  for line in io.lines(os.getenv("CALLERS")) do
    local token, id = line:match("(%S+) (%S+)")
    callers[#callers + 1] = { token = token, id = id }
  end
  math.randomseed(os.time())
end

local method, route, known = os.getenv("METHOD"), os.getenv("ROUTE"), os.getenv("KNOWN") or ""

function request()
  local caller = callers[math.random(#callers)]
  local headers = { authorization = "Bearer " .. caller.token }
  local body
  if known ~= "" then headers["if-none-match"] = known end
  if method == "POST" then
    headers["content-type"] = "application/json"
    local name = string.format("%x%x", math.random(2 ^ 30), math.random(2 ^ 30))
    body = string.format('{"name":"Company %s","domain":"%s.example","industry":"Software","employee_count":120}', name, name)
  end
  return wrk.format(method, (route:gsub("{id}", caller.id)), headers, body)
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"rate": %.1f, "p50": %.3f, "p99": %.3f, "errors": %d}\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
