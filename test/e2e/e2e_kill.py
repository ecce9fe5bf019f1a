#!/usr/bin/env python3
"""A worker, or the child that does its job, is killed at every step of a job: what is left in the end is what an
undisturbed push leaves. HELVETIA_KILL=all takes in the steps between and waits until the queue has forgotten the dead."""
import os
import time

from harness import eventually, main, say
from repositories import Disturbed

ALL = os.environ.get("HELVETIA_KILL") == "all"
# claim, fetch, send, build, tag, report
WORKER = ["worker-build-claim", "child-build-step", "worker-build-report"] + [
    "worker-resolve-take", "worker-resolve-claim", "child-resolve-begin", "child-resolve-fetch", "child-resolve-report",
    "worker-resolve-report", "worker-resolve-answer", "worker-build-take", "child-build-begin", "child-build-send",
    "child-build-tag", "child-build-report", "worker-build-answer"] * ALL
CHILD = ["child-resolve-fetch", "child-build-send", "child-build-tag"] + [
    "child-resolve-begin", "child-resolve-report", "child-build-begin", "child-build-step", "child-build-report"] * ALL
LIVE_SECONDS = 30  # a lost job is promised to be taken again within 5, and the figure is printed


class Kill(Disturbed):
    def killed(self, point, action):
        self.more_workers(2)
        fired = self.arm(f"{point}.{action}")
        version = self.next()
        eventually(fired, 60, f"{point} was passed")
        begin = time.time()
        self.sees(version, LIVE_SECONDS)
        live = time.time() - begin
        rows = self.sql("SELECT extract(epoch FROM started_at) FROM jobs WHERE attempt > 1 AND key NOT LIKE 'head/%' "
                        f"AND started_at > to_timestamp({begin - 0.5}) ORDER BY created_at DESC LIMIT 1")
        again = f"taken again after {float(rows[0][0]) - begin:.2f} s, " if rows else ""
        say(f"    {point}.{action}: {again}live after {live:.2f} s")
        self.settles()

    def test_1_the_worker(self):
        for point in WORKER:
            self.killed(point, "kill-parent" if point.startswith("child") else "kill")

    def test_2_the_child(self):
        for point in CHILD:
            self.killed(point, "kill")

    def test_3_the_queue_forgets_the_dead(self):
        self.more_workers(1)
        if ALL:
            eventually(lambda: not self.queued(), 90, "no job is left in the queue")
        self.settles()


if __name__ == "__main__":
    main()
