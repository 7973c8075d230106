"""What a user who is online costs in memory, and a group of theirs. `bench/run memory`.

A user: one device, an 8-byte name, no groups. Slope between 5,000 and 15,000 of what jemalloc has given
out, in its own classes, once the logins are in the store and nothing moves: a heap profile in which every
allocation counts (lg_prof_sample:0), split into the store's and the rest by who allocated. The slope of
RssAnon, from runs without a profile, has the store in it, and what the allocator keeps besides.

A group: users with 10 groups of 1,000 members each, next to users with none, over a store that was filled
before and a server that was started anew; per user and group, all sides of it: membership, session's
feed, the group's list of sessions."""

import bisect
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from costs import Costs, user_name

USERS = (5_000, 15_000)
GROUPS, MEMBERS, MEMBERS_ONLINE = 10, 1_000, 5_000
INVITED = 400
SETTLE_S = 3             # the logins' batches are committed and their memory is back
LOGIN_TIMEOUT_S = 15     # the gateway remembers for so long when a login would have been too slow
DUMP_BYTES_LOG2 = 19     # a profile after so many bytes
SITES_SHOWN = 16
NOBODY = user_name(9_000_000)
# Who belongs to the store, if one of them is on the stack.
STORE = re.compile(r"rocksdb::|"
                   r"ims::logic::(Committer|RocksStore|StoreMemory|SegmentStore|\w*Store::)")


class Profile:
    """Live bytes of a heap profile of jemalloc, by stack."""

    def __init__(self, path, program):
        text = Path(path).read_text(errors="replace")
        stacks, _, maps = text.partition("MAPPED_LIBRARIES:")
        base = None
        for line in maps.splitlines():
            fields = line.split()
            if len(fields) < 6:
                continue
            if fields[5].endswith("/imsd") and int(fields[2], 16) == 0:
                base = int(fields[0].split("-")[0], 16)
        symbols = subprocess.run(["nm", "-C", "--defined-only", program], capture_output=True,
                                 text=True, check=True).stdout
        rows = sorted((int(at, 16), name) for at, kind, name in
                      (line.split(" ", 2) for line in symbols.splitlines()) if kind in "tTwW")
        self.addresses, self.names = [row[0] for row in rows], [row[1] for row in rows]
        self.base = base
        self.store, self.sites = 0, {}
        for frames, counts in re.findall(r"^@ (.*)\n\s+t\*: \d+: (\d+)", stacks, re.MULTILINE):
            self._add([int(frame, 16) for frame in frames.split()], int(counts))

    def _add(self, frames, size):
        names = [self._name(frame) for frame in frames]
        if any(STORE.search(name) for name in names):
            self.store += size
            return
        ours = [name for name in names if "ims::" in name]
        site = ours[0] if ours else "elsewhere"
        self.sites[site] = self.sites.get(site, 0) + size

    def _name(self, address):
        at = bisect.bisect_right(self.addresses, address - self.base) - 1
        return self.names[at] if at >= 0 else ""

    @property
    def rest(self):
        return sum(self.sites.values())


