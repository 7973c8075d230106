"""What flame and attach ask of their command line: errors of one line, and a server to look at."""

import argparse
import math
import os
import sys
from pathlib import Path

SECONDS_MAX = 86_400


class Parser(argparse.ArgumentParser):
    """Wrong usage: a line, and exit code 2."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (--help says more)\n")


def fail(program, sentence):
    """A line on standard error, and exit code 1."""
    sys.exit(f"{program}: {sentence}")


def seconds(text):
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no time from above 0 to {SECONDS_MAX} s")
    return number


def whole(least, most):
    def parse(text):
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)
    return parse


process = whole(1, 2**31 - 1)
whole_seconds = whole(1, SECONDS_MAX)


def expect_server(program, pid):
    """Ends the program where `pid` is no imsd."""
    if not Path(f"/proc/{pid}").exists():
        fail(program, f"there is no process {pid}")
    try:
        name = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)").rpartition("/")[2]
    except FileNotFoundError:
        fail(program, f"process {pid} is no imsd: it has no program, or has ended")
    except OSError:  # another user's
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    if name != "imsd":
        fail(program, f"process {pid} is {name}, no imsd")
