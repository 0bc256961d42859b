"""The training loop itself: who is told what, batches in pieces where memory is short, the time limit, checkpoints, and several processes."""

import csv
import json
import logging
import subprocess
import sys
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import timer
from torch import nn
from torch.utils.data import DataLoader

from ecgcore import training
from ecgcore.errors import ClusterError, InputError
from ecgcore.inference import cards
from ecgcore.progress import watched
from ecgcore.settings import ROOT
from ecgcore.training import beats, learner, loop, processes
from ecgcore.training.recipes import load
from tests.training.following import Seen

ITEMS, BATCH = 48, 8


class Line(learner.Learner):
    """A small network without batch norm; it finds that memory is short where more than `fits` items pass it at once."""

    def __init__(self, fits=BATCH, from_epoch=0):
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))
        self.fits, self.from_epoch, self.passed, self.stepped, self.rates, self.epochs = fits, from_epoch, [], 0, [], []

    def loss_of(self, batch, number):
        x, y = batch
        if len(x) > self.fits and self.current_epoch >= self.from_epoch:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.passed.append((self.current_epoch, number, len(x)))
        return nn.functional.mse_loss(self.net(x), y)

    def on_train_batch_end(self, *_):
        self.stepped += 1
        self.rates.append(self.optimizers().param_groups[0]["lr"])

    def on_train_epoch_start(self):
        self.epochs.append(self.current_epoch)

    def ask(self):
        self.tell("validation loss", 10.0 - self.current_epoch)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.net.parameters(), 0.01)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=200), "interval": "step"}}


def trained(module, run, epochs=3, minutes=None, resume=False, items=ITEMS):
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(items, 5)).astype(np.float32))
    return loop.fit(module, DataLoader(list(zip(x, x.sum(dim=1, keepdim=True), strict=True)), BATCH), run, epochs, "cpu", minutes, resume)


def alike(one, other):
    return all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one.values(), other.values(), strict=True))


class Named(NamedTuple):
    x: torch.Tensor
    weight: float


def test_pieces_are_cut_through_all_that_a_batch_is_made_of():
    x = torch.arange(10.0)
    first, second, third = learner.pieces({"a": Named(x, 0.5), "b": [x[:, None], "text"]}, 3)
    assert [len(piece["a"].x) for piece in (first, second, third)] == [4, 3, 3]
    assert torch.equal(torch.cat([piece["b"][0] for piece in (first, second, third)]), x[:, None])
    assert (second["a"].weight, second["b"][1]) == (0.5, "text")
    assert [piece.tolist() for piece in learner.pieces(x[:2], 8)] == [[0.0], [1.0]]
    with pytest.raises(InputError, match="3, 10 items"):
        learner.pieces((x, x[:3]), 2)


def test_who_follows_is_told_steps_losses_and_what_is_asked_after_each_epoch(tmp_path, monkeypatch):
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path))
    run, seen = tmp_path / "runs" / "line-1-seed1" / "by patient" / "fold0", Seen()
    with watched(seen):
        trained(Line(), run, 2, items=60 * BATCH)
    assert seen.started == [("by patient/fold0", 2, 60)]
    assert seen.steps[:-1] == [(0, epoch, step) for epoch in range(2) for step in range(60)]
    loss = seen.curve("by patient/fold0", "loss")
    assert 20 <= sum(epoch <= 1 for epoch in loss) <= 21
    with (run / "log" / "version_0" / "metrics.csv").open() as file:
        means = [float(row["loss"]) for row in csv.DictReader(file)]
    assert [loss[1], loss[2]] == pytest.approx(means, rel=1e-5)
    assert seen.curve("by patient/fold0", "validation loss") == {1: 10.0, 2: 9.0}


