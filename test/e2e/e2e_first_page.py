#!/usr/bin/env python3
"""From a manifest to a page that answers, and back to nothing: the whole chain once, with everything a user sees of it."""
import http.client
import json
import os
import queue
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

from harness import Scenario, condition, eventually, main, service

SERVICES = "/apis/helvetia.cloud/v1/namespaces/default/services"
MANIFEST = """\
apiVersion: helvetia.cloud/v1
kind: Service
metadata:
  name: first
spec:
  image: first:1
  strategy:
    drainSeconds: 1
"""
# Docker's events of a write; what health checks and their results cause are none.
WRITES = {"create", "start", "stop", "kill", "die", "destroy", "update", "rename", "pause", "unpause", "restart", "connect",
          "disconnect", "remove", "mount", "unmount", "pull", "tag", "untag", "delete", "import", "load"}
# Asks the resolver of a container's network, from inside its network namespace; prints the addresses.
RESOLVE = """
import socket, struct, sys
query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0)
query += b"".join(bytes([len(each)]) + each.encode() for each in sys.argv[1].split(".")) + b"\\0" + struct.pack(">2H", 1, 1)
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.settimeout(5)
asked.sendto(query, ("127.0.0.11", 53))
answer = asked.recv(4096)
if struct.unpack(">H", answer[6:8])[0]:
    print(socket.inet_ntoa(answer[-4:]))
"""


class Stream:
    """Lines of a response that goes on; `next(seconds)` is the next one, None after its end."""

    def __init__(self, platform, path):
        address = urllib.parse.urlsplit(platform.endpoints["api"])
        context = ssl.create_default_context(cafile=platform.endpoints["caFile"])
        self.connection = http.client.HTTPSConnection(address.hostname, address.port, timeout=120, context=context)
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {platform.token}"})
        self.response = self.connection.getresponse()
        assert self.response.status == 200, f"{path}: {self.response.status} {self.response.read(500)!r}"
        self.lines = queue.Queue()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for line in self.response:
                self.lines.put(line.decode().rstrip("\n"))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # closed by us, or cut by the server: both are the end
        self.lines.put(None)

    def next(self, seconds=30):
        try:
            return self.lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"the stream had no further line within {seconds} s") from None

    def until(self, wanted, seconds=30):
        """Watch events up to the first for which wanted(event) is true, that one included."""
        end = time.monotonic() + seconds
        events = []
        while True:
            line = self.next(max(0.01, end - time.monotonic()))
            assert line is not None, f"the watch ended after {events}"
            events.append(json.loads(line))
            if wanted(events[-1]):
                return events

    def close(self):
        self.connection.sock.close() if self.connection.sock else None


