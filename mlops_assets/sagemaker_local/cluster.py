"""The hosts of a job: their names, their groups, and what each is told of the others.

Belongs here: resourceconfig.json and the names' addresses. Does not belong here: the other files of
/opt/ml (layout.py), or starting a process for each host.

Every host of a job is a process of this machine with a /opt/ml of its own. Its names algo-1, algo-2
… mean 127.0.0.1, 127.0.0.2 …: the hosts have one network, so two of them cannot listen on the same
port of all addresses (0.0.0.0), but each can on its own.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.sagemaker_local.store import Document

HOMOGENEOUS = "homogeneousCluster"
NETWORK_INTERFACE = "lo" if sys.platform == "linux" else "lo0"
MAX_HOSTS = 250  # addresses of the one network


@dataclass(frozen=True)
class Group:
    """Hosts of one instance type."""

    name: str
    instance_type: str
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Cluster:
    """All hosts of one job, numbered through its groups."""

    groups: tuple[Group, ...]

    @classmethod
    def from_request(cls, resources: Document) -> Cluster:
        """The hosts that a ResourceConfig or a ClusterConfig asks for.

        >>> Cluster.from_request({"InstanceType": "ml.m5.large", "InstanceCount": 2}).hosts
        ('algo-1', 'algo-2')
        """
        wanted = resources.get("InstanceGroups") or [
            {
                "InstanceGroupName": HOMOGENEOUS,
                "InstanceType": resources["InstanceType"],
                "InstanceCount": resources.get("InstanceCount", 1),
            }
        ]
        groups, first = [], 1
        for group in wanted:
            numbers = range(first, first + group["InstanceCount"])
            hosts = tuple(f"algo-{number}" for number in numbers)
            groups.append(Group(group["InstanceGroupName"], group["InstanceType"], hosts))
            first += len(hosts)
        return cls(tuple(groups))

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(host for group in self.groups for host in group.hosts)

    def group(self, host: str) -> Group:
        return next(group for group in self.groups if host in group.hosts)

    def members(self, names: list[str] | None) -> tuple[str, ...]:
        """The hosts of the groups of those names; all hosts where no name is given."""
        if not names:
            return self.hosts
        return tuple(host for group in self.groups if group.name in names for host in group.hosts)

    def resource_config(self, host: str) -> Document:
        """resourceconfig.json of one host."""
        own = self.group(host)
        return {
            "current_host": host,
            "current_instance_type": own.instance_type,
            "current_group_name": own.name,
            "hosts": list(self.hosts),
            "instance_groups": [
                {
                    "instance_group_name": group.name,
                    "instance_type": group.instance_type,
                    "hosts": list(group.hosts),
                }
                for group in self.groups
            ],
            "network_interface_name": NETWORK_INTERFACE,
        }

    def hosts_file(self) -> str:
        """What the job sees as /etc/hosts: this machine's, and the names of the job's hosts."""
        names = [f"127.0.0.{number} {host}" for number, host in enumerate(self.hosts, start=1)]
        return "\n".join([_machine_hosts(), *names]) + "\n"

    def unnamed(self) -> list[str]:
        """The hosts whose names this machine's own /etc/hosts does not have."""
        lines = [line.partition("#")[0].split() for line in _machine_hosts().splitlines()]
        known = {name for line in lines for name in line[1:]}
        return [host for host in self.hosts if host not in known]


def _machine_hosts() -> str:
    try:
        return Path("/etc/hosts").read_text(errors="replace").rstrip("\n")
    except OSError:
        return "127.0.0.1 localhost"
