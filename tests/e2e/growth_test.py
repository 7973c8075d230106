#!/usr/bin/python3
"""bench/live_counters.py and bench/cores.py against a server: what they read of its memory is what
imsctl says, and the rings are those that its threads have."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "literal"), str(ROOT / "bench")]

import case  # noqa: E402
import cores  # noqa: E402
from live_counters import LiveCounters  # noqa: E402

ACCEPTS = "ims_accepts_total"


class Live(case.Case):
    shared = case.use_server(gateways=2, workers=2)

    def test_it_says_what_imsctl_says(self):
        counters = LiveCounters(self.server.data)
        before = counters.read()[ACCEPTS]
        client = self.login("growth")
        self.expect("accepted since", 1, counters.read()[ACCEPTS] - before)
        self.expect("accepted by gateways", counters.read()[ACCEPTS], counters.read("gw")[ACCEPTS])
        stats, live = self.server.stats(), counters.read()
        self.expect("counters that imsctl does not know", set(), set(live) - set(stats))
        for name in (ACCEPTS, "ims_sessions", 'ims_info{placement="split"}'):
            self.expect(name, stats[name], live[name])
        client.close()

    def test_a_ring_for_each_pair_of_threads(self):
        sizes = cores.ring_sizes(self.server.pid)
        gateways, workers = self.server.gateways, self.server.workers
        self.expect("requests", gateways * workers, len(sizes["ims_requests"]))
        self.expect("deliveries", gateways * workers, len(sizes["ims_deliveries"]))
        self.expect("handoffs", workers * (workers - 1), len(sizes["ims_handoffs"]))
        self.login("crosses").close()
        self.assertGreater(cores.shared_bytes(self.server.pid), 0)  # a login's records


if __name__ == "__main__":
    case.main()
