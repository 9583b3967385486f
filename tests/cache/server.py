"""An S3 server on loopback, with a bucket."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, folder):
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = open(f"{folder}/moto.log", "ab")
        program = os.path.join(os.path.dirname(sys.executable), "moto_server")
        self.process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(self.port)], stdout=self.log, stderr=self.log)
        until = time.monotonic() + 60
        while True:
            try:
                self.call("PUT", "shared")
                break
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise AssertionError(f"the S3 server does not answer: see {folder}/moto.log")
                time.sleep(0.2)

    def call(self, method, path, data=None):
        """The bucket is open to all, as moto has it."""
        request = urllib.request.Request(f"{self.address}/{path}", method=method, data=data)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def requests(self):
        """How many questions of each method were answered."""
        self.log.flush()
        lines = open(self.log.name).read().splitlines()
        return {method: sum(f'"{method} ' in line for line in lines) for method in ["GET", "HEAD", "PUT"]}

    def environment(self):
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test-key",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_REGION": "us-east-1",
        }

    def pause(self):
        """It takes connections, and answers none."""
        self.process.send_signal(signal.SIGSTOP)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
