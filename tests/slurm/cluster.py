"""A private Slurm on loopback: munged, slurmctld and slurmd with files, ports and keys of their own."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time

SETTINGS = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
ReturnToService=2
MpiDefault=none
KillWait=2
MinJobAge=300
MaxArraySize=10001
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""

NEEDED = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo"]


def missing():
    """Programs that are not there; some are in the folders of the administrator."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    return [name for name in NEEDED if shutil.which(name) is None]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        self.host = socket.gethostname().split(".")[0]
        self.processes = {}
        for name in ["munge", "state", "spool", "log"]:
            os.makedirs(f"{folder}/{name}", mode=0o755)
        with open(f"{folder}/munge/key", "wb") as key:
            os.chmod(key.name, 0o600)
            key.write(secrets.token_bytes(1024))
        with open(f"{folder}/slurm.conf", "w") as settings:
            settings.write(SETTINGS.format(folder=folder, host=self.host, port=free_port(), node_port=free_port(), user="root"))
        os.environ["SLURM_CONF"] = f"{folder}/slurm.conf"
        munge = f"{folder}/munge"
        self.start("munged", "--foreground", "--force", f"--socket={munge}/socket", f"--key-file={munge}/key",
                   f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed")
        wait_for(lambda: os.path.exists(f"{munge}/socket"), "munged")
        self.start_controller()
        self.start("slurmd", "-D", "-N", self.host)
        wait_for(lambda: "idle" in output("sinfo", "-h", "-o", "%t"), "an idle node", 60)

    def start(self, name, *arguments):
        log = open(f"{self.folder}/log/{name}.out", "ab")
        self.processes[name] = subprocess.Popen([name, *arguments], stdout=log, stderr=log, start_new_session=True)

    def start_controller(self):
        self.start("slurmctld", "-D")

    def stop(self, name, how=signal.SIGTERM):
        process = self.processes.pop(name, None)
        if process is not None:
            process.send_signal(how)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self):
        subprocess.run(["scancel", "--quiet", "--user=root"], capture_output=True, timeout=60)
        for name in ["slurmd", "slurmctld", "munged"]:
            self.stop(name)


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


def wait_for(holds, what, seconds=30):
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.1)
