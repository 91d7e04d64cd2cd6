# SPDX-License-Identifier: GPL-2.0
"""What is wrong is said in one line that names the thing, and told by the exit code."""

import pytest

from lib.topology import LOCAL
from lib.topology import VIP

SERVICE = ("-t", f"{VIP}:80")
SERVER = ("-r", "192.168.229.1")


def refusal(director, words, code):
    """The one line on standard error."""
    done = director.adm(*words, code=code)
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("rsipvsadm: ")
    return line


@pytest.mark.parametrize("words, names", [
    (("-A", *SERVICE, "-s", "rr"), f"{VIP}:80"),
    (("-D", "-t", f"{VIP}:81"), f"{VIP}:81"),
    (("-E", "-t", f"{VIP}:81", "-s", "rr"), f"{VIP}:81"),
    (("-A", "-t", f"{VIP}:82", "-s", "nonsuch"), "nonsuch"),
    (("-a", *SERVICE, *SERVER, "-b"), "192.168.229.1:80"),
    (("-a", "-t", f"{VIP}:81", *SERVER, "-b"), f"{VIP}:81"),
    (("-d", *SERVICE, "-r", "192.168.229.9"), "192.168.229.9:80"),
    (("-e", *SERVICE, "-r", "192.168.229.9", "-b"), "192.168.229.9:80"),
    (("-P", *SERVICE, "-z", LOCAL), LOCAL),
    (("-P", "-t", f"{VIP}:81", "-z", LOCAL), f"{VIP}:81"),
    (("-P", *SERVICE, "-z", "255.255.255.255"), "255.255.255.255"),
    (("-Q", *SERVICE, "-z", "192.168.229.250"), "192.168.229.250"),
    (("-Z", "-t", f"{VIP}:81"), f"{VIP}:81"),
    (("-L", "-n", "-t", f"{VIP}:81"), f"{VIP}:81"),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_what_the_kernel_refuses_exits_1(fullnat, words, names):
    before = fullnat.adm("-S", "-n")
    assert names in refusal(fullnat, words, 1)
    assert fullnat.adm("-S", "-n") == before


@pytest.mark.parametrize("words, names", [
    ((), ""),
    (("--nonsuch",), "--nonsuch"),
    (("-L", "-n", "left over"), "left over"),
    (("-A", "-s", "rr"), ""),
    (("-A", *SERVICE, "-D"), ""),
    (("-a", *SERVICE, "-b"), ""),
    (("-a", *SERVICE, *SERVER, "-b", "-m"), ""),
    (("-a", *SERVICE, *SERVER, "-b", "-w", "65536"), "65536"),
    (("-a", *SERVICE, *SERVER, "-b", "-w", "-1"), "-1"),
    (("-a", *SERVICE, *SERVER, "-b", "-w", "many"), "many"),
    (("-a", *SERVICE, *SERVER, "-b", "-x", "5", "-y", "6"), ""),
    (("-A", "-t", f"{VIP}:0", "-s", "rr"), ""),
    (("-A", "-t", f"{VIP}:65536", "-s", "rr"), "65536"),
    (("-A", "-t", "10.0.96.256:80", "-s", "rr"), "10.0.96.256"),
    (("-A", "-t", VIP, "-s", "rr"), ""),
    (("-P", *SERVICE), ""),
    (("-P", *SERVICE, "-z", "not-an-address"), "not-an-address"),
    (("-P", *SERVICE, "-z", f"{LOCAL}:80"), f"{LOCAL}:80"),
    (("-Q", *SERVICE), ""),
    (("--set", "1", "2"), "--set"),
    (("--set", "1", "2", "three"), "three"),
    (("-t", f"{VIP}:80"), ""),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_what_makes_no_sense_exits_2(director, words, names):
    assert names in refusal(director, words, 2)
    assert director.adm("-S", "-n") == ""


def test_help_and_version_are_no_errors(director):
    for word in ("--help", "-h", "--version"):
        assert director.adm(word)


def test_who_is_not_root_is_told_so(fullnat):
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "rsipvsadm")
    for words in (("-A", "-t", f"{VIP}:81", "-s", "rr"), ("-C",), ("-Q", *SERVICE, "-z", LOCAL)):
        done = fullnat.namespace.run(*nobody, *words, code=1)
        [line] = done.stderr.splitlines()
        assert line.startswith("rsipvsadm: ") and ("root" in line or "permi" in line.lower())
    assert set(fullnat.local_addresses(f"{VIP}:80")) == {LOCAL}


def test_one_packet_scheduling_goes_not_with_fullnat(director):
    director.adm("-A", "-u", f"{VIP}:53", "-s", "rr", "-o")
    assert f"{VIP}:53" in refusal(director, ("-a", "-u", f"{VIP}:53", "-r", "192.168.229.1", "-b"), 1)


def test_a_closed_pipe_is_no_disaster(fullnat):
    done = fullnat.namespace.run("sh", "-c", "rsipvsadm -L -n | true")
    assert done.stderr == ""