class Memory(Costs):
    def run(self):
        self.heap = self.bench.scratch / "heap"
        self.users()
        self.groups()

    def users(self):
        sizes, profiles = {}, {}
        for count in USERS:
            with self.bench.server("uring", "split", "--login-timeout", f"{LOGIN_TIMEOUT_S}s") as self.server:
                self.held(count, lambda n=count: sizes.__setitem__(n, self.server.memory()))
            self.bench.make_store()
            profiles[count] = self.profile(count)
        few, many = USERS
        print(f"\nmemory of a user online, bytes: slope between {few:,} and {many:,}\n\n"
              "| without the store | of the store | RssAnon |\n|--:|--:|--:|")
        slopes = [(getattr(profiles[many], part) - getattr(profiles[few], part)) / (many - few)
                  for part in ("rest", "store")]
        print(f"| {slopes[0]:.0f} | {slopes[1]:.0f} | "
              f"{(sizes[many] - sizes[few]) / (many - few):.0f} |")
        self.print_sites(profiles[few], profiles[many], many - few)

    def groups(self):
        self.bench.make_store()
        self.server = self.bench.start("uring", "split")
        self.held(MEMBERS_ONLINE, lambda: None)
        self.fill_groups()
        self.server.end()
        with_groups = self.profile(MEMBERS_ONLINE)
        self.bench.make_store()
        self.server = self.bench.start("uring", "split")
        self.held(MEMBERS_ONLINE, lambda: None)
        self.server.end()
        without = self.profile(MEMBERS_ONLINE)
        slope = (with_groups.rest - without.rest) / (MEMBERS_ONLINE * GROUPS)
        print(f"\nmemory of a group of a user online: {slope:.1f} bytes ({MEMBERS_ONLINE:,} users in "
              f"{GROUPS} groups of {MEMBERS:,})")
        self.print_sites(without, with_groups, MEMBERS_ONLINE * GROUPS)

    def fill_groups(self):
        """Group g of lane l has every lane-th user from another place on: all meet others."""
        codes = self.codes
        owner = self.login(user_name(MEMBERS_ONLINE))
        for number in range(MEMBERS_ONLINE * GROUPS // MEMBERS):
            first = number * MEMBERS
            step = 1 + 2 * (number // (MEMBERS_ONLINE // MEMBERS))
            members = [user_name((first + i) * step % MEMBERS_ONLINE) for i in range(MEMBERS)]
            group = f"g{number:05d}"
            self.expect(owner.group(codes.CREATE, group)[0])
            for at in range(0, MEMBERS, INVITED):
                self.expect(owner.group(codes.INVITE, group, users=members[at:at + INVITED])[0])
        owner.leave()
        time.sleep(SETTLE_S)

    def held(self, count, look):
        """`count` users log in and stay; then `look`."""
        def settled():
            time.sleep(LOGIN_TIMEOUT_S + SETTLE_S)
            look()
        self.bench.load(self.server, "idle", "--connections", count, "--seconds",
                        LOGIN_TIMEOUT_S + SETTLE_S + 8, on={"start": settled})

    def profile(self, count):
        for old in self.heap.parent.glob("heap.*"):
            old.unlink()
        options = (f"prof:true,lg_prof_sample:0,lg_prof_interval:{DUMP_BYTES_LOG2},"
                   f"prof_prefix:{self.heap}")
        self.server = self.bench.start(
            "uring", "split", "--login-timeout", f"{LOGIN_TIMEOUT_S}s",
            wrapper=("taskset", "-c", "0", "env", f"MALLOC_CONF={options}"))
        found = []
        try:
            self.held(count, lambda: found.append(self.dump()))
        finally:
            self.server.end()
        return found[0]

    def dump(self):
        """Somebody comes and goes until a profile is written of which all is quiet otherwise."""
        before = self.dumps()
        for _ in range(20):
            for _ in range(200):
                self.login(NOBODY).leave()
            if len(new := self.dumps() - before) > 1:
                newest = max(new, key=lambda path: path.stat().st_mtime_ns)
                time.sleep(0.2)
                return Profile(newest, self.bench.program("imsd"))
        sys.exit("no heap profile: is the server's jemalloc built with --enable-prof?")

    def dumps(self):
        return set(self.heap.parent.glob("heap.*.heap"))

    def print_sites(self, before, after, units):
        grown = sorted(((size - before.sites.get(site, 0), site)
                        for site, size in after.sites.items()), reverse=True)
        print("\n| bytes | allocated by |\n|--:|---|")
        for size, site in grown[:SITES_SHOWN]:
            if size / units >= 0.5:
                print(f"| {size / units:.1f} | `{site.split('(')[0]}` |")
        sys.stdout.flush()
