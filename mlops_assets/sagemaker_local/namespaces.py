"""The namespaces that a job's processes live in: a /opt/ml of their own, a network of their own.

Belongs here: what is asked of the kernel (unshare, setns, mount); the standard library only, for
the supervisor (supervisor.py) runs it. Does not belong here: which job gets which (isolation.py,
attempt.py), or starting a command.

Usage: ``namespaces.py mounts DIRECTORY`` exits with 0 where commands can be given a /opt/ml.
``namespaces.py network`` makes a network of its own, says so in a line, and keeps it until its
standard input ends: /proc/<its pid>/ns is what others enter it by.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

MOUNT_POINT = "/opt/ml"
HOSTS = "/etc/hosts"
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MS_RDONLY, _MS_REMOUNT = 1, 32
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8  # the same bits as in statvfs
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def libc(name: str, *args: Any) -> None:
    """Call a function of the C library. Raises OSError where it says that it failed."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    libc("mount", texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])


def _unshare(kind: int) -> None:
    """New namespaces of a kind: by right where one has it, else as the root of a user namespace."""
    uid, gid = os.getuid(), os.getgid()
    try:
        libc("unshare", kind)
    except PermissionError:
        libc("unshare", kind | _CLONE_NEWUSER)
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)


def enter_mount_namespace(base: str) -> None:
    """Give this process a /opt/ml of its own, which is the directory ``base``.

    The machine's file system is not changed: where /opt/ml does not exist, /opt becomes a small
    tmpfs with everything that was in it bound into place. Raises OSError where that is forbidden.
    """
    _unshare(_CLONE_NEWNS)
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    if os.path.isdir(MOUNT_POINT):
        return _mount(base, MOUNT_POINT, None, _MS_BIND)
    parent, name = os.path.split(MOUNT_POINT)
    staging = base.rstrip("/") + ".opt"
    os.makedirs(staging, exist_ok=True)
    _mount("tmpfs", staging, "tmpfs", 0, "size=1m,mode=755")
    for entry in os.scandir(parent):
        place = os.path.join(staging, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), place)
        elif entry.is_dir():
            os.mkdir(place)
            _mount(entry.path, place, None, _MS_BIND | _MS_REC)
        else:
            os.close(os.open(place, os.O_CREAT))
            _mount(entry.path, place, None, _MS_BIND)
    os.mkdir(os.path.join(staging, name))
    _mount(base, os.path.join(staging, name), None, _MS_BIND)
    return _mount(staging, parent, None, _MS_BIND | _MS_REC)


def _read_only(path: str) -> None:
    """Make a directory of this namespace read-only, also for root."""
    _mount(path, path, None, _MS_BIND)
    # What the machine's mount forbids must be said again, or the kernel refuses.
    kept = os.statvfs(path).f_flag & _MS_NOSUID_NODEV_NOEXEC
    _mount(path, path, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | kept)


def enter_container(base: str, read_only: list[str], hosts: str | None) -> None:
    """enter_mount_namespace, with folders below /opt/ml that nobody can write to, and a file of
    host names in the place of /etc/hosts. Raises OSError where that is forbidden."""
    enter_mount_namespace(base)
    for name in read_only:
        _read_only(os.path.join(MOUNT_POINT, name))
    if hosts is not None and os.path.isfile(HOSTS):
        _mount(hosts, HOSTS, None, _MS_BIND)


def make_network() -> None:
    """Give this process a network that has nothing but 127.0.0.0/8. Raises OSError where that is
    forbidden."""
    import fcntl
    import socket
    import struct

    _unshare(_CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def enter_network(namespaces: str) -> None:
    """Move this process into the network of another one, whose /proc/<pid>/ns is given.

    Raises OSError where it has ended, or where that is forbidden.
    """
    kinds = [("user", _CLONE_NEWUSER), ("net", _CLONE_NEWNET)]
    if os.path.samefile(f"{namespaces}/user", "/proc/self/ns/user"):
        del kinds[0]  # the kernel refuses to enter where one is
    # Both are opened first: from inside, the other one's /proc may not be readable any more.
    for descriptor, kind in [(os.open(f"{namespaces}/{n}", os.O_RDONLY), k) for n, k in kinds]:
        libc("setns", descriptor, kind)
        os.close(descriptor)


def probe_mounts(directory: str) -> int:
    """Exit status 0 if commands can be given a /opt/ml and names of their own here."""
    names = os.path.join(directory, "hosts")
    try:
        os.mkdir(os.path.join(directory, "locked"))
        with open(names, "w") as file:
            file.write("127.0.0.1 localhost\n")
        enter_container(directory, ["locked"], names)
        with open(os.path.join(MOUNT_POINT, "probe"), "w"):
            return 0 if os.path.exists(os.path.join(directory, "probe")) else 1
    except OSError:
        return 1


def hold_network() -> int:
    """Exit status 0 once nobody wants the network any more; 1 where it could not be made."""
    try:
        make_network()
    except OSError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(probe_mounts(sys.argv[2]) if sys.argv[1] == "mounts" else hold_network())
