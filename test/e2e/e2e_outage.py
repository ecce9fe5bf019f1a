#!/usr/bin/env python3
"""Redis, PostgreSQL or the Git host are away, or Redis lost everything, while a commit is looked at and while it is
built; a Service is deleted during its build. Visitors notice nothing, and what is left equals an undisturbed push.
HELVETIA_OUTAGE_SECONDS says for how long they are away."""
import contextlib
import os
import signal
import time

from harness import Load, eventually, main
from repositories import Disturbed

SECONDS = float(os.environ.get("HELVETIA_OUTAGE_SECONDS", "5"))  # longer than a lease


class Outage(Disturbed):
    def lasts(self):
        """The time that an outage takes; visitors are served all the while."""
        end = time.monotonic() + SECONDS
        with Load(self.platform, "app", visitors=2, pause=0.02) as load:
            eventually(lambda: time.monotonic() >= end, SECONDS + 5, "the outage has lasted")
        self.assertEqual(load.failures, [], f"{len(load.failures)} of {load.requests} requests failed")

    def newest(self):
        return self.platform.deployments("app")[-1]["status"]

    def says(self, words):
        eventually(lambda: words in (self.newest().get("message") or ""), 60, f"the Deployment says \"{words}\"")
        self.assertEqual(self.newest()["phase"], "BUILDING")

    def ends_well(self, version, seconds=60):
        self.sees(version, seconds)
        self.settles()

    def flushed(self):
        """A job waits in the queue and is lost with it; then it's there again."""
        eventually(lambda: self.queued("wait"), 30, "a job waits in the queue")
        self.assertEqual(self.redis("FLUSHALL"), "OK")
        eventually(lambda: self.queued("wait"), 30, "it is in the queue again")

    # --- Redis -----------------------------------------------------------------------------------------------------

    def test_01_the_queue_is_flushed_while_a_job_waits(self):
        worker = self.platform.pids()["worker"]
        os.kill(worker, signal.SIGSTOP)
        try:
            version = self.next()
            self.flushed()
        finally:
            os.kill(worker, signal.SIGCONT)
        self.ends_well(version)

    def test_02_the_queue_is_flushed_while_a_build_waits(self):
        with self.held("worker-resolve-answer") as stopped:
            version = self.next()
            stopped()
            eventually(lambda: self.newest()["stage"] == "Queued", 30, "the build is queued")
            self.flushed()
        self.ends_well(version)

    def test_03_the_queue_is_flushed_while_a_job_runs(self):
        for point in ("child-resolve-fetch", "child-build-step"):
            with self.held(point) as stopped:
                version = self.next()
                stopped()
                self.assertEqual(self.redis("FLUSHALL"), "OK")
            self.ends_well(version)

    def test_04_redis_is_away_before_a_commit_is_looked_at(self):
        with self.away("redis"):
            version = self.next()
            self.says("waits for the job queue: Redis does not answer")
            self.lasts()
        self.ends_well(version)

    def test_05_redis_goes_away_while_a_commit_is_looked_at(self):
        with self.held("child-resolve-fetch") as stopped:
            version = self.next()
            stopped()
            outage = contextlib.ExitStack()
            outage.enter_context(self.away("redis"))
        with outage:  # the look ends, and its build can't be queued
            self.says("the build waits for the job queue: Redis does not answer")
            self.lasts()
        self.ends_well(version)

    def test_06_redis_goes_away_while_a_build_runs(self):
        with self.held("child-build-step") as stopped:
            version = self.next()
            stopped()
            outage = contextlib.ExitStack()
            outage.enter_context(self.away("redis"))
        with outage:
            self.sees(version)  # nothing needs it any more
        self.ends_well(version)

    # --- PostgreSQL ------------------------------------------------------------------------------------------------

    def test_11_postgres_goes_away_while_a_job_runs(self):
        for point in ("child-resolve-fetch", "child-build-step"):
            with self.held(point) as stopped:
                version = self.next()
                stopped()
                outage = contextlib.ExitStack()
                outage.enter_context(self.away("postgres"))
            with outage:  # the child goes on, and can't tell anybody
                self.lasts()
            self.ends_well(version)

    def test_12_postgres_goes_away_while_a_job_stands_still(self):
        with self.held("child-build-step") as stopped:
            version = self.next()
            stopped()
            with self.away("postgres"):
                self.lasts()
        self.ends_well(version)

    # --- the Git host ----------------------------------------------------------------------------------------------

    def test_21_the_git_host_goes_away_while_it_is_asked(self):
        with self.held("child-resolve-fetch") as stopped:
            version = self.next()
            stopped()
            self.server.stop()
        try:
            self.says("it is tried again")
            self.lasts()
        finally:
            self.server.start()
        self.ends_well(version, 60 + 2 * SECONDS)

    def test_22_the_git_host_answers_that_it_is_out_of_order(self):
        self.server.outage = True
        try:
            version = self.next()
            self.says("it is tried again")
            self.lasts()
        finally:
            self.server.outage = False
        self.ends_well(version, 60 + 2 * SECONDS)

    def test_23_the_git_host_goes_away_while_a_build_runs(self):
        with self.held("child-build-step") as stopped:
            version = self.next()
            stopped()
            self.server.stop()
        try:
            self.sees(version)  # the worker has the commit
        finally:
            self.server.start()
        self.ends_well(version)

    # --- nobody wants it any more ----------------------------------------------------------------------------------

    def test_31_the_service_is_deleted_during_its_build(self):
        with self.held("child-build-step") as stopped:
            self.next()
            stopped()
            self.platform.delete("app")
            eventually(lambda: self.platform.service("app") is None, 60, "the Service is gone")
            eventually(lambda: not self.children(), 30, "its build was stopped")
        eventually(lambda: not self.queued(), 30, "the queue is empty")
        eventually(lambda: not self.platform.containers("app") and not self.folders("app"), 30, "its containers are gone")
        self.assertEqual(self.platform.deployments("app"), [])
        self.assertEqual(self.sql("SELECT * FROM jobs WHERE state IN ('QUEUED', 'RUNNING')"), [])


if __name__ == "__main__":
    main()
