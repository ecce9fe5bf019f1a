#!/usr/bin/env python3
"""`helvetia up` leaves nothing behind when it is stopped and loses nothing when it is killed."""
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from git_server import GitServer
from harness import HELVETIA, HELLO, Load, Platform, UnixConnection, condition, eventually, main, say, service


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


def build_bridge(state):
    return f"hv-build-{hashlib.sha256(state.encode()).hexdigest()[:6]}"


def links(platform):
    """Bridges of a running platform, and the interfaces on them. (Other platforms of this machine have others.)"""
    bridges = [each.get("Options", {}).get("com.docker.network.bridge.name") for each in
               platform.docker("GET", "/networks") if "cloud.helvetia.installation" in each["Labels"]]
    bridges = [name for name in [*bridges, build_bridge(platform.state)] if name]
    return bridges + [port for name in bridges for port in os.listdir(f"/sys/class/net/{name}/brif")]


def inventory(state, names):
    """What a platform with this state, and with links of these names, has left on the machine."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = sorted(line.split()[1] for line in file if line.split()[1].startswith(state))
    try:
        with open(os.path.join(state, "settings.json"), encoding="utf-8") as file:
            installation = json.load(file)["installation"]
    except FileNotFoundError:
        installation = ""
    return {"processes": processes(state), "mounts": mounts,
            "links": [name for name in {*names, build_bridge(state)} if os.path.exists(f"/sys/class/net/{name}")],
            "tables": [line for line in output("nft", "list", "tables").splitlines()
                       if installation and line.endswith(f"helvetia_{installation}")]}


class UpDown(unittest.TestCase):
    def setUp(self):
        say(f"  {self.id().split('.')[-1].replace('_', ' ')}")
        self.platform = Platform()
        self.links = []
        self.failed_before = len(self._outcome.result.failures) + len(self._outcome.result.errors)
        self.addCleanup(self.close)

    def close(self):
        result = self._outcome.result
        self.platform.close(len(result.failures) + len(result.errors) > self.failed_before)

    def deploy(self):
        self.platform.apply(service("kept", self.platform.image("kept:1", "one"), replicas=2))
        self.platform.wait_ready("kept")
        self.links = links(self.platform)
        self.assertGreaterEqual(len(self.links), 4, "two bridges, and one of them has two containers")
        self.assertTrue(all(inventory(self.platform.state, self.links).values()), "what is looked for is there")
        return [each["Id"] for each in self.platform.containers("kept")]

    def left_nothing(self):
        def nothing():
            left = inventory(self.platform.state, self.links)
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


class Push(unittest.TestCase):
    """The sample: clone it, edit it, push it, and the page shows the change."""

    def setUp(self):
        say(f"  {self.id().split('.')[-1].replace('_', ' ')}")
        self.platform = Platform(sample=True)
        self.work = tempfile.mkdtemp(prefix="helvetia-e2e-clone-")
        self.links = []
        self.addCleanup(self.close)

    def close(self):
        result = self._outcome.result
        self.platform.close(any(test is self for test, _ in result.failures + result.errors))
        shutil.rmtree(self.work, ignore_errors=True)

    left_nothing = UpDown.left_nothing

    def git(self, *words, check=True):
        environment = {**os.environ, "GIT_AUTHOR_NAME": "e2e", "GIT_AUTHOR_EMAIL": "e2e@example.com",
                       "GIT_COMMITTER_NAME": "e2e", "GIT_COMMITTER_EMAIL": "e2e@example.com",
                       "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(["git", *words], cwd=self.work, env=environment, check=False, text=True, capture_output=True)
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout + done.stderr

    def clone(self):
        self.git("clone", "-q", self.platform.endpoints["sampleRepository"], "sample")
        self.work = os.path.join(self.work, "sample")

    def edit(self, words, file="index.html"):
        path = os.path.join(self.work, file)
        with open(path, encoding="utf-8") as old:
            text = old.read()
        with open(path, "w", encoding="utf-8") as new:
            new.write(text.replace("<h1>", f"<h1>{words} ") if file == "index.html" else words)
        self.git("commit", "-q", "-a", "-m", words.strip())
        return self.git("rev-parse", "HEAD").strip()

    def push(self, words):
        """Pushes an edit; seconds until the page shows it."""
        commit = self.edit(words)
        begin = time.monotonic()
        said = self.git("push")
        self.assertIn(f"its commit is now {commit[:10]}", said, "who pushes sees what follows")
        self.shows(words)
        return time.monotonic() - begin

    def shows(self, words, seconds=60):
        eventually(lambda: words in self.platform.visit("sample")[1], seconds, f"the page says {words}")

    def test_1_a_push_goes_live_without_a_failed_request(self):
        self.platform.start()
        self.assertIn("It works", self.platform.visit("sample")[1])
        self.assertIn(f"git clone {self.platform.endpoints['sampleRepository']}", self.platform.said())
        self.clone()
        with Load(self.platform, "sample") as load:
            for number in range(5):
                say(f"    push {number}: live after {self.push(f'edit{number}'):.2f} s")
        self.assertEqual(load.failures, [], f"{len(load.failures)} of {load.requests} requests failed")
        commit = self.git("rev-parse", "HEAD")[:7]
        eventually(lambda: f"{commit} live at https://sample.localhost:{self.platform.https_port}" in self.platform.said(),
                   30, "the terminal says that it is live")
        deliveries = self.platform.command("webhooks")[1]
        self.assertEqual(deliveries.count("accepted"), 5, deliveries)
        self.edit("FRM nothing\n", "Dockerfile")
        self.git("push")
        eventually(lambda: "BuildFailed" in self.platform.said(), 60, "the terminal says why it is not")
        self.shows("edit4")
        self.git("revert", "--no-edit", "HEAD")
        self.push("mended")

    def test_2_what_was_pushed_outlives_every_end(self):
        self.platform.start()
        self.clone()
        self.push("first")
        git = self.platform.pids()["git"]
        self.platform.kill()
        self.push("second")  # nobody supervises, and it goes live all the same
        self.platform.start(30)
        self.assertEqual(self.platform.pids()["git"], git, "the repository's server is adopted")
        self.assertIn("left as it is", self.platform.said())
        self.push("third")
        self.links = links(self.platform)
        self.assertEqual(self.platform.interrupt(), 0)
        self.left_nothing()
        begin = time.monotonic()
        self.platform.start(30)
        say(f"    started again in {time.monotonic() - begin:.1f} s")
        self.shows("third", 30)
        self.push("fourth")
        head = self.git("rev-parse", "HEAD").strip()
        self.links = links(self.platform)
        self.platform.kill()
        self.platform.command("down")
        self.left_nothing()
        self.platform.start(30)
        self.assertIn(head, self.git("ls-remote", "origin", "refs/heads/main"), "no commit is lost")
        self.shows("fourth", 30)
        self.platform.interrupt()
        self.platform.sample = False
        self.platform.start(30)
        self.assertNotIn("git", self.platform.pids())
        self.shows("fourth", 30)

    def test_3_whatever_is_killed_on_the_way_it_gets_there(self):
        self.platform.start()
        self.clone()
        self.push("before")
        with Load(self.platform, "sample") as load:
            for part in ("worker", "controller", "api", "git", "redis", "dockerd"):
                self.edit(f"without-{part}")
                self.git("push")
                self.platform.signal(part, signal.SIGKILL)
                self.shows(f"without-{part}", 120)
                say(f"    {part} was killed")
                eventually(lambda: self.platform.pids()[part] and self.answers(), 60, f"{part} is back")
        self.assertEqual(load.failures, [], f"{len(load.failures)} of {load.requests} requests failed")

    def answers(self):
        return self.git("ls-remote", "origin", check=False).find("refs/heads/main") > 0 and \
            self.platform.api("GET", "/readyz")[0] == 200

    def test_4_only_this_machine_and_only_git_are_served(self):
        self.platform.start()
        address = urllib.parse.urlsplit(self.platform.endpoints["sampleRepository"])

        def status(path, host=address.netloc, method="GET", body=None):
            connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
            try:
                connection.request(method, path, body, {"Host": host})
                return connection.getresponse().status
            finally:
                connection.close()

        refs = "/sample.git/info/refs?service=git-upload-pack"
        self.assertEqual(status(refs), 200)
        self.assertEqual(status(refs, "rebound.example.com"), 403, "a name that was pointed at this machine")
        for path in ("/", "/sample.git/config", "/sample.git/HEAD", "/sample.git/../helvetia", "/sample.git/info/refs",
                     "/sample.git/info/refs?service=git-other", "/absent.git/info/refs?service=git-upload-pack"):
            self.assertEqual(status(path), 404, path)
        self.assertEqual(status("/sample.git/git-receive-pack", method="POST", body=b"0000"), 415,
                         "a form of a web page has another content type")
        self.clone()
        with open(os.path.join(self.work, "large"), "wb") as file:
            file.write(os.urandom(33 * 1024 * 1024))
        self.git("add", "large")
        self.git("commit", "-q", "-m", "too large")
        self.assertIn("413", self.git("push", check=False))
        self.git("reset", "-q", "--hard", "HEAD^")
        self.push("small")
        with open(os.path.join(self.work, "large"), "wb") as file:
            file.write(os.urandom(12 * 1024 * 1024))
        self.git("add", "large")
        self.git("commit", "-q", "-m", "large")
        self.git("push")
        self.assertGreater(self.read_slowly(address, self.git("rev-parse", "HEAD").strip()), 12 * 1024 * 1024)

    @staticmethod
    def read_slowly(address, commit):
        """Bytes of a pack that are read over a socket with little room, so that the server has to wait for its reader."""
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            connection.settimeout(60)
            connection.connect((address.hostname, address.port))
            body = f"0032want {commit}\n00000009done\n"
            connection.sendall((f"POST /sample.git/git-upload-pack HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
                                "Content-Type: application/x-git-upload-pack-request\r\n"
                                f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
            count, last = 0, b""
            while data := connection.recv(16384):
                count, last = count + len(data), data
        assert last.endswith(b"0\r\n\r\n"), "the answer is whole"
        return count


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
                self.assertFalse(os.path.exists(f"/sys/class/net/{build_bridge(platform.state)}"),
                                 "no bridge is made for an engine that isn't ours")
            finally:
                platform.close()


if __name__ == "__main__":
    main()
