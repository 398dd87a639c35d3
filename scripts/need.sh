# Sourced by the other need-*.sh: what they share. Says what is missing and why, and installs it where it may.
#
# need_apt PACKAGE COMMAND WHY     notes PACKAGE when COMMAND is not there
# need_install                     installs what was noted; ends the script with a clear message where it cannot

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/target/tools
missing=()

have() { command -v "$1" >/dev/null 2>&1; }

say() { printf '%s\n' "$*" >&2; }

need_apt() {
    have "$2" && return
    say "missing: $1 ($3)"
    missing+=("$1")
}

need_install() {
    [ ${#missing[@]} -eq 0 ] && return
    local as=()
    if ! have apt-get; then
        say "This system has no apt-get. Install these with its own package manager and say it again: ${missing[*]}"
        exit 69
    fi
    if [ "$(id -u)" -ne 0 ]; then
        # Without a terminal nobody could type a password, so sudo may only do what needs none.
        if ! have sudo || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
            say "Installing needs root. Run this once and say it again:"
            say "    apt-get install --no-install-recommends ${missing[*]}"
            exit 77
        fi
        as=(sudo)
    fi
    say "installing with apt-get: ${missing[*]}"
    mkdir -p "$tools"
    # The lists are fetched once: they are the slow part, and several scripts may ask on one day.
    if [ -z "$(find "$tools/apt-updated" -mmin -720 2>/dev/null)" ]; then
        "${as[@]}" apt-get update -qq
        touch "$tools/apt-updated"
    fi
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$tools/apt.log" 2>&1 || {
        tail -n 20 "$tools/apt.log" >&2
        say "apt-get could not install ${missing[*]}; all it said is in $tools/apt.log"
        exit 69
    }
    missing=()
}
