#!/bin/sh
# Apply the puppet template twice. The second run must change nothing: a template that is not idempotent can not be
# trusted to make the same system again. Exit codes of puppet: 0 nothing to do, 2 changes made, 4 and 6 failures.
set -eu
export SOURCE_DATE_EPOCH=1577836800 LC_ALL=C.UTF-8 LANG=C.UTF-8
cd /.boss-builder
# puppet runs rpm and yum, which close every descriptor that the limit allows, one by one
ulimit -n 1024

# puppet's service provider asks whether process 1 is systemd; in a build this shell is process 1
printf systemd > /proc/self/comm

# Puppet's own packages put their agent where no PATH but a login's leads
PATH=$PATH:/opt/puppetlabs/bin
# agents before Puppet 7 do not know this word
case $(puppet --version) in
    [0-6].*) public= ;;
    *) public="--publicdir /.boss-builder/var/public" ;;
esac

apply() {
    status=0
    puppet apply --color=false --no-report --detailed-exitcodes \
        --vardir /.boss-builder/var --rundir /.boss-builder/var/run --logdir /.boss-builder/var/log \
        --ssldir /.boss-builder/var/ssl $public \
        --modulepath /.boss-builder/modules \
        /.boss-builder/site.pp || status=$?
}

echo "puppet: first run"
apply
case $status in
    0 | 2) ;;
    *) echo "puppet failed in its first run (exit code $status)" >&2; exit 1 ;;
esac
echo "puppet: second run"
apply
case $status in
    0) ;;
    2) echo "the puppet template is not idempotent: its second run changed something" >&2; exit 1 ;;
    *) echo "puppet failed in its second run (exit code $status)" >&2; exit 1 ;;
esac

# what says when or how this was done, and that nothing needs
rm -rf /.boss-builder /var/cache/ldconfig/aux-cache /var/cache/dnf /var/lib/dnf /var/log/dnf* /var/log/hawkey.log
rm -f /var/lib/rpm/rpmdb.sqlite-shm /var/lib/rpm/rpmdb.sqlite-wal /var/lib/rpm/.rpm.lock /etc/.pwd.lock
rm -f /var/lib/rpm/__db.* /var/lib/rpm/.dbenv.lock
