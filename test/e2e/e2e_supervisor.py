#!/usr/bin/env python3
"""What `helvetia up` does with its processes: adopts, starts again, stops; its options; the sample; and two platforms on
one machine. (What it leaves behind on the machine is in e2e_up_down.py.)"""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import HELVETIA, Load, Platform, eventually, main, say, service

PARTS = ("postgres", "redis", "dockerd", "api", "traefik", "controller", "worker")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Supervisor(unittest.TestCase):
    def setUp(self):
        say(f"  {self.id().split('.')[-1].replace('_', ' ')}")
        self.platforms = []
        self.failed_before = len(self._outcome.result.failures) + len(self._outcome.result.errors)

    def tearDown(self):
        result = self._outcome.result
        for platform in self.platforms:
            platform.close(len(result.failures) + len(result.errors) > self.failed_before)

    def new_platform(self, **options):
        self.platforms.append(Platform(**options))
        return self.platforms[-1].start()

    def deploy(self, platform, name="kept", version="one"):
        platform.apply(service(name, platform.image(f"{name}:{version}", version), replicas=2))
        platform.wait_ready(name)
        return {each["Id"] for each in platform.containers(name)}

    def test_1_killed_and_started_again_nobody_notices(self):
        platform = self.new_platform()
        containers = self.deploy(platform)
        before = platform.pids()
        with Load(platform, "kept", visitors=2) as load:
            platform.kill()
            for part in PARTS:
                self.assertTrue(alive(before[part]), f"{part} lives on without its supervisor")
            platform.start()
            seen = load.requests
            eventually(lambda: load.requests > seen + 100, 30, "100 more requests were answered")
        self.assertEqual(load.failures, [])
        after = platform.pids()
        self.assertEqual({part: after[part] for part in PARTS}, {part: before[part] for part in PARTS})
        self.assertNotEqual(after["up"], before["up"])
        self.assertEqual({each["Id"] for each in platform.containers("kept")}, containers)
        self.deploy(platform, version="two")
        self.assertEqual(platform.version("kept"), "two")

    def test_2_killed_with_its_engine_applications_serve_on(self):
        platform = self.new_platform()
        containers = self.deploy(platform)
        before = platform.pids()
        with Load(platform, "kept", visitors=2) as load:
            platform.kill()
            os.kill(before["dockerd"], signal.SIGKILL)
            eventually(lambda: not alive(before["dockerd"]), 10, "the engine is gone")
            seen = load.requests
            eventually(lambda: load.requests > seen + 100, 30, "100 more requests were answered without an engine")
            platform.start()
            platform.wait_ready("kept")
        self.assertEqual(load.failures, [])
        self.assertNotEqual(platform.pids()["dockerd"], before["dockerd"])
        self.assertEqual({each["Id"] for each in platform.containers("kept")}, containers)
        self.deploy(platform, version="two")

    def test_3_everything_killed_at_once_comes_back(self):
        platform = self.new_platform()
        self.deploy(platform)
        pids = platform.pids()
        platform.kill()
        states = [platform.docker("GET", f"/containers/{each['Id']}/json")["State"]["Pid"]
                  for each in platform.containers("kept")]
        for pid in [*(pids[part] for part in PARTS), *states]:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(alive(pids[part]) for part in PARTS), 20, "all are gone")
        platform.start()
        platform.wait_ready("kept", 90)
        eventually(lambda: platform.version("kept") == "one", 30, "visitors see it again")

    def test_4_what_ends_is_started_again_and_the_terminal_says_so(self):
        platform = self.new_platform()
        self.deploy(platform)
        for part, title in (("redis", "Redis"), ("postgres", "PostgreSQL"), ("traefik", "Traefik"), ("api", "API"),
                            ("controller", "controller"), ("worker", "worker"), ("dockerd", "Docker Engine")):
            before = platform.pids()[part]
            os.kill(before, signal.SIGKILL)
            eventually(lambda part=part, before=before: platform.pids().get(part, before) != before, 30,
                       f"{part} was started again")
            self.assertIn(f"{title} was ended by signal 9", platform.said())
            self.assertIn(f"{title} was started again", platform.said())
        eventually(lambda: platform.api("GET", "/readyz")[0] == 200, 30, "the API is ready")
        eventually(lambda: platform.docker("GET", "/info"), 30, "the engine answers")
        self.deploy(platform, version="two")
        self.assertEqual(platform.version("kept"), "two")

    def test_5_what_ends_at_once_again_and_again_is_started_less_often(self):
        platform = self.new_platform()
        waits = ("0.2", "0.4", "0.8", "1.6")
        for wait in waits:
            before = platform.pids()["redis"]
            os.kill(before, signal.SIGKILL)
            eventually(lambda wait=wait: f"Redis was ended by signal 9 (Killed); it is started again in {wait} s"
                       in platform.said(), 10, f"the {wait} s are announced")
            eventually(lambda before=before: platform.pids().get("redis", before) != before, 30, "it runs again")

    def test_6_down_asks_the_one_that_runs(self):
        platform = self.new_platform()
        self.deploy(platform)
        pids = platform.pids()
        platform.command("down")
        self.assertEqual(platform.process.wait(10), 0)
        self.assertEqual([part for part in PARTS if alive(pids[part])], [])
        code, out, _ = platform.command("down")
        self.assertEqual((code, out), (0, "Nothing runs.\n"))

    def test_7_a_closed_terminal_is_a_stop(self):
        platform = self.new_platform()
        pids = platform.pids()
        platform.process.send_signal(signal.SIGHUP)
        self.assertEqual(platform.process.wait(60), 0)
        self.assertEqual([part for part in PARTS if alive(pids[part])], [])

    def test_8_two_platforms_on_one_machine(self):
        first, second = self.new_platform(), self.new_platform()
        self.deploy(first, version="first")
        self.deploy(second, version="second")
        self.assertEqual((first.version("kept"), second.version("kept")), ("first", "second"))
        first.interrupt()
        self.assertEqual(second.version("kept"), "second")
        second.wait_ready("kept")

    def test_9_wrong_options_are_named(self):
        folder = tempfile.mkdtemp(prefix="helvetia-e2e-")
        self.addCleanup(shutil.rmtree, folder)
        for options, words in (
                (["--http-port", "0"], "from 1 to 65535"),
                (["--https-port", "https"], "from 1 to 65535"),
                (["--http-port", "8080", "--https-port", "8080"], "must differ"),
                (["--domain", "Example.org"], "only a-z, 0-9, - and . are allowed"),
                (["--domain", "a..b"], "every label must be a DNS label"),
                (["--docker-host", "tcp://127.0.0.1:2375"], "must be unix:///PATH or \"embedded\""),
                (["--network-pool", "10.0.0.1/16"], "must be an IPv4 network of /8 to /22"),
                (["--network-pool", "10.0.0.0/30"], "must be an IPv4 network of /8 to /22"),
                (["--state", "/tmp/with blank"], "only letters, digits"),
                (["--state", "/tmp/" + "long/" * 20], "at most 64 bytes"),
                (["--nonsense"], "unrecognized option"),
                (["nonsense"], "unexpected argument \"nonsense\"")):
            with self.subTest(options=options):
                state = [] if "--state" in options else ["--state", folder]
                done = subprocess.run([HELVETIA, "up", *state, *options], capture_output=True, text=True, timeout=30,
                                      check=False, stdin=subprocess.DEVNULL)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(words, done.stderr)
                self.assertFalse(os.path.exists(os.path.join(folder, "postgres")))


