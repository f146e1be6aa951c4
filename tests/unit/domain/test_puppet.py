"""The files in Puppet's state."""

from reprov.domain.puppet import ResourceStatus, parse_report, parse_resources, parse_statuses

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


STATUSES = """\
--- !ruby/object:Puppet::Transaction::Report
status: failed
logs:
- level: notice
  message: 'failed: true'
resource_statuses:
  File[/etc/motd]:
    title: "/etc/motd"
    containment_path:
    - File[/etc/motd]
    failed: false
    failed_to_restart: true
    changed: true
    out_of_sync: true
    events:
    - audited: false
      message: content changed
        failed: true
  ? Exec[always with a very long title that goes on and on and on and on and
    on and on]
  : title: always with a very long title
    failed: true
    changed: false
    out_of_sync: true
  ? |-
    Exec[two
    lines: "quoted"]
  : title: |-
      two
      lines: "quoted"
    failed: false
    changed: false
    out_of_sync: false
  'File[/srv/it: is]':
    failed: false
    changed: false
    out_of_sync: true
corrective_change: false
  File[/not/here]:
    changed: true
"""


def test_what_the_last_run_did_to_each_resource() -> None:
    assert parse_statuses(STATUSES) == (
        ResourceStatus("File[/etc/motd]", changed=True, failed=False, out_of_sync=True),
        ResourceStatus(
            "Exec[always with a very long title that goes on and on and on and on and on and on]",
            changed=False,
            failed=True,
            out_of_sync=True,
        ),
        ResourceStatus('Exec[two lines: "quoted"]', changed=False, failed=False, out_of_sync=False),
        ResourceStatus("File[/srv/it: is]", changed=False, failed=False, out_of_sync=True),
    )
    assert parse_statuses("") == ()
