#!/usr/bin/env python3
"""Every shape of a Service that isn't the usual one: a release command, several domains, internal and without a port, a
health check of its own, and Recreate with a volume."""
import ctypes
import json
import os
import signal
import socket
import struct
import time

from harness import Scenario, condition, eventually, main, service

QUICK = {"drainSeconds": 1, "minReadySeconds": 0}
CLONE_NEWNET = 0x40000000


def inside(pid, ask):
    """The answer of ask() inside the network of a process, as a child so that this process stays where it is."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open(f"/proc/{pid}/ns/net", "rb") as space:
                if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            answer = ask()
        except OSError as error:
            answer = [str(error)]
        os.write(writer, json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = json.loads(pipe.read())
    os.waitpid(child, 0)
    return answer


def resolve(name):
    """The addresses that Docker's own name server has for a name."""
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + question + b"\0" + struct.pack("!HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(query, ("127.0.0.11", 53))
        answer = sock.recv(4096)
    count, at, addresses = struct.unpack("!H", answer[6:8])[0], len(query), []
    for _ in range(count):
        while answer[at] not in (0, 0xc0):
            at += 1 + answer[at]
        at += 1 if answer[at] == 0 else 2
        kind, _, _, length = struct.unpack("!HHIH", answer[at:at + 10])
        at += 10
        if kind == 1:
            addresses.append(".".join(map(str, answer[at:at + length])))
        at += length
    return sorted(addresses)


class Shape(Scenario):
    def newest(self, name):
        return self.platform.deployments(name)[-1]

    def failed(self, name, reason, image):
        """The message of the Deployment of an image, once it has FAILED for the reason."""
        def of_image():
            deployment = self.newest(name)
            return deployment if deployment["spec"]["image"] == image and \
                deployment["status"]["phase"] == "FAILED" else None

        deployment = eventually(of_image, 60, f"{image} has FAILED")
        self.assertEqual(deployment["status"]["reason"], reason, deployment["status"])
        return deployment["status"]["message"]

    def log(self, deployment):
        path = f"/apis/helvetia.cloud/v1/namespaces/default/deployments/{deployment}/log"
        status, text = self.platform.api("GET", path)
        return text if status == 200 else ""

    def inspect(self, container):
        return self.platform.docker("GET", f"/containers/{container['Id']}/json")

    def kill_controller(self):
        before = self.platform.pids()["controller"]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.platform.pids().get("controller") not in (before, 0, None), 60, "a controller runs again")


class Release(Shape):
    def deploy(self, version, command, **strategy):
        tag = self.platform.image(f"release:{version}", version)
        self.platform.apply(service("release", tag, releaseCommand=command, strategy={**QUICK, **strategy}))

    def test_1_it_runs_once_before_the_replicas_though_the_controller_is_killed(self):
        self.deploy("one", "/hello run 3000 0")
        runs = eventually(lambda: [each for each in self.platform.containers("release")
                                   if each["State"] == "running"], 60, "the release command runs")
        self.assertEqual([each["Names"][0].split("-")[2] for each in runs], ["release"], "and nothing else")
        eventually(lambda: (condition(self.platform.service("release"), "Ready") or {}).get("reason") == "Releasing", 20,
                   "Ready says what is waited for")
        self.kill_controller()
        self.platform.wait_ready("release")
        self.assertEqual(self.platform.version("release"), "one")
        eventually(lambda: len(self.platform.containers("release")) == 1, 30, "its container is gone")
        said = self.log("release-r1")
        self.assertEqual(said.count('helvetia-hello: runs 3000 ms as version "one"'), 1, said)
        eventually(lambda: [each for each in self.platform.events("release") if each["reason"] == "Released"], 20,
                   "an Event says that it ended")

    def test_2_it_fails_and_the_old_revision_serves_on(self):
        self.deploy("two", "/hello run 10 7")
        message = self.failed("release", "ReleaseFailed", "release:two")
        self.assertIn("code 7", message)
        self.assertIn("helvetia-hello: ends with 7", message, "the tail of its log")
        self.assertEqual(self.platform.version("release"), "one")
        eventually(lambda: "ends with 7" in self.log(self.newest("release")["metadata"]["name"]), 30, "its log is kept")
        eventually(lambda: len(self.platform.containers("release")) == 1, 30, "nothing of it is left")

    def test_3_it_is_not_there(self):
        self.deploy("three", "/migrate")
        self.assertIn("could not be run", self.failed("release", "ReleaseFailed", "release:three"))
        self.assertEqual(self.platform.version("release"), "one")

    def test_4_it_takes_too_long(self):
        self.deploy("four", "/hello run 60000 0", deadlineSeconds=2)
        self.assertIn("did not end within 2 s", self.failed("release", "ReleaseFailed", "release:four"))
        eventually(lambda: len(self.platform.containers("release")) == 1, 60, "it was stopped and removed")

    def test_5_the_next_one_is_good_and_a_rollback_runs_none(self):
        self.deploy("five", "/hello run 10 0")
        self.platform.wait_ready("release")
        self.assertEqual(self.platform.version("release"), "five")
        self.platform.command("rollback", "release", "1", "--wait")
        self.assertEqual(self.platform.version("release"), "one")
        self.assertNotIn("runs 3000 ms", self.log(self.newest("release")["metadata"]["name"]))


