#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run one command in a QEMU machine whose process 1 is vm/init, and exit with the command's status.

The machine's streams (console, kernel messages, the command's output, the verdict) come over socket pairs. The run ends
with the verdict; or at once when the kernel dies or locks up, when QEMU ends, or when the time is over.

A cluster is several machines: the command runs in the first, the others serve it (see cluster.py) and end orderly when
the first is gone. What is wrong with one of them is wrong with the run.
"""

import argparse
import collections
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
import tty

import cluster

STATUS_TIMEOUT = 124
STATUS_MACHINE = 125  # The machine or its kernel failed, whatever the command did.

# The kernel will not recover from these: no use in waiting.
FATAL = re.compile(
    r"Kernel panic|\bOops\b|\bBUG:|soft lockup|hard LOCKUP|rcu.*(detected.*stall|self-detected stall)"
    r"|general protection fault|Unable to mount root|double fault"
)
# A run with one of these in its kernel messages has failed.
BAD = re.compile(
    r"\bBUG\b|\bWARNING\b|\bUBSAN\b|\bKASAN\b|INFO: .*(lock|rcu|task)|possible recursive|suspicious RCU"
    r"|general protection|\bOops\b|Call Trace|unregister_netdevice: waiting"
)
KMSG = re.compile(r"^\d+,\d+,(\d+),[^;]*;(.*)$")
LAST_MESSAGE = "rsipvs: the command has ended"

BOOT_SECONDS = 180
GRACE_SECONDS = 5  # For the rest of a dying kernel's words, and for the last message.
ESCAPE = b"\x1d"  # Ctrl-], as in telnet.


class Stream:
    """One of the machine's streams: our end of a socket pair, QEMU's end, and who takes the bytes."""

    def __init__(self, name, take):
        self.name = name
        self.take = take
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)

    def read(self):
        """Pass on what has come. Return False at the end of the stream."""
        try:
            data = self.ours.recv(65536)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        if data:
            self.take(data)
        return bool(data)


class Lines:
    """Cuts bytes into lines, keeps them in a log file and hands each on."""

    def __init__(self, path, handle):
        self.log = open(path, "w", encoding="utf-8", errors="replace")
        self.rest = b""
        self.handle = handle

    def __call__(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip("\r")
            text = self.handle(text)
            if text is not None:
                self.log.write(text + "\n")
        self.log.flush()


class Machine:
    """A QEMU process and what has been learnt from it so far."""

    def __init__(self, args, part):
        self.args = args
        self.part = part
        self.role = part.role
        # The command, its terminal and the shared folder are those of the first machine.
        self.first = self.role in ("", cluster.ROLES[0])
        self.tty = args.tty and self.first
        self.console = collections.deque(maxlen=80)
        self.bad = []
        self.fatal = None
        self.ready = False
        self.status = None
        self.drained = False
        self.process = None
        logs = f"{args.run}/logs/{self.role}"
        os.makedirs(logs)
        self.streams = {
            "console": Stream("console", Lines(f"{logs}/console.log", self.on_console)),
            "kmsg": Stream("kmsg", Lines(f"{logs}/kmsg.log", self.on_kmsg)),
            "verdict": Stream("verdict", Lines(f"{logs}/verdict.log", self.on_verdict)),
            "stdout": Stream("stdout", self.output(1)),
            "stderr": Stream("stderr", self.output(2)),
        }
        if self.tty:
            self.streams["tty"] = Stream("tty", self.output(1))
        self.qemu_log = open(f"{logs}/qemu.log", "w+", encoding="utf-8", errors="replace")

    def output(self, fd):
        """What takes the machine's output: our own, with the machine's role if it is not the first."""
        if self.first:
            return lambda data: write_all(fd, data)
        return lambda data: [say(f"{self.role}: {line.decode('utf-8', 'replace')}") for line in data.splitlines()]

    def command_line(self):
        a = self.args
        kernel = [
            "console=ttyS0", "loglevel=5", "panic=-1", "oops=panic", "softlockup_panic=1",
            "log_buf_len=8M", "mitigations=off", "net.ifnames=0", "rcupdate.rcu_cpu_stall_timeout=60",
            "watchdog_thresh=30", "random.trust_cpu=1", "tsc=reliable", "no_timer_check",
        ]
        qemu = [
            # Whatever ends us ends QEMU.
            "setpriv", "--pdeathsig", "KILL",
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-m", str(a.memory), "-smp", str(a.cpus),
            "-kernel", f"{a.kernel}/vmlinuz", "-initrd", f"{a.kernel}/initrd.img",
            "-append", " ".join(kernel + self.part.words + a.append),
        ]
        if a.accel == "kvm":
            qemu += ["-accel", "kvm", "-cpu", "host"]
        elif a.accel == "icount":
            qemu += ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", "max"]
        else:
            qemu += ["-accel", f"tcg,thread={a.accel.removeprefix('tcg-')}", "-cpu", "max"]
        for disk in (a.root, f"{a.kernel}/modules.img", f"{a.run}/project.img"):
            qemu += ["-drive", f"file={disk},format=raw,if=virtio,snapshot=on,cache=unsafe"]
        if a.share and self.first:
            qemu += ["-virtfs", f"local,path={a.share.replace(',', ',,')},mount_tag=share,security_model=none,"
                     "multidevs=remap"]
        for name, stream in self.streams.items():
            qemu += ["-chardev", f"socket,id={name},fd={stream.theirs.fileno()}"]
        qemu += ["-serial", "chardev:console", "-device", "virtio-serial-pci"]
        if self.tty:
            qemu += ["-device", "virtconsole,chardev=tty,nr=0"]
        for number, name in enumerate(("kmsg", "verdict", "stdout", "stderr"), start=1):
            qemu += ["-device", f"virtserialport,chardev={name},name={name},nr={number}"]
        return qemu + self.part.options

    def start(self):
        """Start QEMU and let go of its ends of everything."""
        fds = [stream.theirs.fileno() for stream in self.streams.values()] + self.part.fds
        self.process = subprocess.Popen(self.command_line(), stdin=subprocess.DEVNULL, stdout=self.qemu_log,
                                        stderr=self.qemu_log, pass_fds=fds, start_new_session=True)
        for stream in self.streams.values():
            stream.theirs.close()
        for fd in self.part.fds:
            os.close(fd)

    def stop(self):
        """End QEMU, if it runs."""
        if self.process:
            self.process.kill()
            self.process.wait()

    @property
    def over(self):
        """Whether the verdict is there, and every kernel message before it."""
        return self.status is not None and self.drained

    # What comes from the machine.

    def on_console(self, line):
        self.console.append(line)
        self.look_for_death(line)
        return line

    def on_kmsg(self, record):
        match = KMSG.match(record)
        if not match:
            return None  # A record's dictionary.
        microseconds, text = int(match[1]), match[2]
        line = f"[{microseconds // 1000000:5}.{microseconds % 1000000:06}] {text}"
        self.look_for_death(text)
        if BAD.search(text):
            self.bad.append(line)
        if LAST_MESSAGE in text:
            self.drained = True
        return line

    def on_verdict(self, line):
        if line == "ready":
            self.ready = True
        elif match := re.fullmatch(r"exit (\d+)", line):
            self.status = int(match[1])
        return line

    def look_for_death(self, line):
        if self.fatal is None and FATAL.search(line):
            self.fatal = line.strip()


class Run:
    """One command, in one machine or in the first of several."""

    def __init__(self, args):
        self.args = args
        parts = cluster.parts(args.cards) if args.cards else [cluster.Part()]
        self.machines = [Machine(args, part) for part in parts]
        self.first, *self.others = self.machines
        self.escaped = False

    def run(self):
        """Run to the end and return the exit status of this program."""
        begin = time.monotonic()
        try:
            for machine in self.machines:
                machine.start()
            reason = self.watch(begin)
        finally:
            for machine in self.machines:
                machine.stop()
        return self.verdict(reason)

    def watch(self, begin):
        """Serve the streams until the run is over. Return why it is, or None when there is a verdict."""
        selector = selectors.DefaultSelector()
        for machine in self.machines:
            for stream in machine.streams.values():
                selector.register(stream.ours, selectors.EVENT_READ, stream)
        if self.args.tty:
            selector.register(0, selectors.EVENT_READ, None)
        last_call = None
        ended = set()
        while True:
            events = selector.select(timeout=0.2)
            for key, _ in events:
                if key.data is None:
                    if not self.type(os.read(0, 4096)):
                        selector.unregister(0)
                elif not key.data.read():
                    selector.unregister(key.data.ours)
            now = time.monotonic()
            if self.escaped:
                return "ended by Ctrl-]"
            if not events:
                for machine in ended:
                    if not machine.over:
                        return self.of(machine, "QEMU ended without a verdict")
            ended = {machine for machine in self.machines if machine.process.poll() is not None}
            fatal = any(machine.fatal is not None for machine in self.machines)
            if self.first.over and not fatal:
                # The others see that it is gone, and end.
                self.first.process.kill()
                if all(machine.over for machine in self.others):
                    return None
            if fatal or self.first.status is not None:
                last_call = last_call or now + GRACE_SECONDS
                if now > last_call:
                    return self.unfinished(fatal)
            if now - begin > self.args.timeout:
                return f"no end after {self.args.timeout} s"
            if now - begin > BOOT_SECONDS:
                for machine in self.machines:
                    if not machine.ready:
                        return self.of(machine, f"no boot within {BOOT_SECONDS} s")

    def unfinished(self, fatal):
        """Why a run is over that has had its time to end; the first machine's last messages may be missing."""
        if fatal:
            return "the kernel failed"
        for machine in self.others:
            if machine.status is None:
                return self.of(machine, f"no verdict {GRACE_SECONDS} s after the command's end")
        return None

    def type(self, data):
        """Send what was typed. Return False at the end of input."""
        if ESCAPE in data:
            self.escaped = True
        if data:
            self.first.streams["tty"].ours.setblocking(True)
            self.first.streams["tty"].ours.sendall(data)
            self.first.streams["tty"].ours.setblocking(False)
        return bool(data)

    def verdict(self, reason):
        for machine in self.machines:
            if machine.fatal is not None:
                return self.complain(self.of(machine, f"the kernel failed: {machine.fatal}"), tail=True)
        if reason is not None and self.escaped:
            return 128 + signal.SIGINT
        if reason is not None:
            status = STATUS_TIMEOUT if reason.startswith("no end") else STATUS_MACHINE
            return self.complain(reason, tail=True, status=status)
        for machine in self.machines:
            if machine.bad:
                return self.complain(self.of(machine, "the kernel complained:"), lines=machine.bad)
        for machine in self.others:
            if machine.status != 0:
                return self.complain(self.of(machine, f"its program ended with {machine.status}"))
        return self.first.status

    @staticmethod
    def of(machine, text):
        """A sentence with the machine it is about."""
        return f"{machine.role}: {text}" if machine.role else text

    def complain(self, text, tail=False, lines=(), status=STATUS_MACHINE):
        say(f"vm/run: {text}")
        for line in lines[:20]:
            say(f"    {line}")
        for machine in self.machines if tail else ():
            machine.qemu_log.seek(0)
            for line in machine.qemu_log:
                say(self.of(machine, f"    qemu: {line.rstrip()}"))
            for line in list(machine.console)[-40:]:
                say(self.of(machine, f"    {line}"))
        say(f"vm/run: console and kernel messages are in {self.args.logs}")
        return status