def test_a_part_that_was_done_before_a_resumption_is_told_as_done(tmp_path):
    trained(Line(), tmp_path / "run", 2)
    seen = Seen()
    with watched(seen):
        trained(Line(), tmp_path / "run", 2, resume=True)
        loop.over(tmp_path / "other")
    assert seen.started == [("run", 2, ITEMS // BATCH), ("other", 1, 1)]
    assert seen.steps == [(0, 1, ITEMS // BATCH - 1), (1, 0, 0)]


def test_out_of_memory_halves_the_batch_and_nothing_else(tmp_path, caplog):
    whole, halved, seen = Line(), Line(fits=4), Seen()
    expected = trained(whole, tmp_path / "whole")
    with watched(seen), caplog.at_level(logging.WARNING):
        got = trained(halved, tmp_path / "halved")
    assert alike(expected, got)
    assert {n for *_, n in halved.passed} == {4}
    assert halved.stepped == whole.stepped == 3 * ITEMS // BATCH
    assert halved.rates == whole.rates
    assert len(set(halved.passed)) == len(halved.passed)  # no two pieces of an epoch have a number, and so their chance, in common
    assert seen.lines == ["out of GPU memory with batches of 8; goes on with two halves of 4"]
    assert seen.lines[0] in caplog.messages
    assert seen.curve("halved", "loss") == pytest.approx(_losses(tmp_path / "whole"), rel=1e-5)


def _losses(run):
    with (run / "log" / "version_0" / "metrics.csv").open() as file:
        return {int(row["epoch"]) + 1: float(row["loss"]) for row in csv.DictReader(file)} | _within(run)


def _within(run):
    """Points between the epochs, told by a run like it."""
    seen = Seen()
    with watched(seen):
        trained(Line(), run.with_name("again"))
    return {epoch: value for epoch, value in seen.curve("again", "loss").items() if epoch % 1}


def test_out_of_memory_later_goes_on_from_the_last_checkpoint(tmp_path):
    expected, module = trained(Line(), tmp_path / "whole"), Line(fits=2, from_epoch=1)
    assert alike(expected, trained(module, tmp_path / "run"))
    assert module.epochs == [0, 1, 1, 1, 2]  # a whole batch, halves, quarters


def test_one_item_that_does_not_fit_is_an_end(tmp_path):
    with pytest.raises(InputError, match="1 of a batch of 8 at a time, the smallest piece; --device cpu"):
        trained(Line(fits=0), tmp_path)


def test_memory_that_runs_out_elsewhere_is_said(tmp_path, monkeypatch):
    def asks(_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Line, "ask", asks)
    with pytest.raises(InputError, match="outside the steps of training: CUDA out of memory"):
        trained(Line(), tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """Every epoch takes 25 s of it."""
    now = SimpleNamespace(s=0.0)
    monkeypatch.setattr(timer, "time", SimpleNamespace(monotonic=lambda: now.s))
    begin = Line.on_train_epoch_start

    def longer(module):
        begin(module)
        now.s += 25

    monkeypatch.setattr(Line, "on_train_epoch_start", longer)
    return now


def test_the_time_limit_survives_a_resumption(tmp_path, monkeypatch, clock):
    def broken(module):
        if module.current_epoch == 1:
            raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(Line, "on_train_batch_start", lambda module, *_: broken(module))
        with pytest.raises(RuntimeError, match="power cut"):
            trained(Line(), tmp_path, 9, minutes=1)
    clock.s = 10_000.0
    resumed, seen = Line(), Seen()
    with watched(seen):
        trained(resumed, tmp_path, 9, minutes=1, resume=True)
    assert resumed.epochs == [1, 2]  # with the first, 75 s
    assert seen.lines == ["the time limit of 1 min is reached: ends after epoch 3 of 9"]
    ended = Line()
    trained(ended, tmp_path, 9, minutes=1, resume=True)
    assert ended.epochs == []


def test_a_save_cut_off_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    expected, whole, saved = trained(Line(), tmp_path / "whole"), torch.save, []

    def cut_off(checkpoint, file):
        saved.append(checkpoint["epoch"])
        if len(saved) == 2:
            file.write(b"half")
            raise OSError("power cut")
        whole(checkpoint, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", cut_off)
        with pytest.raises(OSError, match="power cut"):
            trained(Line(), tmp_path / "run")
    assert torch.load(tmp_path / "run" / loop.LAST, weights_only=True)["epoch"] == 0
    again = trained(Line(), tmp_path / "run", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(expected.values(), again.values(), strict=True))
    assert not list((tmp_path / "run").glob("*.partial"))


def test_every_part_of_a_recipe_is_told_with_the_loss_on_its_unseen_patients(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(training.recipes, "load", lambda _: tiny)
    seen = Seen()
    monkeypatch.setattr(training, "put", lambda _model, _result, card, out: (card, out))
    with watched(seen):
        training.train("beats", device="cpu")
    assert seen.parts == beats.parts(tiny) == 3
    assert [part for part, *_ in seen.started] == ["fold0", "fold1", "all"]
    run = tmp_path / "home" / "runs" / "beats-2-seed1" / "fold0"
    told = seen.curve("fold0", "validation loss")
    patients = beats.prepare_all(tiny.data.trained, tiny.input)[::2]
    for epoch in (0, 1):
        with np.load(run / f"unseen-{epoch}.npz") as logits:
            right = [torch.log_softmax(torch.from_numpy(logits[one.name]), 2)[:, range(one.at.size), one.targets] for one in patients]
        assert told[epoch + 1] == pytest.approx(-float(torch.cat([each.flatten() for each in right]).mean()), rel=1e-5)
    assert not seen.curve("all", "validation loss")


def test_pieces_of_a_batch_of_beats_weigh_as_their_beats_do(tiny):
    records = beats.prepare_all(tiny.data.trained, tiny.input)
    module = beats.BeatModule(tiny, records, [], beats.noise_leads(tiny.input), ROOT).eval()
    batch = tuple(torch.stack(part) for part in zip(*(module.stretches[item] for item in range(5)), strict=True))
    cut = module.cut(batch, 3)
    shares = [module.count(piece) / module.count(batch) for piece in cut]
    assert sum(shares) == pytest.approx(1)
    with torch.no_grad():
        together = sum(share * float(module.loss_of(piece, 0)) for share, piece in zip(shares, cut, strict=True))
        assert together == pytest.approx(float(module.loss_of(batch, 0)), rel=1e-5)


@pytest.fixture
def of_two(monkeypatch):
    """Makes this process one of two, by its number."""

    def become(rank):
        monkeypatch.setattr(processes, "world", lambda: 2)
        monkeypatch.setattr(processes, "rank", lambda: rank)

    return become


def test_the_pieces_of_two_processes_make_up_the_batch(of_two, monkeypatch):
    module, parts = Line(), []
    monkeypatch.setattr(Line, "trainer", SimpleNamespace(num_training_batches=6, lr_scheduler_configs=[]))
    monkeypatch.setattr(Line, "manual_backward", lambda _, loss: loss.backward())
    monkeypatch.setattr(Line, "current_epoch", 0)
    batch = (torch.randn(7, 5), torch.randn(7, 1))
    loss = module._backward(batch, 3)
    whole = [one.grad.clone() for one in module.parameters()]
    for rank in (0, 1):
        module.zero_grad()
        of_two(rank)
        parts.append((module._backward(batch, 3), [one.grad.clone() for one in module.parameters()]))
    assert float(parts[0][0] + parts[1][0]) == pytest.approx(float(loss), rel=1e-5)
    assert all(torch.allclose(a + b, c, atol=1e-6) for a, b, c in zip(parts[0][1], parts[1][1], whole, strict=True))
    assert [n for *_, n in module.passed] == [7, 4, 3]
    with pytest.raises(InputError, match="a batch of 1 cannot be shared by 2 processes"):
        module._backward((batch[0][:1], batch[1][:1]), 3)


def test_gradients_of_two_processes_are_added_up(of_two, monkeypatch):
    of_two(0)
    sent = []

    def parameters(*gradients):
        made = [nn.Parameter(torch.zeros(2)) for _ in gradients]
        for one, gradient in zip(made, gradients, strict=True):
            one.grad = None if gradient is None else torch.tensor(gradient)
        return made

    monkeypatch.setattr(processes.distributed, "all_reduce", lambda vector: sent.append(vector.clone()))
    processes.summed(parameters([1.0, 2.0], [3.0, 4.0], None), torch.tensor(0.5), True)
    monkeypatch.setattr(processes.distributed, "all_reduce", lambda vector: vector.add_(sent[0]))
    ours = parameters([10.0, 20.0], None, None)
    loss, ran_out = processes.summed(ours, torch.tensor(0.25), False)
    assert (float(loss), ran_out) == (0.75, True)
    assert [None if one.grad is None else one.grad.tolist() for one in ours] == [[11.0, 22.0], [3.0, 4.0], None]


def test_processes_that_do_not_find_each_other_say_so(monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(ClusterError, match="2 processes should train together"), processes.together("cpu"):
        raise AssertionError("they are together")


def toml(part, name=""):
    """A recipe as TOML: JSON writes its values alike."""
    own = [f"{key} = {json.dumps(value)}" for key, value in part.items() if not isinstance(value, dict)]
    inner = [text for key, value in part.items() if isinstance(value, dict) for text in (f"[{name}{key}]", toml(value, f"{name}{key}."))]
    return "\n".join([*own, *inner])


def test_two_processes_train_as_one_does(tiny, tmp_path, monkeypatch):
    recipe = tiny.model_copy(update={"network": tiny.network.model_copy(update={"dropout": 0.0}), "optimisation": tiny.optimisation.model_copy(update={"batch": 4})})
    (tmp_path / "tiny.toml").write_text(toml(json.loads(recipe.model_dump_json())))
    assert load(str(tmp_path / "tiny.toml")) == recipe
    alone = Seen()
    with watched(alone):
        beats.train(recipe, tmp_path / "run", "cpu", None, False)
    monkeypatch.setenv("LEADWISE_HOME", str(tmp_path / "home2"))
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    train = ["-m", "ecgcore", "train", str(tmp_path / "tiny.toml"), "--device", "cpu", "--out", str(tmp_path / "two")]
    done = subprocess.run([*torchrun, *train], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)  # noqa: S603 - our own words
    assert done.returncode == 0, done.stderr
    assert "sync_dist" not in done.stderr
    said = json.loads(done.stdout)  # by one of them
    folders = [path.parent for path in (tmp_path / "two").rglob("card.json")]
    assert [str(folder) for folder in folders] == [said["folder"]]
    card = cards.read_card(folders[0])
    assert cards.verified_weights(folders[0], card)
    for fold in ("fold0", "fold1"):
        with (tmp_path / "home2" / "runs" / "beats-2-seed1" / fold / "log" / "version_0" / "metrics.csv").open() as file:
            shared = {int(row["epoch"]) + 1: float(row["loss"]) for row in csv.DictReader(file)}
        expected = alone.curve(fold, "loss")
        assert shared == pytest.approx({epoch: expected[epoch] for epoch in (1, 2)}, rel=0.02)  # batch norm sees halves
