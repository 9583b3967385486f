"""An S3 server on loopback, with a bucket."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import boto3


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
                urllib.request.urlopen(f"{self.address}/moto-api/", timeout=20)
                break
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise AssertionError(f"the S3 server does not answer: see {folder}/moto.log")
                time.sleep(0.2)

        self.client = boto3.client(
            "s3", endpoint_url=self.address, region_name="us-east-1", aws_access_key_id="test-key", aws_secret_access_key="test-secret"
        )
        self.client.create_bucket(Bucket="shared")

    def objects(self):
        """Keys of the files of outputs."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="shared", Prefix="a/prefix/")
        return [found["Key"] for page in pages for found in page.get("Contents", []) if "/objects/" in found["Key"]]

    def damage(self, key):
        """Changes one byte."""
        content = bytearray(self.client.get_object(Bucket="shared", Key=key)["Body"].read())
        content[len(content) // 2] ^= 1
        self.client.put_object(Bucket="shared", Key=key, Body=bytes(content))

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
