"""How a command in a machine is killed with all that it started: by a shell in the machine, whatever its shape."""

from __future__ import annotations

KILL = """\
round=0
while [ $round -lt 20 ]; do
    round=$((round + 1)); found=
    for entry in /proc/[0-9]*/stat; do
        { read -r line < "$entry"; } 2>/dev/null || continue
        pid=${line%% *}; set -- ${line##*) }
        [ "$1" = Z ] && continue
        case "$family" in *" $2 "*) ;; *) [ "$4" = "$leader" ] || [ "$pid" = "$leader" ] || continue ;; esac
        [ "$pid" = 1 ] && continue
        family="$family$pid "; found="$found $pid"
    done
    [ -n "$found" ] || exit 0
    kill -9 $found 2>/dev/null
done
exit 1"""
"""Kills a session and all that descends from its leader, with nothing but a Bourne shell and /proc (proc(5): stat is
`pid (name) state ppid pgrp session ...`). A process may appear while the list is read, so it goes round until none is
left."""


def kill_script(leader: int) -> str:
    """Shell text that kills the session of `leader` and its descendants; it ends with 0 where none of them is left."""
    return f'leader={leader}; family=" {leader} "\n{KILL}'
