#!/usr/bin/env python3
"""From a push to a live page: a repository over real smart HTTP, real BullMQ jobs, a real build, signed deliveries."""
import os
import time

from harness import Load, condition, eventually, main, say
from repositories import Repositories, manifest

PUSHES = int(os.environ.get("HELVETIA_PUSHES", "20"))


class Push(Repositories):
    def built(self):
        return sum(each["status"].get("phase") == "SUCCESS" for each in self.builds())

    # --- the main way ----------------------------------------------------------------------------------------------

    def test_01_a_repository_goes_live(self):
        self.repository.version("v0")
        self.platform.apply(manifest("app", self.repository))
        self.sees("v0", 90)
        self.platform.wait_ready("app")
        spec = self.platform.service("app")["spec"]
        self.assertEqual(spec["commit"], self.repository.head())

    def test_02_twenty_pushes_and_no_failed_request(self):
        with Load(self.platform, "app") as load:
            for number in range(1, PUSHES + 1):
                begin = time.monotonic()
                self.push(f"v{number}")
                self.sees(f"v{number}")
                say(f"    v{number} after {time.monotonic() - begin:.2f} s")
        self.assertEqual(load.failures, [], f"{len(load.failures)} of {load.requests} requests failed")
        self.assertEqual(load.versions, [f"v{number}" for number in range(PUSHES + 1)])

    def test_03_a_storm_ends_with_the_newest_commit(self):
        before = self.built()
        begin = time.monotonic()
        for number in range(20):
            self.push(f"storm{number}")
        say(f"    20 commits in {time.monotonic() - begin:.1f} s")
        self.sees("storm19", 120)
        say(f"    live after {time.monotonic() - begin:.1f} s and {self.built() - before} builds")
        self.assertLess(self.built() - before, 12, "superseded commits are not built")
        self.platform.wait_ready("app")
        eventually(lambda: not self.queued() and not self.children(), 30, "nothing is built any more")
        self.assertEqual(self.platform.version("app"), "storm19")
        self.assertEqual(self.sql("SELECT * FROM jobs WHERE state IN ('QUEUED', 'RUNNING')"), [])

    def test_04_a_broken_dockerfile_says_so_and_the_old_one_serves_on(self):
        was = self.platform.version("app")
        before, after = self.repository.commit("broken", Dockerfile="FRM push-base:1\n")
        self.deliver(before, after)
        failed = eventually(lambda: next((each for each in self.platform.deployments("app")[-1:]
                                          if each["status"]["phase"] == "FAILED"), None), 60, "it has FAILED")
        self.assertEqual(failed["status"]["reason"], "BuildFailed")
        self.assertIn("FRM", failed["status"]["message"])
        self.assertEqual(self.platform.version("app"), was)
        self.push("mended")
        self.sees("mended")

    def test_05_an_unchanged_tree_restarts_nothing(self):
        eventually(lambda: len(self.platform.containers("app")) == 1, 60, "older revisions are drained")
        containers = [each["Id"] for each in self.platform.containers("app", running=True)]
        before, after = self.repository.commit("nothing")
        self.deliver(before, after)
        eventually(lambda: self.platform.service("app")["spec"]["commit"] == after and
                   self.platform.deployments("app")[-1]["status"].get("reason") == "Unchanged", 60,
                   "the commit is recorded as Unchanged")
        self.assertEqual([each["Id"] for each in self.platform.containers("app", running=True)], containers)

    def test_06_a_wrong_signature_changes_nothing(self):
        before, after = self.repository.version("unsigned")
        status, _ = self.deliver(before, after, secret="wrong")
        self.assertEqual(status, 401)
        commit = self.platform.service("app")["spec"]["commit"]
        self.assertNotEqual(commit, after)
        status, _ = self.deliver(before, after)
        self.assertEqual(status, 200)
        self.sees("unsigned")

    def test_07_a_late_delivery_reads_the_head_instead(self):
        first = self.repository.version("late1")
        second = self.repository.version("late2")
        self.deliver(*second)  # its `before` is unknown here
        self.sees("late2")
        self.deliver(*first)  # replayed and late: the head stays
        eventually(lambda: condition(self.platform.service("app"), "Ready")["status"] == "True", 60, "Ready")
        self.assertEqual(self.platform.version("app"), "late2")

    def test_08_roll_back_without_a_build(self):
        revision = self.platform.deployments("app")[-1]["spec"]["revision"]
        self.push("worse")
        self.sees("worse")
        builds = len(self.builds())
        self.platform.command("rollback", "app", str(revision))
        self.sees("late2")
        self.assertEqual(len(self.builds()), builds)
        self.push("better")
        self.sees("better")

    def test_20_delete_while_building(self):
        self.push("deleted")
        self.platform.delete("app")
        eventually(lambda: self.platform.service("app") is None, 90, "the Service is gone")
        eventually(lambda: not self.platform.containers("app"), 30, "its containers are gone")


class Refused(Repositories):
    """Sources that can't be had end with one sentence."""

    def refused(self, name, **spec):
        self.platform.apply({"apiVersion": "helvetia.cloud/v1", "kind": "Service", "metadata": {"name": name},
                             "spec": {"repoUrl": self.repository.url, "branch": "main", **spec}})

        def look():
            ready = condition(self.platform.service(name), "Ready")
            return ready if ready and ready["status"] == "False" and ready["reason"] == "SourceFailed" else None
        return eventually(look, 60, f"{name} says SourceFailed")["message"]

    def test_1_no_such_branch(self):
        self.repository.version("v0")
        self.assertIn("nowhere", self.refused("nobranch", branch="nowhere"))

    def test_2_no_such_repository(self):
        self.assertIn("nothing.git", self.refused("norepository", repoUrl=f"{self.server.url}/nothing.git"))

    def test_3_no_such_commit(self):
        self.assertIn("0123456", self.refused("nocommit", commit="0123456789" * 4))

    def test_4_nothing_that_could_be_run(self):
        self.repository.commit("empty", README__md="nothing to run\n")
        self.repository.git("rm", "-q", "Dockerfile")
        self.repository.commit("no Dockerfile")
        self.assertIn("Dockerfile", self.refused("nothing"))


if __name__ == "__main__":
    main()
