"""What the platform adds to a build: from a push until visitors see the new version, from a commit until its first build
step, and from the death of a worker until its job is taken again. See README.md."""
import glob
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from harness import PublicConnection, eventually  # noqa: E402
from repositories import Repositories, Repository, manifest  # noqa: E402

DOCKER = "/usr/bin/docker"  # Debian's has BuildKit in itself
PUSHES = 10
ROUNDS = 3
FILES, FILE_BYTES = 3000, 10000
STEP_MS = 300  # the first build step runs for about so long: its process is seen


class Bench(Repositories):
    """Repositories' platform and deliveries, used without its tests."""

    def docker_program(self, *words, **more):
        environment = {**os.environ, "DOCKER_HOST": self.platform.endpoints["dockerHost"], "DOCKER_BUILDKIT": "1"}
        done = subprocess.run([DOCKER, *words], env=environment, capture_output=True, check=False, **more)
        assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr.decode()[-500:]}"

    def rows(self, statement):
        url = self.platform.endpoints["databaseUrl"]
        done = subprocess.run(["psql", "-qAt", url, "-c", statement], check=True, capture_output=True, text=True)
        return done.stdout.split()


def until_seen(bench, version, started):
    connection = PublicConnection(f"app.{bench.platform.endpoints['domain']}", bench.platform.https_port, 5)
    try:
        while time.monotonic() - started < 60:
            connection.request("GET", "/version")
            response = connection.getresponse()
            if response.read().decode().strip() == version and response.status == 200:
                return time.monotonic() - started
            time.sleep(0.005)
    finally:
        connection.close()
    raise RuntimeError(f"{version} is not seen after 60 s")


def push(bench):
    """Pushes of a Dockerfile, and the command line's build of one like it, in turns."""
    bench.repository.version("v0")
    bench.platform.apply(manifest("app", bench.repository))
    bench.sees("v0", 90)
    took, built = [], []
    for number in range(1, PUSHES + 1):
        bench.platform.wait_ready("app")
        eventually(lambda: len(bench.platform.containers("app")) == 1, 60, "the old revision is gone")
        before, after = bench.repository.version(f"v{number}")
        started = time.monotonic()
        status, answer = bench.deliver(before, after)
        assert status == 200, answer
        took.append(until_seen(bench, f"v{number}", started))
        started = time.monotonic()
        bench.docker_program("build", "-t", "bench-peer", "-", input=f"FROM push-base:1\nENV VERSION=peer{number}\n".encode())
        built.append(time.monotonic() - started)
    ours, theirs = statistics.median(took), statistics.median(built)
    print(f"push until visitors see it, median of {PUSHES}: {ours:.2f} s (at worst {max(took):.2f} s); `docker build` of the "
          f"same takes {theirs:.2f} s; without it {ours - theirs:.2f} s", flush=True)


# --- the first build step ------------------------------------------------------------------------------------------


def fill(folder):
    chance = random.Random(4)
    for number in range(FILES):
        path = os.path.join(folder, f"src/{number % 50}/file{number}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(chance.randbytes(FILE_BYTES))


def dockerfile(mark):
    return f"FROM push-base:1\nRUN [\"/hello\", \"run\", \"{mark}\", \"0\"]\nCOPY . /src\n"


def until_step(mark, started):
    """Seconds until the step's process is there; its argument is unique."""
    wanted = f"/hello\0run\0{mark}\0".encode()
    known = set()
    while time.monotonic() - started < 60:
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            if path in known:
                continue
            try:
                with open(path, "rb") as file:
                    text = file.read()
            except OSError:
                continue
            if text.startswith(wanted):
                return time.monotonic() - started
            if text and b"runc" not in text.split(b"\0")[0]:
                known.add(path)
        time.sleep(0.002)
    raise RuntimeError("the first step has not begun after 60 s")


def peer(bench, url, mark):
    """git clone --depth 1, tar, docker build."""
    folder = tempfile.mkdtemp(prefix="helvetia-bench-clone-")
    command = 'git clone -q --depth 1 "$0" "$1" && tar -C "$1" --exclude=.git -c . | "$2" build -q -t bench-peer -'
    environment = {**os.environ, "DOCKER_HOST": bench.platform.endpoints["dockerHost"], "DOCKER_BUILDKIT": "1"}
    started = time.monotonic()
    process = subprocess.Popen(["bash", "-c", command, url, folder, DOCKER], env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    seconds = until_step(mark, started)
    assert process.wait() == 0
    shutil.rmtree(folder)
    return seconds


def settled(bench, name):
    """The build is over; its image ends by itself, so the Service is removed."""
    eventually(lambda: bench.platform.deployments(name)[-1]["status"].get("stage") not in (None, "Resolving", "Queued"), 60,
               "it is built")


def first_step(bench):
    cold, warm, against = [], [], []
    mark = STEP_MS
    for number in range(ROUNDS):
        name = f"big{number}"
        repository = Repository(bench.server, name)
        fill(repository.work)
        mark += 1
        repository.commit("all", Dockerfile=dockerfile(mark))
        started = time.monotonic()
        bench.platform.apply(manifest(name, repository))
        cold.append(until_step(mark, started))
        settled(bench, name)
        for _ in range(2):
            mark += 1
            before, after = repository.commit("one file", Dockerfile=dockerfile(mark))
            started = time.monotonic()
            bench.deliver(before, after, repository)
            warm.append(until_step(mark, started))
            settled(bench, name)
        mark += 1
        repository.commit("for the peer", Dockerfile=dockerfile(mark))
        bench.platform.delete(name)
        eventually(lambda: bench.platform.service(name) is None, 60, "it is gone")
        against.append(peer(bench, repository.url, mark))
        repository.remove()
    ours, theirs = statistics.median(cold), statistics.median(against)
    print(f"commit until the first build step, {FILES} files of {FILE_BYTES} bytes: cold {ours:.2f} s, after a change of one file "
          f"{statistics.median(warm):.2f} s; git clone --depth 1, tar and docker build {theirs:.2f} s: cold is "
          f"{ours / theirs:.2f} of it", flush=True)


# --- a lost worker -------------------------------------------------------------------------------------------------


def lost(bench):
    took = []
    for number in range(ROUNDS):
        mark = 6000 + number
        before, after = bench.repository.commit("slow", Dockerfile=dockerfile(mark))
        bench.deliver(before, after)
        until_step(mark, time.monotonic())
        query = "SELECT id || ':' || attempt FROM jobs WHERE kind = 'build' AND state = 'RUNNING'"
        job, attempt = eventually(lambda: bench.rows(query), 10, "a build runs")[0].split(":")
        os.kill(bench.platform.pids()["worker"], signal.SIGKILL)
        started = time.monotonic()
        again = f"SELECT 1 FROM jobs WHERE id = '{job}' AND state = 'RUNNING' AND attempt > {attempt}"
        eventually(lambda: bench.rows(again), 60, "the job is taken again")
        took.append(time.monotonic() - started)
        eventually(lambda: bench.rows(f"SELECT 1 FROM jobs WHERE id = '{job}' AND state = 'SUCCEEDED'"), 60, "it ends well")
    print(f"a killed worker's job is taken again after {statistics.median(took):.2f} s (at worst {max(took):.2f} s)", flush=True)


def main():
    Bench.setUpClass()
    bench = Bench("deliver")
    try:
        for measure in (push, first_step, lost):
            measure(bench)
    except BaseException:
        Bench.broken = True
        raise
    finally:
        Bench.tearDownClass()


if __name__ == "__main__":
    main()