class FirstPage(Scenario):
    def folders(self, kind):
        path = os.path.join(self.platform.state, kind)
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def no_folder_of(self, names):
        """The mounted folders; a mark stays for a minute, since it holds the address back."""
        def gone():
            left = names & set(self.folders("containers"))
            assert not left, f"left: {left}"
            return True

        eventually(gone, 30, "the containers' folders are gone")

    def networks(self, namespace):
        return [each["Name"] for each in self.platform.docker("GET", "/networks")
                if each["Name"].startswith(f"helvetia-{namespace}-")]

    def writes(self, since, until):
        """What changed in the engine between two of its own times."""
        text = self.platform.docker("GET", f"/events?since={since}&until={until}", raw=True).decode()
        events = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [f"{each['Type']} {each['Action']}" for each in events if each["Action"].split(":")[0] in WRITES]

    def test_01_apply_gives_a_page(self):
        self.platform.image("first:1", "one")
        items = self.platform.apply(MANIFEST)
        self.assertEqual([each["action"] for each in items], ["created"], items)
        object_ = self.platform.wait_ready("first")
        for secure in (True, False):
            status, _, text = self.platform.page("first", "/version", secure)
            self.assertEqual((status, text), (200, "one"), f"secure: {secure}")
        self.assertEqual(object_["status"]["phase"], "ACTIVE")
        for kind in ("Built", "Available", "Routed", "Ready"):
            self.assertEqual(condition(object_, kind)["status"], "True", f"{kind}: {object_['status']}")
        self.assertEqual(object_["status"]["url"], f"https://first.{self.platform.endpoints['domain']}:"
                                                   f"{self.platform.https_port}")
        self.assertEqual(object_["status"]["currentDeployment"], "first-r1")
        self.assertEqual(object_["status"]["observedGeneration"], object_["metadata"]["generation"])
        self.assertEqual((object_["status"]["replicas"], object_["status"]["readyReplicas"]), (1, 1))

    def test_02_applied_again_nothing_happens(self):
        before = self.platform.service("first")
        container = self.platform.containers("first")[0]["Id"]
        since = time.time()
        for _ in range(3):
            items = self.platform.apply(MANIFEST)
            self.assertEqual([each["action"] for each in items], ["unchanged"], items)
        # A later write has made its way through the controller: by then so would have theirs.
        self.platform.apply(service("marker", "first:1", suspend=True))
        eventually(lambda: (self.platform.service("marker").get("status") or {}).get("observedGeneration") == 1, 30,
                   "the controller has seen a later write")
        self.assertEqual(self.platform.service("first")["metadata"]["resourceVersion"],
                         before["metadata"]["resourceVersion"])
        self.assertEqual(self.writes(since, time.time()), [])
        self.assertEqual([each["Id"] for each in self.platform.containers("first")], [container])
        self.platform.delete("marker")
        eventually(lambda: self.platform.service("marker") is None, 30, "marker is gone")

    def test_03_a_watch_tells_everything_once_and_in_order(self):
        _, listed = self.platform.api("GET", SERVICES)
        begin = listed["metadata"]["resourceVersion"]
        stream = Stream(self.platform, f"{SERVICES}?watch=true&resourceVersion={begin}")
        self.platform.apply(service("watched", "first:1"))
        self.platform.wait_ready("watched")
        self.platform.patch("watched", {"replicas": 2})
        self.platform.wait_ready("watched")
        self.platform.delete("watched")
        events = stream.until(lambda event: event["type"] == "DELETED", 60)
        stream.close()
        self.assertEqual({event["object"]["metadata"]["name"] for event in events}, {"watched"})
        kinds = [event["type"] for event in events]
        self.assertEqual(kinds, ["ADDED"] + ["MODIFIED"] * (len(events) - 2) + ["DELETED"])
        versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
        self.assertEqual(versions, sorted(set(versions)), "each change once, in the order of its version")
        self.assertGreater(versions[0], int(begin))
        self.assertTrue(any(event["object"]["spec"]["replicas"] == 2 for event in events))
        # From the middle on it is the same, as if the connection had been lost there.
        for middle in (0, len(events) // 2, len(events) - 2):
            again = Stream(self.platform, f"{SERVICES}?watch=true&resourceVersion={versions[middle]}")
            self.assertEqual(again.until(lambda event: event["type"] == "DELETED", 30), events[middle + 1:])
            again.close()
        # From nothing: what is there comes first.
        fresh = Stream(self.platform, f"{SERVICES}?watch=true")
        first = json.loads(fresh.next())
        fresh.close()
        self.assertEqual((first["type"], first["object"]["metadata"]["name"]), ("ADDED", "first"))
        status, _ = self.platform.api("GET", f"{SERVICES}/watched")
        self.assertEqual(status, 404)

    def test_04_a_log_is_followed(self):
        stream = Stream(self.platform, f"{SERVICES}/first/log?follow=true")
        self.assertIn('version "one" listens', stream.next())
        container = self.platform.containers("first")[0]["Id"]
        self.platform.docker("POST", f"/containers/{container}/stop?t=5")
        self.assertIn("ended", stream.next(), "what is written later comes, too")
        stream.close()
        eventually(lambda: self.platform.version("first") == "one", 30, "it was started again")
        status, text = self.platform.api("GET", "/apis/helvetia.cloud/v1/namespaces/default/deployments/first-r1/log"
                                                "?tailLines=1")
        self.assertEqual(status, 200)
        self.assertEqual(len(text.splitlines()), 1, text)
        self.assertEqual(self.platform.api("GET", f"{SERVICES}/nobody/log")[0], 404)
        self.platform.wait_ready("first")

    def test_05_the_same_name_in_two_namespaces(self):
        self.platform.image("first:other", "other")
        self.platform.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}},
                            service("first", "first:other", "other", expose="internal"),
                            service("beside", "first:other", "other", expose="none"))
        for name in ("first", "beside"):
            object_ = self.platform.wait_ready(name, 60, "other")
            self.assertNotIn("url", object_["status"])
        self.assertEqual(self.platform.version("first"), "one", "the public one keeps the host")
        self.assertEqual(self.platform.page("beside")[0], 404)
        containers = {each["Labels"]["cloud.helvetia.namespace"]: each for each in self.platform.containers("first")}
        self.assertEqual(sorted(containers), ["default", "other"])
        beside = self.platform.docker("GET", f"/containers/{self.platform.containers('beside')[0]['Id']}/json")
        address = containers["other"]["NetworkSettings"]["Networks"]
        address = next(iter(address.values()))["IPAddress"]
        found = subprocess.run(["nsenter", "-t", str(beside["State"]["Pid"]), "-n", sys.executable, "-c", RESOLVE, "first"],
                               capture_output=True, text=True, timeout=30, check=True).stdout.split()
        self.assertEqual(found, [address], "the name is that of its own namespace")
        # A second claim of the host is refused, whoever asks for it.
        status, answer = self.platform.api("POST", "/apis/helvetia.cloud/v1/namespaces/other/services",
                                           service("second", "first:other", "other",
                                                   domains=[f"first.{self.platform.endpoints['domain']}"]))
        self.assertIn(status, (409, 422), answer)

    def test_06_hosts_without_an_application(self):
        self.platform.apply(service("asleep", "first:1", suspend=True))

        def sleeps():
            status, headers, _ = self.platform.page("asleep")
            return status == 503 and headers.get("Retry-After", "").isdigit()

        eventually(sleeps, 30, "a claimed host with nothing published answers 503 with Retry-After")
        self.assertEqual(self.platform.page("asleep", "/", False)[0], 503)
        self.assertEqual(self.platform.page("nobody")[0], 404)
        self.platform.patch("asleep", {"suspend": False})
        self.platform.wait_ready("asleep")
        self.assertEqual(self.platform.version("asleep"), "one")
        self.platform.patch("asleep", {"suspend": True})
        eventually(sleeps, 60, "suspended, it answers 503 again")
        self.platform.delete("asleep")
        eventually(lambda: self.platform.page("asleep")[0] == 404, 60, "deleted, its host is nobody's")

    def test_07_the_api_behind_traefik(self):
        status, _, text = self.platform.page("api", "/healthz")
        self.assertEqual((status, text.strip()), (200, "ok"))
        self.assertEqual(self.platform.page("api", SERVICES)[0], 401)
        status, _, text = self.platform.page("api", SERVICES, headers={"Authorization": f"Bearer {self.platform.token}"})
        self.assertEqual(status, 200, text)

    def test_08_deleted_nothing_is_left(self):
        ours = {each["Labels"].get("cloud.helvetia.folder") or each["Names"][0].strip("/")
                for each in self.platform.containers("first") if each["Labels"]["cloud.helvetia.namespace"] == "default"}
        self.assertTrue(ours <= set(self.folders("containers")), (ours, self.folders("containers")))
        self.platform.delete("first")
        eventually(lambda: self.platform.service("first") is None, 60, "the Service is gone")
        left = [each["Names"] for each in self.platform.containers("first")
                if each["Labels"]["cloud.helvetia.namespace"] == "default"]
        self.assertEqual(left, [])
        self.assertEqual(self.platform.deployments("first"), [])
        self.no_folder_of(ours)
        eventually(lambda: self.platform.page("first")[0] == 404, 30, "nobody claims the host")

    def test_09_a_deleted_namespace_takes_everything_along(self):
        self.assertEqual(len(self.networks("other")), 1)
        status, answer = self.platform.api("DELETE", "/api/v1/namespaces/other")
        self.assertEqual(status, 200, answer)
        eventually(lambda: self.platform.api("GET", "/api/v1/namespaces/other")[0] == 404, 90, "the namespace is gone")
        self.assertEqual(self.platform.containers("first") + self.platform.containers("beside"), [])
        eventually(lambda: not self.networks("other"), 60, "its network is gone")
        _, listed = self.platform.api("GET", "/apis/helvetia.cloud/v1/services")
        self.assertEqual(listed["items"], [])
        self.no_folder_of(set(self.folders("containers") + self.folders("marks")))


if __name__ == "__main__":
    main()
