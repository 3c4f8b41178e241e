# Time zone, kernel parameters, environment, and the message of the day.
class worker_node::system {
  file {
    default:
      ensure => file,
      owner  => 'root',
      group  => 'root',
      mode   => '0644';
    '/etc/localtime':
      ensure => link,
      target => "../usr/share/zoneinfo/${worker_node::timezone}";
    '/etc/timezone':
      content => "${worker_node::timezone}\n";
    '/etc/sysctl.d/60-worker_node.conf':
      content => "# Jobs map large files and die rather than swap\nvm.swappiness = 1\nvm.max_map_count = 262144\n";
    '/etc/profile.d/worker_node.sh':
      content => epp('worker_node/worker_node.sh.epp');
    '/etc/motd':
      content => epp('worker_node/motd.epp');
  }
}
