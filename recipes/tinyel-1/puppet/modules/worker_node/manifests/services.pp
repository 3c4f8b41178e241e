# Which services start with the machine. Whether they run now is not asked: an image is built where nothing runs.
class worker_node::services {
  $worker_node::services.each |String $unit, Boolean $enable| {
    service { $unit:
      enable   => $enable,
      provider => 'systemd',
    }
  }
}
