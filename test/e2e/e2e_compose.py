#!/usr/bin/env python3
"""compose/compose.yaml: what it says, and the whole platform run by it on an engine of its own."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import compose_images
from git_server import GitServer
from harness import HELLO, PROGRAMS, TOP, Platform, eventually, free_ports, main, say, service

FILE = os.path.join(TOP, "compose/compose.yaml")
NETWORK = "helvetia-e2e-compose"
OURS = ("prepare", "routes", "api", "controller", "worker", "leave")


def traefik_program():
    return os.environ.get("HELVETIA_TRAEFIK") or shutil.which("traefik")


def compose_config(**environment):
    done = subprocess.run(["docker-compose", "-f", FILE, "--profile", "leave", "config"], capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"], **environment})
    assert done.returncode == 0, done.stderr
    # Its YAML is not read here: the same program prints no JSON, and Python's library has no parser for YAML.
    return done.stdout


def services_of(text):
    """{service: its lines}, of what `config` prints: two blanks before a service's name."""
    body = text.split("services:\n", 1)[1]
    parts = re.split(r"^  ([a-z]+):\n", body, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


class Text(unittest.TestCase):
    """Nothing runs: the file is accepted, and says what the design wants."""

    @classmethod
    def setUpClass(cls):
        cls.services = services_of(compose_config())

    def having(self, pattern):
        return {name for name, text in self.services.items() if re.search(pattern, text, re.M)}

    def test_every_part_is_there(self):
        self.assertEqual(set(self.services), {"postgres", "redis", "traefik", *OURS})

    def test_controller_and_traefik_live_in_the_hosts_network_and_databases_in_none(self):
        self.assertLessEqual({"controller", "traefik"}, self.having("^    network_mode: host$"))
        self.assertEqual(self.having("^    network_mode: none$"), {"postgres", "redis"})
        self.assertEqual(self.having("^    pid: host$"), {"controller"})
        self.assertEqual(self.having("^    ports:"), set())

    def test_the_engines_socket_is_with_few(self):
        self.assertEqual(self.having("docker.sock:"), {"prepare", "controller", "worker", "traefik", "leave"})
        self.assertEqual(self.having("docker.sock:ro"), {"traefik"})
        self.assertEqual(self.having("privileged"), set())

    def test_paths_are_the_same_inside_and_outside(self):
        services = services_of(compose_config(HELVETIA_STATE="/srv/elsewhere"))
        self.assertNotIn("/var/lib/helvetia", "".join(services.values()))
        for name, text in services.items():
            for source, target in re.findall(r"^    - (/\S+?):(/\S+?)(?::r[ow])?$", text, re.M):
                if "/compose/postgres/" not in source:
                    self.assertEqual(source, target, name)
            if name in OURS:
                self.assertIn("- /srv/elsewhere:/srv/elsewhere:rw", text)

    def test_the_api_is_not_root_and_what_stays_up_is_restarted(self):
        self.assertRegex(self.services["api"], r"(?m)^    user: 10010:10010$")
        self.assertRegex(self.services["api"], r"(?m)^    - ALL$")
        self.assertEqual(self.having("^    restart: unless-stopped$"), set(self.services) - {"prepare", "routes", "leave"})
        self.assertEqual(self.having("^    healthcheck:$"), {"postgres", "redis", "traefik", "api", "controller"})

    def test_our_image_has_every_library_that_our_programs_need(self):
        with open(os.path.join(TOP, "tools/packages"), encoding="utf-8") as file:
            listed = set(file.read().split("[image]\n")[1].split("\n\n")[0].split())
        needed = set()
        for name in ("helvetia", "helvetia-api", "helvetia-controller", "helvetia-worker"):
            headers = subprocess.run(["objdump", "-p", os.path.join(PROGRAMS, name)], capture_output=True, text=True,
                                     check=True).stdout
            needed.update(re.findall(r"NEEDED\s+(\S+)", headers))
        for library in sorted(needed):
            if re.match(r"lib(asan|ubsan|tsan|gcc_s|stdc\+\+)\b", library):
                continue  # of a build with sanitizers only
            owners = subprocess.run(["dpkg-query", "-S", f"*/{library}"], capture_output=True, text=True, check=True).stdout
            packages = {line.split(":")[0] for line in owners.splitlines()}
            self.assertTrue(packages & listed, f"{library} is of {packages}: add it to [image] in tools/packages")


class Engine:
    """dockerd in a folder; `state` lies beside it, since the engine outlives what compose does."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="helvetia-e2e-engine-")
        self.socket = os.path.join(self.folder, "docker.sock")
        configuration = os.path.join(self.folder, "daemon.json")
        with open(configuration, "w", encoding="utf-8") as file:
            json.dump({"live-restore": True, "iptables": False, "ip6tables": False, "ip-masq": False, "bridge": "none",
                       "userland-proxy": False, "log-level": "warn"}, file)
        self.log = open(os.path.join(self.folder, "dockerd.log"), "wb")
        self.process = subprocess.Popen(
            ["dockerd", "--config-file", configuration, "--host", f"unix://{self.socket}",
             "--data-root", os.path.join(self.folder, "data"), "--exec-root", os.path.join(self.folder, "exec"),
             "--pidfile", os.path.join(self.folder, "docker.pid")],
            stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file if line.split()[1].startswith(self.folder)]
        for mount in reversed(mounts):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Composed(Platform):
    """The platform as compose runs it; what a person would put into .env stands in `environment`."""

    def __init__(self):
        super().__init__()
        self.engine = Engine()
        self.endpoints = {"dockerHost": f"unix://{self.engine.socket}"}
        self.environment = {"PATH": os.environ["PATH"], "DOCKER_HOST": self.endpoints["dockerHost"],
                            "HELVETIA_STATE": self.state, "HELVETIA_DOCKER_SOCKET": self.engine.socket,
                            "HELVETIA_HTTP_PORT": str(self.http_port), "HELVETIA_HTTPS_PORT": str(self.https_port),
                            "HELVETIA_API_PORT": str(self.api_port)}
        # The worker's network, made here so that the Git server has an address in it.
        self.override = os.path.join(self.engine.folder, "override.json")
        with open(self.override, "w", encoding="utf-8") as file:
            json.dump({"networks": {"default": {"external": True, "name": NETWORK}}}, file)

    def compose(self, *words, check=True):
        done = subprocess.run(["docker-compose", "-f", FILE, "-f", self.override, "-p", "helvetia-e2e", *words],
                              env=self.environment, capture_output=True, text=True, check=False, timeout=150)
        if check:
            assert done.returncode == 0, f"docker-compose {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def images(self):
        eventually(lambda: self.docker("GET", "/_ping", raw=True) == b"OK", 60, "the engine answers")
        compose_images.helvetia(self.docker, PROGRAMS, "helvetia/helvetia:latest")
        compose_images.postgres(self.docker, "postgres:15-bookworm")
        compose_images.redis(self.docker, "redis:7.2-bookworm")
        compose_images.traefik(self.docker, traefik_program(), "traefik:v3.7")

    def network(self):
        """The host's address in the worker's network."""
        subnet = f"10.211.{os.getpid() % 250}"  # the engine's own choice may be that of another engine's bridge
        self.docker("POST", "/networks/create", {"Name": NETWORK, "Driver": "bridge",
                                                 "IPAM": {"Config": [{"Subnet": f"{subnet}.0/24"}]},
                                                 "Options": {"com.docker.network.bridge.name": "e2e-compose"}})
        return f"{subnet}.1"

    def states(self):
        """{service: state} of the platform's containers."""
        found = self.docker("GET", "/containers/json?all=true") or []
        return {each["Labels"]["com.docker.compose.service"]: each["State"] for each in found
                if each["Labels"].get("com.docker.compose.project") == "helvetia-e2e"}

    def show_logs(self):
        print(self.compose("ps", check=False), self.compose("logs", "--tail=40", "--no-color", check=False), sep="\n")

    def close(self, failed=False):
        if failed:
            self.show_logs()
        with contextlib.suppress(AssertionError, OSError):
            for each in self.docker("GET", "/containers/json?all=true") or []:
                self.docker("DELETE", f"/containers/{each['Id']}?force=true&v=true")
            self.docker("POST", "/networks/prune")
        self.engine.close()
        shutil.rmtree(self.state, ignore_errors=True)


class Whole(unittest.TestCase):
    """The parts as containers."""

    @classmethod
    def setUpClass(cls):
        say("Whole: an engine, images, docker-compose up")
        cls.git_folder = tempfile.mkdtemp(prefix="helvetia-e2e-git-")
        cls.platform = Composed()
        cls.broken = False
        cls.server = None
        try:
            cls.platform.images()
            cls.server = GitServer(cls.git_folder, host=cls.platform.network()).start()
            cls.platform.environment["HELVETIA_REPOSITORY_PREFIX"] = cls.server.url
            cls.platform.compose("up", "-d")
            cls.platform.read_endpoints()
        except BaseException:
            cls.broken = True
            cls.tearDownClass()
            raise
        say("Whole: up")

    @classmethod
    def tearDownClass(cls):
        cls.platform.close(cls.broken)
        if cls.server:
            cls.server.stop()
        shutil.rmtree(cls.git_folder, ignore_errors=True)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        type(self).broken = type(self).broken or len(result.failures) + len(result.errors) > before
        return result

    def serves(self, name, version, seconds=60):
        eventually(lambda: self.platform.version(name) == version, seconds, f"{name} answers {version}")

    def test_1_an_image_goes_live(self):
        self.platform.image("shop:1", "image")
        self.platform.apply(service("shop", "shop:1"))
        self.serves("shop", "image")
        self.platform.wait_ready("shop")

    def test_2_a_repository_goes_live(self):
        url = self.server.repository("app")
        with open(HELLO, "rb") as file:
            self.server.commit("app", {("hello", "100755"): file.read(), "Dockerfile":
                               "FROM scratch\nCOPY hello /hello\nENV VERSION=built\nENTRYPOINT [\"/hello\"]\n"})
        self.platform.apply({"apiVersion": "helvetia.cloud/v1", "kind": "Service", "metadata": {"name": "app"},
                             "spec": {"repoUrl": url, "branch": "main"}})
        self.serves("app", "built", 90)

    def test_3_the_api_is_reached_through_traefik_and_logs_through_the_api(self):
        status, text = self.platform.visit("api", "/version")
        self.assertEqual((status, "installation" in text), (200, True), text)
        name = self.platform.deployments("shop")[-1]["metadata"]["name"]
        status, text = self.platform.api("GET", f"/apis/helvetia.cloud/v1/namespaces/default/deployments/{name}/log")
        self.assertEqual(status, 200, text)
        self.assertTrue(text)

    def test_4_who_may_read_what(self):
        done = subprocess.run([os.path.join(PROGRAMS, "helvetia"), "get", "services", "--state", self.platform.state],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("shop", done.stdout)
        status = os.stat(os.path.join(self.platform.state, "run/api.sock"))
        self.assertEqual((status.st_mode & 0o777, status.st_uid), (0o600, 10010))
        inside = {"secrets": (0o700, 10010), "postgres": (0o700, 999), "redis": (0o700, 999),
                  "run/postgres": (0o750, 999), "run/redis": (0o700, 999), "secrets/admin-token": (0o600, 10010)}
        for path, expected in inside.items():
            status = os.stat(os.path.join(self.platform.state, path))
            self.assertEqual((status.st_mode & 0o7777, status.st_uid), expected, path)

    def test_5_visitors_notice_nothing_while_all_behind_traefik_is_stopped(self):
        self.platform.compose("stop", "-t", "10", "api", "controller", "worker", "postgres", "redis")
        self.assertEqual([self.platform.version(name) for name in ("shop", "app")], ["image", "built"])
        self.platform.compose("up", "-d")
        eventually(lambda: self.platform.ready("shop"), 60, "the API tells again")

    def test_6_down_keeps_applications_and_up_adopts_them(self):
        before = [each["Id"] for name in ("shop", "app") for each in self.platform.containers(name, running=True)]
        self.platform.compose("down", "-t", "10")
        self.assertEqual(self.platform.states(), {})
        kept = [each["Id"] for name in ("shop", "app") for each in self.platform.containers(name, running=True)]
        self.assertEqual((len(kept), kept), (2, before))
        self.platform.compose("up", "-d")
        self.serves("shop", "image")
        self.serves("app", "built")
        self.platform.patch("shop", {"env": [{"name": "VERSION", "value": "changed"}]})
        self.serves("shop", "changed")

    def test_7_helvetia_down_takes_applications_along(self):
        refused = self.platform.compose("run", "--rm", "leave", check=False)
        self.assertIn("docker-compose stop", refused)
        self.platform.compose("stop", "-t", "10")
        self.platform.compose("run", "--rm", "leave")
        self.platform.compose("down")
        self.assertEqual(self.platform.docker("GET", "/containers/json?all=true") or [], [])
        networks = [each["Name"] for each in self.platform.docker("GET", "/networks") if each["Driver"] == "bridge"]
        self.assertEqual(networks, [NETWORK])

    def test_8_up_leaves_such_a_folder_alone(self):
        done = subprocess.run([os.path.join(PROGRAMS, "helvetia"), "up", "--state", self.platform.state],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("compose runs the platform", done.stderr)


if __name__ == "__main__":
    main()
