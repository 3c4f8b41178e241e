#!/bin/sh
# boss-7.0.5: BOSS 7.0.5
# Start the virtual machine with plain QEMU. Networking is off.
#
#   sh boss-7.0.5.sh                   root's shell on this terminal; end the machine with: poweroff
#   sh boss-7.0.5.sh COMMAND...        run one command, power off, end with its exit code
#
# Settings, as variables of the environment:
#   ACCEL=kvm     faster, where the host can; the default, tcg, works everywhere
#   IN=FILE.tar   a tar that the machine finds as the disk /dev/vdb:  tar -xf /dev/vdb -C /tmp
#   OUT=FILE      a new file, for the machine the disk /dev/vdc (/dev/vdb without IN):
#                 tar -cf /dev/vdc -C /tmp results;  afterwards, here:  tar -xf FILE
#   KEEP=1        keep what the machine writes in boss-7.0.5.qcow2; without it, all is thrown away
#   CONSOLE=FILE  where the machine's messages go; by default boss-7.0.5.console
#   QEMU=PROGRAM  by default qemu-system-x86_64
set -eu
folder=$(dirname "$0")
console=${CONSOLE:-boss-7.0.5.console}
snapshot=on
[ -z "${KEEP:-}" ] || snapshot=off
[ -z "${OUT:-}" ] || [ -e "$OUT" ] || truncate -s 64G "$OUT"

start() { # start SERIAL: the machine, with root's shell connected to SERIAL
    set -- -serial "file:$console" -serial "$1"
    [ -z "${IN:-}" ] || set -- "$@" -drive "file=$IN,if=none,id=in,format=raw,read-only=on" -device virtio-blk-pci,drive=in
    [ -z "${OUT:-}" ] || set -- "$@" -drive "file=$OUT,if=none,id=out,format=raw" -device virtio-blk-pci,drive=out
    exec "${QEMU:-qemu-system-x86_64}" -name boss-7.0.5 -machine q35 -accel "${ACCEL:-tcg}" \
        -m 4096 -smp 2 -nic none -display none -monitor none -no-reboot \
        -drive "file=$folder/boss-7.0.5.qcow2,if=none,id=root,format=qcow2,snapshot=$snapshot" -device virtio-blk-pci,drive=root,bootindex=1 "$@"
}

if [ $# -eq 0 ]; then
    echo "starting boss-7.0.5: a prompt appears in a minute or two; the machine's messages: $console" >&2
    [ ! -t 0 ] || { stty -icanon -echo; trap 'stty sane' EXIT; }
    (start stdio)
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkfifo "$work/shell.in" "$work/shell.out"
(start "pipe:$work/shell" < /dev/null) &
machine=$!
trap 'kill $machine 2> /dev/null || :; rm -rf "$work"' EXIT
cat < "$work/shell.out" > "$work/said" &
exec 3> "$work/shell.in"
# words are written in two parts, so that the guest's echo of a line does not look like its answer
until grep -q shell-is-ready "$work/said"; do
    kill -0 $machine 2> /dev/null || { echo "the machine ended before its shell answered; see $console" >&2; exit 1; }
    printf '\nstty -echo -onlcr; PS1=; echo shell-is""-ready\n' >&3
    sleep 1
done
line=
for word in "$@"; do
    line="$line '$(printf '%s' "$word" | sed "s/'/'\\\\''/g")'"
done
printf '%s\n' "echo; echo begin-""of-output; . /etc/profile;$line 2>&1 < /dev/null; echo end-of\"\"-output \$?; poweroff" >&3
wait $machine || true
sed -n '/^begin-of-output/,/^end-of-output/p' "$work/said" | sed '1d;$d'
code=$(sed -n 's/^end-of-output \([0-9]*\).*/\1/p' "$work/said")
[ -n "$code" ] || { echo "the machine ended before the command did; see $console" >&2; exit 1; }
exit "$code"
