"""The files in Puppet's state."""

from reprov.domain.puppet import parse_report, parse_resources

RESOURCES = """\
package[ntp]
file[/etc/ntp.conf]
file[/etc/nova/nova.conf]
file[/srv/two words]
file[/etc/sudoers.d/]
file[relative title]
file_line[/etc/hosts]
service[ntp]
"""

REPORT = """\
--- !ruby/object:Puppet::Transaction::Report
host: node1
resource_statuses:
  Package[ntp]:
    title: ntp
  File[/etc/ntp.conf]:
    title: "/etc/ntp.conf"
    file: "/etc/puppet/manifests/site.pp"
    containment_path:
    - Class[Ntp]
    - File[/etc/ntp.conf]
  'File[/srv/it: is]':
    title: '/srv/it: is'
"""


def test_the_files_among_the_resources() -> None:
    assert parse_resources(RESOURCES) == ("etc/nova/nova.conf", "etc/ntp.conf", "etc/sudoers.d", "srv/two words")


def test_the_files_of_the_last_run() -> None:
    assert parse_report(REPORT) == ("etc/ntp.conf", "srv/it: is")


def test_a_state_without_files_has_none() -> None:
    assert parse_resources("") == parse_report("") == ()
