"""A training step of the networks of Ibata et al. (2021): PyTorch, as the listing of their appendix has it, beside ours.

    cargo build --release -p networks --example paper_network
    python benches/paper_network.py target/release/examples/paper_network [STREAMS] [STEPS] [cpu | cuda]

Needs torch (2.11, as ours). STREAMS of 8 stars (64), one thread, float64, the paper's size: G of 15 blocks, P of 11, up to 1024 wide.
On the processor both print processor time, which other work on the machine changes less than wall-clock time; on a GPU both
print wall-clock time, each step awaited. The first step is left out.
"""

import math
import os
import pathlib
import subprocess
import sys
import time
import warnings

import torch

STARS = 8
DROPOUT_FROM = 256


class Block(torch.nn.Module):
    """Residual block of the listing: `weight_norm` changes the layer in place, so that each layer is applied twice."""

    def __init__(self, width):
        super().__init__()
        self.first = torch.nn.Linear(width, width, bias=False)
        self.first_again = torch.nn.utils.weight_norm(self.first)
        self.second = torch.nn.Linear(width, width)
        self.second_again = torch.nn.utils.weight_norm(self.second)
        self.drop = torch.nn.Dropout(0.5) if width >= DROPOUT_FROM else torch.nn.Identity()

    def forward(self, x):
        y = self.first_again(self.first(self.drop(torch.relu(x))))
        return self.second_again(self.second(self.drop(torch.relu(y)))) + x


def network(inputs, outputs, blocks, widest=1024):
    """Blocks of width 64, 128, … up to the widest and back, with a dense layer where the width changes."""
    widths = [min(64 << min(i, blocks - 1 - i), widest) for i in range(blocks)]
    layers, before = [torch.nn.Linear(inputs, widths[0])], widths[0]
    for width in widths:
        if width != before:
            layers.append(torch.nn.Linear(before, width))
        layers.append(Block(width))
        before = width
    return torch.nn.Sequential(*layers, torch.nn.Linear(before, outputs))


def jacobian(of, by):
    """The derivatives of each of the last axis of `of`, (streams, stars, outputs, inputs)."""
    rows = [torch.autograd.grad(of[..., i].sum(), by, create_graph=True)[0] for i in range(of.shape[-1])]
    return torch.stack(rows, dim=-2)


class ActionFinder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.g, self.p = network(9, 3, 15), network(6, 6, 11)

    def generating(self, angles, actions):
        o = self.g(torch.cat([angles.cos(), angles.sin(), actions], dim=-1))
        return (torch.atan2(o[..., 1], o[..., 0]) + o[..., 2]).unsqueeze(-1)

    def point(self, angles):
        o = self.p(torch.cat([angles.cos(), angles.sin()], dim=-1))
        return angles + torch.atan2(o[..., :3], o[..., 3:])

    def forward(self, angles, actions):
        filled = lambda mean: mean.expand(-1, STARS, -1).contiguous()
        mean = actions.mean(dim=1, keepdim=True)
        for iteration in range(10):
            trial = mean.clone()
            g = self.generating(angles, filled(mean))
            mean = (actions - jacobian(g, angles)[..., 0, :].detach()).mean(dim=1, keepdim=True)
            change = (trial - mean).abs()
            if change.max() < 5e-5 and change.mean() < 1e-6:
                break
        refined = actions - jacobian(self.generating(angles, filled(mean)), angles)[..., 0, :]
        mean = filled(refined.mean(dim=1, keepdim=True))
        turned = (angles + jacobian(self.generating(angles, mean), mean)[..., 0, :]) % (2 * math.pi)
        last_angles = self.point(turned)
        inverse = torch.inverse(jacobian(last_angles, turned))
        last_actions = torch.einsum("bsji,bsj->bsi", inverse, refined)
        # Eq. 12: spread, positive actions, and the angles' zero point on the mean torus.
        spread = (last_actions.mean(dim=1, keepdim=True) - last_actions).abs().mean()
        positive = sum((j - j.abs()).abs().mean() for j in (last_actions[..., 1], last_actions[..., 2]))
        zero = torch.zeros_like(mean[:, :1]).requires_grad_(True)
        torus = mean[:, :1].detach().requires_grad_(True)
        at_zero = self.point(zero + jacobian(self.generating(zero, torus), torus)[..., 0, :])
        at_zero = at_zero - 2 * math.pi * (at_zero / (2 * math.pi)).round().detach()
        return spread + positive + 0.1 * at_zero.abs().mean(), iteration + 1


def ours(program, streams, steps, device):
    """Seconds of each step, and of each step with the authors' way of evaluating."""
    environment = dict(os.environ)
    if device == "cuda":
        environment["LD_PRELOAD"] = str(pathlib.Path(torch.__file__).parent / "lib" / "libtorch_cuda.so")
    command = [program, "step", str(streams), str(steps), device]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    found = {}
    for line in text.splitlines():
        name, _, numbers = line.partition(" s ")
        name = name.removesuffix(": processor").removesuffix(": wall")
        if numbers:
            found[name] = [float(number) for number in numbers.split()]
    return found


def main():
    program = sys.argv[1]
    streams = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    steps = max(int(sys.argv[3]) if len(sys.argv) > 3 else 3, 2)  # the first is left out
    device = sys.argv[4] if len(sys.argv) > 4 else "cpu"
    clock = time.process_time
    if device == "cuda":
        clock = lambda: (torch.cuda.synchronize(), time.perf_counter())[1]
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device(device)
    torch.manual_seed(1)
    model = ActionFinder().train()
    print(f"torch {torch.__version__}, {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, {streams} x {STARS}")
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    angles = (torch.rand(streams, STARS, 3) * 2 * math.pi).requires_grad_(True)
    actions = torch.rand(streams, 1, 3) + 0.1 * torch.randn(streams, STARS, 3)
    theirs = []
    for _ in range(steps):
        begin = clock()
        optimiser.zero_grad()
        loss, iterations = model(angles, actions)
        loss.backward()
        optimiser.step()
        theirs.append(clock() - begin)
        print(f"  listing: {theirs[-1]:.3f} s, {iterations} iterations for J', loss {loss.item():.3f}", flush=True)
    found = ours(program, streams, steps, device)
    later = lambda seconds: sum(seconds[1:]) / max(len(seconds) - 1, 1)
    kind = "processor s" if device == "cpu" else "s"
    print(f"listing in PyTorch: {later(theirs):.3f} {kind} a step")
    for name, seconds in found.items():
        print(f"ours, {name}: {later(seconds):.3f} {kind} a step, {later(theirs) / later(seconds):.2f} times as fast")


if __name__ == "__main__":
    main()
