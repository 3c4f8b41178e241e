# The account that jobs run under, its limits, and the directory that its group shares.
class worker_node::account {
  $user = $worker_node::user

  group { $user:
    ensure => present,
    gid    => $worker_node::gid,
  }

  user { $user:
    ensure     => present,
    uid        => $worker_node::uid,
    gid        => $user,
    comment    => 'Jobs of the experiment',
    home       => "/home/${user}",
    managehome => true,
    shell      => '/bin/bash',
    password   => '!',
  }

  # setgid: what is made in it belongs to the group
  file { $worker_node::work_area:
    ensure => directory,
    owner  => $user,
    group  => $user,
    mode   => '2775',
  }

  file { '/etc/security/limits.d/60-worker_node.conf':
    ensure  => file,
    owner   => 'root',
    group   => 'root',
    mode    => '0644',
    content => "${user} - nofile ${worker_node::open_files}\n",
  }
}
