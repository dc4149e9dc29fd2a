# SPDX-License-Identifier: Apache-2.0
"""An ext4 file system of its own in an image file: to be cut off, to be filled."""
import contextlib
import errno
import fcntl
import os
import shutil
import struct
import subprocess

from common import Skip

EXT4_IOC_SHUTDOWN = 0x8004587D
# Of <linux/ext4.h>: the journal is written out before the file system goes, or it is not.
LOGFLUSH, NOLOGFLUSH = 1, 2
MEBIBYTE = 1 << 20
# A store on it, with what a server keeps back made small enough.
FLAGS = ("--ballast-mb", "16", "--low-water-mb", "32")


class Disk:
    def __init__(self, test, mebibytes):
        if os.geteuid() != 0:
            raise Skip("needs root, to mount a loop image")
        for tool in ("mkfs.ext4", "mount", "umount"):
            if shutil.which(tool) is None:
                raise Skip(f"needs {tool}")
        self.image = test.path("image")
        self.point = test.path("disk")
        os.mkdir(self.point)
        with open(self.image, "wb") as handle:
            handle.truncate(mebibytes * MEBIBYTE)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", self.image], check=True, capture_output=True)
        self.filler = os.path.join(self.point, "filler")
        done = self.mount()
        if done.returncode != 0:
            raise Skip(f"cannot mount a loop image here: {done.stderr.strip().splitlines()[0]}")
        # Servers on it end first: what is deferred later is done earlier.
        test.defer(self.unmount)

    def data(self):
        return os.path.join(self.point, "data")

    def mount(self):
        command = ["mount", "-o", "loop", self.image, self.point]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def unmount(self):
        subprocess.run(["umount", self.point], capture_output=True, check=False)
        if os.path.ismount(self.point):
            subprocess.run(["umount", "-l", self.point], capture_output=True, check=False)

    def cut(self, how):
        """The power goes: what was not synced is gone, and nothing is written any more."""
        folder = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", how))
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EPERM):
                raise
            raise Skip(f"this kernel does not cut off ext4 (EXT4_IOC_SHUTDOWN): {error}") from None
        finally:
            os.close(folder)

    def power_on(self):
        """Mounts again what was cut off; nothing may have files open there any more."""
        subprocess.run(["umount", self.point], check=True, capture_output=True)
        done = self.mount()
        if done.returncode != 0:
            raise AssertionError(f"the file system does not mount after the cut: {done.stderr}")

    def free_bytes(self):
        state = os.statvfs(self.point)
        return state.f_bavail * state.f_frsize

    def fill(self, leave_bytes):
        """Fills it up until that much is free, or as far as it goes."""
        handle = os.open(self.filler, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            step = 16 * MEBIBYTE
            while step >= 4096:
                room = self.free_bytes() - leave_bytes
                if room < step:
                    step //= 2
                    continue
                try:
                    os.posix_fallocate(handle, os.fstat(handle).st_size, step)
                except OSError:
                    step //= 2
        finally:
            os.close(handle)

    def give_back(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.filler)
