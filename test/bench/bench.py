"""Figures of one run against peers; see README.md. Every peer gets what our own containers have: the same image, limits,
health check, mounts and Traefik labels, taken from an inspect of ours."""
import concurrent.futures
import contextlib
import glob
import json
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import PROGRAMS, Platform, PublicConnection, eventually, free_ports, service  # noqa: E402

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 50
PARALLEL = 8  # of the raw peer: more gains nothing on two cores
IDLE_SECONDS = 60  # a whole period of the resync
BRIDGE = "hv-bench"  # of the peers' network; removed even when a run breaks off


def until_all_answer(hosts, port, started):
    """Seconds from started until each host has answered 200 once. One host is asked at a time, the next when it has
    answered: asking all of them all the time would take one of two cores for TLS, and that is what would be measured."""
    for number, host in enumerate(hosts):
        while not answers(host, port):
            if time.monotonic() - started > 120:
                raise RuntimeError(f"{len(hosts) - number} of {len(hosts)} do not answer after 120 s")
            time.sleep(0.02)
    return time.monotonic() - started


def answers(host, port):
    connection = PublicConnection(host, port, 5)
    try:
        connection.request("GET", "/version")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class Peer:
    """A Traefik of its own that sees only this peer's containers, and the folder that they mount."""

    def __init__(self, platform, name, sample):
        self.platform, self.name, self.sample = platform, name, sample
        self.folder = os.path.join(platform.state, f"bench-{name}")
        os.makedirs(os.path.join(self.folder, "mount/gate"))
        shutil.copy(os.path.join(PROGRAMS, "helvetia-probe"), os.path.join(self.folder, "mount/probe"))
        open(os.path.join(self.folder, "mount/gate/open"), "w", encoding="utf-8").close()
        self.port, ops, web = free_ports(3)
        configuration = f"""
[entryPoints.web]
address = ":{web}"
[entryPoints.websecure]
address = ":{self.port}"
[entryPoints.websecure.http.tls]
[entryPoints.traefik]
address = "127.0.0.1:{ops}"
[api]
insecure = true
dashboard = false
[providers]
providersThrottleDuration = "50ms"
[providers.docker]
endpoint = "{platform.endpoints['dockerHost']}"
exposedByDefault = false
constraints = "Label(`bench`,`{name}`)"
[providers.file]
directory = "{platform.state}/traefik/dynamic"
[serversTransport.forwardingTimeouts]
dialTimeout = "1s"
"""
        path = os.path.join(self.folder, "traefik.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(configuration)
        self.log = open(os.path.join(self.folder, "traefik.log"), "wb")
        self.process = subprocess.Popen([os.environ["HELVETIA_TRAEFIK"], f"--configfile={path}"], stdout=self.log,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        eventually(lambda: self.answers(), 30, "the peer's Traefik answers")

    def answers(self):
        connection = PublicConnection("nobody.invalid", self.port, 2)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status
        finally:
            connection.close()

    def close(self):
        with open(os.path.join(self.folder, "traefik.log"), encoding="utf-8", errors="replace") as file:
            wrong = [line for line in file if " ERR " in line]
        for line in wrong[-5:]:
            print(f"Traefik of peer {self.name}: {line.strip()}", file=sys.stderr)
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def labels(self, host, number):
        """Ours, with the peer's names in the place of ours."""
        old = self.sample["Config"]["Labels"]
        route = next(key.split(".")[3] for key in old if key.startswith("traefik.http.routers."))
        new = {key.replace(route, f"{self.name}-{number}"): value.replace(route, f"{self.name}-{number}")
               for key, value in old.items() if key.startswith("traefik.")}
        new[f"traefik.http.routers.{self.name}-{number}.rule"] = f"Host(`{host}`)"
        new["bench"] = self.name
        new["traefik.docker.network"] = "bench"
        return new

    def host(self, number):
        return f"{self.name}-{number}.{self.platform.endpoints['domain']}"


def network_of(sample):
    return next(iter(sample["NetworkSettings"]["Networks"]))


def raw(platform, sample, network):
    """The same containers by nothing but parallel Engine calls."""
    peer = Peer(platform, "raw", sample)

    def one(number):
        host_config = {key: sample["HostConfig"][key] for key in
                       ("Memory", "MemorySwap", "NanoCpus", "PidsLimit", "CapDrop", "SecurityOpt", "LogConfig", "Init")}
        host_config["Mounts"] = [{"Type": "bind", "Source": peer.folder + "/mount", "Target": "/.helvetia",
                                  "ReadOnly": True}]
        host_config["NetworkMode"] = network
        host_config["RestartPolicy"] = {"Name": "unless-stopped"}
        body = {"Image": sample["Image"], "Env": sample["Config"]["Env"], "Labels": peer.labels(peer.host(number), number),
                "Healthcheck": sample["Config"]["Healthcheck"], "HostConfig": host_config,
                "NetworkingConfig": {"EndpointsConfig": {network: {}}}}
        made = platform.docker("POST", f"/containers/create?name=raw-{number}", body)
        platform.docker("POST", f"/containers/{made['Id']}/start")
        return made["Id"]

    made = []
    try:
        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            made = [pool.submit(one, number) for number in range(COUNT)]
            return until_all_answer([peer.host(number) for number in range(COUNT)], peer.port, started)
    finally:
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda each: platform.docker("DELETE", f"/containers/{each.result()}?force=true"), made))
        peer.close()


