#!/usr/bin/env python3
"""`helvetia up` leaves nothing behind when it is stopped and loses nothing when it is killed."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from git_server import GitServer
from harness import HELVETIA, HELLO, Platform, UnixConnection, condition, eventually, main, say, service


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def processes(state):
    """Pids whose command line or open executable names the state folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if state.encode() in file.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            continue
    return found


def inventory(state):
    """What a platform with this state could leave on the machine."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = sorted(line.split()[1] for line in file if line.split()[1].startswith(state))
    links = sorted(line.split(":")[1].strip() for line in output("ip", "-o", "link").splitlines())
    return {"processes": processes(state), "mounts": mounts,
            "bridges": [name for name in links if name.startswith(("hv-", "veth"))],
            "tables": sorted(line for line in output("nft", "list", "tables").splitlines() if "helvetia" in line)}


class UpDown(unittest.TestCase):
    def setUp(self):
        say(f"  {self.id().split('.')[-1].replace('_', ' ')}")
        self.platform = Platform()
        self.before = inventory(self.platform.state)
        self.failed_before = len(self._outcome.result.failures) + len(self._outcome.result.errors)
        self.addCleanup(self.close)

    def close(self):
        result = self._outcome.result
        self.platform.close(len(result.failures) + len(result.errors) > self.failed_before)

    def deploy(self):
        self.platform.apply(service("kept", self.platform.image("kept:1", "one"), replicas=2))
        self.platform.wait_ready("kept")
        return [each["Id"] for each in self.platform.containers("kept")]

    def left_nothing(self):
        def nothing():
            now = inventory(self.platform.state)
            left = {kind: sorted(set(now[kind]) - set(self.before[kind])) for kind in now}
            assert not any(left.values()), f"left: {left}"
            return True

        eventually(nothing, 20, "nothing is left")

    def test_1_ctrl_c_leaves_nothing_and_loses_nothing(self):
        self.platform.start()
        self.deploy()
        self.assertEqual(self.platform.interrupt(), 0)
        self.left_nothing()
        self.platform.start(30)
        # Its status is still that of before, until the controller has looked.
        eventually(lambda: self.platform.version("kept") == "one", 30, "it serves again")
        self.platform.wait_ready("kept")
        self.assertEqual(self.platform.service("kept")["status"]["currentDeployment"], "kept-r1")

    def test_2_killed_it_leaves_apps_running_and_the_next_one_adopts_them(self):
        self.platform.start()
        containers = self.deploy()
        pids = self.platform.pids()
        self.platform.kill()
        self.assertEqual(self.platform.version("kept"), "one")
        self.platform.start(20)
        self.assertEqual([each["Id"] for each in self.platform.containers("kept")], containers)
        self.assertEqual(self.platform.version("kept"), "one")
        self.assertEqual(self.platform.pids()["postgres"], pids["postgres"], "what still runs is adopted")
        self.platform.wait_ready("kept")

    def test_3_down_after_a_kill_takes_everything_along(self):
        self.platform.start()
        self.deploy()
        self.platform.kill()
        self.platform.command("down")
        self.left_nothing()
        self.assertTrue(os.path.isdir(os.path.join(self.platform.state, "postgres")), "data is kept")

    def test_4_purge_needs_a_yes_and_removes_all_data(self):
        self.platform.start()
        self.platform.interrupt()
        code, _, err = self.platform.command("down", "--purge", check=False)
        self.assertNotEqual(code, 0)
        self.assertIn("--yes", err)
        self.assertTrue(os.path.isdir(os.path.join(self.platform.state, "postgres")))
        self.platform.command("down", "--purge", "--yes")
        self.assertFalse(os.path.isdir(os.path.join(self.platform.state, "postgres")))

    def test_5_a_second_up_says_who_holds_the_state(self):
        self.platform.start()
        done = subprocess.run([HELVETIA, "up", "--state", self.platform.state, "--no-sample"], capture_output=True,
                              text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(self.platform.process.pid), done.stderr + done.stdout)

    def test_6_a_taken_port_is_named_with_its_option(self):
        with socket.socket() as taken:
            taken.bind(("0.0.0.0", 0))
            taken.listen()
            self.platform.https_port = taken.getsockname()[1]
            with self.assertRaises(RuntimeError) as caught:
                self.platform.start()
        self.assertIn(str(self.platform.https_port), str(caught.exception))
        self.assertIn("--https-port", str(caught.exception))
        self.left_nothing()

    def test_7_interrupted_while_it_starts_it_leaves_nothing(self):
        process = subprocess.Popen([HELVETIA, "up", "--state", self.platform.state, "--docker-host", "embedded",
                                    "--http-port", str(self.platform.http_port), "--https-port",
                                    str(self.platform.https_port), "--api-port", str(self.platform.api_port)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        eventually(lambda: processes(os.path.join(self.platform.state, "postgres")), 30, "PostgreSQL was started")
        process.send_signal(signal.SIGINT)
        process.wait(120)
        self.platform.process = process
        self.platform.output = open(os.devnull, "wb")
        self.left_nothing()


class ForeignEngine(unittest.TestCase):
    """On an engine that was there before, nothing that isn't ours is touched."""

    def setUp(self):
        say(f"  {self.id().split('.')[-1].replace('_', ' ')}")
        self.folder = tempfile.mkdtemp(prefix="helvetia-foreign-")
        self.socket = os.path.join(self.folder, "docker.sock")
        with open(os.path.join(self.folder, "daemon.json"), "w", encoding="utf-8") as file:
            json.dump({"iptables": False, "ip-masq": False, "ip6tables": False, "bridge": "none",
                       "userland-proxy": False}, file)
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.engine = subprocess.Popen(
            ["dockerd", "--config-file", f"{self.folder}/daemon.json", "-H", f"unix://{self.socket}", "--data-root",
             f"{self.folder}/data", "--exec-root", f"{self.folder}/exec", "-p", f"{self.folder}/pid"],
            stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.addCleanup(self.close)
        eventually(lambda: os.path.exists(self.socket) and self.ask("GET", "/_ping"), 60, "the foreign engine answers")

    def close(self):
        self.engine.terminate()
        self.engine.wait(60)
        self.log.close()
        with open("/proc/self/mounts", encoding="utf-8") as file:
            for line in reversed(file.read().splitlines()):
                if line.split()[1].startswith(self.folder):
                    subprocess.run(["umount", "-l", line.split()[1]], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, method, path):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, "/v1.41" + path)
            return connection.getresponse().read() or b"empty"
        finally:
            connection.close()

    def objects(self, platform, ours):
        """Containers with their state, and networks."""
        containers = [(each["Id"], each["Names"], each["State"]) for each in
                      platform.docker("GET", "/containers/json?all=true")
                      if ("cloud.helvetia.installation" in each["Labels"]) == ours]
        networks = [each["Id"] for each in platform.docker("GET", "/networks")
                    if ("cloud.helvetia.installation" in each["Labels"]) == ours]
        return containers, sorted(networks)

    def ours(self, platform):
        return self.objects(platform, True)

    def foreign(self, platform):
        return self.objects(platform, False)

    def test_a_strangers_objects_stay_untouched(self):
        platform = Platform(engine=f"unix://{self.socket}")
        self.assertTrue(os.path.exists(HELLO))
        try:
            platform.endpoints = {"dockerHost": f"unix://{self.socket}"}
            image = platform.image("stranger:1", "stranger")
            platform.docker("POST", "/networks/create", {"Name": "strangers", "IPAM": {"Config": [
                {"Subnet": "10.212.9.0/24"}]}})
            made = platform.docker("POST", "/containers/create?name=stranger", {
                "Image": image, "HostConfig": {"NetworkMode": "strangers"}})
            platform.docker("POST", f"/containers/{made['Id']}/start")
            before = self.foreign(platform)
            platform.start()
            platform.apply(service("guest", platform.image("guest:1", "one")))
            platform.wait_ready("guest")
            self.assertEqual(platform.version("guest"), "one")
            self.assertEqual(self.foreign(platform), before)
            platform.delete("guest")
            eventually(lambda: platform.service("guest") is None, 60, "the guest is gone")
            self.assertEqual(self.foreign(platform), before)
            platform.apply(service("guest", platform.image("guest:1", "one")))
            platform.wait_ready("guest")
            platform.interrupt()
            self.assertEqual((self.ours(platform), self.foreign(platform)), (([], []), before))
            platform.start(30)
            eventually(lambda: platform.version("guest") == "one", 30, "the guest serves again")
            platform.kill()
            platform.command("down")
            self.assertEqual((self.ours(platform), self.foreign(platform)), (([], []), before))
            platform.command("down", "--purge", "--yes")
            self.assertEqual(self.foreign(platform), before)
            platform.docker("DELETE", f"/containers/{made['Id']}?force=true")
            platform.docker("DELETE", "/networks/strangers")
        finally:
            platform.close()

    def test_b_an_engine_without_a_bridge_is_named_as_what_a_build_waits_for(self):
        with tempfile.TemporaryDirectory() as folder, GitServer(folder) as server:
            server.repository("steps")
            server.commit("steps", {"Dockerfile": "FROM run-base:1\nRUN true\n"})
            platform = Platform(["--allow-repository-prefix", server.url], f"unix://{self.socket}")
            try:
                platform.start()
                platform.shell_image("run-base:1")
                platform.apply({"apiVersion": "helvetia.cloud/v1", "kind": "Service", "metadata": {"name": "steps"},
                                "spec": {"repoUrl": f"{server.url}/steps.git", "branch": "main"}})
                eventually(lambda: "network bridge not found" in
                           (condition(platform.service("steps"), "Ready") or {}).get("message", ""), 60,
                           "the Service says what its build waits for")
                self.assertEqual([name for name in os.listdir("/sys/class/net") if name.startswith("hv-build-")],
                                 [], "no bridge is made for an engine that isn't ours")
            finally:
                platform.close()


if __name__ == "__main__":
    main()
