#!/usr/bin/env python3
"""`RUN` steps of builds on the engine that `helvetia up` starts: what they reach (the outside) and what not (the host, link-local
addresses, applications), with either builder; and that nothing of it is left behind."""
import contextlib
import http.client
import http.server
import io
import json
import os
import re
import subprocess
import tarfile
import threading
import urllib.parse

from e2e_up_down import build_bridge
from harness import eventually, main, service
from repositories import Repositories, manifest

OUTSIDE = "198.51.100.2"  # TEST-NET-2: nobody else's
LINK_LOCAL = "169.254.77.77"
# Answers with the address that it sees; runs inside the network namespace that plays the outside.
SERVER = f"""
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ("outside saw " + self.client_address[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class Outside:
    """A network namespace behind a pair of interfaces: a machine that packets reach only by way of the host."""

    def __enter__(self):
        self.name = f"hvout{os.getpid()}"
        self.link = f"hvo{os.getpid()}"
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "address", "add", "198.51.100.1/24", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        run("ip", "route", "add", LINK_LOCAL, "dev", self.link)
        for words in (("address", "add", f"{OUTSIDE}/24", "dev", "eth0"), ("address", "add", f"{LINK_LOCAL}/32", "dev", "lo"),
                      ("link", "set", "lo", "up"), ("link", "set", "eth0", "up")):
            run("ip", "-n", self.name, *words)
        self.server = subprocess.Popen(["ip", "netns", "exec", self.name, "python3", "-c", SERVER],
                                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for address in (OUTSIDE, LINK_LOCAL):
            eventually(lambda: reach(address, 8000), 20, f"the host itself reaches {address}")
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()
        run("ip", "link", "del", self.link)
        run("ip", "netns", "del", self.name)


def reach(address, port):
    with contextlib.closing(http.client.HTTPConnection(address, port, timeout=3)) as connection:
        connection.request("GET", "/version")
        return connection.getresponse().read().decode() or "empty"


class HostServer:
    """A service of the host on all of its addresses."""

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), http.server.SimpleHTTPRequestHandler)
        self.server.RequestHandlerClass.log_message = lambda *_: None
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class RunSteps(Repositories):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.shell_image("run-base:1")

    def bridges(self):
        """Ours; other platforms of this machine have their own."""
        return [name for name in os.listdir("/sys/class/net") if name == build_bridge(self.platform.state)]

    def gateway(self):
        network = self.platform.docker("GET", "/networks/bridge")
        self.assertIn(network["Options"]["com.docker.network.bridge.name"], self.bridges())
        return network["IPAM"]["Config"][0]["Gateway"]

    def steps(self, host, application):
        """A Dockerfile whose steps say in the log what they reach. First the host asserts that all of these answer."""
        closed = {"host": (self.gateway(), host.port), "outer": ("198.51.100.1", host.port),
                  "metadata": (LINK_LOCAL, 8000), "application": (application, 3000)}
        for address, port in closed.values():
            self.assertTrue(reach(address, port))
        lines = ["FROM run-base:1",
                 f"RUN echo \"result outside $(printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {OUTSIDE} 8000 | tail -n 1)\""]
        lines += [f"RUN if nc -w 1 {address} {port} </dev/null; then echo result {name} open; else echo result {name} closed; fi"
                  for name, (address, port) in closed.items()]
        return "\n".join([*lines, "RUN echo $((6 * 7)) >/answer", "ENV VERSION=ran", ""])

    def expect(self, log):
        results = dict(re.findall(r"result (\w+) (open|closed|outside saw [0-9.]+)\s*$", log, re.MULTILINE))
        # Who is outside sees the host, since it has no way to a subnet of ours.
        self.assertEqual(results, {"outside": "outside saw 198.51.100.1", "host": "closed", "outer": "closed",
                                   "metadata": "closed", "application": "closed"}, log[-3000:])

    def test_1_steps_reach_the_outside_and_nothing_of_ours(self):
        self.platform.apply(service("neighbour", self.platform.image("neighbour:1", "one")))
        self.platform.wait_ready("neighbour")
        inspected = self.platform.docker("GET", f"/containers/{self.platform.containers('neighbour')[0]['Id']}/json")
        application = next(iter(inspected["NetworkSettings"]["Networks"].values()))["IPAddress"]
        with Outside(), HostServer() as host:
            dockerfile = self.steps(host, application)
            self.repository.commit("steps", Dockerfile=dockerfile)
            self.platform.apply(manifest("app", self.repository))
            self.sees("ran", 90)
            self.expect(self.platform.command("logs", "--build", "app")[1])
            self.expect(self.classic(dockerfile))

    def classic(self, dockerfile):
        """The log of the older builder, which makes its containers in another way."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            info = tarfile.TarInfo("Dockerfile")
            info.size = len(dockerfile)
            tar.addfile(info, io.BytesIO(dockerfile.encode()))
        answer = self.platform.docker("POST", "/build?version=1&rm=1&nocache=1&" + urllib.parse.urlencode({"t": "classic:1"}),
                                      archive.getvalue(), "application/x-tar", raw=True)
        return "".join(json.loads(line).get("stream", "") for line in answer.splitlines())

    def test_2_a_killed_up_leaves_the_bridge_and_the_next_one_takes_it_over(self):
        before = self.bridges()
        gateway = self.gateway()
        self.platform.kill()
        self.platform.start(30)
        self.assertEqual((self.bridges(), self.gateway()), (before, gateway))
        self.deliver(*self.repository.commit("again", Dockerfile="FROM run-base:1\nRUN echo again\nENV VERSION=again\n"))
        self.sees("again", 90)

    def test_3_an_engine_that_is_started_again_still_runs_steps(self):
        os.kill(self.platform.pids()["dockerd"], 9)
        self.deliver(*self.repository.commit("revived",
                                             Dockerfile="FROM run-base:1\nRUN echo revived\nENV VERSION=revived\n"))
        self.sees("revived", 120)

    def test_4_down_leaves_none_of_it(self):
        self.assertTrue(self.bridges())
        self.platform.interrupt()
        self.assertEqual(self.bridges(), [])
        self.platform.start(30)
        self.assertEqual(len(self.bridges()), 1)


if __name__ == "__main__":
    main()