def compose(platform, sample, network):
    peer = Peer(platform, "compose", sample)
    services = {}
    for number in range(COUNT):
        services[f"compose-{number}"] = {
            "image": sample["Config"]["Image"], "labels": peer.labels(peer.host(number), number),
            "environment": [each for each in sample["Config"]["Env"] if not each.startswith("PATH=")],
            "healthcheck": {"test": sample["Config"]["Healthcheck"]["Test"], "interval": "100ms", "timeout": "1h",
                            "retries": 1},
            "volumes": [f"{peer.folder}/mount:/.helvetia:ro"], "networks": ["bench"], "restart": "unless-stopped",
            "mem_limit": sample["HostConfig"]["Memory"], "pids_limit": sample["HostConfig"]["PidsLimit"], "init": True,
            "cap_drop": sample["HostConfig"]["CapDrop"], "security_opt": sample["HostConfig"]["SecurityOpt"],
            "logging": {"driver": "local"}}
    path = os.path.join(peer.folder, "docker-compose.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"version": "2.4", "services": services, "networks": {"bench": {"external": True, "name": network}}},
                  file)
    environment = dict(os.environ, DOCKER_HOST=platform.endpoints["dockerHost"])
    command = ["docker-compose", "-f", path, "-p", "bench"]
    try:
        return compose_up(peer, command, environment)
    finally:
        subprocess.run(command + ["rm", "-sf"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=False)
        peer.close()


def compose_up(peer, command, environment):
    started = time.monotonic()
    up = subprocess.Popen(command + ["up", "-d"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = threading.Thread(target=up.stderr.read, daemon=True)
    said.start()
    seconds = until_all_answer([peer.host(number) for number in range(COUNT)], peer.port, started)
    up.wait()
    return seconds


def cpu_seconds(pid):
    """To the nanosecond. The ticks of /proc/PID/stat are samples: who is woken by a timer is seen twice as often."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def idle(platform, services):
    pids = {name: pid for name, pid in platform.pids().items() if name in ("api", "controller", "worker")}
    eventually(lambda: quiet(pids), 120, "our processes are idle")
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    time.sleep(IDLE_SECONDS)  # the measurement itself is a span of time
    used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    for name, pid in pids.items():
        share = used[name] / IDLE_SECONDS * 100
        print(f"idle with {services} Services, {name}: PSS {pss_kib(pid) / 1024:6.1f} MiB   CPU {share:.2f} % of a core")
    print(f"idle with {services} Services, together: PSS {sum(pss_kib(pid) for pid in pids.values()) / 1024:6.1f} MiB   "
          f"CPU {sum(used.values()) / IDLE_SECONDS * 100:.2f} % of a core")


def quiet(pids):
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    time.sleep(2)
    return all(cpu_seconds(pid) - before[name] <= 0.02 for name, pid in pids.items())


def docker_writes(platform, since, until):
    data = platform.docker("GET", f"/events?since={since:.9f}&until={until:.9f}", raw=True)
    wrote = ("create", "start", "die", "kill", "destroy", "update", "rename", "connect", "disconnect", "pause", "unpause")
    return sum(1 for line in data.splitlines() if line and json.loads(line).get("Action") in wrote)


def ours(platform):
    objects = [service(f"ours-{number}", "bench:1", strategy={"minReadySeconds": 0, "drainSeconds": 0},
                       resources={"memory": "128Mi"}) for number in range(COUNT)]
    started = time.monotonic()
    platform.apply(*objects)
    applied = time.monotonic() - started
    seconds = until_all_answer([f"ours-{number}.{platform.endpoints['domain']}" for number in range(COUNT)],
                               platform.https_port, started)
    print(f"ours: {COUNT} Services answer after {seconds:.2f} s (apply took {applied * 1000:.0f} ms)")
    for number in range(COUNT):
        platform.wait_ready(f"ours-{number}", 60)
    return objects, seconds


def unchanged(platform, objects):
    took = []
    since = time.time()
    for _ in range(5):
        started = time.monotonic()
        items = platform.apply(*objects)
        took.append((time.monotonic() - started) * 1000)
        assert all(each["action"] == "unchanged" for each in items)
    took.sort()
    print(f"second apply of {COUNT}, nothing changed: median {took[2]:.1f} ms (with its TLS connection), "
          f"{docker_writes(platform, since, time.time())} Docker writes")


def main():
    platform = Platform()
    try:
        platform.start()
        platform.image("bench:1", "bench")
        idle(platform, 0)
        objects, our_seconds = ours(platform)
        unchanged(platform, objects)
        idle(platform, COUNT)
        sample = platform.docker("GET", f"/containers/{platform.containers('ours-0')[0]['Id']}/json")
        platform.docker("POST", "/networks/create", {"Name": "bench", "Driver": "bridge",
                                                    "IPAM": {"Config": [{"Subnet": f"10.212.{os.getpid() % 200}.0/24"}]},
                                                    "Options": {"com.docker.network.bridge.name": BRIDGE}})
        for number in range(COUNT):
            platform.delete(f"ours-{number}")
        eventually(lambda: not any(platform.containers(f"ours-{number}") for number in range(COUNT)), 180,
                   "our containers are gone")
        raw_seconds = raw(platform, sample, "bench")
        print(f"raw Engine calls, {PARALLEL} at a time: {raw_seconds:.2f} s; ours is {our_seconds / raw_seconds:.2f} of it")
        compose_seconds = compose(platform, sample, "bench")
        print(f"docker-compose up -d: {compose_seconds:.2f} s; ours is {our_seconds / compose_seconds:.2f} of it")
        platform.docker("DELETE", "/networks/bench")
    except BaseException:
        platform.show_logs()
        raise
    finally:
        platform.close()
        subprocess.run(["ip", "link", "del", BRIDGE], stderr=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()
