-- Redis lets a script have no global names; what is used before it is made is named here.
local floor = math.floor
local line
local know, clear_waiting, calls_anew, forget_visits
-- This tick's: the store as it is now, how long nobody had ticked, the first grant and the first end noted in it.
local store, silent_ms, grants_tick, ended_tick