def write_all(fd, data):
    """Write to our own output, which may be a pipe that takes little at a time."""
    while data:
        data = data[os.write(fd, data):]


def say(text):
    """Print to standard error, as a program that is not the command."""
    write_all(2, (text + "\n").encode())


def models(text):
    """The names of models of cards."""
    names = text.split()
    if unknown := set(names) - set(cluster.CARDS):
        known = ", ".join(cluster.CARDS)
        raise argparse.ArgumentTypeError(f"there is no card {', '.join(unknown)}; there are {known}")
    return names


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", required=True, help="folder with vmlinuz, initrd.img and modules.img")
    parser.add_argument("--root", required=True, help="image of the root file system")
    parser.add_argument("--run", required=True, help="folder with project.img; it is removed at the end")
    parser.add_argument("--logs", required=True, help="folder to put console.log and kmsg.log into")
    parser.add_argument("--accel", required=True, choices=("kvm", "tcg-single", "tcg-multi", "icount"))
    parser.add_argument("--share", help="folder to show at /share")
    parser.add_argument("--append", action="append", default=[], help="more words for the kernel's command line")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory", type=int, default=2048, help="MiB")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds")
    parser.add_argument("--cards", type=models, help="be a cluster, with these models of network cards")
    parser.add_argument("--tty", action="store_true", help="the command has the terminal that we have")
    return parser.parse_args()


def main():
    args = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    saved = None
    try:
        run = Run(args)
        if args.tty and os.isatty(0):
            saved = termios.tcgetattr(0)
            tty.setraw(0)
        return run.run()
    except (KeyboardInterrupt, BrokenPipeError):
        return 128 + signal.SIGINT
    finally:
        if saved:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
        # The logs of the last run to end stay, those of runs beside it do not get mixed with them.
        shutil.rmtree(args.logs, ignore_errors=True)
        shutil.move(f"{args.run}/logs", args.logs)
        shutil.rmtree(args.run)


if __name__ == "__main__":
    sys.exit(main())
