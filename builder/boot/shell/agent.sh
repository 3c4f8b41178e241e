# The agent of boss-builder: the other end of builder/boot/shell/machine.py. It is sent to a bare shell of the machine each time
# and runs in its memory: nothing of it is kept there, and it writes no file.
#
# For any Bourne shell of the last 20 years (bash 3.2, dash, ash) with cat, dd, env, id, setsid and sleep.
# The host sets before it: shell, token (begins each answer), piece (bytes sent at once), streams (fifo or port) and, for fifo,
# folder; for port: stdout_port and stderr_port.
# Requests: a line `! TEXT`, or a line with a number of bytes and so many bytes of shell text. Two loops read them: the one on standard
# input does a command at a time; the one on the urgent stream is there to end a command that still runs.
# Answers: lines on standard output (here 7).
LC_ALL=C; export LC_ALL
umask 022
cd /
exec 7>&1 2>/dev/null

say() { echo "$token $*" >&7; }

# Reads $1 bytes of standard input into $text. A terminal line loses what does not fit its buffer of 4096 bytes, so the
# host sends a piece and waits to be asked for more. dd reads byte by byte: it takes nothing that comes after.
receive() {
    left=$1 text=
    while [ "$left" -gt 0 ]; do
        count=$piece
        [ "$left" -ge "$count" ] || count=$left
        text=$text$(dd ibs=1 obs=4096 count="$count"; echo .)
        text=${text%.}
        left=$((left - count))
        [ "$left" = 0 ] || say more
    done
}

serve() {
    while IFS= read -r request; do
        case $request in
            "! "*) text=${request#??} ;;
            *) receive "$request" ;;
        esac
        eval "$text"
    done
}

