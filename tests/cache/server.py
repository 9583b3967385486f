"""An S3 server on loopback, with a bucket, and the same as Google Cloud."""

import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import boto3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    cache = "s3://shared/a/prefix"

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
        return {method: sum(f'"{method} ' in line for line in self.lines()) for method in ["GET", "HEAD", "PUT"]}

    def lines(self):
        """What it has written of its requests."""
        self.log.flush()
        return open(self.log.name).read().splitlines()

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


class Google(Server):
    """What Google Cloud's XML interface answers, for it is that of S3 in all but a few headers: a door before the server translates them.

    So the client's requests are real, and those who answer are not: a token is not looked at, and versions are not counted.
    """

    cache = "gs://shared/a/prefix"

    def __init__(self, folder):
        super().__init__(folder)
        self.door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), door_to(self.port))
        self.door.daemon_threads = True
        threading.Thread(target=self.door.serve_forever, daemon=True).start()
        self.account = f"{folder}/account.json"
        with open(self.account, "w") as file:
            names = {name: "" for name in ["client_email", "private_key", "private_key_id"]}
            json.dump({"gcs_base_url": f"http://127.0.0.1:{self.door.server_port}", "disable_oauth": True, **names}, file)

    def environment(self):
        return {"GOOGLE_SERVICE_ACCOUNT": self.account}

    def close(self):
        self.door.shutdown()
        self.door.server_close()
        super().close()


def door_to(port):
    class Door(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self):
            headers = {name: value for name, value in self.headers.items() if name.lower() not in ("authorization", "host")}
            headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=test-key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"
            if headers.pop("x-goog-if-generation-match", None) == "0":
                headers["If-None-Match"] = "*"
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                behind = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                behind.request(self.command, self.path, body, headers)
                answer = behind.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

        def log_message(self, *_):
            pass

    return Door
