#!/usr/bin/env python3
"""The controller is killed in every stage of a push; another one that stands by goes on. Visitors notice nothing, and
what is left is what an undisturbed push leaves. HELVETIA_KILL=all: before and after every kind of action."""
import os
import signal

from harness import Load, eventually, main, say
from repositories import Disturbed

ALL = os.environ.get("HELVETIA_KILL") == "all"
ACTIONS = ("create-deployment", "set-deployment", "create-job", "enqueue-job", "prepare-folder", "create-container",
           "start-container", "open-gate", "set-restart-unless-stopped", "close-gate", "set-restart-no",
           "terminate-container", "keep-log-of", "remove-container", "remove-folder")


class KillController(Disturbed):
    def run_killed(self, what, disturb):
        """A push during which disturb() sees to it that the leader dies; visitors are served all the while."""
        self.more_controllers(2)
        with Load(self.platform, "app", visitors=2, pause=0.01) as load:
            version = self.next()
            disturb()
            self.sees(version, 60)
            self.settles()
        self.assertEqual(load.failures, [], f"{what}: {len(load.failures)} of {load.requests} requests failed")
        say(f"    {what}: {load.requests} requests")

    def killed_at(self, point):
        fired = self.arm(f"{point}.kill")
        self.run_killed(point, lambda: eventually(fired, 60, f"{point} was passed"))

    def kill_leader(self):
        os.kill(self.leader(), signal.SIGKILL)

    def test_1_resolving(self):
        self.killed_at("controller-after-create-deployment")
        self.killed_at("controller-before-enqueue-job")

    def test_2_queued(self):
        with self.held("child-resolve-fetch") as stopped:
            def disturb():
                stopped()
                fired = self.arm("controller-after-create-job.kill")  # that of the build
                os.kill(self.children()[0], signal.SIGCONT)
                eventually(fired, 60, "the build's job was made")
            self.run_killed("queued", disturb)

    def test_3_building(self):
        with self.held("child-build-step") as stopped:
            def disturb():
                stopped()
                self.kill_leader()
                self.leader()
                os.kill(self.children()[0], signal.SIGCONT)
            self.run_killed("building", disturb)

    def test_4_starting(self):
        self.killed_at("controller-after-create-container")
        self.killed_at("controller-after-start-container")

    def test_5_publishing(self):
        self.killed_at("controller-after-open-gate")

    def test_6_stabilizing(self):
        self.platform.patch("app", {"strategy": {"drainSeconds": 1, "minReadySeconds": 3}})

        def disturb():
            eventually(lambda: self.platform.deployments("app")[-1]["status"]["stage"] == "Stabilizing", 60,
                       "it is Stabilizing")
            self.kill_leader()
        self.run_killed("stabilizing", disturb)
        self.platform.patch("app", {"strategy": {"drainSeconds": 1, "minReadySeconds": 0}})

    def test_7_draining(self):
        self.killed_at("controller-after-close-gate")
        self.killed_at("controller-after-terminate-container")
        self.killed_at("controller-before-remove-container")

    def test_8_before_and_after_every_action(self):
        for action in ACTIONS if ALL else ():
            for when in ("before", "after"):
                self.killed_at(f"controller-{when}-{action}")


if __name__ == "__main__":
    main()