class Shapes(Shape):
    def test_1_several_domains(self):
        tag = self.platform.image("domains:1", "one")
        self.platform.apply(service("domains", tag, domains=["www.shop.test", "shop.test"], strategy=QUICK))
        self.platform.wait_ready("domains")
        for host in ("domains", "www.shop.test", "shop.test"):
            self.assertEqual(self.platform.version(host), "one", host)
        self.platform.apply(service("domains", tag, domains=["shop.test", "new.shop.test"], strategy=QUICK))
        self.platform.wait_ready("domains")
        eventually(lambda: self.platform.version("new.shop.test") == "one", 30, "the new domain is routed")
        eventually(lambda: self.platform.visit("www.shop.test")[0] == 404, 30, "the old domain is nobody's")
        self.assertEqual(self.platform.version("shop.test"), "one")
        # A domain that moves: first let go by one, then claimed by another.
        self.platform.apply(service("domains", tag, domains=["shop.test"], strategy=QUICK),
                            service("mover", self.platform.image("mover:1", "mover"), domains=["new.shop.test"],
                                    strategy=QUICK))
        self.platform.wait_ready("mover")
        eventually(lambda: self.platform.version("new.shop.test") == "mover", 30, "the domain has moved")

    def test_2_internal_has_a_name_in_its_namespace_and_no_route(self):
        tag = self.platform.image("database:1", "one")
        self.platform.apply(service("database", tag, expose="internal", replicas=2, strategy=QUICK),
                            service("asker", self.platform.image("asker:1", "one"), strategy=QUICK))
        for name in ("database", "asker"):
            self.platform.wait_ready(name)
        self.assertNotIn("url", self.platform.service("database")["status"])
        self.assertEqual(self.platform.visit("database")[0], 404)
        asker = self.inspect(self.platform.containers("asker")[0])["State"]["Pid"]

        def addresses():
            return sorted(network["IPAddress"] for each in self.platform.containers("database", running=True)
                          for network in each["NetworkSettings"]["Networks"].values())

        self.assertEqual(inside(asker, lambda: resolve("database")), addresses())
        self.platform.apply(service("database", self.platform.image("database:2", "two"), expose="internal", replicas=1,
                                    strategy=QUICK))
        self.platform.wait_ready("database")
        eventually(lambda: len(self.platform.containers("database")) == 1, 30, "the old ones are gone")
        self.assertEqual(inside(asker, lambda: resolve("database")), addresses())

    def test_3_without_a_port_up_for_ten_seconds_is_ready(self):
        tag = self.platform.image("plain:1", "one", HELLO_MODE="never")
        begun = time.monotonic()
        self.platform.apply(service("plain", tag, expose="none", strategy=QUICK))
        self.platform.wait_ready("plain")
        self.assertGreater(time.monotonic() - begun, 9)
        environment = self.inspect(self.platform.containers("plain")[0])["Config"]["Env"]
        self.assertFalse([each for each in environment if each.startswith("PORT=")])
        self.assertEqual(self.platform.visit("plain")[0], 404)

    def test_4_a_health_check_of_its_own(self):
        tag = self.platform.image("health:1", "one")
        self.platform.apply(service("health", tag, healthCheck={"path": "/healthz"}, strategy=QUICK))
        self.platform.wait_ready("health")
        self.platform.apply(service("health", self.platform.image("health:2", "two"), healthCheck={"path": "/nowhere"},
                                    strategy={**QUICK, "deadlineSeconds": 5}))
        message = self.failed("health", "NotReady", "health:2")
        self.assertIn("404", message)
        self.assertIn("/nowhere", message)
        self.assertEqual(self.platform.version("health"), "one")

    def test_5_recreate_with_a_volume(self):
        def deploy(version, **more):
            tag = self.platform.image(f"keeper:{version}", version, **more)
            self.platform.apply(service("keeper", tag, volumes=[{"name": "data", "path": "/data"}],
                                        strategy={**QUICK, "deadlineSeconds": 5}))

        def volumes():
            return [mount["Name"] for each in self.platform.containers("keeper", running=True)
                    for mount in self.inspect(each)["Mounts"] if mount["Destination"] == "/data"]

        deploy("one")
        self.platform.wait_ready("keeper")
        before = volumes()
        self.assertEqual(len(before), 1)
        deploy("two")

        def never_two():
            self.assertLessEqual(len(self.platform.containers("keeper", running=True)), 1, "two writers")
            return self.platform.ready("keeper") and self.platform.version("keeper") == "two"

        eventually(never_two, 60, "the new one serves, and there was never more than one")
        self.assertEqual(volumes(), before, "with the same volume")
        deploy("three", HELLO_MODE="exit")
        self.failed("keeper", "Exited", "keeper:three")
        eventually(lambda: self.platform.version("keeper") == "two", 60, "the old one was started again")
        self.assertEqual(volumes(), before)
        eventually(lambda: len(self.platform.containers("keeper")) == 1, 30, "nothing else is left")


if __name__ == "__main__":
    main()
