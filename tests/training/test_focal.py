"""Focal loss: on logits, beat by beat."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from ecgcore.training.focal import FocalLoss


def drawn(n=40):
    torch.manual_seed(2)
    return 3 * torch.randn(n, 5), torch.randint(0, 5, (n,)), torch.rand(5) + 0.2


def test_without_focus_it_is_the_weighted_cross_entropy():
    logits, targets, weights = drawn()
    assert float(FocalLoss(weights, 0.0)(logits, targets)) == pytest.approx(float(cross_entropy(logits, targets, weights)), rel=1e-5)


def test_it_takes_logits_and_no_probabilities():
    logits, targets, weights = drawn()
    loss = FocalLoss(weights, 2.0)
    assert float(loss(logits + 7, targets)) == pytest.approx(float(loss(logits, targets)), rel=1e-4)
    sure = 30 * torch.eye(5)[targets]
    assert float(loss(sure, targets)) < 1e-6  # probabilities fed in as logits could never come below e/(e + 4)


def test_the_focal_factor_is_that_of_each_beat():
    logits, targets, weights = drawn()
    p = torch.softmax(logits, dim=1)[torch.arange(len(targets)), targets]
    by_hand = [float(weights[t] * (1 - q) ** 2 * -torch.log(q)) for t, q in zip(targets, p, strict=True)]
    loss = float(FocalLoss(weights, 2.0)(logits, targets))
    assert loss == pytest.approx(sum(by_hand) / float(weights[targets].sum()), rel=1e-4)
    mean = cross_entropy(logits, targets, weights)
    assert loss != pytest.approx(float((1 - torch.exp(-mean)) ** 2 * mean), rel=1e-2)  # the factor of the batch's mean


def test_an_easy_beat_adds_nearly_nothing():
    hard, easy = torch.tensor([[0.0, 0.0]]), torch.tensor([[4.0, 0.0]])
    one, target = torch.ones(2), torch.tensor([0])
    focal, plain = FocalLoss(one, 2.0), FocalLoss(one, 0.0)
    assert float(focal(easy, target) / focal(hard, target)) < 0.01 * float(plain(easy, target) / plain(hard, target)) ** 0.5
