"""lib/bullmq beside Node's BullMQ: jobs added by pipelined calls, and jobs done one at a time, in turns on one Redis."""
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "../..")
PROGRAMS = os.environ["HELVETIA_PROGRAMS"]
NODE = os.path.join(PROGRAMS, "../test/bench/node")
WARM, JOBS = 2000, 4000  # of a round; the first ones are not measured: Node compiles them
ROUNDS = 8


def install():
    """The packages of tools/bullmq's lock, once."""
    os.makedirs(NODE, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(os.path.join(TOP, "tools/bullmq", name), NODE)
    if not os.path.isdir(os.path.join(NODE, "node_modules/bullmq")):
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts", "--omit=optional", "--omit=peer"], cwd=NODE, check=True)


class Redis:
    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="helvetia-bench-redis-")
        self.socket = os.path.join(self.folder, "socket")
        self.process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.folder,
                                         "--save", "", "--logfile", os.path.join(self.folder, "log")])
        while not os.path.exists(self.socket):
            if self.process.poll() is not None:
                raise RuntimeError("redis-server has ended")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


def one(command, environment):
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def main():
    install()
    environment = {**os.environ, "NODE_PATH": os.path.join(NODE, "node_modules"), "NODE_ENV": "production"}
    results = {}
    with Redis() as redis:
        commands = {"ours": [os.path.join(PROGRAMS, "bullmq-bench"), f"unix://{redis.socket}"],
                    "node": ["node", os.path.join(HERE, "queue.js"), redis.socket]}
        for number in range(ROUNDS):
            for side, command in commands.items():
                for what in ("add", "work"):
                    result = one([*command, f"{side}-{number}", what, str(WARM), str(JOBS)], environment)
                    results.setdefault((what, side), []).append(result)
    for what, title in (("add", "added by pipelined calls"), ("work", "done one at a time")):
        for name, choose in (("median", statistics.median), ("best", min)):
            seconds, cpu = ({side: choose(each[field] for each in results[what, side]) for side in commands}
                            for field in ("seconds", "cpu"))
            print(f"jobs {title}, {name} of {ROUNDS}: ours {JOBS / seconds['ours']:.0f}/s and "
                  f"{cpu['ours'] / JOBS * 1e6:.1f} us of CPU a job, BullMQ in Node {JOBS / seconds['node']:.0f}/s and "
                  f"{cpu['node'] / JOBS * 1e6:.1f} us: {seconds['node'] / seconds['ours']:.2f} times its rate, "
                  f"{cpu['ours'] / cpu['node']:.2f} of its CPU")


if __name__ == "__main__":
    main()