# The first process of a command: leads a session of its own, says its number, becomes the user and then the command.
# Arguments: token, the agent's user and home, number of the command, user (empty: the agent's), NAME=VALUE ..., program
# and its arguments.
leader='
token=$1 uid=$2 home=$3 number=$4 user=$5
shift 5
say() { echo "$token $*" >&7; }
refuse() { say refused "$number" "$*"; exit 125; }
lookup() {
    getent passwd "$1" && return
    while IFS=: read -r a b c d e f g; do
        [ "$a" = "$1" ] || [ "$c" = "$1" ] || continue
        echo "$a:$b:$c:$d:$e:$f:$g"
        return
    done </etc/passwd
}
new=$uid
if [ -n "$user" ]; then
    found=$(lookup "$user" 2>&8)
    name=${found%%:*}
    rest=${found#*:*:}; new=${rest%%:*}
    rest=${rest#*:}; gid=${rest%%:*}
    rest=${rest#*:*:}; home=${rest%%:*}
    if [ -z "$found" ]; then
        case "$user" in *[!0-9]*) refuse "no user $user in the machine" ;; esac
        new=$user gid=0 home=/
    fi
fi
set -- env -i "HOME=${home:-/}" "$@"
if [ "$new" != "$uid" ]; then
    groups=
    for group in $(if [ -n "$name" ]; then id -G "$name"; else echo "$gid"; fi 2>&8); do
        groups=$groups${groups:+,}$group
    done
    switch="import os, sys
a = sys.argv
os.setgroups([int(g) for g in a[3].split(\",\")]); os.setgid(int(a[2])); os.setuid(int(a[1])); os.execvp(a[4], a[4:])"
    if setpriv "--reuid=$new" "--regid=$gid" "--groups=$groups" true >&8 2>&8; then
        set -- setpriv "--reuid=$new" "--regid=$gid" "--groups=$groups" "$@"
    elif chroot "--userspec=$new:$gid" "--groups=$groups" / true >&8 2>&8; then
        set -- chroot "--userspec=$new:$gid" "--groups=$groups" / "$@"
    elif python3 -c "$switch" "$new" "$gid" "$groups" true >&8 2>&8; then
        set -- python3 -c "$switch" "$new" "$gid" "$groups" "$@"
    elif python -c "$switch" "$new" "$gid" "$groups" true >&8 2>&8; then
        set -- python -c "$switch" "$new" "$gid" "$groups" "$@"
    elif [ -n "$name" ] && su -s /bin/sh -c : "$name" </dev/null >&8 2>&8; then
        set -- su -s /bin/sh -c "exec \"\$0\" \"\$@\"" -- "$name" "$@"
    else
        refuse "the machine has no means to become the user $user"
    fi
fi
say started "$number" $$
exec 7>&- 8>&-
exec "$@"
'

# Runs a command; see `leader` for the arguments after the first. Its standard input, output and error are those of the
# caller.
lead() { setsid "$shell" -c "$leader" sh "$token" "$uid" "$home" "$@" 8>/dev/null; }

# A command whose streams are named pipes of its own, which the host has made and holds open.
fifo() {
    lead "$@" <"$folder/$1.in" >"$folder/$1.out" 2>"$folder/$1.err"
    say ended "$1" "$?"
}

# Writes input of command $1 as the host gives it: a line `TOKEN.NUMBER BYTES PLACE`, where the place is a block of the
# transfer disk or `-`, for bytes that follow. No bytes are the end. What an earlier command left unread is skipped.
feed() {
    while say want "$1"; do
        while read -r word bytes place; do
            [ "$word" != "$token.$1" ] || break
        done
        [ "$bytes" -gt 0 ] || break
        if [ "$place" = - ]; then
            dd ibs=1 obs=4096 count="$bytes" <&9 &
        else
            dd bs=4096 skip="$place" count=$((bytes / 4096)) <"$disk" &
        fi
        say piece "$1" $!
        wait $! || break
    done <&9
    say fed "$1"
}

# Passes output of command $1, its stream $2, to the port $3, and a marker after it: the port itself does not end.
pump() {
    {
        cat <&5 &
        say pump "$1" "$2" $!
        wait $!
        printf %s "$token.$1.$2"
    } 5<&0 >"$3"
}

# A command whose output goes to ports; the arguments are those of `lead`.
ported() {
    {
        {
            lead "$@" 2>&3 3>&- 6<&- 9<&-
            say ended "$1" "$?"
        } | pump "$1" out "$out_port" 3>&-
    } 3>&1 | pump "$1" err "$err_port"
}

# The same with input ($1 is feed) or without (none).
port() {
    input=$1
    shift
    if [ "$input" = feed ]; then feed "$1" | ported "$@"; else ported "$@" </dev/null; fi
}

# The first process of a terminal $1. It outlives the command, since with it the terminal is hung up and loses what it has
# not sent yet: stty waits until all is sent.
foreground='
port=$1
shift
exec <"$port" >"$port" 2>&1
trap : INT QUIT
"$@"
code=$?
stty sane
exit $code
'

# A command on a terminal of $1 rows and $2 columns, which is the port of input; the arguments after it are those of
# `lead`. The first process opens it itself, so that it becomes the terminal of its session.
on_terminal() {
    stty sane rows "$1" cols "$2" <"$input_port"
    shift 2
    setsid "$shell" -c "$foreground" sh "$input_port" \
        "$shell" -c "$leader" sh "$token" "$uid" "$home" "$@" 6<&- 8>/dev/null 9<&-
    say ended "$1" "$?"
    # the end of a session hangs its terminal up, for everybody that has it open
    exec 9<"$input_port"
    stty raw -echo <&9
    printf %s "$token.$1.out" >"$input_port"
}

find_disk() {
    for entry in /sys/block/*/size; do
        read -r sectors <"$entry"
        if [ "$sectors" = "$disk_sectors" ]; then
            disk=${entry%/size}
            disk=/dev/${disk##*/}
        fi
    done
}

# Finds the ports of virtio by the names that the host gave them; the module may not have been loaded yet.
find_virtio() {
    for try in 1 2 3 4 5 6 7 8 9 10; do
        for entry in /sys/class/virtio-ports/*/name; do
            read -r name <"$entry" || continue
            device=${entry%/name}
            device=/dev/${device##*/}
            case $name in
                boss.out) [ -c "$device" ] && out_port=$device && found=virtio ;;
                boss.err) [ -c "$device" ] && err_port=$device ;;
            esac
        done
        [ -z "$found" ] || return
        [ "$try" != 1 ] || modprobe -a virtio_pci virtio_console || [ -d /sys/bus/virtio ] || return
        sleep 0.2 || sleep 1
    done
}

uid=$(id -u)
home=$(while IFS=: read -r a b c d e f g; do [ "$c" != "$uid" ] || { echo "$f"; break; }; done </etc/passwd)
found=
if [ "$streams" = fifo ]; then
    exec 6<"$folder/urgent"
else
    stty raw -echo <"$input_port"
    stty raw -echo <"$urgent_port"
    exec 6<"$urgent_port" 9<"$input_port"
    out_port=$input_port err_port=$urgent_port disk=/dev/null
    find_disk
    [ "$virtio" = no ] || find_virtio
fi
serve <&6 7>&7 &
exec 6<&-
say ready "${found:-plain}"
serve
