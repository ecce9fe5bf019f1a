#!/usr/bin/env python3
"""Changes go live without a visitor noticing, and a version that can't serve never takes the place of one that does."""
import os

from harness import Load, Scenario, condition, eventually, main, service

ROLLOUTS = int(os.environ.get("HELVETIA_ROLLOUTS", "20"))


class Rollout(Scenario):
    def deploy(self, version, **spec):
        tag = self.platform.image(f"rollout:{version}", version)
        self.platform.apply(service("rollout", tag, strategy={"drainSeconds": 1, "minReadySeconds": 0}, **spec))

    def test_1_twenty_new_images_and_no_failed_request(self):
        self.deploy("v0", replicas=2)
        self.platform.wait_ready("rollout")
        with Load(self.platform, "rollout") as load:
            for number in range(1, ROLLOUTS + 1):
                self.deploy(f"v{number}", replicas=2)
                eventually(lambda number=number: self.platform.version("rollout") == f"v{number}", 60,
                           f"visitors see v{number}")
                self.platform.wait_ready("rollout")
        self.assertEqual(load.failures, [], f"{len(load.failures)} of {load.requests} requests failed")
        self.assertEqual(load.versions, [f"v{number}" for number in range(ROLLOUTS + 1)])
        self.assertGreater(load.requests, 100 * ROLLOUTS / 2)

    def test_2_replicas_up_and_down_and_no_failed_request(self):
        with Load(self.platform, "rollout") as load:
            for replicas in (4, 1, 3, 2):
                self.platform.patch("rollout", {"replicas": replicas})
                self.platform.wait_ready("rollout")
                eventually(lambda count=replicas: len(self.platform.containers("rollout")) == count, 60,
                           f"{replicas} containers are left")
        self.assertEqual(load.failures, [], f"{len(load.failures)} of {load.requests} requests failed")

    def test_3_an_image_that_never_answers_fails_and_the_old_revision_serves_on(self):
        before = self.platform.version("rollout")
        tag = self.platform.image("rollout:mute", "mute", HELLO_MODE="never")
        with Load(self.platform, "rollout", visitors=2) as load:
            self.platform.apply(service("rollout", tag, replicas=2,
                                        strategy={"drainSeconds": 1, "minReadySeconds": 0, "deadlineSeconds": 5}))
            failed = eventually(lambda: next((each for each in self.platform.deployments("rollout")[-1:]
                                              if each["status"]["phase"] == "FAILED"), None), 60,
                                "the mute revision has FAILED")
        self.assertTrue(failed["status"]["message"], "a failure says why")
        self.assertEqual(load.failures, [])
        self.assertEqual(self.platform.version("rollout"), before)
        status = eventually(lambda: self.platform.service("rollout") if
                            condition(self.platform.service("rollout"), "Ready")["status"] == "False" else None, 20,
                            "Ready is False")
        self.assertEqual(status["status"]["phase"], "ACTIVE", "the old revision serves")
        eventually(lambda: len(self.platform.containers("rollout")) == 2, 30, "the mute containers are removed")

    def test_4_an_image_that_exits_fails_at_once_with_its_code(self):
        tag = self.platform.image("rollout:exits", "exits", HELLO_MODE="exit")
        self.platform.apply(service("rollout", tag, replicas=1, strategy={"drainSeconds": 1, "minReadySeconds": 0}))
        failed = eventually(lambda: next((each for each in self.platform.deployments("rollout")[-1:]
                                          if each["spec"]["template"]["image"] == tag and
                                          each["status"]["phase"] == "FAILED"), None), 60, "it has FAILED")
        self.assertIn("3", failed["status"]["message"], "the exit code is named")

    def test_5_back_to_a_working_image(self):
        self.deploy("v99", replicas=1)
        self.platform.wait_ready("rollout")
        self.assertEqual(self.platform.version("rollout"), "v99")


class Refused(Scenario):
    def failed(self, name):
        return eventually(lambda: next((each for each in self.platform.deployments(name)
                                        if each["status"]["phase"] == "FAILED"), None), 60, f"{name} has FAILED")

    def test_1_an_image_with_reserved_labels_is_refused(self):
        tag = self.platform.image("thief:1", "1", labels={"traefik.http.routers.x.rule": "Host(`hello.localhost`)"})
        self.platform.apply(service("thief", tag))
        deployment = self.failed("thief")
        self.assertEqual(deployment["status"]["reason"], "ReservedLabel")
        self.assertIn("traefik.http.routers.x.rule", deployment["status"]["message"])
        self.assertEqual(self.platform.containers("thief"), [])

    def test_2_a_volume_of_the_image_that_nothing_covers_is_refused(self):
        tag = self.platform.image("keeper:1", "1", volumes=["/data"])
        self.platform.apply(service("keeper", tag))
        deployment = self.failed("keeper")
        self.assertEqual(deployment["status"]["reason"], "UncoveredVolume")
        self.assertIn("/data", deployment["status"]["message"])

    def test_3_suspend_zero_and_back(self):
        tag = self.platform.image("sleeper:1", "one")
        self.platform.apply(service("sleeper", tag, strategy={"drainSeconds": 1}))
        self.platform.wait_ready("sleeper")
        revision = self.platform.service("sleeper")["status"]["currentDeployment"]
        for stop, go in (({"suspend": True}, {"suspend": False}), ({"replicas": 0}, {"replicas": 1})):
            self.platform.patch("sleeper", stop)
            idle = eventually(lambda: next((each for each in [self.platform.service("sleeper")]
                                            if each["status"]["phase"] == "IDLE" and
                                            not self.platform.containers("sleeper", running=True)), None), 60,
                              f"{stop}: nothing runs")
            self.assertEqual(condition(idle, "Ready")["reason"], "ScaledToZero")
            self.platform.patch("sleeper", go)
            self.platform.wait_ready("sleeper")
            self.assertEqual(self.platform.version("sleeper"), "one")
            self.assertEqual(self.platform.service("sleeper")["status"]["currentDeployment"], revision,
                             "the current revision came back, no new one")

    def test_4_deleted_while_it_starts_leaves_nothing(self):
        tag = self.platform.image("brief:1", "1", HELLO_MODE="never")
        self.platform.apply(service("brief", tag))
        eventually(lambda: self.platform.containers("brief"), 30, "a container exists")
        self.platform.delete("brief")
        eventually(lambda: self.platform.service("brief") is None and not self.platform.containers("brief"), 60,
                   "Service and containers are gone")


if __name__ == "__main__":
    main()
