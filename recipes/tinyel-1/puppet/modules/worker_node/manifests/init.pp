# A worker node: who works on it, with which limits and environment, and which services it runs.
#
# @param site       name of the site, as jobs see it
# @param timezone   a name of the time zone database
# @param user       the account that jobs run under; its group has the same name
# @param uid        number of the account
# @param gid        number of the group
# @param work_area  directory that the group shares
# @param open_files limit of open files of that account
# @param services   units of systemd, and whether they start with the machine
# @param packages   packages that must be there already: the recipe installs, puppet checks
class worker_node (
  String[1]              $site,
  String[1]              $timezone,
  String[1]              $user,
  Integer[1]             $uid,
  Integer[1]             $gid,
  String[1]              $work_area,
  Integer[1]             $open_files,
  Hash[String, Boolean]  $services,
  Array[String]          $packages = [],
) {
  contain worker_node::account
  contain worker_node::system
  contain worker_node::services

  package { $packages:
    ensure   => installed,
    provider => 'rpm',
  }
}
