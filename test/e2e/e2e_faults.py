#!/usr/bin/env python3
"""Nothing behind the proxy matters to visitors, and after any crash the platform ends up where it should."""
import os
import signal

from harness import Load, Scenario, eventually, main, service

STAGES = ("Queued", "Starting", "Publishing", "Stabilizing")
ROUNDS = int(os.environ.get("HELVETIA_ROUNDS", "1"))


class Faults(Scenario):
    def deploy(self, version, **more):
        tag = self.platform.image(f"faults:{version}", version, **more)
        self.platform.apply(service("faults", tag, replicas=2, strategy={"drainSeconds": 1, "minReadySeconds": 2}))

    def kill(self, name):
        """Kills a process of the platform and waits until the supervisor has another one."""
        before = self.platform.pids()[name]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.platform.pids().get(name) not in (before, 0, None), 60, f"{name} runs again")

    def settled(self, version):
        self.platform.wait_ready("faults", 90)
        eventually(lambda: self.platform.version("faults") == version, 30, f"visitors see {version}")
        eventually(lambda: len(self.platform.containers("faults")) == 2, 60, "only the new containers are left")
        current = [each["metadata"]["name"] for each in self.platform.deployments("faults")
                   if each["status"]["phase"] == "SUCCESS"][-1]
        self.assertEqual(self.platform.service("faults")["status"]["currentDeployment"], current)

    def test_1_controller_killed_in_each_stage_of_a_rollout(self):
        self.deploy("s0")
        self.platform.wait_ready("faults")
        with Load(self.platform, "faults", visitors=2) as load:
            for number, stage in enumerate(STAGES * ROUNDS):
                version = f"at-{stage.lower()}-{number}"
                slow = {"HELLO_SLOWSTART": "1000"} if stage == "Starting" else {}
                self.deploy(version, **slow)
                reached = eventually(lambda stage=stage, version=version: self.reached(version, stage), 60,
                                     f"{version} is at {stage} or beyond")
                self.kill("controller")
                self.settled(version)
                self.assertTrue(reached)
        self.assertEqual(load.failures, [], f"{len(load.failures)} of {load.requests} requests failed")

    def reached(self, version, stage):
        order = STAGES + ("Done",)
        for each in self.platform.deployments("faults"):
            if each["spec"]["template"]["image"] == f"faults:{version}":
                return order.index(each["status"]["stage"]) >= order.index(stage)
        return False

    def test_2_api_killed_and_the_next_apply_works(self):
        self.kill("api")
        eventually(lambda: self.platform.api("GET", "/readyz")[0] == 200, 30, "the API answers")
        self.deploy("after-api")
        self.settled("after-api")

    def test_3_postgres_restarted(self):
        with Load(self.platform, "faults", visitors=2) as load:
            self.kill("postgres")
            eventually(lambda: self.platform.api("GET", "/readyz")[0] == 200, 60, "the API is ready again")
            self.deploy("after-postgres")
            self.settled("after-postgres")
        self.assertEqual(load.failures, [])

    def test_4_engine_restarted_with_live_restore(self):
        with Load(self.platform, "faults", visitors=2) as load:
            self.kill("dockerd")
            eventually(lambda: self.platform.docker("GET", "/info"), 60, "the engine answers")
            self.deploy("after-engine")
            self.settled("after-engine")
            self.platform.patch("faults", {"replicas": 1})
            self.platform.wait_ready("faults")
            eventually(lambda: len(self.platform.containers("faults")) == 1, 60, "one container is left")
            self.platform.patch("faults", {"replicas": 2})
            self.settled("after-engine")
        self.assertEqual(load.failures, [], f"{len(load.failures)} of {load.requests} requests failed")

    def test_5_a_frozen_controller_does_no_harm(self):
        self.platform.signal("controller", signal.SIGSTOP)
        try:
            self.deploy("after-frost")
            self.assertEqual(self.platform.visit("faults", "/version")[0], 200)
        finally:
            self.platform.signal("controller", signal.SIGCONT)
        self.settled("after-frost")

    def test_6_visitors_are_served_while_every_process_of_ours_is_stopped(self):
        stopped = []
        try:
            with Load(self.platform, "faults", visitors=2) as load:
                os.kill(self.platform.process.pid, signal.SIGSTOP)
                stopped.append(self.platform.process.pid)
                for name in ("controller", "api", "postgres", "redis"):
                    os.kill(self.platform.pids()[name], signal.SIGSTOP)
                    stopped.append(self.platform.pids()[name])
                before = load.requests
                eventually(lambda: load.requests > before + 500, 60, "500 more requests were answered")
            self.assertEqual(load.failures, [])
        finally:
            for pid in reversed(stopped):
                os.kill(pid, signal.SIGCONT)
        self.settled("after-frost")


if __name__ == "__main__":
    main()