class Sample(unittest.TestCase):
    """Who just types `./up` gets a page; who changes or deletes it keeps it so."""

    def test_the_sample(self):
        platform = Platform(sample=True)
        try:
            platform.start()
            status, text = platform.visit("sample")
            self.assertEqual(status, 200)
            self.assertIn("Helvetia Cloud", text)
            self.assertIn(f"https://sample.localhost:{platform.https_port}", platform.said())
            platform.interrupt()
            platform.start()
            self.assertIn("left as it is", platform.said())
            eventually(lambda: platform.visit("sample")[0] == 200, 30, "the sample answers again")
            platform.delete("sample")
            eventually(lambda: platform.service("sample") is None, 60, "the sample is gone")
            platform.interrupt()
            platform.start()
            self.assertIsNone(platform.service("sample"))
        finally:
            platform.close()

    def test_the_sample_of_an_older_version_stays_as_it_is(self):
        platform = Platform()
        try:
            platform.start()
            platform.apply(service("hello", platform.image("helvetia/hello:1", "older")))
            platform.wait_ready("hello")
            with open(os.path.join(platform.state, "sample-deployed"), "w", encoding="utf-8"):
                pass  # all that such a version left beside its Service
            platform.interrupt()
            platform.sample = True
            platform.start()
            self.assertIn("an older version deployed it", platform.said())
            self.assertNotIn("git", platform.pids())
            self.assertNotIn("sampleRepository", platform.endpoints)
            self.assertIsNone(platform.service("sample"))
            eventually(lambda: platform.version("hello") == "older", 30, "it serves on")
        finally:
            platform.close()

    def test_the_repository_moves_when_its_port_was_taken(self):
        platform = Platform(sample=True)
        try:
            platform.start()
            url = platform.endpoints["sampleRepository"]
            platform.interrupt()
            with socket.socket() as taken:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(("127.0.0.1", int(url.split(":")[2].split("/")[0])))
                taken.listen()
                platform.start()
            moved = platform.endpoints["sampleRepository"]
            self.assertNotEqual(moved, url)
            self.assertEqual(platform.service("sample")["spec"]["repoUrl"], moved)
            platform.wait_ready("sample")
            self.assertEqual(platform.visit("sample")[0], 200)
        finally:
            platform.close()


if __name__ == "__main__":
    main()
