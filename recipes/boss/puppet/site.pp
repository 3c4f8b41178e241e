# What a machine for BOSS has besides its packages: a work area, and the function that sets a job's environment.
#
# Written in what Puppet from 2.7 to 8 reads: Enterprise Linux 5 has no agent of the present language. It asks nothing of
# modules, of hiera or of the network, and a second run changes nothing.
#
# The order of the scripts is that of redeboer/bossdoc: docs/tutorials/getting-started/setup.md. CMT writes what it finds
# into the folder that it is called in, and a frozen release can not be written to: so the scripts are copied first, as
# j-reher/bossdocker: bossdocker-installboss/bossmaker.sh does.

file { ['/srv/boss', '/srv/boss/workarea']:
  ensure => directory,
  owner  => 'root',
  group  => 'root',
  mode   => '0755',
}

file { '/etc/profile.d/boss.sh':
  ensure  => file,
  owner   => 'root',
  group   => 'root',
  mode    => '0644',
  content => '# setup_boss: set the environment of a job of BOSS, in bash; managed by puppet
# boss.exe is found whatever the profile of the system makes of PATH
[ -z "${BesArea-}" ] || case ":$PATH:" in
    *":$BesArea/InstallArea/$CMTCONFIG/bin:"*) ;;
    *) PATH="$BesArea/InstallArea/$CMTCONFIG/bin:$PATH" ;;
esac
setup_boss() {
    boss_from=$PWD
    boss_home=$(mktemp -d "${TMPDIR:-/tmp}/cmthome.XXXXXX") || return
    cp -R "$BOSS_CMTHOME/." "$boss_home" || return
    cd "$boss_home" || return
    sed -i "s|^#*macro WorkArea .*|macro WorkArea \"$WorkArea\"|" requirements &&
        sed -i "s|^#*set WorkArea .*|set WorkArea \"$WorkArea\"|" requirements &&
        sed -i "s|^#\(path_.*WorkArea\)|\1|" requirements || return
    . ./setupCMT.sh && cmt config > /dev/null && . ./setup.sh || return
    cd "$boss_from" || return
    . "$BOSS_TEST_RELEASE/cmt/setup.sh"
}
',
}
